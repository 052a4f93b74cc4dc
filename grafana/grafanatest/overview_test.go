package grafanatest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store"
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
	require.Len(t, storetest.Rows(t, s, `SELECT * FROM feed_health('15 minutes') WHERE live AND silent_seconds < 300 AND per_second > 0`), 4)
	// Posts of X were replayed or pushed: they are of today, and nobody waits for the next.
	storetest.Exec(t, s, `INSERT INTO pipeline_counts (component, source, event, n) VALUES ('ingest', 'twitter', 'read', 9), ('writer', 'twitter', 'stored', 9)`)
	require.Equal(t, []any{"posts", false, true}, storetest.Rows(t, s, `SELECT kind, live, silent_seconds < 60 FROM feed_health() WHERE feed = 'twitter'`)[0])
	requireWordsByNetwork(t, s, anchor)
	require.Equal(t, []any{int64(0), true}, storetest.Rows(t, s, `SELECT unscored, score_lag < 5 FROM scorer_health()`)[0])
	storetest.Exec(t, s, `DELETE FROM sentiments WHERE time > now() - INTERVAL '10 minutes' AND symbol = 'BTC'`)
	require.Equal(t, true, storetest.Rows(t, s, `SELECT unscored > 5 AND behind_seconds BETWEEN 400 AND 700 FROM scorer_health()`)[0][0])
}

// requireWordsByNetwork requires that the words of the networks add up to those of all, and that words of no network are of none.
func requireWordsByNetwork(t *testing.T, s *store.Store, anchor time.Time) {
	t.Helper()
	from := anchor.Add(-9 * time.Hour)
	storetest.RequireNone(t, s, `
		SELECT term, a.posts, n.posts
		FROM top_terms('BTC', $1, $2, 1000) AS a
		FULL JOIN (SELECT t.term, sum(t.posts) AS posts FROM unnest(ARRAY['bluesky', 'reddit', 'twitter']) AS n (source),
		                  top_terms('BTC', $1, $2, 1000, source => n.source) AS t GROUP BY 1) AS n USING (term)
		WHERE a.posts IS DISTINCT FROM n.posts`, from, anchor)
	raw := storetest.Value[int64](t, s, `SELECT count(*) FROM sentiments AS s JOIN tweets AS w USING (source, id, time)
		WHERE s.symbol = 'BTC' AND s.source = 'reddit' AND s.time >= time_bucket('5 minutes', $1::timestamptz) AND w.text ~ '\mwhale\M' AND NOT s.repeat`, from)
	require.Positive(t, raw)
	require.Equal(t, raw, storetest.Value[int64](t, s, `SELECT posts FROM top_terms('BTC', $1, $2, 1000, source => 'reddit') WHERE term = 'whale'`, from, anchor))
	require.NotEmpty(t, storetest.Rows(t, s, `SELECT * FROM trending_terms('BTC', $1::timestamptz - INTERVAL '1 hour', $1, source => 'bluesky')`, anchor))
}
