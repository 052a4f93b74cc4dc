package grafanatest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// TestOverview compares the functions that dashboards read with the raw rows.
func TestOverview(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	anchor := time.Now().UTC()
	Fill(t, s, anchor)
	for name, from := range map[string]time.Duration{"a day": 24 * time.Hour, "half an hour": 30 * time.Minute, "all": Span} {
		storetest.RequireNone(t, s, `
			WITH raw AS (
				SELECT symbol, last(price, time) AS price, last(price, time) / first(price, time) - 1 AS change, sum(price * volume) AS turnover, count(*) AS trades
				FROM prices WHERE time >= date_trunc('minute', $1::timestamptz) AND time < $2 GROUP BY 1
			), felt AS (
				SELECT symbol, count(*) AS posts, sum(weight::float8 * score) / sum(weight::float8) FILTER (WHERE score IS NOT NULL) AS mood
				FROM sentiments WHERE time >= date_trunc('minute', $1::timestamptz) AND time < $2 AND NOT repeat AND coalesce(kind, 'person') = 'person'
				GROUP BY 1
			)
			SELECT o.symbol, o.price, r.price, o.change, r.change, o.posts, f.posts, o.mood, f.mood, o.trades, r.trades
			FROM market_overview($1, $2) AS o LEFT JOIN raw AS r ON r.symbol = o.symbol LEFT JOIN felt AS f ON f.symbol = o.symbol
			WHERE o.price IS DISTINCT FROM r.price OR abs(o.change - r.change) > 1e-9 OR o.trades <> coalesce(r.trades, 0) OR o.posts <> coalesce(f.posts, 0)
			   OR abs(o.mood - f.mood) > 1e-9 OR abs(o.turnover - r.turnover) > 1e-3`, anchor.Add(-from), anchor)
		require.Len(t, storetest.Rows(t, s, `SELECT * FROM market_overview($1, $2) WHERE price IS NOT NULL AND dominance > 0`, anchor.Add(-from), anchor), 3, name)
	}
	require.Len(t, storetest.Rows(t, s, `SELECT * FROM feed_health('15 minutes') WHERE silent_seconds < 300 AND per_second > 0`), 4)
	require.Equal(t, []any{int64(0), true}, storetest.Rows(t, s, `SELECT unscored, score_lag < 5 FROM scorer_health()`)[0])
	storetest.Exec(t, s, `DELETE FROM sentiments WHERE time > now() - INTERVAL '10 minutes' AND symbol = 'BTC'`)
	require.Equal(t, true, storetest.Rows(t, s, `SELECT unscored > 5 AND behind_seconds BETWEEN 400 AND 700 FROM scorer_health()`)[0][0])
}
