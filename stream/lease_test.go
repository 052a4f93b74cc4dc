package stream_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/stream"
	"rcas/stream/streamtest"
)

// holder is a process that reads a source as long as it may.
type holder struct {
	s       *stream.Stream
	holding chan struct{}
	ended   chan error
	stop    context.CancelFunc
}

func hold(t *testing.T, url string, readers *atomic.Int32) *holder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &holder{s: open(t, stream.Config{URL: url}), holding: make(chan struct{}, 10), ended: make(chan error, 1), stop: cancel}
	go func() {
		h.ended <- h.s.Hold(ctx, "twitter", func(ctx context.Context) error {
			if readers.Add(1) > 1 {
				t.Error("two at a time")
			}
			defer readers.Add(-1)
			h.holding <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	t.Cleanup(cancel)
	return h
}

func within(t *testing.T, h *holder, d time.Duration) {
	t.Helper()
	select {
	case <-h.holding:
	case <-time.After(d):
		require.Fail(t, "not taken over", "within %v", d)
	}
}

func TestLeaseIsTakenOver(t *testing.T) {
	t.Parallel()
	nodes := streamtest.New(t, 1)
	var readers atomic.Int32
	first := hold(t, nodes.URL(), &readers)
	within(t, first, time.Minute)
	second := hold(t, nodes.URL(), &readers)
	third := hold(t, nodes.URL(), &readers)

	first.stop() // in order: at once
	<-first.ended
	var next, last *holder
	select {
	case <-second.holding:
		next, last = second, third
	case <-third.holding:
		next, last = third, second
	case <-time.After(20 * time.Second):
		require.Fail(t, "not taken over")
	}
	cut := time.Now()
	next.s.Conn().Close() // as one whose network is cut: it must stop before the other begins
	select {
	case <-last.holding:
	case <-time.After(30 * time.Second):
		require.Fail(t, "not taken over")
	}
	t.Logf("taken over after %v", time.Since(cut))
}

func TestLeaseEndsWithTheWork(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{})
	failed := errors.New("wrong key")
	require.ErrorIs(t, s.Hold(t.Context(), "a", func(context.Context) error { return failed }), failed)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.Hold(ctx, "a", func(context.Context) error { return nil }))
	require.NoError(t, ctx.Err())
}
