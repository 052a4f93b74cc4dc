package alert

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSentenceTellsOfACrowdThatIsBought(t *testing.T) {
	t.Parallel()
	few, many := 0.19, 0.34
	require.NotContains(t, (&Alert{}).sentence(), "adverts")
	require.NotContains(t, (&Alert{Adverts: &few}).sentence(), "adverts")
	require.Contains(t, (&Alert{Adverts: &many}).sentence(), "; 34 % of all that was written are adverts)")
}
