package feed_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
)

func TestLoadCursor(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	cursors := new(feedtest.Cursors)
	load := func(name string) (position struct{ Seq int }, found bool) {
		found, err := feed.LoadCursor(t.Context(), cursors, name, &position, logger)
		require.NoError(t, err)
		return position, found
	}
	_, found := load("new")
	require.False(t, found)
	require.NoError(t, cursors.SaveCursor(t.Context(), "good", `{"Seq": 7}`))
	position, found := load("good")
	require.True(t, found)
	require.Equal(t, 7, position.Seq)
	require.Empty(t, log.String())

	require.NoError(t, cursors.SaveCursor(t.Context(), "broken", `{"Seq":`))
	_, found = load("broken")
	require.False(t, found)
	require.Contains(t, log.String(), "not readable")

	found, err := feed.LoadCursor(t.Context(), nil, "none", &position, logger)
	require.NoError(t, err)
	require.False(t, found, "a source without cursors begins anew")
}
