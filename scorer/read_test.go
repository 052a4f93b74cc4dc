package scorer_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/scorer"
)

// asked is a model that keeps what it is asked.
type asked struct {
	scorer.Model
	questions []scorer.Question
}

func (a *asked) Score(ctx context.Context, questions []scorer.Question) ([]scorer.Judgement, error) {
	a.questions = append(a.questions, questions...)
	return a.Model.Score(ctx, questions)
}

func TestAPostOfTwoCoinsIsTwoQuestions(t *testing.T) {
	t.Parallel()
	model := &asked{Model: load(t, directory(t, moodsConfig, "moods.onnx"))}
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	reader := scorer.Reader{Model: model, Matcher: market.NewMatcher(assets), Terms: scorer.NewTerms()}
	both := post(1, "good ETH flips bitcoin", "en")
	both.Symbols = []string{"BTC", "ETH"}
	posts, err := reader.Read(t.Context(), []*market.Tweet{both, post(2, "bad bitcoin", "en")})
	require.NoError(t, err)
	require.Len(t, posts[0].Sentiments, 2)
	var got []string
	for _, q := range model.questions {
		for _, coin := range q.Coins {
			got = append(got, q.Symbol+": "+q.Text[coin.Start:coin.End]+" is "+coin.Symbol)
		}
	}
	require.Equal(t, []string{"BTC: ETH is ETH", "BTC: bitcoin is BTC", "ETH: ETH is ETH", "ETH: bitcoin is BTC", "BTC: bitcoin is BTC"}, got)
}

// TestWhoSpeaks: the model says it, or one beside it; words are people's.
func TestWhoSpeaks(t *testing.T) {
	t.Parallel()
	plain, telling := load(t, directory(t, moodsConfig, "moods.onnx")), load(t, directory(t, kindsConfig, "kinds.onnx"))
	tweets := []*market.Tweet{post(1, "good halving", "en"), post(2, "bad halving bad", "en"), post(3, "so halving so", "en"), post(4, "good buenos", "es")}
	for name, reader := range map[string]scorer.Reader{
		"itself": {Model: telling}, "another": {Model: plain, Kinds: telling}, "nobody": {Model: plain},
	} {
		reader.Matcher, reader.Terms = market.NewMatcher(nil), scorer.NewTerms()
		posts, err := reader.Read(t.Context(), tweets)
		require.NoError(t, err)
		var kinds, words []string
		for _, p := range posts {
			kinds, words = append(kinds, string(p.Sentiments[0].Kind)), append(words, strings.Join(p.Terms, " "))
		}
		want, wantWords := []string{"bot", "advert", "news", ""}, []string{"", "", "", ""}
		if name == "nobody" {
			want, wantWords = []string{"", "", "", ""}, []string{"good halving", "bad halving", "halving", ""}
		}
		require.Equal(t, name != "nobody", reader.TellsKinds())
		require.Equal(t, want[1:], kinds[1:], name)
		require.Equal(t, wantWords[1:], words[1:], name)
	}
}
