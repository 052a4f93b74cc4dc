package embedded_test

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"rcas/store/embedded"
)

func TestCloseAndStartAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", strings.Repeat("long", 30)) // longer than a socket's path may be
	server := start(t, embedded.Config{Dir: dir})
	conn := connect(t, server)
	must(t, conn, `CREATE TABLE n (i int); INSERT INTO n VALUES (1)`)
	require.NoError(t, server.Err())
	require.NoError(t, server.Close())
	require.NoError(t, server.Close())
	<-server.Done()
	require.NoError(t, server.Err())
	_, err := conn.Exec(t.Context(), `SELECT 1`)
	require.Error(t, err)

	server = start(t, embedded.Config{Dir: dir})
	require.Equal(t, 1, one[int](t, connect(t, server), `SELECT i FROM n`))

	copied := start(t, embedded.Config{Template: dir, Dir: filepath.Join(t.TempDir(), "copy")})
	require.Equal(t, 1, one[int](t, connect(t, copied), `SELECT i FROM n`))
}

func TestTemporaryDirectoryIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	server := start(t, embedded.Config{})
	entries, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.NoError(t, server.Close())
	entries, err = os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestDirectoryIsOurs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, embedded.Config{Dir: dir})
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, ".s.PGSQL.5432"): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), path)
	}
	_, err := embedded.Start(t.Context(), embedded.Config{Dir: dir})
	require.ErrorContains(t, err, "the directory "+dir+" is in use by another RCAS")
}

// A runaway statement can be neither cancelled nor interrupted. The deadline ends it, and nothing but it is lost.
func TestDeadline(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Config{Deadline: 3 * time.Second})
	conn := connect(t, server)
	must(t, conn, `CREATE TABLE n (i int); INSERT INTO n SELECT generate_series(1, 1000)`)
	_, err := conn.Exec(t.Context(), `SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b`)
	require.Error(t, err)
	require.EqualValues(t, 1000, one[int64](t, connect(t, server), `SELECT count(*) FROM n`))
	require.NoError(t, server.Err())
}

func TestKillNode(t *testing.T) {
	t.Parallel()
	log := newPids()
	server := start(t, embedded.Config{Log: slog.New(log)})
	conn := connect(t, server)
	must(t, conn, `CREATE TABLE n (i int PRIMARY KEY)`)
	for i := range 2 {
		pid := log.next(t)
		written := make(chan int)
		go func() { // writes one row at a time until the connection breaks, and tells the last that was acknowledged
			last := -1
			for j := i * 1_000_000; ; j++ {
				if _, err := conn.Exec(context.Background(), `INSERT INTO n VALUES ($1)`, j); err != nil {
					written <- last
					return
				}
				if last = j; last == i*1_000_000+100 {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		}()
		last := <-written
		conn = connect(t, server)
		require.GreaterOrEqual(t, one[int](t, conn, `SELECT max(i) FROM n`), last)
		require.EqualValues(t, last-i*1_000_000+1, one[int64](t, conn, `SELECT count(*) FROM n WHERE i BETWEEN $1 AND $2`, i*1_000_000, last))
	}
}

// A statement that the module does not survive costs the connections and nothing else.
func TestCrash(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Config{})
	other := connect(t, server)
	must(t, other, `CREATE TABLE n (i int); INSERT INTO n VALUES (1)`)
	killer := begin(t, dial(t, server))
	killer.Send(&pgproto3.Query{String: `SELECT ` + strings.Repeat("1 + ", 200_000) + "1"})
	require.NoError(t, killer.Flush())
	failure := failureOf(t, killer)
	require.Equal(t, "57P02", failure.Code)
	require.Contains(t, failure.Message, "the embedded database has crashed and starts anew")
	_, err := other.Exec(t.Context(), `SELECT 1`)
	require.Error(t, err, "a crash ends every connection")
	require.Equal(t, 1, one[int](t, connect(t, server), `SELECT i FROM n`))
}

// Without checkpoints the log would grow for ever, and a start take as long as to write it again.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	conn := connect(t, start(t, embedded.Config{}))
	last := func() string { return one[string](t, conn, `SELECT checkpoint_lsn::text FROM pg_control_checkpoint()`) }
	before := last()
	must(t, conn, `SELECT count(pg_logical_emit_message(false, '', repeat('x', 1000000))) FROM generate_series(1, 120)`)
	require.Eventually(t, func() bool { return last() != before }, time.Minute, 100*time.Millisecond)
}

// What the module's own stack of 64 KiB does not take.
func TestDepth(t *testing.T) {
	t.Parallel()
	conn := connect(t, shared)
	schema(t, conn)
	must(t, conn, `CREATE FUNCTION depth(n int) RETURNS int LANGUAGE plpgsql AS
		$$ BEGIN RETURN CASE WHEN n = 0 THEN 0 ELSE 1 + depth(n - 1) END; END $$`)
	require.Equal(t, 300, one[int](t, conn, `SELECT depth(300)`))
	require.Equal(t, 2000, one[int](t, conn, `SELECT `+strings.Repeat("1 + ", 1999)+"1"))
	must(t, conn, `SELECT 1`+strings.Repeat(" UNION ALL SELECT 1", 999))
	require.Len(t, one[string](t, conn, `SELECT $1::jsonb::text`, strings.Repeat("[", 2000)+strings.Repeat("]", 2000)), 4000)
}

// When the parent is killed, the database goes with it and its directory is free, even in the midst of a statement.
func TestKillParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), parentVariable+"="+dir)
	_, err := parent.StdinPipe()
	require.NoError(t, err)
	stdout, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	url := ""
	scanner := bufio.NewScanner(stdout)
	for url == "" && scanner.Scan() {
		url, _ = strings.CutPrefix(scanner.Text(), "url ")
		if !strings.HasPrefix(url, "postgres:") {
			url = ""
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	must(t, conn, `CREATE TABLE n (i int); INSERT INTO n VALUES (1)`)
	broken := make(chan error)
	go func() {
		_, err := conn.Exec(context.Background(), `SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b`)
		broken <- err
	}()
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	require.Error(t, <-broken)
	begun := time.Now()
	server := start(t, embedded.Config{Dir: dir})
	t.Logf("back after %s", time.Since(begun))
	require.Equal(t, 1, one[int](t, connect(t, server), `SELECT i FROM n`))
}

// A database whose files are torn does not start, and says what to do; it never starts empty.
func TestTornFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := embedded.Start(t.Context(), embedded.Config{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	control := filepath.Join(dir, "pgdata", "global", "pg_control")
	require.NoError(t, os.Truncate(control, 0))
	_, err = embedded.Start(t.Context(), embedded.Config{Dir: dir})
	require.ErrorContains(t, err, "put back a backup")
	info, err := os.Stat(control)
	require.NoError(t, err)
	require.Zero(t, info.Size(), "nothing was made anew over it")
}
