package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"rcas/api"
)

// TestACrowdHasOneAnswer: of fifty that ask the same while the database has no turn for them, one asks it, and all have what is true by then.
func TestACrowdHasOneAnswer(t *testing.T) {
	t.Parallel()
	s, db := database(t)
	handler := api.New(api.Config{DB: db, Time: 5 * time.Minute})
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	const crowd = 50
	response, body := get(t, server, "/v1/candles?symbol=BTC&from=2024-03-01&to=2024-03-02&width=1d&rows=1") // the catalogue is read
	require.Equal(t, http.StatusOK, response.StatusCode, body)

	var turns []*pgxpool.Conn
	for range db.Config().MaxConns {
		turn, err := db.Acquire(t.Context())
		require.NoError(t, err)
		turns = append(turns, turn)
	}
	type answer struct {
		body string
		err  error
	}
	answers := make(chan answer, crowd)
	for range crowd {
		go func() {
			response, err := http.Get(server.URL + "/v1/candles?symbol=BTC&from=-10m&to=now&width=1m&format=csv")
			if err != nil {
				answers <- answer{err: err}
				return
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			answers <- answer{string(body), err}
		}()
	}
	require.Eventually(t, func() bool { return handler.Waiting() == crowd-1 }, 2*time.Minute, 5*time.Millisecond)
	_, err := s.Pool().Exec(t.Context(), `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
		VALUES (now(), 'BTC', 'test', 'late', 777.5, 1, now())`)
	require.NoError(t, err)
	before := db.Stat().AcquireCount()
	for _, turn := range turns {
		turn.Release()
	}
	for range crowd {
		got := <-answers
		require.NoError(t, got.err)
		require.Contains(t, got.body, "777.5")
	}
	require.Less(t, db.Stat().AcquireCount()-before, int64(crowd/2)) // one, but the pool may look after a connection meanwhile
	require.Zero(t, handler.Waiting())
}
