package scorer_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/scorer"
)

func bundled(t testing.TB) scorer.Model {
	t.Helper()
	model, err := scorer.Bundled(context.Background(), scorer.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, model.Close()) })
	return model
}

// invented are posts that nobody would argue about, written for this test.
const invented = `positive	I love this coin, best decision I ever made!
positive	$BTC breaking out, we are going to the moon 🚀🚀
positive	Great news for #Ethereum holders today, so happy :)
positive	Solid quarter, profits up and guidance raised
positive	bought more, very bullish on this one 💪
positive	What a fantastic team, they keep delivering
positive	Shares jump 8% after earnings beat expectations
positive	this project is amazing, huge gains ahead
positive	Can't believe how well this is doing, thank you all!
positive	Strong support held again, looks great for longs
negative	this is a scam, I lost everything
negative	$ETH is crashing and nobody cares, terrible day
negative	Worst exchange ever, they froze my account 😡
negative	Dumping all of it, this thing is dead
negative	Shares fall 12% as company warns of weak demand
negative	I hate this market, so much pain :(
negative	total garbage, avoid at all costs
negative	bearish, puts are going to print, it will tank
negative	Hackers stole millions, what a disaster
negative	Not good. I do not trust these people any more
neutral	The conference starts at 10am on Tuesday in Room 4
neutral	Bitcoin price is $4,012.33 at 14:05
neutral	Company to hold annual meeting on May 3
neutral	Does anybody know where the address is shown in this app?
neutral	New post about how blocks are built https://example.org/blocks
neutral	Edited transcript of the earnings call of 6 November
neutral	They will be in the studio on Friday
neutral	The report covers the second quarter of 2018
neutral	Who is going to the meetup on Thursday?
neutral	The firm, based in Oslo, makes parts for ships
`

func TestBundledReadsWhatNobodyWouldArgueAbout(t *testing.T) {
	t.Parallel()
	model := bundled(t)
	require.Equal(t, scorer.BundledName, model.Name())
	require.Equal(t, []string{"en"}, model.Languages())

	rows, err := scorer.ReadLabelled("invented", strings.NewReader(invented))
	require.NoError(t, err)
	require.Len(t, rows, 30)
	evaluation, err := scorer.Evaluate(context.Background(), model, rows)
	require.NoError(t, err)
	require.GreaterOrEqual(t, evaluation.MacroRecall, 0.85, "%+v", evaluation.Confusion)
}

func TestBundledIsSmall(t *testing.T) {
	t.Parallel()
	size := int64(0)
	require.NoError(t, filepath.Walk(filepath.Join("models", scorer.BundledName), func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			size += info.Size()
		}
		return err
	}))
	require.LessOrEqual(t, size, int64(8_000_000))
}

func TestBundledIsTheDirectoryOfItsName(t *testing.T) {
	t.Parallel()
	model := load(t, filepath.Join("models", scorer.BundledName))
	require.Equal(t, scorer.BundledName, model.Name())
	text := []string{"great news, bad news"}
	fromDirectory, err := model.Score(context.Background(), scorer.Ask(text...))
	require.NoError(t, err)
	fromBinary, err := bundled(t).Score(context.Background(), scorer.Ask(text...))
	require.NoError(t, err)
	require.Equal(t, fromDirectory, fromBinary)
}

// contrasts.tsv holds invented sentences in which little turns the mood: a negation, another coin, a direction; or says nothing at all.
func TestBundledReadsWhatTurnsAMood(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("testdata", "contrasts.tsv"))
	require.NoError(t, err)
	rows, err := scorer.ReadLabelled("contrasts.tsv", strings.NewReader(string(content)))
	require.NoError(t, err)
	evaluation, err := scorer.Evaluate(context.Background(), bundled(t), rows)
	require.NoError(t, err)
	require.GreaterOrEqual(t, evaluation.MacroRecall, 0.75, "%+v", evaluation.Mistakes)
}

func TestNegationTurnsAMood(t *testing.T) {
	t.Parallel()
	got, err := bundled(t).Score(context.Background(), scorer.Ask("this is good", "this is not good"))
	require.NoError(t, err)
	require.Greater(t, got[0].Positive, got[0].Negative)
	require.Greater(t, got[1].Negative, got[1].Positive)
}
