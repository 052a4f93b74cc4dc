package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
)

// TestOutageIsToldOnce: a machine without a network has a line when it begins and one when it is over, and the state says what is going on.
func TestOutageIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		state := feed.NewState("x", slog.New(slog.NewTextHandler(&log, nil)), nil)
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		r := feed.Runner{Name: "x", Sink: feedtest.NewSink(), State: state, Ladder: func(error) feed.Ladder { return feed.Ladder{First: time.Second, Exact: true} }}
		require.NoError(t, r.Run(ctx, func(ctx context.Context, s *feed.Session) error {
			n++
			if n < 50 {
				require.Contains(t, []string{feed.Connecting, feed.Waiting}, state.Report().State)
				return errors.New("no such host")
			}
			require.Equal(t, "no such host", state.Report().Error)
			s.Data()
			require.Equal(t, feed.Reading, state.Report().State)
			cancel()
			return nil
		}))
		require.Equal(t, feed.Ended, state.Report().State)
		require.Equal(t, 2, strings.Count(log.String(), "level=WARN"), log.String())
	})
}

// TestUnreadableFeedIsAnAlarm: within a minute, once, with one of the messages; and its end.
func TestUnreadableFeedIsAnAlarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		state := feed.NewState("x", slog.New(slog.NewTextHandler(&log, nil)), nil)
		send := func(span time.Duration, readable bool) {
			for until := time.Now().Add(span); time.Now().Before(until); time.Sleep(5 * time.Second) {
				if readable {
					state.Legible(1)
				} else {
					state.Illegible([]byte(`{"kind":"trade/v9"}`))
				}
			}
		}
		send(2*time.Minute, true)
		state.Illegible([]byte("garbage"))
		send(2*time.Minute, true)
		require.Empty(t, log.String())
		send(time.Minute, false)
		require.Equal(t, feed.Unreadable, state.Report().State)
		send(10*time.Minute, false)
		require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
		require.Contains(t, log.String(), "trade/v9")
		send(time.Minute, true)
		require.Equal(t, feed.Reading, state.Report().State)
		require.Contains(t, log.String(), "can be read again")
	})
}

// TestLossesAreSummed: the first is told at once, those of the next minutes together.
func TestLossesAreSummed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		state := feed.NewState("x", slog.New(slog.NewTextHandler(&log, nil)), nil)
		for range 10 {
			state.Lost(5, "lost")
		}
		time.Sleep(11 * time.Minute)
		state.Lost(5, "lost")
		require.Equal(t, 2, strings.Count(log.String(), "WARN"))
		require.Contains(t, log.String(), "n=50")
		state.Lost(1, "lost otherwise")
		require.Contains(t, log.String(), "lost otherwise", "another kind of loss is told at once")
	})
}

// TestUnreadableAnswersAreAnAlarm: of a feed that is asked again and again, each session ends with an answer of another form.
func TestUnreadableAnswersAreAnAlarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		state := feed.NewState("x", slog.New(slog.NewTextHandler(&log, nil)), nil)
		ctx, cancel := context.WithCancel(t.Context())
		r := feed.Runner{Name: "x", Sink: feedtest.NewSink(), State: state, Ladder: func(error) feed.Ladder {
			return feed.Ladder{First: 2 * time.Second, Max: 5 * time.Minute, Exact: true}
		}}
		began, changed := time.Now(), false
		require.NoError(t, r.Run(ctx, func(context.Context, *feed.Session) error {
			if time.Since(began) > time.Minute && !changed {
				changed = true
				require.Equal(t, feed.Unreadable, state.Report().State)
				require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
				require.Contains(t, log.String(), "no listing")
			}
			if time.Since(began) > time.Hour {
				cancel()
			}
			return fmt.Errorf("%w: no listing but %q", feed.ErrMalformed, "v9")
		}))
		require.True(t, changed)
		require.Equal(t, 1, strings.Count(log.String(), "no longer be read"), log.String())
	})
}

// TestPast: one thing of last year is taken, those of a hundred weeks are not, and the next day as many again.
func TestPast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		past := feed.Past{Weeks: 3}
		count := func() (n int) {
			for i := range 700 {
				if past.Admits(time.Now().AddDate(0, 0, -400-i), time.Now()) {
					n++
				}
			}
			return n
		}
		require.True(t, past.Admits(time.Now().Add(-23*time.Hour), time.Now()))
		require.LessOrEqual(t, count(), 3*7)
		require.GreaterOrEqual(t, count(), 2*7+1, "of weeks that are open, all")
		require.True(t, past.Admits(time.Now(), time.Now()))
		time.Sleep(25 * time.Hour)
		require.Positive(t, count())
		none, all := feed.Past{}, feed.Past{Weeks: -1}
		require.False(t, none.Admits(time.Now().AddDate(-1, 0, 0), time.Now()))
		require.True(t, all.Admits(time.Now().AddDate(-1, 0, 0), time.Now()))
	})
}
