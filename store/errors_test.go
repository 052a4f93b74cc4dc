package store_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// TestSessionsOfAReadOnlyTimeAreDropped leaves every session of the pool as a database does that was read-only for a moment.
func TestSessionsOfAReadOnlyTimeAreDropped(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	var sessions []*pgxpool.Conn
	for range s.Pool().Config().MaxConns {
		conn, err := s.Pool().Acquire(t.Context())
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), `SET default_transaction_read_only = on`)
		require.NoError(t, err)
		sessions = append(sessions, conn)
	}
	for _, conn := range sessions {
		conn.Release()
	}
	_, err := s.InsertTweets(t.Context(), []*market.Tweet{tweet(1, noon)})
	require.ErrorContains(t, err, "takes no writes")
	require.Eventually(t, func() bool {
		_, err := s.InsertTweets(t.Context(), []*market.Tweet{tweet(1, noon)})
		return err == nil
	}, time.Minute, 10*time.Millisecond)
}

func TestWhatIsTheDatas(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	archive(t, s, 3000, 6, 3)
	_, err := s.Pool().Exec(t.Context(), `SET timescaledb.max_tuples_decompressed_per_dml_transaction = 1000;
		UPDATE tweets SET author = 'bob'; RESET timescaledb.max_tuples_decompressed_per_dml_transaction`)
	require.True(t, store.IsDataError(err), "more than TimescaleDB unpacks at once: %v", err)
	_, err = s.Pool().Exec(t.Context(), `SELECT 1/0`)
	require.True(t, store.IsDataError(err))
	if !s.Embedded() { // whose one backend knows no timeouts
		_, err = s.Pool().Exec(t.Context(), `SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)`)
		require.True(t, store.IsTooMuch(err), "%v", err)
	}
	for code, tooMuch := range map[string]bool{"57014": true, "53200": true, "53100": false, "57P01": false} {
		require.Equal(t, tooMuch, store.IsTooMuch(&pgconn.PgError{Code: code}), code)
		require.False(t, store.IsDataError(&pgconn.PgError{Code: code}), code)
	}
	for _, code := range []string{"08006", "25006", "40P01", "42P01", "53100", "53300", "57P01"} {
		require.False(t, store.IsDataError(&pgconn.PgError{Code: code}), code)
	}
}
