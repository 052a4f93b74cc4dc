package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// TestDroppedDaysKeepTheirWindows drops the raw rows of a day and lets late ones of it arrive.
func TestDroppedDaysKeepTheirWindows(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	trade := func(id string, after time.Duration) *market.Price {
		return &market.Price{Venue: "v", Symbol: "BTC", TradeID: id, Time: noon.Add(after), Price: 1, Volume: 1, ReceivedAt: noon}
	}
	write := func(id string, n int, after time.Duration) (trades, posts store.Stored, sentiments store.SentimentsStored) {
		trades, err := s.InsertPrices(t.Context(), []*market.Price{trade(id, after)})
		require.NoError(t, err)
		post := tweet(n, noon.Add(after))
		posts, err = s.InsertTweets(t.Context(), []*market.Tweet{post})
		require.NoError(t, err)
		sentiments, err = s.InsertSentiments(t.Context(), "m", []store.ScoredPost{scored(post)})
		require.NoError(t, err)
		return trades, posts, sentiments
	}
	write("1", 1, 0)
	write("2", 2, time.Minute)
	require.NoError(t, s.RefreshWindows(t.Context()))
	for _, table := range []string{"prices", "tweets", "sentiments"} {
		storetest.Exec(t, s, `SELECT drop_chunks($1::text::regclass, older_than => now())`, table)
	}
	trades, posts, sentiments := write("3", 3, 2*time.Minute)
	require.Equal(t, store.Stored{Refused: 1}, trades)
	require.Equal(t, store.Stored{Refused: 1}, posts)
	require.Zero(t, sentiments.Rows)
	trades, _, _ = write("4", 4, 60*24*time.Hour)
	require.EqualValues(t, 1, trades.Rows, "another day")
	require.NoError(t, s.RefreshWindows(t.Context()))
	for window, column := range map[string]string{"prices_1m": "trades", "prices_5m": "trades", "prices_1h": "trades", "prices_1d": "trades", "mood_1d": "posts"} {
		require.EqualValues(t, 2, storetest.Value[int64](t, s, `SELECT sum(`+column+`)::bigint FROM `+window+` WHERE symbol = 'BTC' AND bucket < $1`, noon.AddDate(0, 0, 1)), window)
	}
	counts, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.Contains(t, counts, store.Count{Component: "writer", Source: "v", Event: store.EventDropped, N: 1})
}

func TestRetention(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	const daily = 24 * time.Hour
	require.Error(t, s.SetRetention(t.Context(), store.Keep{Trades: 6 * daily}))
	require.Error(t, s.SetRetention(t.Context(), store.Keep{Posts: 20 * daily}))
	keep, err := s.Retention(t.Context())
	require.NoError(t, err)
	require.Equal(t, 90*daily, keep.Trades)
	require.NoError(t, s.SetRetention(t.Context(), store.Keep{Trades: 10 * daily, Posts: store.Forever}))
	keep, err = s.Retention(t.Context())
	require.NoError(t, err)
	require.Equal(t, store.Keep{Trades: 10 * daily, Posts: store.Forever}, keep)
	require.NoError(t, s.SetRetention(t.Context(), keep), "nothing changes")
	require.Equal(t, [][]any{{"8 days"}}, storetest.Rows(t, s, `SELECT config->>'start_offset' FROM timescaledb_information.jobs AS j
		JOIN timescaledb_information.continuous_aggregates AS c ON j.hypertable_name IN (c.view_name, c.materialization_hypertable_name)
		WHERE proc_name = 'policy_refresh_continuous_aggregate' AND view_name = 'prices_1m'`))

	storetest.Exec(t, s, `INSERT INTO database_sizes VALUES (now() - INTERVAL '2 days', 1000)`)
	size, err := s.Size(t.Context())
	require.NoError(t, err)
	require.InDelta(t, float64(size.Bytes-1000)/2, size.Growth, float64(size.Bytes)/100)
	days, grows := size.DaysLeft(uint64(size.Bytes))
	require.True(t, grows)
	require.InDelta(t, 2, days, 0.1)
	sizes, err := s.TableSizes(t.Context())
	require.NoError(t, err)
	require.Len(t, sizes, 16)
}

// TestRowsOfOthersAreNoDroppedDay: of two batches of a day of which nothing is stored, one commits while the other asks whether the day was
// dropped. The windows show its rows at once.
func TestRowsOfOthersAreNoDroppedDay(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	require.NoError(t, s.UseModel(t.Context(), "m", nil, true))
	_, err := s.InsertSentiments(t.Context(), "m", scoredBatch(0, 10))
	require.NoError(t, err)
	require.EqualValues(t, 10, storetest.Value[int64](t, s, `SELECT sum(posts)::bigint FROM mood_1d`))
	dropped, err := s.AreDropped(t.Context(), noon, "BTC", "m", "test")
	require.NoError(t, err)
	require.False(t, dropped)
}
