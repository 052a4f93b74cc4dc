package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/scorer"
)

func TestLabelWritesWhatEvalReads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "answers.jsonl")
	var lessons []scorer.Lesson
	for _, text := range []string{"up we\ngo", "what", "join us", "over", "never asked"} {
		lessons = append(lessons, scorer.Lesson{Answer: scorer.Answer{Key: "x:" + text, Coin: "BTC", Text: text}})
	}
	var out bytes.Buffer
	require.NoError(t, label(lessons, path, strings.NewReader("z9\np +\n\nA0\nq\n"), &out))
	require.Contains(t, out.String(), `"z9" is no answer`)
	require.Contains(t, out.String(), "2 answers added")

	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	rows, err := scorer.ReadLabelled(path, file)
	require.NoError(t, err)
	require.Equal(t, []scorer.Labelled{{Class: scorer.Positive, Text: "up we\ngo", Kind: market.Person, Symbol: "BTC"},
		{Class: scorer.Neutral, Text: "join us", Kind: market.Advert, Symbol: "BTC"}}, rows)
	keys, err := answeredKeys(path)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"x:up we\ngo": true, "x:join us": true}, keys)
}
