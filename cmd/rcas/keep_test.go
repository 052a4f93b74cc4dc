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

func TestIndexIsRead(t *testing.T) {
	t.Parallel()
	var f file
	require.NoError(t, readYAML([]byte("index: {mood: 50, price_momentum: 0}"), &f))
	require.NoError(t, f.Index.Validate())
	require.Equal(t, store.Weights{"mood": 50, "price_momentum": 0}, f.Index)
	for text, complaint := range map[string]string{
		"index: {luck: 1}":         "the parts are mood, momentum, posts",
		"index: {mood: -1}":        "mood has the weight -1",
		"index: {mood: .nan}":      "mood has the weight NaN",
		"index: {volatility: 1e9}": "a number from 0 to 1000",
		"index: {mood: 0, momentum: 0, posts: 0, dominance: 0, volatility: 0, price_momentum: 0}": "no index",
	} {
		var f file
		require.NoError(t, readYAML([]byte(text), &f))
		require.ErrorContains(t, f.Index.Validate(), complaint)
	}
}

func TestSourcesWaitForRoom(t *testing.T) {
	t.Parallel()
	free := uint64(leastFree - 1)
	room := roomOn("somewhere", leastFree, func(string) (uint64, uint64, error) { return free, 0, nil })
	require.ErrorContains(t, room(), "make room")
	free = leastFree
	require.Eventually(t, func() bool { return room() == nil }, time.Minute, 10*time.Millisecond, "it is asked again after a while")
}
