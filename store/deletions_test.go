package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// archive stores n posts of source "test", evenly over the days from noon on, and compresses what is older than tomorrow. Post number i is
// "did:A/i" with A = i modulo accounts.
func archive(t *testing.T, s *store.Store, n, days, accounts int) {
	t.Helper()
	storetest.Exec(t, s, `INSERT INTO tweets (time, source, id, author, text, symbols, received_at)
		SELECT at, 'test', 'did:' || i % $4 || '/' || i, 'ann', 'post ' || i, '{BTC}', at
		FROM generate_series(1, $1::integer) AS i, LATERAL (SELECT $3::timestamptz + i * ($2 * INTERVAL '1 day' / $1) AS at) AS a`, n, days, noon, accounts)
	storetest.Exec(t, s, `SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('tweets') AS c`)
}

// unpacked counts the rows of a chunk that lie outside its compressed batches.
const unpacked = `SELECT count(*) FROM ONLY _timescaledb_internal.`

// TestForgetInALargeArchive forgets posts among more than 100,000 compressed ones, which is as many as TimescaleDB unpacks in one
// transaction.
func TestForgetInALargeArchive(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	const n = 250_000
	archive(t, s, n, 21, 5000)
	_, err := s.InsertTweets(t.Context(), []*market.Tweet{tweet(1, time.Now())})
	require.NoError(t, err)

	started := time.Now()
	forgotten, err := s.ForgetTweets(t.Context(), "test", []string{"1", "unknown", "did:77/77", "did:1/200001"})
	require.NoError(t, err)
	require.EqualValues(t, 3, forgotten)
	t.Log("three posts in", time.Since(started))

	started = time.Now()
	forgotten, err = s.ForgetTweets(t.Context(), "test", []string{"did:9/", "did:nobody/"})
	require.NoError(t, err)
	require.EqualValues(t, n/5000, forgotten)
	t.Log("an account's fifty in", time.Since(started))
	require.EqualValues(t, n/5000+3, storetest.Value[int64](t, s, `SELECT count(*) FROM tweets WHERE text = '' AND author = '' AND deleted_at IS NOT NULL`))
	require.EqualValues(t, n+1-n/5000-3, storetest.Value[int64](t, s, `SELECT count(*) FROM tweets WHERE text <> '' AND author = 'ann' AND deleted_at IS NULL`))
	var all int64
	for _, row := range storetest.Rows(t, s, `SELECT chunk_name::text FROM timescaledb_information.chunks WHERE hypertable_name = 'tweets' AND is_compressed`) {
		all += storetest.Value[int64](t, s, unpacked+row[0].(string))
	}
	require.Less(t, all, int64(60_000), "one batch of a thousand for each post")
}

func TestForgetAnAccountOfAHundredThousand(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	archive(t, s, 220_000, 30, 2)
	started := time.Now()
	forgotten, err := s.ForgetTweets(t.Context(), "test", []string{"did:1/"})
	require.NoError(t, err)
	require.EqualValues(t, 110_000, forgotten)
	t.Log("110,000 in", time.Since(started))
	require.EqualValues(t, 110_000, storetest.Value[int64](t, s, `SELECT count(*) FROM tweets WHERE text <> ''`))
	require.Zero(t, storetest.Value[int64](t, s, `SELECT count(*) FROM deletions WHERE pending`))
}

// TestDeletionsGoOnWhereTheyStopped interrupts a sweep, and lets an account come back meanwhile.
func TestDeletionsGoOnWhereTheyStopped(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	archive(t, s, 3000, 21, 3)
	require.NoError(t, s.RememberDeletions(t.Context(), "test", []string{"did:1/", "did:2/2"}))
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.SweepDeletions(interrupted)
	require.Error(t, err)
	require.EqualValues(t, 2, storetest.Value[int64](t, s, `SELECT count(*) FROM deletions WHERE pending`))
	back := tweet(1, time.Now().Add(time.Minute))
	back.ID = "did:1/back"
	_, err = s.InsertTweets(t.Context(), []*market.Tweet{back})
	require.NoError(t, err)
	forgotten, err := s.SweepDeletions(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1001, forgotten)
	require.Equal(t, "post 1", storetest.Value[string](t, s, `SELECT text FROM tweets WHERE id = 'did:1/back'`))
	forgotten, err = s.SweepDeletions(t.Context())
	require.NoError(t, err)
	require.Zero(t, forgotten)
}
