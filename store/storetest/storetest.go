// Package storetest gives tests a real database: the embedded TimescaleDB, or the native server of RCAS_TEST_DATABASE_URL. Tests never
// meet a mock.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"rcas/migrations"
	"rcas/store"
	"rcas/store/embedded"
)

// Variable names the native server that tests use instead of the embedded database.
const Variable = "RCAS_TEST_DATABASE_URL"

// New returns an empty, migrated database of the test's own, closed with it. On the embedded database that is a server of its own, copied
// from a template that is made once; on a native server it is a database that is dropped afterwards.
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

// Fill puts a migrated embedded database into a directory that is not there yet: that of a process's own, which need not make it anew.
func Fill(t testing.TB, dir string) {
	t.Helper()
	template, err := makeTemplate()
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(dir, os.DirFS(template)))
}

// Unmigrated is New without the schema.
func Unmigrated(t testing.TB) *store.Store {
	t.Helper()
	if native := os.Getenv(Variable); native != "" {
		return open(t, store.Config{URL: createDatabase(t, native)}, false)
	}
	return open(t, store.Config{Dir: t.TempDir()}, false)
}

// Another opens the database of a store once more, as another process does.
func Another(t testing.TB, s *store.Store) *store.Store {
	t.Helper()
	return open(t, store.Config{URL: s.URL(), Embedded: s.Embedded()}, false)
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

// makeTemplate returns the directory of a migrated embedded database, some forty megabytes among the system's temporary files. The first
// process to ask makes it, for all processes of this user that have the same schema and the same embedded database.
var makeTemplate = sync.OnceValues(func() (string, error) {
	install, err := embedded.Install(context.Background())
	if err != nil {
		return "", err
	}
	schema, err := migrations.Hash()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("rcas-template-%d-%s-%s", os.Getuid(), filepath.Base(install), schema))
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	partial := dir + ".partial"
	if err := errors.Join(os.RemoveAll(partial), migrate(partial)); err != nil {
		return "", err
	}
	return dir, os.Rename(partial, dir)
})

// migrate makes a migrated embedded database in a directory.
func migrate(dir string) error {
	server, err := embedded.Start(context.Background(), embedded.Config{Dir: dir})
	if err != nil {
		return err
	}
	s, err := store.Open(context.Background(), store.Config{URL: server.URL(), Embedded: true})
	if err == nil {
		err = errors.Join(s.Migrate(), s.Close())
	}
	return errors.Join(err, server.Close())
}

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
		SELECT * FROM (SELECT time_bucket('1 hour', bucket) AS bucket, symbol, term, sum(n) AS n FROM term_counts GROUP BY 1, 2, 3 HAVING sum(n) <> 0) raw
		FULL JOIN term_counts_1h w USING (bucket, symbol, term) WHERE raw.n IS DISTINCT FROM w.n`)
}
