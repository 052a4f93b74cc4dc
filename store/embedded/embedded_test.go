package embedded_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rcas/store/embedded"
)

// parentVariable makes the test binary run a server in the directory that it names, for the test that kills the parent.
const parentVariable = "EMBEDDED_TEST_PARENT"

// shared is the server of all tests that do not harm it.
var shared *embedded.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	if dir := os.Getenv(parentVariable); dir != "" {
		return beParent(ctx, dir)
	}
	var err error
	if shared, err = embedded.Start(ctx, embedded.Config{IdleInTransaction: time.Hour}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// beParent runs a server until this process is killed, or the one that started it is gone.
func beParent(ctx context.Context, dir string) int {
	server, err := embedded.Start(ctx, embedded.Config{Dir: dir, Log: slog.New(slog.NewTextHandler(os.Stdout, nil))})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("url", server.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// start runs a server for one test.
func start(t testing.TB, config embedded.Config) *embedded.Server {
	t.Helper()
	server, err := embedded.Start(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

// connect opens a connection whose default mode is PostgreSQL's plainest, without prepared statements.
func connect(t testing.TB, server *embedded.Server, options ...func(*pgx.ConnConfig)) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(server.URL())
	require.NoError(t, err)
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	for _, option := range options {
		option(config)
	}
	var conn *pgx.Conn
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		conn, err = pgx.ConnectConfig(t.Context(), config)
		require.NoError(c, err)
	}, time.Minute, 50*time.Millisecond)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func mode(mode pgx.QueryExecMode) func(*pgx.ConnConfig) {
	return func(config *pgx.ConnConfig) { config.DefaultQueryExecMode = mode }
}

func parameter(name, value string) func(*pgx.ConnConfig) {
	return func(config *pgx.ConnConfig) { config.RuntimeParams[name] = value }
}

// schema makes a schema of the test's own and the connection's first to look in.
func schema(t testing.TB, conn *pgx.Conn) string {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(t.Name()))
	must(t, conn, fmt.Sprintf(`CREATE SCHEMA %s; SET search_path = %[1]s, public`, name))
	return name
}

func must(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err, sql)
}

func one[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	require.NoError(t, err, sql)
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err, sql)
	return value
}

// pids is a log handler that hands over the process id of every start.
type pids struct {
	slog.Handler
	started chan int
}

func newPids() pids { return pids{slog.DiscardHandler, make(chan int, 100)} }

func (pids) Enabled(context.Context, slog.Level) bool { return true }

func (p pids) Handle(_ context.Context, record slog.Record) error {
	record.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "pid" {
			p.started <- int(attr.Value.Int64())
		}
		return true
	})
	return nil
}

func (p pids) next(t testing.TB) int {
	t.Helper()
	select {
	case pid := <-p.started:
		return pid
	case <-time.After(time.Minute):
		require.FailNow(t, "the database did not start")
		return 0
	}
}
