package migrations_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// TestNoCommitSlipsPastARefresh commits trades while a refresh reaches their time first. What the refresh did not see, the next one adds. On a
// native server the commit is held where the refresh can overtake it: before this was so, each round lost its trades there. The embedded
// database does one thing after the other; there this shows that the newest changes are noted.
func TestNoCommitSlipsPastARefresh(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	open := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), s.URL())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close(t.Context()) })
		return conn
	}
	writer, reader := open(), open()
	exec := func(conn *pgx.Conn, sql string, args ...any) {
		_, err := conn.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}
	exec(writer, `SELECT set_config('commit_delay', '100000', false), set_config('commit_siblings', '0', false)`) // 100 ms before the commit is visible
	exec(reader, `SET synchronous_commit = off`)
	const insert = `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
		SELECT $1::timestamptz + n * INTERVAL '1 second', 'BTC', 'test', n::text, 1, 1, $1 FROM generate_series(0, $2::integer) AS n`
	const refresh = `CALL refresh_continuous_aggregate('prices_1m', $1::timestamptz, $1::timestamptz + INTERVAL '1 hour', options => '{"buckets_per_batch": 0}')`
	tomorrow := time.Now().Add(24 * time.Hour).Truncate(time.Hour) // where no policy's refresh has been
	for round := range 4 {
		start := tomorrow.Add(time.Duration(3*round) * time.Hour)
		exec(reader, insert, start.Add(59*time.Minute), 0) // so that the windows of all the hour are read from what was refreshed
		exec(writer, `BEGIN`)
		exec(writer, insert, start, 298)
		committed := make(chan error, 1)
		go func() {
			_, err := writer.Exec(t.Context(), `COMMIT`)
			committed <- err
		}()
		for done := false; !done; {
			var committing bool
			require.NoError(t, reader.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND query = 'COMMIT' AND
				state = 'active')`, writer.PgConn().PID()).Scan(&committing))
			if committing {
				exec(reader, refresh, pgx.QueryExecModeSimpleProtocol, start)
			}
			select {
			case err := <-committed:
				require.NoError(t, err)
				done = true
			default:
			}
		}
		exec(reader, refresh, pgx.QueryExecModeSimpleProtocol, start)
		require.EqualValues(t, 300, storetest.Value[int64](t, s, `SELECT sum(trades)::bigint FROM prices_1m
			WHERE bucket >= $1 AND bucket < $1 + INTERVAL '1 hour'`, start), "round %d", round)
		exec(writer, insert, start.Add(90*time.Minute), 9) // and what is newer than all before it
		require.NotZero(t, storetest.Value[int64](t, s, `SELECT count(*) FROM
			(SELECT hypertable_id FROM _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log
			 UNION ALL SELECT materialization_id FROM _timescaledb_catalog.continuous_aggs_materialization_invalidation_log
			 WHERE lowest_modified_value >= _timescaledb_functions.to_unix_microseconds($1) AND
			       greatest_modified_value < _timescaledb_functions.to_unix_microseconds($1 + INTERVAL '1 day')) AS noted`, start))
	}
}
