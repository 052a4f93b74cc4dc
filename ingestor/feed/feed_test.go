package feed_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
)

// quick is a ladder for tests.
func quick(error) feed.Ladder { return feed.Ladder{First: time.Millisecond, Max: 2 * time.Millisecond} }

func TestLadderClimbsToItsCap(t *testing.T) {
	t.Parallel()
	doubling := feed.Ladder{First: 5 * time.Second, Max: 320 * time.Second, Exact: true}
	for n, want := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 320} {
		require.Equal(t, want*time.Second, doubling.Wait(n, 0))
		require.LessOrEqual(t, doubling.Wait(n, 0.999), want*time.Second*11/10)
	}
	steps := feed.Ladder{Step: 250 * time.Millisecond, Max: 16 * time.Second, Exact: true}
	require.Zero(t, steps.Wait(0, 0.5), "the first attempt comes at once")
	require.Equal(t, 250*time.Millisecond, steps.Wait(1, 0))
	require.Equal(t, 16*time.Second, steps.Wait(1000, 0))
	require.Equal(t, 30*time.Second, feed.Ladder{}.Wait(100, 0.5), "the default is full jitter up to a minute")
}

func TestBackoffResetsOnlyAfterData(t *testing.T) {
	t.Parallel()
	sink := feedtest.NewSink()
	ladder := feed.Ladder{First: 10 * time.Millisecond, Max: time.Hour, Exact: true}
	var starts []time.Time
	var log bytes.Buffer
	r := feed.Runner{
		Name: "x", Sink: sink, Ladder: func(error) feed.Ladder { return ladder }, Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	err := r.Run(t.Context(), func(_ context.Context, s *feed.Session) error {
		starts = append(starts, time.Now())
		switch len(starts) {
		case 9:
			s.Data()
		case 10:
			return feed.Fatal(errors.New("enough"))
		}
		return errors.New("dropped")
	})
	require.ErrorContains(t, err, "enough")
	require.Equal(t, 2, strings.Count(log.String(), `"WARN"`), "failures in a row are one line, and their end another")
	lines := json.NewDecoder(&log)
	for i, least := range []time.Duration{10, 20, 40, 80, 160, 320, 640, 1280, 10} { // after data the ladder starts at its foot
		least *= time.Millisecond
		require.GreaterOrEqual(t, starts[i+1].Sub(starts[i]), least)
		var line struct {
			Msg  string
			Wait time.Duration
		}
		for line.Msg != "reconnecting" {
			require.NoError(t, lines.Decode(&line))
		}
		require.InDelta(t, least, line.Wait, float64(least/10+time.Millisecond), "what the runner meant to wait")
	}
	require.EqualValues(t, 9, sink.Counter("reconnect"))
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	var starts []time.Time
	r := feed.Runner{Name: "x", Sink: feedtest.NewSink(), Ladder: quick}
	_ = r.Run(t.Context(), func(context.Context, *feed.Session) error {
		if starts = append(starts, time.Now()); len(starts) == 2 {
			return feed.Fatal(errors.New("enough"))
		}
		return &feed.StatusError{Code: 429, RetryAfter: 60 * time.Millisecond}
	})
	require.GreaterOrEqual(t, starts[1].Sub(starts[0]), 60*time.Millisecond)
}

func TestWatchdogsEndSessions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		runner feed.Runner
		want   error
		count  string
	}{
		"silent": {feed.Runner{Silence: 20 * time.Millisecond}, feed.ErrSilent, "silent"},
		"idle":   {feed.Runner{Silence: time.Hour, Idle: 20 * time.Millisecond}, feed.ErrIdle, "idle"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			sink := feedtest.NewSink()
			r := test.runner
			r.Name, r.Sink, r.Ladder = "x", sink, quick
			var cause error
			require.NoError(t, r.Run(ctx, func(ctx context.Context, s *feed.Session) error {
				for ctx.Err() == nil {
					if name == "idle" {
						s.Alive()
					}
					_ = feed.Sleep(ctx, time.Millisecond)
				}
				cause = context.Cause(ctx)
				cancel()
				return ctx.Err()
			}))
			require.ErrorIs(t, cause, test.want)
			require.EqualValues(t, 1, sink.Counter(test.count))
		})
	}
}

// TestHandoverOverlaps: the old session is ended only when the new one has data, and however often the new one fails before.
func TestHandoverOverlaps(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	sink := feedtest.NewSink()
	var n, failedBeside atomic.Int32
	var oldAlive atomic.Bool
	r := feed.Runner{Name: "x", Sink: sink, Lifetime: 10 * time.Millisecond, Ladder: quick}
	require.NoError(t, r.Run(ctx, func(ctx context.Context, s *feed.Session) error {
		switch n.Add(1) {
		case 1:
			s.Data()
			oldAlive.Store(true)
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), feed.ErrReplaced)
			oldAlive.Store(false)
			cancel()
			return ctx.Err()
		case 2, 3:
			if oldAlive.Load() {
				failedBeside.Add(1)
			}
			return errors.New("refused")
		}
		s.Data()
		<-ctx.Done()
		return ctx.Err()
	}))
	require.EqualValues(t, 2, failedBeside.Load())
	require.EqualValues(t, 1, sink.Counter("handover"))
}

func TestDialReportsTheRefusal(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	}))
	defer server.Close()
	r := feed.Runner{Name: "x", Sink: feedtest.NewSink()}
	err := r.Run(t.Context(), func(ctx context.Context, s *feed.Session) error {
		_, err := feed.Dial(ctx, server.Client(), server.URL, s)
		return feed.Fatal(err)
	})
	status, ok := errors.AsType[*feed.StatusError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, 429, status.Code)
	require.Equal(t, 7*time.Second, status.RetryAfter)
	require.Contains(t, status.Body, "slow down")
}

// TestMessagesAreBounded: a message beyond the limit ends the session instead of filling the memory.
func TestMessagesAreBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		_ = conn.Write(r.Context(), websocket.MessageText, make([]byte, 1000))
		_ = conn.Write(r.Context(), websocket.MessageText, make([]byte, feed.MaxMessage+1))
		_, _, _ = conn.Read(r.Context())
	}))
	defer server.Close()
	var sizes []int
	r := feed.Runner{Name: "x", Sink: feedtest.NewSink()}
	err := r.Run(t.Context(), func(ctx context.Context, s *feed.Session) error {
		conn, err := feed.Dial(ctx, server.Client(), server.URL, s)
		if err != nil {
			return feed.Fatal(err)
		}
		defer conn.Close()
		return feed.Fatal(conn.Each(ctx, func(m []byte) error { sizes = append(sizes, len(m)); return nil }))
	})
	require.ErrorContains(t, err, "read")
	require.Equal(t, []int{1000}, sizes)
}

func TestClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "rcas-test", r.Header.Get("User-Agent"))
		switch r.URL.Path {
		case "/good":
			_, _ = w.Write([]byte(`{"n": 5}`))
		case "/half":
			_, _ = w.Write([]byte(`{"n": `))
		default:
			w.Header().Set("Retry-After", "2")
			http.Error(w, strings.Repeat("x", 5000), http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	c := feed.Client{HTTP: server.Client(), Limit: rate.NewLimiter(rate.Every(20*time.Millisecond), 1), UserAgent: "rcas-test"}
	var answer struct{ N int }
	began := time.Now()
	require.NoError(t, c.Get(t.Context(), server.URL+"/good", &answer))
	require.Equal(t, 5, answer.N)
	require.ErrorIs(t, c.Get(t.Context(), server.URL+"/half", &answer), feed.ErrMalformed)
	err := c.Get(t.Context(), server.URL+"/bad", &answer)
	status, ok := errors.AsType[*feed.StatusError](err)
	require.True(t, ok)
	require.Equal(t, 503, status.Code)
	require.Equal(t, 2*time.Second, status.RetryAfter)
	require.Len(t, status.Body, 5001)
	require.GreaterOrEqual(t, time.Since(began), 40*time.Millisecond, "three requests at one per 20 ms")
}

func TestRecentForgetsTheOldest(t *testing.T) {
	t.Parallel()
	var r feed.Recent
	for i := range 60_000 {
		require.False(t, r.Add(strconv.Itoa(i)))
	}
	require.True(t, r.Add("59999"))
	require.True(t, r.Add("10000"))
	require.False(t, r.Add("9999"))
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	config := struct{ Token feed.Secret }{"hush"}
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", config.Token, "config", config)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", config.Token, "config", config)
	fmt.Fprintf(&log, "%v %+v %#v %s %q", config, config, config, config.Token, config.Token)
	require.NotContains(t, log.String(), "hush")
}
