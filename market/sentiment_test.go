package market

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReachCountsAnAuthorAsOneFollowerAtLeast(t *testing.T) {
	t.Parallel()
	require.Equal(t, 100.0*3*6, (&Tweet{Followers: 100, FavoriteCount: 2, RetweetCount: 5}).Reach())
	require.Equal(t, 3.0*6, (&Tweet{FavoriteCount: 2, RetweetCount: 5}).Reach(), "of a network that does not tell followers")
}
