package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

// TestLatePostsMarkRepeatsInADenseCompressedDay adds posts before those of a day with more compressed rows than TimescaleDB unpacks in one
// transaction.
func TestLatePostsMarkRepeatsInADenseCompressedDay(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	const n = 120_000
	storetest.Exec(t, s, `INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash, text_hash)
		SELECT $2::timestamptz + i * (INTERVAL '1 day' / $1), 'test', 'old' || i, symbol, 'm', 0.25, 0.25, 0.5, 0.25, 1, 1, false, i, i
		FROM generate_series(1, $1::integer) AS i, unnest(ARRAY['BTC', 'ETH']) AS symbol`, n, noon)
	storetest.Exec(t, s, `SELECT compress_chunk(c) FROM show_chunks('sentiments') AS c`)
	var late []store.ScoredPost
	for i := range 300 { // the same text as a post of the compressed day, ten minutes earlier
		of := 1 + i*n/300
		p := scored(tweet(i, noon.Add(time.Duration(of)*(24*time.Hour/n)-10*time.Minute)))
		p.TextHash = int64(of)
		late = append(late, p)
	}
	started := time.Now()
	_, err := s.InsertSentiments(t.Context(), "m", late)
	require.NoError(t, err)
	t.Log("300 late posts in", time.Since(started))
	require.EqualValues(t, 600, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments WHERE repeat`))
	require.EqualValues(t, 300, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments s WHERE repeat AND symbol = 'BTC'
		AND EXISTS (SELECT FROM sentiments e WHERE e.text_hash = s.text_hash AND e.time = s.time - INTERVAL '10 minutes')`))
}
