package scorer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	comments "rcas/bench"
	"rcas/market"
	"rcas/scorer"
)

// commentsOf returns posts of the benchmark's comments, as the scorer gets them.
func commentsOf(tb testing.TB, n int) ([]*market.Tweet, *market.Matcher) {
	var file bytes.Buffer
	require.NoError(tb, comments.WriteComments(&file, n, 1))
	assets, err := market.DefaultAssets()
	require.NoError(tb, err)
	matcher := market.NewMatcher(assets)
	tweets := make([]*market.Tweet, 0, n)
	for decoder := json.NewDecoder(&file); len(tweets) < n; {
		var c struct{ Author, Body string }
		require.NoError(tb, decoder.Decode(&c))
		tweets = append(tweets, &market.Tweet{Source: "reddit", ID: fmt.Sprint(len(tweets)), Author: c.Author, Text: c.Body, Lang: "en",
			Time: time.Unix(1_589_155_200, 0), Symbols: matcher.Match(c.Body)})
	}
	return tweets, matcher
}

// BenchmarkRead tells what a post takes of the scorer beside stream and database, words and hashes included.
func BenchmarkRead(b *testing.B) {
	model, err := scorer.Bundled(b.Context(), scorer.Options{})
	require.NoError(b, err)
	defer model.Close()
	tweets, matcher := commentsOf(b, 5000)
	reader := scorer.Reader{Model: model, Matcher: matcher, Terms: scorer.NewTerms()}
	b.ReportAllocs()
	before := processTime(b)
	for b.Loop() {
		_, err := reader.Read(b.Context(), tweets)
		require.NoError(b, err)
	}
	b.ReportMetric(float64((processTime(b)-before).Microseconds())/float64(b.N*len(tweets)), "CPU-µs/post")
}

// processTime is the processor time of the process, whatever else the machine does.
func processTime(tb testing.TB) time.Duration {
	var usage syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
