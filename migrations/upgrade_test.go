package migrations_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/migrations"
	"rcas/store"
	"rcas/store/storetest"
)

// released is the last version of the schema that was given away: databases of it hold people's data.
const released = 6

// fill puts something into every table of version 6: 90 days of trades, posts and sentiments of two models, words, an alert; the older half
// compressed, and the windows as the policies would leave them.
var fill = []string{
	`INSERT INTO assets (symbol, name) VALUES ('BTC', 'Bitcoin'), ('ETH', 'Ethereum')`,
	`INSERT INTO models (name, active) VALUES ('old', false), ('new', true)`,
	`INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
	 SELECT at, symbol, 'v', i::text, 100 + i % 37, 1 + i % 5, at FROM generate_series(1, 4000) AS i, unnest(ARRAY['BTC', 'ETH']) AS symbol,
	        LATERAL (SELECT date_trunc('hour', now()) - i * INTERVAL '32 minutes' AS at) AS a`,
	`INSERT INTO tweets (time, source, id, author, text, symbols, received_at, deleted_at)
	 SELECT at, 'test', 'did:' || i % 50 || '/' || i, 'ann', 'post ' || i, '{BTC,ETH}', at, CASE WHEN i % 100 = 0 THEN at END
	 FROM generate_series(1, 4000) AS i, LATERAL (SELECT date_trunc('hour', now()) - i * INTERVAL '32 minutes' AS at) AS a`,
	`INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash, text_hash)
	 SELECT time, source, id, symbol, model, 0.25, 0.25, 0.5, 0.25, 1, 10, i % 7 = 0, i % 50, i
	 FROM (SELECT *, substring(text FROM 6)::integer AS i FROM tweets) AS t, unnest(symbols) AS symbol, unnest(ARRAY['old', 'new']) AS model`,
	`INSERT INTO term_counts SELECT time_bucket('5 minutes', time), symbol, 'word' || i % 20, 1 FROM (SELECT *, substring(text FROM 6)::integer AS i
	 FROM tweets) AS t, unnest(symbols) AS symbol`,
	`INSERT INTO pipeline_counts (component, source, event, n) VALUES ('writer', 'test', 'stored', 4000)`,
	`INSERT INTO cursors (source, cursor) VALUES ('bluesky', '{}')`,
	`INSERT INTO deletions (source, id) VALUES ('test', 'did:0/100')`,
	`INSERT INTO alerts (symbol, rule, direction, start_time, fired_at, price, divergence, mood_z, return_z, posts)
	 VALUES ('BTC', 'a rule', 'bullish', now() - INTERVAL '1 day', now(), 100, 2, 1, -1, 100)`,
	`SELECT compress_chunk(c, if_not_compressed => true) FROM unnest(ARRAY['prices', 'tweets', 'sentiments', 'term_counts']) AS t, show_chunks(t, older_than => INTERVAL '30 days') AS c`,
}

// TestUpgrade migrates a database of the released schema, with data in it, to the newest: what was stored is there, and the windows say
// what they said.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	s := storetest.Unmigrated(t)
	require.NoError(t, migrations.To(s.URL(), released))
	for _, sql := range fill {
		storetest.Exec(t, s, sql)
	}
	refreshReleased(t, s)
	before := contents(t, s, nil)
	for question, answer := range before {
		require.NotEqual(t, "nothing", answer, question)
	}

	require.NoError(t, s.Migrate())
	require.NoError(t, s.CheckSchema(t.Context()))
	require.NoError(t, s.RefreshWindows(t.Context()))
	require.Equal(t, before, contents(t, s, before))
	for _, job := range storetest.Rows(t, s, `SELECT job_id FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY 1`) {
		storetest.Exec(t, s, fmt.Sprintf(`CALL run_job(%d)`, job[0]))
	}
	require.Equal(t, before, contents(t, s, before), "and the jobs drop nothing that was kept")
}

// refreshReleased brings the windows of the released schema up to date.
func refreshReleased(t *testing.T, s *store.Store) {
	t.Helper()
	for _, window := range []string{"prices_1m", "prices_5m", "prices_1h", "prices_1d", "mood_1m", "mood_5m", "mood_1h", "mood_1d", "term_counts_1h"} {
		storetest.Exec(t, s, fmt.Sprintf(`CALL refresh_continuous_aggregate('%s', now() - INTERVAL '1 year', now() - INTERVAL '1 minute',
			options => '{"buckets_per_batch": 0}')`, window))
	}
}

// TestUpgradeCarriesWindowsOfDroppedRows migrates a database whose windows are all that is left of its older half.
func TestUpgradeCarriesWindowsOfDroppedRows(t *testing.T) {
	t.Parallel()
	s := storetest.Unmigrated(t)
	require.NoError(t, migrations.To(s.URL(), 8))
	for _, sql := range fill {
		storetest.Exec(t, s, sql)
	}
	refreshReleased(t, s)
	moods := `SELECT string_agg(w || ' ' || n || ' ' || posts || ' ' || round(sum::numeric, 6), ', ' ORDER BY w) FROM (
		SELECT '1m' AS w, count(*) AS n, sum(posts) AS posts, sum(sum_score) AS sum FROM mood_1m UNION ALL SELECT '5m', count(*), sum(posts), sum(sum_score) FROM mood_5m
		UNION ALL SELECT '1h', count(*), sum(posts), sum(sum_score) FROM mood_1h UNION ALL SELECT '1d', count(*), sum(posts), sum(sum_score) FROM mood_1d) AS m`
	before := storetest.Value[string](t, s, moods)
	storetest.Exec(t, s, `SELECT drop_chunks('sentiments', older_than => now() - INTERVAL '45 days')`)
	require.NoError(t, s.Migrate())
	require.NoError(t, s.RefreshWindows(t.Context()))
	require.Equal(t, before, storetest.Value[string](t, s, moods))
}

// TestUpgradeTakesBackEarlierWords scores posts that make others repeats or no person's, and forgets some, whose words were counted before words
// stood in one place.
func TestUpgradeTakesBackEarlierWords(t *testing.T) {
	t.Parallel()
	s := storetest.Unmigrated(t)
	require.NoError(t, migrations.To(s.URL(), 22))
	storetest.Exec(t, s, `INSERT INTO models (name, active) VALUES ('m', true)`)
	storetest.Exec(t, s, `INSERT INTO assets (symbol, name) VALUES ('BTC', 'Bitcoin')`)
	storetest.Exec(t, s, `INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash, text_hash, terms)
		SELECT $1::timestamptz + i * INTERVAL '40 minutes', 'test', i, 'BTC', 'm', 0.25, 0.25, 0.5, 0.25, 1, 1, false, i, i, 'moon word' || i FROM generate_series(0, 9) AS i`, start)
	storetest.Exec(t, s, `INSERT INTO tweets (time, source, id, author, text, symbols, received_at)
		SELECT time, source, id, 'ann', 'moon', '{BTC}', time FROM sentiments`)
	storetest.Exec(t, s, `INSERT INTO term_counts (bucket, symbol, source, term, n)
		SELECT time_bucket('5 minutes', time), symbol, source, term, 1 FROM sentiments, string_to_table(terms, ' ') AS w (term)`)
	storetest.Exec(t, s, `SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('sentiments') AS c`)
	storetest.Exec(t, s, `CALL refresh_continuous_aggregate('term_counts_1h', NULL, now() - INTERVAL '1 hour')`)
	require.NoError(t, s.Migrate())
	post := func(id, text int, before time.Duration) store.ScoredPost {
		at := start.Add(time.Duration(text)*40*time.Minute - before)
		return store.ScoredPost{Tweet: &market.Tweet{Source: "test", ID: fmt.Sprint(id), Time: at, Author: "bob", Text: "moon", Symbols: []string{"BTC"}},
			Sentiments: []market.Sentiment{{Negative: 0.25, Neutral: 0.25, Positive: 0.5, Kind: market.Person}}, AuthorHash: int32(id), TextHash: int64(text), Terms: []string{"moon", "late"}}
	}
	_, err := s.InsertSentiments(t.Context(), "m", []store.ScoredPost{post(20, 3, 7*time.Minute)}) // and so number 3 repeats it
	require.NoError(t, err)
	advert := post(4, 4, 0)
	advert.Sentiments[0].Kind = market.Advert
	told, err := s.SetKinds(t.Context(), "m", []store.ScoredPost{advert})
	require.NoError(t, err)
	require.EqualValues(t, 1, told)
	_, err = s.ForgetTweets(t.Context(), "test", []string{"5"})
	require.NoError(t, err)
	want := [][]any{{"moon", int64(8)}, {"late", int64(1)}}
	for _, i := range []int{0, 1, 2, 6, 7, 8, 9} {
		want = append(want, []any{fmt.Sprint("word", i), int64(1)})
	}
	require.NoError(t, s.RefreshWindows(t.Context()))
	for _, source := range []string{"", "test"} {
		require.Equal(t, want, storetest.Rows(t, s, `SELECT term, posts FROM top_terms('BTC', $1, $2, source => nullif($3, ''))`,
			start.Add(-time.Hour), start.Add(8*time.Hour), source))
	}
	require.EqualValues(t, 8, storetest.Value[int64](t, s, `SELECT sum(n)::bigint FROM term_counts_1h WHERE term = 'moon'`))
}

// contents answers a count and a digest of the rows of every table and window, by a question that names its columns: those of before, where
// that is given.
func contents(t *testing.T, s *store.Store, before map[string]string) map[string]string {
	var questions []string
	for question := range before {
		questions = append(questions, question)
	}
	if before == nil {
		for _, row := range storetest.Rows(t, s, `
			SELECT format('SELECT count(*) || '' '' || md5(string_agg(r::text, '','' ORDER BY r::text)) FROM (SELECT %s FROM %I) AS r',
			              string_agg(CASE WHEN a.atttypid = 'double precision'::regtype THEN format('round(%I::numeric, 6)', attname)
			                              ELSE quote_ident(attname) END, ', ' ORDER BY attname), c.relname)
			FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT attisdropped
			WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname <> 'schema_migrations'
			  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e') AND c.relname <> 'divergence_now'
			  AND (c.relname <> 'alerts' OR a.attname NOT IN ('delivered_at', 'next_attempt', 'attempts', 'last_error')) -- in alert_deliveries now
			GROUP BY c.relname`) {
			questions = append(questions, row[0].(string))
		}
	}
	answers := map[string]string{}
	for _, question := range questions {
		answers[question] = storetest.Value[string](t, s, `SELECT coalesce((`+question+`), 'nothing')`)
	}
	return answers
}
