package bench_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/bench"
	"rcas/store/storetest"
)

func TestHistoryIsOfTheSizeAsked(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	h := bench.History{Prices: 20_003, Sentiments: 5_001, Days: 3, Symbols: 3, End: time.Date(2024, 3, 5, 12, 0, 0, 0, time.UTC),
		Seed: 7}
	for range 2 {
		last := 0.0
		require.NoError(t, h.Fill(t.Context(), s.Pool(), func(share float64) { last = share }))
		require.Equal(t, 1.0, last)
		require.EqualValues(t, h.Prices, storetest.Value[int64](t, s, `SELECT count(*) FROM prices`),
			"filling twice adds nothing")
		require.EqualValues(t, h.Sentiments, storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments`))
	}
	storetest.RequireNone(t, s, `SELECT * FROM prices WHERE time < $1 OR time >= $2 OR price <= 0`, h.End.AddDate(0, 0, -3),
		h.End)
	storetest.RequireNone(t, s, `SELECT * FROM sentiments WHERE NOT (negative >= 0 AND neutral >= -1e-6 AND positive >= 0)`)
	require.NoError(t, s.RefreshWindows(t.Context()))
	require.NoError(t, bench.Settle(t.Context(), s.Pool()))
	answers, err := h.Ask(t.Context(), s.Pool(), 3)
	require.NoError(t, err)
	require.Len(t, answers, 4)
	for _, a := range answers {
		require.Positive(t, a.Rows, a.Question)
		require.LessOrEqual(t, a.MedianMilli, a.P95Milli)
	}
}
