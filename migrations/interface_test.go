package migrations_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

// rangeCalls are calls of every function that takes (symbol, from, to, width).
var rangeCalls = []string{
	"SELECT * FROM candles(%s)", "SELECT * FROM candles_by_venue(%s)", "SELECT * FROM mood(%s)", "SELECT * FROM mood_price(%s)",
	"SELECT * FROM authors(%s)",
	"SELECT * FROM divergence(%s)", "SELECT * FROM divergence_events(%s)", "SELECT * FROM lead_lag(%s)",
	"SELECT * FROM suggest_thresholds(%s)",
	"SELECT * FROM backtest(%s)", "SELECT * FROM granger(%s)", "SELECT * FROM reality_check(%s)",
}

// timeCalls are calls of those that take (symbol, from, to).
var timeCalls = []string{"SELECT * FROM top_terms(%s)", "SELECT * FROM trending_terms(%s)", "SELECT * FROM influence(%s)"}

// TestInterface asks a database that knows two coins and nothing about them.
func TestInterface(t *testing.T) {
	t.Parallel()
	s := newDatabase(t, "BTC", "ETH")
	t.Run("bad arguments are refused", func(t *testing.T) { requireBadArgumentsRefused(t, s) })
	t.Run("no rows are no error", func(t *testing.T) { requireEmptyAnswers(t, s) })
	t.Run("everything is described", func(t *testing.T) { requireDescriptions(t, s) })
	t.Run("documented statements run", func(t *testing.T) { requireDocumentedSQL(t, s) })
}

func requireBadArgumentsRefused(t *testing.T, s *store.Store) {
	bad := []struct{ arguments, message, hint string }{
		{"'DOGE', '2024-01-01', '2024-01-02'", `unknown symbol "DOGE"`, "Known symbols: BTC, ETH."},
		{"'btc', '2024-01-01', '2024-01-02'", `unknown symbol "btc"`, "Known symbols: BTC, ETH."},
		{"NULL, '2024-01-01', '2024-01-02'", "no symbol given", "Name a coin"},
		{"'BTC', '2024-01-02', '2024-01-01'", "must lie before to", "from comes first"},
		{"'BTC', '2024-01-02', '2024-01-02'", "must lie before to", "from comes first"},
		{"'BTC', '-infinity', 'infinity'", "must be times", "now()"},
		{"'BTC', NULL, '2024-01-02'", "must be times, not NULL", "now()"},
	}
	for _, b := range bad {
		for _, call := range rangeCalls {
			requireRefused(t, s, call, b.arguments+", '1 hour'", b.message, b.hint)
		}
		for _, call := range timeCalls {
			requireRefused(t, s, call, b.arguments, b.message, b.hint)
		}
	}
	widths := []struct{ width, message, hint string }{
		{"'0'", "width must be one minute or more, not 00:00:00", "5 minutes"},
		{"'-1 hour'", "width must be one minute or more", "5 minutes"},
		{"'30 seconds'", "width must be one minute or more", "5 minutes"},
		{"NULL", "width must be one minute or more, not NULL", "5 minutes"},
		{"'90 seconds'", "not whole minutes", "one minute"},
		{"'1 month 1 hour'", "mixes months", "whole months"},
	}
	for _, w := range widths {
		for _, call := range rangeCalls {
			requireRefused(t, s, call, "'BTC', '2024-01-01', '2024-01-02', "+w.width, w.message, w.hint)
		}
	}
	for _, call := range rangeCalls {
		requireRefused(t, s, call, "'BTC', '2014-01-01', '2024-01-01', '1 minute'", "one call gives at most 120000",
			"a wider width, such as 7 days")
	}
	requireRefused(t, s, "SELECT * FROM %s", "lead_lag('BTC', '2024-01-01', '2024-01-02', '1 hour', -1)", "max_lag must be",
		"fewer lags")
	requireRefused(t, s, "SELECT * FROM %s", "lead_lag('BTC', '2023-01-01', '2024-01-01', '5 min', 100)", "5 million pairs",
		"fewer lags")
	for _, call := range []string{"mood(%s, momentum_windows => -1)", "mood(%s, momentum_windows => NULL)",
		"mood_price(%s, volatility_windows => 0)"} {
		requireRefused(t, s, "SELECT * FROM "+call, "'BTC', '2024-01-01', '2024-01-02', '1 hour'", "cannot look back",
			"1 or more")
	}
	for _, call := range []string{"mood", "mood_price", "divergence", "divergence_events", "lead_lag", "suggest_thresholds",
		"backtest"} {
		requireRefused(t, s, "SELECT * FROM "+call+"(%s, model => 'none')", "'BTC', '2024-01-01', '2024-01-02', '1 hour'",
			`unknown model "none"`, "Models that have scored here: test.")
	}
	for name, setting := range map[string]string{"baseline": "5", "threshold": "0", "min_posts": "-1", "persistence": "0"} {
		for _, call := range []string{"divergence", "divergence_events", "backtest"} {
			requireRefused(t, s,
				"SELECT * FROM %s", call+"('BTC', '2024-01-01', '2024-01-02', '1 hour', "+name+" => "+setting+")",
				name+" must be", "default")
		}
		requireRefused(t, s, "SELECT * FROM %s", "record_alerts("+name+" => "+setting+")", name+" must be", "")
		requireRefused(t, s, "SELECT * FROM %s", "divergence_state("+name+" => "+setting+")", name+" must be", "")
	}
	requireRefused(t, s, "SELECT * FROM %s", "divergence('BTC', '2024-01-01', '2024-01-02', '1 hour', threshold => 'NaN')",
		"threshold must be", "")
	requireRefused(t, s, "SELECT * FROM %s", "backtest('BTC', '2024-01-01', '2024-01-02', '1 hour', confidence => 1)",
		"confidence must lie", "0.95")
	requireRefused(t, s, "SELECT * FROM %s", "backtest('BTC', '2024-01-01', '2024-01-02', '1 hour', resamples => 5)",
		"resamples must be", "1000")
	for _, b := range []struct{ call, message, hint string }{
		{"candles('BTC', '4713-01-01 BC', '294276-01-01', '1000 years')", "in the years 1 to 9999", "now()"},
		{"mood('BTC', '2024-01-01', '2024-01-02', '1 hour', momentum_windows => 2000000000)", "cannot look back 2000000000", "at most 120000"},
		{"market_overview('2024-01-02', '2024-01-01')", "must lie before to", "from comes first"},
		{"market_overview('-infinity', '2024-01-01')", "must be times", "now()"},
		{"market_overview('2024-01-01', '2024-01-02', model => 'none')", `unknown model "none"`, "test"},
		{"market_overview('2024-01-01', '2024-01-02', venue => 'none')", `unknown venue "none"`, "no prices here yet"},
		{"market_overview('2024-01-01', '2024-01-02', source => 'none')", `unknown source "none"`, "no scored posts here yet"},
		{"divergence_state('infinity')", "at must be a time, not infinity", "now()"},
		{"divergence_state('-infinity')", "at must be a time, not -infinity", "now()"},
		{"divergence_state(NULL)", "at must be a time, not NULL", "now()"},
		{"record_alerts(at => 'infinity')", "at must be a time", "now()"},
		{"record_alerts(cooldown => '-1 hour')", "cooldown must not be negative", "6 hours"},
		{"record_alerts(kind => 'luck')", "no rules of the kind \"luck\"", "divergence, mood, volume, adverts or word"},
		{"record_alerts(kind => 'adverts', threshold => 3)", "a share above 0 and at most 1, not 3", "0.5"},
		{"record_alerts(symbols => ARRAY['NONE'])", "unknown symbol \"NONE\"", "BTC, ETH"},
		{"backtest('BTC', '2024-01-01', '2024-01-02', '1 hour', cost => 1)", "cost must be a share", "0.001"},
		{"backtest('BTC', '2024-01-01', '2024-01-02', '1 hour', kind => 'word')", "rules about words are not back-tested", "volume"},
		{"record_alerts(lookback => '0')", "lookback must be longer", "15 minutes"},
		{"feed_health('-5 minutes')", "recent must be longer", "15 minutes"},
		{"feed_health(known => NULL)", "known must be longer than nothing and at most 1000 years, not NULL", "7 days"},
		{"scorer_health('0')", "recent must be longer", "15 minutes"},
		{"trending_terms('BTC', '2024-01-01', '2024-01-02', before => '-1 hour')", "before must be longer", "7 days"},
		{"granger('BTC', '2024-01-01', '2024-01-02', '1 hour', 0)", "lags must be 1 to 12", "4 is the default"},
		{"granger('BTC', '2023-01-01', '2024-01-01', '5 minutes')", "more than can be computed", "wider width"},
		{"granger('BTC', '2024-01-01', '2024-01-02', '1 hour', market => ARRAY['DOGE'])", `unknown symbol "DOGE"`, "BTC, ETH"},
		{"reality_check('BTC', '2024-01-01', '2024-01-02', '1 hour', '90 minutes')", "hold must be 1 to 500 whole buckets", "4 hours"},
		{"walk_forward('BTC', '2024-01-01', '2024-01-02', '1 hour')", "does not hold 1 to 1000 tests", "14 days"},
		{"event_study('BTC', NULL)", "times must be 1 to 1000 times, not NULL", "ARRAY"},
		{"event_study('BTC', ARRAY['infinity']::timestamptz[])", "times must be", "ARRAY"},
		{"event_study('BTC', ARRAY[now()], estimation => 5)", "estimation 30 to 5000", "120"},
		{"event_study('none', ARRAY[now()])", `unknown symbol "none"`, "BTC, ETH"},
		{"suggest_thresholds('BTC', '2024-01-01', '2024-01-02', '1 hour', per_week => 'NaN')", "per_week must be", "3 is the default"},
		{"suggest_thresholds('BTC', '2024-01-01', '2024-01-02', '1 hour', per_week => -3)", "per_week must be", "3 is the default"},
	} {
		requireRefused(t, s, "SELECT * FROM %s", b.call, b.message, b.hint)
	}
	for _, call := range []string{"candles", "mood_price", "divergence", "divergence_events", "lead_lag", "suggest_thresholds", "backtest"} {
		requireRefused(t, s, "SELECT * FROM "+call+"(%s, venue => 'none')", "'BTC', '2024-01-01', '2024-01-02', '1 hour'",
			`unknown venue "none"`, "There are no prices here yet.")
	}
	for _, call := range []string{"mood", "mood_price", "divergence", "divergence_events", "lead_lag", "suggest_thresholds", "backtest"} {
		requireRefused(t, s, "SELECT * FROM "+call+"(%s, source => 'none')", "'BTC', '2024-01-01', '2024-01-02', '1 hour'",
			`unknown source "none"`, "There are no scored posts here yet.")
	}
}

func requireRefused(t *testing.T, s *store.Store, call, arguments, message, hint string) {
	t.Helper()
	sql := fmt.Sprintf(call, arguments)
	_, err := s.Pool().Exec(t.Context(), sql)
	var refused *pgconn.PgError
	require.True(t, errors.As(err, &refused), "%s: %v", sql, err)
	require.Equal(t, "22023", refused.Code, "%s: %v", sql, err)
	require.Contains(t, refused.Message, message, sql)
	require.Contains(t, refused.Hint, hint, sql)
}

func requireEmptyAnswers(t *testing.T, s *store.Store) {
	for call, rows := range map[string]int{"lead_lag": 25, "suggest_thresholds": 36, "backtest": 9, "candles": 0, "mood": 0,
		"mood_price": 0, "divergence": 0,
		"granger": 2, "reality_check": 36, "divergence_events": 0, "authors": 0, "candles_by_venue": 0} {
		require.Len(t, storetest.Rows(t, s, `SELECT * FROM `+call+`('BTC', '2024-01-01', '2024-01-02', '1 hour')`), rows, call)
	}
	for _, call := range []string{"top_terms", "trending_terms", "influence"} {
		require.Empty(t, storetest.Rows(t, s, `SELECT * FROM `+call+`('BTC', '2024-01-01', '2024-01-02')`), call)
	}
	require.Empty(t, storetest.Rows(t, s, `SELECT * FROM candles('BTC', '2024-01-01', '2024-01-02', '1 hour', fill => true)`))
	require.Equal(t, [][]any{{int64(9)}}, storetest.Rows(t, s, `SELECT count(*) FROM backtest('BTC', '2024-01-01', '2024-01-02', '1 hour')
		WHERE note = 'cannot be judged: no bucket has a baseline of both mood and price'`))
	require.Equal(t, [][]any{{"BTC", 0.0, "none"}, {"ETH", 0.0, "none"}}, storetest.Rows(t, s, `SELECT symbol, signal, direction
		FROM divergence_now`))
	require.Empty(t, storetest.Rows(t, s, `SELECT * FROM record_alerts()`))
	// A range of a thousand years at a wide width is allowed, and empty.
	require.Empty(t, storetest.Rows(t, s, `SELECT * FROM candles('BTC', '1500-01-01', '2500-01-01', '1 month')`))
}

// TestReaderReadsAndNothingElse runs every function as rcas_reader.
func TestReaderReadsAndNothingElse(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC"), newRand(t)
	h := newHourly(r, "BTC", 48, 0.5)
	h.insert(t, s)
	refresh(t, s, start.Add(24*time.Hour))
	conn, err := s.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	exec := func(sql string) error {
		_, err := conn.Exec(t.Context(), sql)
		return err
	}
	require.NoError(t, exec(`SET ROLE rcas_reader`))
	defer func() { require.NoError(t, exec(`RESET ROLE`)) }()
	for _, call := range rangeCalls {
		require.NoError(t, exec(fmt.Sprintf(call, `'BTC', '2024-03-04', '2024-03-06', '1 hour'`)), call)
	}
	for _, call := range timeCalls {
		require.NoError(t, exec(fmt.Sprintf(call, `'BTC', '2024-03-04', '2024-03-06'`)), call)
	}
	for _, table := range []string{"assets", "models", "tweets", "prices", "sentiments", "term_counts", "pipeline_counts",
		"cursors", "alerts", "feed_states", "prices_1m",
		"prices_5m", "prices_1h", "prices_1d", "mood_1m", "mood_5m", "mood_1h", "mood_1d", "term_counts_1h", "divergence_now"} {
		require.NoError(t, exec(`SELECT * FROM `+table+` LIMIT 1`), table)
	}
	for _, sql := range []string{`DELETE FROM prices`, `INSERT INTO models (name) VALUES ('x')`, `UPDATE assets SET name = ''`,
		`SELECT record_alerts()`,
		`TRUNCATE tweets`, `CREATE TABLE mine (x int)`, `DROP VIEW divergence_now`} {
		var denied *pgconn.PgError
		require.True(t, errors.As(exec(sql), &denied), sql)
		require.Equal(t, "42501", denied.Code, "%s: %v", sql, denied)
	}
	require.NoError(t, exec(`SET ROLE rcas_writer`))
	require.NoError(t, exec(`INSERT INTO models (name) VALUES ('x')`))
	require.NoError(t, exec(`SELECT * FROM record_alerts()`))
	require.NoError(t, exec(`RESET ROLE`))
	settings := storetest.Value[[]string](t, s, `SELECT rolconfig FROM pg_roles WHERE rolname = 'rcas_reader'`)
	require.Contains(t, settings, "statement_timeout=30s")
	require.Contains(t, settings, "default_transaction_isolation=repeatable read")
	require.Contains(t, settings, "default_transaction_read_only=on")
}

// TestAQuestionSeesOneMoment refreshes the windows between a reader's first look and its question.
func TestAQuestionSeesOneMoment(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC"), newRand(t)
	newHourly(r, "BTC", 48, 0.5).insert(t, s)
	refreshed := make(chan struct{})
	err := pgx.BeginTxFunc(t.Context(), s.Pool(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SELECT count(*) FROM assets`); err != nil {
			return err
		}
		go func() {
			defer close(refreshed)
			refresh(t, s, start.Add(48*time.Hour))
		}()
		if !s.Embedded() { // one backend does one thing at a time: there the refresh waits
			<-refreshed
		}
		var hours, posts int64
		err := tx.QueryRow(t.Context(), `SELECT count(close), sum(posts) FROM mood_price('BTC', $1, $2, '1 hour')`, start,
			start.Add(48*time.Hour)).Scan(&hours, &posts)
		require.EqualValues(t, 48, hours)
		require.EqualValues(t, 48, posts)
		return err
	})
	require.NoError(t, err)
	<-refreshed
}

// requireDescriptions wants a comment on every object, and on every function what it may promise the planner.
func requireDescriptions(t *testing.T, s *store.Store) {
	ours := `n.nspname IN ('public', 'rcas') AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = %s.oid
		AND d.deptype = 'e')`
	storetest.RequireNone(t, s, `SELECT relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'v') AND relname <> 'schema_migrations' AND obj_description(c.oid, 'pg_class') IS NULL
			AND `+fmt.Sprintf(ours, "c"))
	storetest.RequireNone(t, s, `SELECT relname || '.' || attname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
			JOIN pg_attribute AS a ON attrelid = c.oid
		WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped AND relname <> 'schema_migrations' AND col_description(c.oid, attnum) IS NULL
			AND `+fmt.Sprintf(ours, "c"))
	storetest.RequireNone(t, s, `SELECT proname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace
		WHERE obj_description(p.oid, 'pg_proc') IS NULL AND `+fmt.Sprintf(ours, "p"))
	storetest.RequireNone(t, s, `SELECT proname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace
		WHERE proname NOT IN ('record_alerts', 'apply_retention', 'refresh_archive', 'drop_old', 'note_size', 'note_activation', 'take_back_terms') AND (provolatile = 'v' OR proparallel <> 's' OR prosecdef) AND `+fmt.Sprintf(ours, "p"))
	storetest.RequireNone(t, s, `SELECT typname FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = typnamespace
		WHERE nspname = 'rcas' AND typtype = 'c' AND obj_description(t.oid, 'pg_type') IS NULL`)
}
