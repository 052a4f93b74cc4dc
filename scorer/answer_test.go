package scorer_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/scorer"
)

func TestLessonsBeginWithWhatTeachesMost(t *testing.T) {
	t.Parallel()
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	post := func(id, text string, symbols ...string) *market.Tweet {
		return &market.Tweet{Source: "x", ID: id, Author: "somebody", Text: text, Symbols: symbols}
	}
	// The model of testdata is sure of "good" and "bad", and has no idea of anything else.
	lessons, err := scorer.Lessons(context.Background(), load(t, directory(t, moodsConfig, "moods.onnx")), market.NewMatcher(assets),
		[]*market.Tweet{post("1", "good good btc", "BTC"), post("2", "good good GOOD", "BTC"), post("3", "well, btc or eth", "BTC", "ETH"),
			post("4", "WELL, btc or eth", "BTC"), post("5", "https://example.org", "BTC")}, 2)
	require.NoError(t, err)
	require.Len(t, lessons, 2)
	require.Equal(t, "x:3", lessons[0].Key, "what the model is unsure of; the same text a second time is no second question")
	require.Contains(t, []string{"BTC", "ETH"}, lessons[0].Coin)
}
