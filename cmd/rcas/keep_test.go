package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store"
)

func TestKeepIsRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]store.Keep{
		"keep: {trades: 90d, posts: 2y}": {Trades: 90 * 24 * time.Hour, Posts: 730 * 24 * time.Hour},
		"keep: {posts: forever}":         {Posts: store.Forever},
	} {
		var f file
		require.NoError(t, readYAML([]byte(text), &f))
		require.Equal(t, want, f.Keep.keep())
		require.NoError(t, f.Keep.keep().Validate())
	}
	for _, text := range []string{"keep: {trades: 0d}", "keep: {trades: 90}", "keep: {trades: -1d}", "keep: {trades: 90h}", "keep: {words: 9d}"} {
		require.Error(t, readYAML([]byte(text), new(file)), text)
	}
	var f file
	require.NoError(t, readYAML([]byte("keep: {trades: 3d}"), &f))
	require.ErrorContains(t, f.Keep.keep().Validate(), "7 days or more")
}

func TestSourcesWaitForRoom(t *testing.T) {
	t.Parallel()
	free := uint64(leastFree - 1)
	room := roomOn("somewhere", leastFree, func(string) (uint64, uint64, error) { return free, 0, nil })
	require.ErrorContains(t, room(), "make room")
	free = leastFree
	require.Eventually(t, func() bool { return room() == nil }, time.Minute, 10*time.Millisecond, "it is asked again after a while")
}
