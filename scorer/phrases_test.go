package scorer_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/scorer"
)

// misread are the phrases of testdata/phrases.tsv that the bundled model reads wrongly; docs/mood.md tells of them.
var misread = []string{
	"positive, BTC: shorts are rekt $BTC",
	"positive, BTC: ETH is a scam, bitcoin is the only real one",
}

// phrases.tsv holds invented phrases of few words, each with the coin asked about and the mood towards it: negations, directions, slang,
// another coin, something else to hold. One that is read rightly stays so, and one that begins to be leaves the list above.
func TestBundledReadsPhrases(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("testdata", "phrases.tsv"))
	require.NoError(t, err)
	rows, err := scorer.ReadLabelled("phrases.tsv", strings.NewReader(string(content)))
	require.NoError(t, err)
	questions := make([]scorer.Question, len(rows))
	for i, row := range rows {
		questions[i] = scorer.Ask(row.Text)[0]
		questions[i].Symbol = row.Symbol
	}
	answers, err := bundled(t).Score(context.Background(), questions)
	require.NoError(t, err)
	var wrong []string
	for i, answer := range answers {
		if row := rows[i]; likeliest(answer.Probabilities) != row.Class {
			wrong = append(wrong, fmt.Sprintf("%s, %s: %s", row.Class, row.Symbol, row.Text))
		}
	}
	require.ElementsMatch(t, misread, wrong)
}

func likeliest(p scorer.Probabilities) scorer.Class {
	switch {
	case p.Neutral >= p.Negative && p.Neutral >= p.Positive:
		return scorer.Neutral
	case p.Positive > p.Negative:
		return scorer.Positive
	}
	return scorer.Negative
}
