package stream_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/stream"
)

// Two servers on one directory would write over each other's messages.
func TestDirectoryIsOnes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := stream.Open(t.Context(), stream.Config{Dir: dir})
	require.NoError(t, err)
	_, err = stream.Open(t.Context(), stream.Config{Dir: dir})
	require.ErrorIs(t, err, stream.ErrLocked)
	s.Close()
	open(t, stream.Config{Dir: dir})
}
