package stream_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/stream"
	"rcas/stream/streamtest"
)

// While the server is away, long posts are far more than the client library keeps (8 MiB). Publishing waits, and nothing is lost.
func TestOutageWithLongPosts(t *testing.T) {
	t.Parallel()
	nodes := streamtest.New(t, 1)
	s := open(t, stream.Config{URL: nodes.URL()})
	nodes.Stop(0)
	require.Eventually(t, func() bool { return !s.Conn().IsConnected() }, time.Minute, time.Millisecond)
	const n = 600
	published := make(chan error, 1)
	begun := make(chan struct{}, n)
	go func() {
		p := s.Publisher()
		for i := range n {
			begun <- struct{}{}
			post := &market.Tweet{Source: "test", ID: strconv.Itoa(i), Text: strings.Repeat("x", 60_000)}
			if err := p.Tweet(t.Context(), post); err != nil {
				published <- err
				return
			}
		}
		published <- p.Flush(t.Context())
	}()
	// The buffer is full where it holds its publisher up; on the old code, an error comes here.
	require.Eventually(t, func() bool { return len(begun) > 60 || len(published) > 0 }, time.Minute, time.Millisecond)
	require.Empty(t, published)
	nodes.Start(0)
	require.NoError(t, <-published)
	var got seen
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error { got.add(batch); return nil })
	require.Len(t, got.n, n)
}

// logged is a log that can be read while it is written.
type logged struct {
	sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

func (l *logged) String() string {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.String()
}

const limited = "RCAS_STREAM_TEST_LIMITED"

// A process whose files may not grow any more stands for a full disk: the system refuses to write. Everybody's files are limited so, which is
// why it is a process of its own.
func TestDiskThatTakesNothing(t *testing.T) {
	t.Parallel()
	if os.Getenv(limited) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskThatTakesNothing$", "-test.v")
		cmd.Env = append(os.Environ(), limited+"=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	log := &logged{}
	s := open(t, stream.Config{Listen: "127.0.0.1:0", ConfirmWithin: time.Second,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	publish(t, s, 0, 10)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	small := before
	small.Cur = 1 << 20
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := s.Publisher()
		for i := 10; i < 200; i++ {
			post := &market.Tweet{Source: "test", ID: strconv.Itoa(i), Text: strings.Repeat("x", 60_000)}
			if err := p.Tweet(t.Context(), post); err != nil {
				t.Error(err)
				return
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "the stream's disk cannot be written") }, time.Minute,
		10*time.Millisecond)
	// Whoever frees the disk can join, and read what is there.
	joined := open(t, stream.Config{URL: s.URL()})
	backlogs, err := joined.Backlogs(t.Context())
	require.NoError(t, err)
	require.NotZero(t, backlogs[1].Pending)

	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	<-done
	require.Contains(t, log.String(), "over: the stream's disk can be written again")
	var got seen
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error { got.add(batch); return nil })
	require.Len(t, got.n, 200)
}
