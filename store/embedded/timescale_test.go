package embedded_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"rcas/store/embedded"
)

// hourly makes a hypertable with an hourly continuous aggregate, and a row a minute for ten days.
func hourly(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	must(t, conn, `CREATE TABLE ticks (time timestamptz NOT NULL, price float8, PRIMARY KEY (time))`)
	must(t, conn, `SELECT create_hypertable('ticks', 'time', chunk_time_interval => interval '1 day')`)
	must(t, conn, `CREATE MATERIALIZED VIEW ticks_1h WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
		SELECT time_bucket('1 hour', time) AS bucket, sum(price) AS price, count(*) AS n FROM ticks GROUP BY 1 WITH NO DATA`)
	must(t, conn, `INSERT INTO ticks SELECT '2024-01-01'::timestamptz + i * interval '1 minute', i FROM generate_series(0, 14399) i`)
}

func refresh(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	must(t, conn, `CALL refresh_continuous_aggregate('ticks_1h', NULL, NULL)`)
	require.EqualValues(t, 240, one[int64](t, conn, `SELECT count(*) FROM ticks_1h`))
	require.EqualValues(t, one[float64](t, conn, `SELECT sum(price) FROM ticks`), one[float64](t, conn, `SELECT sum(price) FROM ticks_1h`))
}

// After a restart the extension has to be loaded before anything else, or refreshing fails over the licence.
func TestRefreshAfterRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := start(t, embedded.Config{Dir: dir})
	hourly(t, connect(t, server))
	require.NoError(t, server.Close())
	conn := connect(t, start(t, embedded.Config{Dir: dir}))
	require.EqualValues(t, 0, one[int64](t, conn, `SELECT count(*) FROM ticks_1h`))
	refresh(t, conn)
	must(t, conn, `UPDATE ticks SET price = price + 1 WHERE time < '2024-01-03'`)
	refresh(t, conn)
	must(t, conn, `ALTER TABLE ticks SET (timescaledb.compress)`)
	must(t, conn, `SELECT compress_chunk(c) FROM show_chunks('ticks', older_than => '2024-01-08'::timestamptz) c`)
	refresh(t, conn)
}

// Two tests may use the same names side by side, each in a schema of its own.
func TestSchemasIsolate(t *testing.T) {
	t.Parallel()
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, shared)
			name := schema(t, conn)
			hourly(t, conn)
			must(t, conn, fmt.Sprintf(`INSERT INTO ticks VALUES ('2024-01-01 00:00:00.%d', 1)`, i+1))
			refresh(t, conn)
			job := one[int](t, conn, `SELECT add_continuous_aggregate_policy('ticks_1h', NULL, interval '1 hour', interval '1 hour')`)
			must(t, conn, `CALL run_job($1)`, job)
			must(t, conn, `DROP SCHEMA `+name+` CASCADE`)
			require.EqualValues(t, 0, one[int64](t, conn, `SELECT count(*) FROM _timescaledb_catalog.hypertable WHERE schema_name = $1`, name))
			require.EqualValues(t, 0, one[int64](t, conn, `SELECT count(*) FROM _timescaledb_catalog.continuous_agg WHERE user_view_schema = $1`, name))
		})
	}
}

// BenchmarkInsert writes batches of 5,000 posts by unnest into a hypertable with a key, as RCAS does.
func BenchmarkInsert(b *testing.B) {
	conn := connect(b, shared)
	schema(b, conn)
	must(b, conn, `CREATE TABLE posts (time timestamptz NOT NULL, source text NOT NULL, id text NOT NULL, text text, followers bigint,
		PRIMARY KEY (source, id, time))`)
	must(b, conn, `SELECT create_hypertable('posts', 'time', chunk_time_interval => interval '1 day')`)
	const batch = 5000
	times, ids, texts, followers := make([]time.Time, batch), make([]string, batch), make([]string, batch), make([]int64, batch)
	n := 0
	for b.Loop() {
		for i := range batch {
			times[i] = time.Unix(1_700_000_000, 0).Add(time.Duration(n) * 100 * time.Millisecond)
			ids[i] = fmt.Sprint(n)
			texts[i] = "to the moon with $BTC, said nobody who had seen the number " + ids[i]
			followers[i] = int64(n % 1000)
			n++
		}
		must(b, conn, `INSERT INTO posts SELECT time, 'test', id, text, followers
			FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[]) AS row (time, id, text, followers)
			ON CONFLICT DO NOTHING`, times, ids, texts, followers)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSelect reads 100,000 rows.
func BenchmarkSelect(b *testing.B) {
	conn := connect(b, shared)
	for b.Loop() {
		rows, err := conn.Query(b.Context(), `SELECT i, i * 0.5 FROM generate_series(1, 100000) i`)
		require.NoError(b, err)
		for rows.Next() {
		}
		require.NoError(b, rows.Err())
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSwitch runs small statements in two sessions in turn.
func BenchmarkSwitch(b *testing.B) {
	conns := []*pgx.Conn{connect(b, shared), connect(b, shared)}
	for i := 0; b.Loop(); i++ {
		must(b, conns[i%2], `SELECT 1`)
	}
}

// BenchmarkStart starts and closes servers on temporary directories.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		server, err := embedded.Start(b.Context(), embedded.Config{})
		require.NoError(b, err)
		require.NoError(b, server.Close())
	}
}
