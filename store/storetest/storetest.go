// Package storetest gives tests a real database: the embedded TimescaleDB, or the native server of RCAS_TEST_DATABASE_URL. Tests never
// meet a mock.
package storetest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/embedded"
)

// Variable names the native server that tests use instead of the embedded database.
const Variable = "RCAS_TEST_DATABASE_URL"

// New returns an empty, migrated database of the test's own, closed with it. On the embedded database that is a server of its own, copied
// from a template that the test process makes once; on a native server it is a database that is dropped afterwards.
func New(t testing.TB) *store.Store {
	t.Helper()
	if native := os.Getenv(Variable); native != "" {
		return open(t, store.Config{URL: createDatabase(t, native)}, true)
	}
	return NewIn(t, t.TempDir())
}

// NewIn is New on the embedded database, in a directory that the test has its own plans for.
func NewIn(t testing.TB, dir string) *store.Store {
	t.Helper()
	template, err := makeTemplate()
	require.NoError(t, err)
	return open(t, store.Config{Dir: dir, Template: template}, false)
}

// Unmigrated is New without the schema.
func Unmigrated(t testing.TB) *store.Store {
	t.Helper()
	if native := os.Getenv(Variable); native != "" {
		return open(t, store.Config{URL: createDatabase(t, native)}, false)
	}
	return open(t, store.Config{Dir: t.TempDir()}, false)
}

func open(t testing.TB, cfg store.Config, migrate bool) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	if migrate {
		require.NoError(t, s.Migrate())
	}
	return s
}

// createDatabase makes a database on the native server and drops it with the test.
func createDatabase(t testing.TB, server string) string {
	t.Helper()
	name := "rcas_test_" + strings.ToLower(rand.Text()[:16])
	admin := func(sql string) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		conn, err := pgx.Connect(ctx, server)
		require.NoError(t, err, "is the server of %s up?", Variable)
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, sql)
		require.NoError(t, err)
	}
	admin("CREATE DATABASE " + name + " TEMPLATE template0")
	t.Cleanup(func() { admin("DROP DATABASE " + name + " WITH (FORCE)") })
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

// makeTemplate migrates one embedded database for all tests of the process. Its directory goes with the system's temporary files when the
// process can't remove it; it is some forty megabytes.
var makeTemplate = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "rcas-template-"); err != nil {
		return "", err
	}
	server, err := embedded.Start(context.Background(), embedded.Config{Dir: dir})
	if err != nil {
		return "", err
	}
	s, err := store.Open(context.Background(), store.Config{URL: server.URL(), Embedded: true})
	if err == nil {
		err = s.Migrate()
		_ = s.Close()
	}
	if closeErr := server.Close(); err == nil {
		err = closeErr
	}
	return dir, err
})

// Exec runs SQL that the test needs.
func Exec(t testing.TB, s *store.Store, sql string, args ...any) {
	t.Helper()
	_, err := s.Pool().Exec(context.Background(), sql, args...)
	require.NoError(t, err, sql)
}

// Rows returns the rows of a query, each a slice of values.
func Rows(t testing.TB, s *store.Store, sql string, args ...any) [][]any {
	t.Helper()
	rows, err := s.Pool().Query(context.Background(), sql, args...)
	require.NoError(t, err, sql)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	require.NoError(t, err, sql)
	return all
}

// Value returns the one value of a query.
func Value[T any](t testing.TB, s *store.Store, sql string, args ...any) T {
	t.Helper()
	var v T
	require.NoError(t, s.Pool().QueryRow(context.Background(), sql, args...).Scan(&v), sql)
	return v
}

// RequireNone fails when a query that looks for what should not be finds some, and shows the first row.
func RequireNone(t testing.TB, s *store.Store, sql string, args ...any) {
	t.Helper()
	rows := Rows(t, s, sql, args...)
	if len(rows) > 0 {
		require.Failf(t, "rows that should not be", "%d rows, the first: %v", len(rows), rows[0])
	}
}

// RequireWindows fails where a window says something else than its raw rows.
func RequireWindows(t testing.TB, s *store.Store) {
	t.Helper()
	for view, width := range map[string]string{"1m": "1 minute", "1h": "1 hour", "1d": "1 day"} {
		RequireNone(t, s, `
			WITH raw AS (SELECT time_bucket($1::interval, time) AS bucket, symbol, venue, min(time) AS open_time, max(time) AS close_time,
			        first(price, time) AS open, max(price) AS high, min(price) AS low, last(price, time) AS close,
			        sum(volume) AS volume, count(*) AS trades FROM prices GROUP BY 1, 2, 3)
			SELECT * FROM raw FULL JOIN prices_`+view+` w USING (bucket, symbol, venue)
			WHERE (raw.open, raw.high, raw.low, raw.close, raw.trades, raw.open_time, raw.close_time)
			      IS DISTINCT FROM (w.open, w.high, w.low, w.close, w.trades, w.open_time, w.close_time)
			   OR abs(raw.volume - w.volume) > 1e-9`, width)
		RequireNone(t, s, `
			WITH raw AS (SELECT time_bucket($1::interval, time) AS bucket, symbol, repeat, coalesce(kind, 'person') AS kind, count(*) AS posts, count(score) AS judged,
			        sum(score::float8) AS sum_score, sum(weight::float8) FILTER (WHERE score IS NOT NULL) AS sum_weight
			        FROM sentiments GROUP BY 1, 2, 3, 4)
			SELECT * FROM raw FULL JOIN mood_`+view+` w USING (bucket, symbol, repeat, kind)
			WHERE (raw.posts, raw.judged) IS DISTINCT FROM (w.posts, w.judged)
			   OR abs(raw.sum_score - w.sum_score) > 1e-9 OR abs(raw.sum_weight - w.sum_weight) > 1e-9`, width)
	}
	RequireNone(t, s, `
		SELECT * FROM (SELECT time_bucket('1 hour', bucket) AS bucket, symbol, term, sum(n) AS n FROM term_counts GROUP BY 1, 2, 3) raw
		FULL JOIN term_counts_1h w USING (bucket, symbol, term) WHERE raw.n IS DISTINCT FROM w.n`)
}
