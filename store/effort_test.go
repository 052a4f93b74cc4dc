package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

// TestSentimentsCostAFewPages: what is looked up for each row that the scorer adds is found by indexes that stay in memory, a few pages for each.
// It is told by pages, which no load changes, against those that the bare insert of as many rows looks at. Without the index of texts, or
// choosing among the chunks anew for each row, it would be many times as many.
func TestSentimentsCostAFewPages(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	require.NoError(t, s.UseModel(t.Context(), "m", nil, true))
	const size = 1000
	batch := func(n int) []store.ScoredPost {
		posts := scoredBatch(n, size)
		for i := range posts {
			posts[i].AuthorHash = int32(n*size+i) % 5003
		}
		return posts
	}
	for n := range 5 {
		_, err := s.InsertSentiments(t.Context(), "m", batch(n))
		require.NoError(t, err)
	}
	bare, err := s.Pages(t.Context(), "m", true, batch(5))
	require.NoError(t, err)
	pages, err := s.Pages(t.Context(), "m", false, batch(6))
	require.NoError(t, err)
	t.Logf("pages a row: %.1f, bare %.1f, ratio %.2f", float64(pages)/size, float64(bare)/size, float64(pages)/float64(bare))
	require.EqualValues(t, 7*size, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments`))
	require.Less(t, pages, 4*bare)
}
