package store_test

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// TestWritersOfTheSameRows stores the same posts and trades from two sides at once, the one from the first on, the other from the last: neither
// waits for the other in a circle. (Only a native server has two sessions at a time.)
func TestWritersOfTheSameRows(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	const rounds, rows = 10, 300
	for round := range rounds {
		var posts []*market.Tweet
		var trades []*market.Price
		for i := range rows {
			at := noon.Add(time.Duration(round*rows+i) * time.Second)
			posts = append(posts, tweet(round*rows+i, at))
			trades = append(trades, &market.Price{Venue: "v", Symbol: "BTC", TradeID: strconv.Itoa(i), Time: at, Price: 1, Volume: 1, ReceivedAt: at})
		}
		var writers sync.WaitGroup
		failed := make(chan error, 4)
		for _, backwards := range []bool{false, true} {
			posts, trades := slices.Clone(posts), slices.Clone(trades)
			if backwards {
				slices.Reverse(posts)
				slices.Reverse(trades)
			}
			writers.Go(func() {
				_, err := s.InsertTweets(t.Context(), posts)
				failed <- err
				_, err = s.InsertPrices(t.Context(), trades)
				failed <- err
			})
		}
		writers.Wait()
		close(failed)
		for err := range failed {
			require.NoError(t, err)
		}
	}
	require.Equal(t, rounds*rows, storetest.Value[int](t, s, `SELECT count(*) FROM tweets`))
	require.Equal(t, rounds*rows, storetest.Value[int](t, s, `SELECT count(*) FROM prices`))
}

// TestWritersThatMeetANewStream: of several that note a new stream at the same moment none takes it for another one than before.
func TestWritersThatMeetANewStream(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	for round := range 30 {
		at := store.StreamPosition{Stream: "S" + strconv.Itoa(round), Made: noon}
		var writers sync.WaitGroup
		alarms := make(chan string, 4)
		for range cap(alarms) {
			writers.Go(func() {
				if _, missing, err := s.CheckPosition(t.Context(), at, 0); err != nil || missing != nil {
					alarms <- fmt.Sprint(missing, err)
				}
			})
		}
		writers.Wait()
		close(alarms)
		for alarm := range alarms {
			require.Fail(t, alarm)
		}
	}
}

// TestRefused: whoever gives a wrong password, or names a database that is not there, is not asked whether the server is up.
func TestRefused(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"28P01": "the database refuses the user or the password of RCAS_DATABASE_URL", "3D000": "has no such database; create it"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				server := pgproto3.NewBackend(conn, conn)
				if _, err := server.ReceiveStartupMessage(); err == nil {
					server.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: "no"})
					_ = server.Flush()
				}
				_ = conn.Close()
			}
		}()
		_, err = store.Open(t.Context(), store.Config{URL: "postgres://ann:wrong@" + listener.Addr().String() + "/rcas?sslmode=disable"})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "wrong")
		require.NotContains(t, err.Error(), "is the server")
	}
}
