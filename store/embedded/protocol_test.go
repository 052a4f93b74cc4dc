package embedded_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rcas/store/embedded"
)

var modes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

func TestModes(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, shared, mode(m))
			schema(t, conn)
			must(t, conn, `CREATE TABLE posts (id bigint PRIMARY KEY, at timestamptz, text text, symbols text[], score float8)`)
			at := time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.UTC)
			for i := range 3 {
				must(t, conn, `INSERT INTO posts VALUES ($1, $2, $3, $4, $5)`, int64(i), at, "it's $ETH\\", []string{"ETH", "BTC"}, 0.5)
			}
			rows, err := conn.Query(t.Context(), `SELECT id, at, text, symbols, score FROM posts WHERE id = $1`, int64(1))
			require.NoError(t, err)
			type post struct {
				ID      int64
				At      time.Time
				Text    string
				Symbols []string
				Score   float64
			}
			got, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[post])
			require.NoError(t, err)
			got.At = got.At.UTC()
			require.Equal(t, post{1, at, "it's $ETH\\", []string{"ETH", "BTC"}, 0.5}, got)

			_, err = conn.Exec(t.Context(), `INSERT INTO posts VALUES ($1)`, int64(1))
			var failure *pgconn.PgError
			require.ErrorAs(t, err, &failure)
			require.Equal(t, "23505", failure.Code)
			require.Equal(t, "ERROR", failure.Severity)
			require.EqualValues(t, 3, one[int64](t, conn, `SELECT count(*) FROM posts`))
		})
	}
}

// Batches are one group of many messages; one that fails must leave the connection usable and nothing behind.
func TestBatch(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, shared, mode(m))
			schema(t, conn)
			must(t, conn, `CREATE TABLE n (i int PRIMARY KEY)`)
			send := func(numbers ...int) error {
				var batch pgx.Batch
				for _, i := range numbers {
					batch.Queue(`INSERT INTO n VALUES ($1)`, i)
				}
				return conn.SendBatch(t.Context(), &batch).Close()
			}
			var many []int
			for i := range 2000 {
				many = append(many, i)
			}
			require.NoError(t, send(many...))
			require.ErrorContains(t, send(5000, 5001, 7, 5002), "duplicate key")
			require.EqualValues(t, 2000, one[int64](t, conn, `SELECT count(*) FROM n`))
		})
	}
}

func TestCopyFrom(t *testing.T) {
	t.Parallel()
	conn := connect(t, shared)
	name := schema(t, conn)
	must(t, conn, `CREATE TABLE prices (at timestamptz NOT NULL, symbol text, price float8)`)
	must(t, conn, `SELECT public.create_hypertable('prices', 'at')`)
	const n = 20_000
	rows := pgx.CopyFromSlice(n, func(i int) ([]any, error) {
		return []any{time.Unix(int64(i)*60, 0), "BTC", float64(i)}, nil
	})
	copied, err := conn.CopyFrom(t.Context(), pgx.Identifier{name, "prices"}, []string{"at", "symbol", "price"}, rows)
	require.NoError(t, err)
	require.EqualValues(t, n, copied)
	require.EqualValues(t, n*(n-1)/2, one[float64](t, conn, `SELECT sum(price) FROM prices`))

	text := strings.NewReader("1970-01-01\tETH\t1\n1970-01-02\tETH\t\\N\n")
	tag, err := conn.PgConn().CopyFrom(t.Context(), text, `COPY prices (at, symbol, price) FROM STDIN -- in text`)
	require.NoError(t, err)
	require.EqualValues(t, 2, tag.RowsAffected())

	t.Run("fails", func(t *testing.T) {
		_, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("no date\tETH\t1\n"), `COPY prices FROM STDIN`)
		require.ErrorContains(t, err, "invalid input syntax")
		_, err = conn.PgConn().CopyFrom(t.Context(), strings.NewReader(strings.Repeat("x\n", 1e6)), `COPY nothing FROM STDIN`)
		require.ErrorContains(t, err, "does not exist")
		_, err = conn.PgConn().CopyFrom(t.Context(), io.MultiReader(strings.NewReader("2024-01-01\tETH\t1\n"), brokenReader{}), `COPY prices FROM STDIN`)
		require.ErrorContains(t, err, "broken reader")
		_, err = conn.PgConn().CopyFrom(t.Context(), strings.NewReader(""), `SELECT 1; COPY prices FROM STDIN`)
		require.ErrorContains(t, err, "only as a query of its own")
		require.EqualValues(t, n+2, one[int64](t, conn, `SELECT count(*) FROM prices`))
	})
	t.Run("to", func(t *testing.T) {
		var out bytes.Buffer
		tag, err := conn.PgConn().CopyTo(t.Context(), &out, `COPY (SELECT price FROM prices WHERE symbol = 'BTC') TO STDOUT`)
		require.NoError(t, err)
		require.EqualValues(t, n, tag.RowsAffected())
		require.Equal(t, n, bytes.Count(out.Bytes(), []byte("\n")))
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, fmt.Errorf("broken reader") }

func TestPreparedStatementsOfTwoSessions(t *testing.T) {
	t.Parallel()
	a, b := connect(t, shared), connect(t, shared)
	for i, conn := range []*pgx.Conn{a, b} {
		_, err := conn.Prepare(t.Context(), "same", fmt.Sprintf(`SELECT $1::int + %d`, 100*(i+1)))
		require.NoError(t, err)
	}
	for i := range 10 {
		require.Equal(t, 100+i, one[int](t, a, "same", i))
		require.Equal(t, 200+i, one[int](t, b, "same", i))
	}
	require.NoError(t, b.Deallocate(t.Context(), "same"))
	require.Equal(t, 101, one[int](t, a, "same", 1))
	// Dropping all of one session's statements must not reach another's.
	for _, sql := range []string{`DEALLOCATE ALL`, `DISCARD ALL`} {
		must(t, b, sql)
		require.Equal(t, 102, one[int](t, a, "same", 2))
	}
}

// Every mode keeps its statements apart though another session's come between each two messages.
func TestModesConcurrently(t *testing.T) {
	t.Parallel()
	var group errgroup.Group
	for i := range 50 {
		m := modes[i%len(modes)]
		conn := connect(t, shared, mode(m))
		group.Go(func() error {
			for j := range 20 {
				var got int
				sql := fmt.Sprintf(`SELECT $1::int + %d`, 1000*i)
				if err := conn.QueryRow(context.Background(), sql, j).Scan(&got); err != nil {
					return fmt.Errorf("%s: %w", m, err)
				}
				if got != 1000*i+j {
					return fmt.Errorf("%s: got %d, want %d", m, got, 1000*i+j)
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

func TestLargeMessages(t *testing.T) {
	t.Parallel()
	conn := connect(t, shared)
	const size = 64 << 20
	value := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	require.Equal(t, value, one[[]byte](t, conn, `SELECT $1::bytea`, value))
	require.Equal(t, 1, one[int](t, conn, `SELECT 1`))
}

// The backend reads through a buffer of 8 KiB: messages must survive ending just before, at and after its borders.
func TestMessageBorders(t *testing.T) {
	t.Parallel()
	conn := connect(t, shared)
	for size := 8100; size < 8300; size++ {
		value := strings.Repeat("x", size)
		require.Equal(t, size, one[int](t, conn, `SELECT length($1::text)`, value))
		require.Equal(t, value, one[string](t, conn, `SELECT $1::text`, value))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	conn := connect(t, shared)
	schema(t, conn)
	must(t, conn, `CREATE TABLE x (y text)`)
	touched := filepath.Join(t.TempDir(), "touched")
	for sql, reason := range map[string]string{
		`COPY x FROM PROGRAM 'touch FILE'`:                            "runs no programs",
		"copy x to /* a /* nested */ comment */ program 'touch FILE'": "runs no programs",
		`COPY (SELECT 1 FROM x) TO PROGRAM 'touch FILE'`:              "runs no programs",
		`SELECT 1; COPY x FROM PROGRAM $$touch FILE$$`:                "runs no programs",
		`LISTEN news`: "does not deliver notifications",
		`CREATE UNIQUE INDEX CONCURRENTLY ON x (y)`:                            "leave that word out",
		`REINDEX (VERBOSE) TABLE CONCURRENTLY x`:                               "leave that word out",
		`DROP EXTENSION IF EXISTS timescaledb`:                                 "cannot do without its extension",
		`DROP SCHEMA other, "public" CASCADE`:                                  "cannot do without its schema",
		`DO $do$ BEGIN EXECUTE 'COPY x FROM PROGRAM ''touch FILE'''; END $do$`: "", // fails in one way or another
	} {
		sql = strings.ReplaceAll(sql, "FILE", touched)
		for _, m := range []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			_, err := conn.Exec(t.Context(), sql, m)
			require.ErrorContains(t, err, reason, sql)
		}
	}
	require.NoFileExists(t, touched)
	must(t, conn, `INSERT INTO x VALUES ('COPY x FROM PROGRAM ''id''; LISTEN x; DROP SCHEMA public')`)
	require.EqualValues(t, 1, one[int64](t, conn, `SELECT count(*) FROM x`))
	var failure *pgconn.PgError
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LISTEN x`)
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "0A000", failure.Code)
	_, err = tx.Exec(t.Context(), `SELECT 1`)
	require.ErrorContains(t, err, "transaction is aborted")
	require.NoError(t, tx.Rollback(t.Context()))
}

func TestCancelDoesNoHarm(t *testing.T) {
	t.Parallel()
	conn := connect(t, shared)
	require.NoError(t, conn.PgConn().CancelRequest(t.Context()))
	require.Equal(t, 1, one[int](t, conn, `SELECT 1`))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := conn.Exec(ctx, `SELECT pg_sleep(1)`)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, 1, one[int](t, connect(t, shared), `SELECT 1`))
}

// psql is libpq, which frames and waits in its own ways. It is no requirement of the project's.
func TestPsql(t *testing.T) {
	t.Parallel()
	psql, err := exec.LookPath("psql")
	if errors.Is(err, exec.ErrNotFound) {
		t.Log("psql is not installed here")
		return
	}
	require.NoError(t, err)
	script := `CREATE TEMP TABLE lines (line text) ON COMMIT DROP;
		\copy lines FROM PROGRAM 'seq 1 1000'
		SELECT count(*) FROM lines;
		SELECT current_setting('application_name'), 'done';`
	command := exec.CommandContext(t.Context(), psql, "-X", "-At", "-v", "ON_ERROR_STOP=1", "--single-transaction", shared.URL())
	command.Stdin = strings.NewReader(script)
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), "COPY 1000\n1000\npsql|done\n")

	output, err = exec.CommandContext(t.Context(), psql, "-X", shared.URL()+"&options=-c%20search_path%3Dnowhere", "-Atc", `SHOW search_path`).Output()
	require.NoError(t, err)
	require.Equal(t, "nowhere\n", string(output))
	output, err = exec.CommandContext(t.Context(), psql, "-X", strings.Replace(shared.URL(), "/postgres?", "/other?", 1), "-c", ``).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(output), `database "other" does not exist`)
}

// dial opens a bare connection that has begun a session.
func dial(t testing.TB, server *embedded.Server) net.Conn {
	t.Helper()
	config, err := pgconn.ParseConfig(server.URL())
	require.NoError(t, err)
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	conn, err := net.Dial(network, address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func begin(t testing.TB, conn net.Conn) *pgproto3.Frontend {
	t.Helper()
	frontend := pgproto3.NewFrontend(conn, conn)
	frontend.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "postgres"}})
	require.NoError(t, frontend.Flush())
	for {
		message, err := frontend.Receive()
		require.NoError(t, err)
		if _, ready := message.(*pgproto3.ReadyForQuery); ready {
			return frontend
		}
	}
}

// failureOf waits for an error.
func failureOf(t testing.TB, frontend *pgproto3.Frontend) *pgproto3.ErrorResponse {
	t.Helper()
	for {
		message, err := frontend.Receive()
		require.NoError(t, err)
		if failure, ok := message.(*pgproto3.ErrorResponse); ok {
			return failure
		}
	}
}

// wild is what a broken or hostile client may send: sound messages in any order, among them some of random types, lengths
// and bodies.
func wild(random *rand.Rand) []byte {
	var out []byte
	for range 1 + random.IntN(12) {
		if random.IntN(3) > 0 {
			out, _ = sound(random).Encode(out) // cannot fail: nothing is too long
			continue
		}
		body := make([]byte, random.IntN(40))
		for i := range body {
			body[i] = byte(random.IntN(256) & int(random.Uint32()))
		}
		length := len(body) + 4
		if random.IntN(5) == 0 {
			length = int(int32(random.Uint32())) >> random.IntN(32)
		}
		out = append(out, "QPBDECHSXdcfFpR\x00 ~"[random.IntN(18)])
		out = binary.BigEndian.AppendUint32(out, uint32(length))
		out = append(out, body...)
	}
	return out
}

// sound is a message that a client may send, though perhaps not now.
func sound(random *rand.Rand) pgproto3.FrontendMessage {
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	sql := pick("", "SELECT 1", "SELECT $1::int", "BEGIN", "COMMIT", "SELECT 1/0", "COPY pg_class FROM STDIN", "DISCARD ALL",
		"SET search_path = x", "RESET ALL", "DEALLOCATE ALL", "COPY (SELECT 1) TO STDOUT", "LISTEN x", "SELECT 'unclosed", "SELECT 1; BEGIN",
		"CREATE TEMP TABLE x (i int)", "COPY x FROM STDIN", "COPY x FROM STDIN BINARY; COPY x TO PROGRAM 'id'", "SAVEPOINT s", "/* unclosed")
	name, kind := pick("", "a", "b"), pick("S", "P")[0]
	switch random.IntN(14) {
	case 0, 1:
		return &pgproto3.Parse{Name: name, Query: sql}
	case 2, 3:
		return &pgproto3.Bind{DestinationPortal: pick("", "a"), PreparedStatement: name, Parameters: [][]byte{[]byte("1"), nil}[:random.IntN(3)]}
	case 4:
		return &pgproto3.Describe{ObjectType: kind, Name: name}
	case 5, 6:
		return &pgproto3.Execute{Portal: pick("", "a"), MaxRows: random.Uint32N(3)}
	case 7:
		return &pgproto3.Close{ObjectType: kind, Name: name}
	case 8:
		return &pgproto3.Sync{}
	case 9:
		return &pgproto3.Flush{}
	case 10:
		return &pgproto3.CopyData{Data: []byte(pick("1\n", "x", "\\.\n"))}
	case 11:
		return &pgproto3.CopyDone{}
	case 12:
		return &pgproto3.CopyFail{Message: "enough"}
	default:
		return &pgproto3.Query{String: sql}
	}
}

func FuzzWildBytes(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		f.Add(random.IntN(10) > 0, wild(random))
	}
	f.Add(false, []byte{0, 0, 0, 8, 4, 210, 22, 47})
	f.Add(false, []byte{0, 0, 0, 9, 0, 3, 0, 0, 0})
	f.Add(true, []byte("B\x00\x00\x00\x0c\x00\x00\x7f\xff\x7f\xff\x00\x00"))
	f.Fuzz(func(t *testing.T, begun bool, data []byte) {
		healthy := connect(t, shared)
		conn := dial(t, shared)
		if begun {
			begin(t, conn)
		}
		_, _ = conn.Write(data)
		_ = conn.(*net.UnixConn).CloseWrite()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		_, err := io.Copy(io.Discard, conn)
		if err != nil {
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		}
		require.Equal(t, 1, one[int](t, healthy, `SELECT 1`), "another client's connection")
	})
}
