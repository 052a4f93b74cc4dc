package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
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
	storetest.Exec(t, s, `SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('sentiments') AS c`)
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

// TestDeletedPostsKeepNoWords deletes posts before and after they are scored, stored and compressed.
func TestDeletedPostsKeepNoWords(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	var posts []*market.Tweet
	for i := range 5 {
		posts = append(posts, tweet(i, noon.Add(time.Duration(i)*time.Hour)))
	}
	forget := func(ids ...string) {
		_, err := s.ForgetTweets(t.Context(), "test", ids)
		require.NoError(t, err)
	}
	keep := func(tweets ...*market.Tweet) {
		_, err := s.InsertTweets(t.Context(), tweets)
		require.NoError(t, err)
	}
	score := func(i int) {
		_, err := s.InsertSentiments(t.Context(), "m", []store.ScoredPost{scored(posts[i], "moon", "pump")})
		require.NoError(t, err)
	}
	noted := func() []any {
		return storetest.Value[[]any](t, s, `SELECT array_agg(id || symbol || terms ORDER BY id, symbol) FROM sentiments WHERE terms IS NOT NULL`)
	}
	for i := range 3 {
		score(i)
	}
	keep(posts[0], posts[1])
	storetest.Exec(t, s, `SELECT compress_chunk(c, if_not_compressed => true) FROM unnest(ARRAY['tweets', 'sentiments']) AS h, show_chunks(h) AS c`)
	forget("0")
	forget("2")
	require.Contains(t, noted(), "2BTCmoon pump", "nobody knows yet when it was posted")
	keep(posts[2])
	forget("3")
	score(3)
	score(4)
	require.Equal(t, []any{"1BTCmoon pump", "1ETHmoon pump", "4BTCmoon pump", "4ETHmoon pump"}, noted())
	require.EqualValues(t, 2, storetest.Value[int64](t, s, `SELECT sum(n) FROM term_counts WHERE symbol = 'ETH' AND term = 'pump'`))
}

// TestWordsOfNoPerson tells who spoke after words were counted.
func TestWordsOfNoPerson(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	posts := []store.ScoredPost{scored(tweet(1, noon), "moon"), scored(tweet(2, noon.Add(2*time.Hour)), "moon"), scored(tweet(3, noon.Add(4*time.Hour)), "moon")}
	_, err := s.InsertSentiments(t.Context(), "m", posts)
	require.NoError(t, err)
	for i, kind := range []market.Kind{market.Person, market.Advert, market.Bot} {
		feel(&posts[i], market.Sentiment{Kind: kind, Negative: 0.25, Neutral: 0.25, Positive: 0.5})
	}
	for _, want := range []int64{6, 0} {
		told, err := s.SetKinds(t.Context(), "m", posts)
		require.NoError(t, err)
		require.Equal(t, want, told)
		require.Equal(t, [][]any{{"BTC", int64(1)}, {"ETH", int64(1)}}, storetest.Rows(t, s, `SELECT symbol, sum(n)::bigint FROM term_counts GROUP BY 1 ORDER BY 1`))
	}
}

// TestAuthorsFourthPosts has one author write all posts of an hour, one at a time and not in their order, to a store that remembers the first
// three: in every state the three earliest of those that are stored are no repeats, and all others are.
func TestAuthorsFourthPosts(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	for i, minute := range []int{30, 40, 50, 55, 58, 45, 35, 59, 10, 20, 57, 5, 15} {
		p := scored(tweet(i, noon.Add(time.Duration(minute)*time.Minute)))
		p.AuthorHash, p.TextHash = 7, int64(i)
		_, err := s.InsertSentiments(t.Context(), "m", []store.ScoredPost{p})
		require.NoError(t, err)
		storetest.RequireNone(t, s, `SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY symbol ORDER BY time) AS place FROM sentiments) AS s
			WHERE repeat <> (place > 3)`)
	}
	require.EqualValues(t, 20, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments WHERE repeat`))
}
