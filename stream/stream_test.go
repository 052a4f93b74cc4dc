package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/stream"
)

// open starts a server of its own for the test.
func open(t *testing.T, cfg stream.Config) *stream.Stream {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := stream.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func publish(t *testing.T, s *stream.Stream, from, to int) {
	t.Helper()
	p := s.Publisher()
	for i := from; i < to; i++ {
		require.NoError(t, p.Tweet(t.Context(), &market.Tweet{Source: "test", ID: strconv.Itoa(i)}))
	}
	require.NoError(t, p.Flush(t.Context()))
}

// publishEach publishes each post in a message of its own, as if it came alone.
func publishEach(t *testing.T, s *stream.Stream, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		publish(t, s, i, i+1)
	}
}

// seen collects the ids of messages.
type seen struct {
	sync.Mutex
	n map[string]int
}

func (s *seen) add(batch []*stream.Message) {
	s.Lock()
	defer s.Unlock()
	if s.n == nil {
		s.n = map[string]int{}
	}
	for _, m := range batch {
		s.n[id(m)]++
	}
}

func id(m *stream.Message) string {
	var t market.Tweet
	_ = json.Unmarshal(m.Data, &t)
	return t.ID
}

var small = stream.Batch{Size: 64, Age: 20 * time.Millisecond, Workers: 2}

// drainBy consumes TWEETS with both consumers until nothing is left.
func drainBy(t *testing.T, s *stream.Stream, writer stream.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	ok := func(context.Context, []*stream.Message) error { return nil }
	for _, c := range []struct {
		name   string
		handle stream.Handler
	}{{stream.Writer, writer}, {stream.Scorer, ok}} {
		wg.Go(func() {
			if err := s.Consume(ctx, stream.Tweets, c.name, small, c.handle); err != nil {
				t.Error(err)
			}
		})
	}
	limit, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	require.NoError(t, s.WaitDrained(limit, nil))
	cancel()
	wg.Wait()
}

func TestEveryMessageArrives(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{})
	publish(t, s, 0, 5000)
	var got seen
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error { got.add(batch); return nil })
	require.Len(t, got.n, 5000)
}

// TestLongMessagesComeInSmallBatches reads 400 posts of the greatest length, which do not fit into a batch's memory at once.
func TestLongMessagesComeInSmallBatches(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{})
	p := s.Publisher()
	for i := range 400 {
		require.NoError(t, p.Tweet(t.Context(), &market.Tweet{Source: "test", ID: strconv.Itoa(i), Text: strings.Repeat("long ", 25_000)}))
	}
	require.NoError(t, p.Flush(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	var most, batches, got int
	require.NoError(t, s.Consume(ctx, stream.Tweets, stream.Writer, stream.Batch{Size: 5000, Age: time.Second}, func(_ context.Context, batch []*stream.Message) error {
		bytes := 0
		for _, m := range batch {
			bytes += len(m.Data)
		}
		if batches++; batches > 1 { // the first tells how long they are
			most = max(most, bytes)
		}
		if got += len(batch); got == 400 {
			cancel()
		}
		return nil
	}))
	cancel()
	require.Less(t, most, 9<<20)
	require.GreaterOrEqual(t, batches, 4)
}

func TestPoisonIsFoundAndSetAside(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{})
	publish(t, s, 0, 500)
	var stored seen
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error {
		for _, m := range batch {
			if i := id(m); i == "17" || i == "18" || i == "401" {
				return fmt.Errorf("%w: cannot store %s", stream.ErrPoison, i)
			}
		}
		stored.add(batch)
		return nil
	})
	require.Len(t, stored.n, 497)
	letters := deadLetters(t, s)
	require.Len(t, letters, 3)
	for _, l := range letters {
		require.Contains(t, l.Error, "cannot store")
		require.Equal(t, "tweets.test", l.Subject)
		require.Equal(t, stream.Writer, l.Consumer)
	}

	for _, l := range letters {
		require.NoError(t, s.RetryDead(t.Context(), l))
	}
	var again seen
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error { again.add(batch); return nil })
	require.Len(t, again.n, 3)
	require.Empty(t, deadLetters(t, s))
}

// A database that takes no more than so much at once gets it in parts; where it takes nothing for a while, not even one message, that waits.
func TestTooMuchAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{})
	publish(t, s, 0, 300)
	var stored seen
	refused := 0
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error {
		if len(batch) > 7 || len(batch) == 1 && refused < 3 {
			if len(batch) == 1 {
				refused++
			}
			return fmt.Errorf("%w: statement timeout", stream.ErrTooMuch)
		}
		if refused < 3 && id(batch[0]) == "0" {
			return fmt.Errorf("%w: statement timeout", stream.ErrTooMuch)
		}
		stored.add(batch)
		return nil
	})
	require.Len(t, stored.n, 300)
	require.Equal(t, 3, refused)
	require.Empty(t, deadLetters(t, s))
}

func deadLetters(t *testing.T, s *stream.Stream) []stream.DeadLetter {
	t.Helper()
	var letters []stream.DeadLetter
	require.NoError(t, s.DeadLetters(t.Context(), func(l stream.DeadLetter) bool { letters = append(letters, l); return true }))
	n, err := s.DeadCount(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, len(letters), n)
	return letters
}

func TestDeadIsTold(t *testing.T) {
	t.Parallel()
	told := make(chan string, 1)
	s := open(t, stream.Config{OnDead: func(consumer, subject string) { told <- consumer + " " + subject }})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_ = s.Consume(ctx, stream.Tweets, stream.Writer, stream.Batch{Size: 1, Age: time.Millisecond}, func(_ context.Context, batch []*stream.Message) error {
			batch[0].Kill(errors.New("no post"))
			return nil
		})
	}()
	require.NoError(t, s.Conn().Publish("tweets.reddit", []byte("nonsense")))
	require.Equal(t, "writer tweets.reddit", <-told)
}

func TestHandlerKillsWithoutFailing(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{})
	publish(t, s, 0, 10)
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error {
		for _, m := range batch {
			if id(m) == "3" {
				m.Kill(errors.New("line one\nline two"))
			}
		}
		return nil
	})
	letters := deadLetters(t, s)
	require.Len(t, letters, 1)
	require.Equal(t, "line one line two", letters[0].Error)
}

func TestUnavailableHandlerLosesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{})
	publish(t, s, 0, 300)
	var mu sync.Mutex
	failures := 6
	var got seen
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if failures > 0 {
			failures--
			return errors.New("the database is away")
		}
		got.add(batch)
		return nil
	})
	require.Len(t, got.n, 300)
	require.Empty(t, deadLetters(t, s))
}

func TestRestartKeepsWhatWasNotAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := stream.Open(t.Context(), stream.Config{Dir: dir})
	require.NoError(t, err)
	publish(t, first, 0, 100)
	ctx, cancel := context.WithCancel(t.Context())
	entered := make(chan struct{}, 100)
	consumed := make(chan error, 1)
	go func() {
		consumed <- first.Consume(ctx, stream.Tweets, stream.Writer, small, func(ctx context.Context, _ []*stream.Message) error {
			entered <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-entered
	first.Close()
	cancel()

	second := open(t, stream.Config{Dir: dir})
	publish(t, second, 100, 150)
	var got seen
	ctx2, cancel2 := context.WithCancel(t.Context())
	defer cancel2()
	go func() {
		_ = second.Consume(ctx2, stream.Tweets, stream.Writer, small, func(_ context.Context, b []*stream.Message) error { got.add(b); return nil })
	}()
	// What was under way comes back once AckWait is over, the rest at once; a restart of the server counts as neither lost nor done.
	require.Eventually(t, func() bool { got.Lock(); defer got.Unlock(); return len(got.n) == 150 }, 90*time.Second, 50*time.Millisecond)
	<-consumed
}

func TestFullStreamPushesBack(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Whoever publishes gives up at the first refusal.
	s := open(t, stream.Config{MaxBytes: 64 << 10, Log: slog.New(slog.NewTextHandler(onWrite(cancel), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	p := s.Publisher()
	var err error
	published := -1
	for ; err == nil && published < 100_000; published++ {
		err = p.Tweet(ctx, &market.Tweet{Source: "test", ID: strconv.Itoa(published)})
	}
	require.ErrorIs(t, err, stream.ErrNotStored)
	require.ErrorIs(t, p.Flush(ctx), stream.ErrNotStored, "not a wait without end, and not a success")
	n := s.Conn() // The connection is fine: only the stream is full.
	require.True(t, n.IsConnected())

	js, err := jetstream.New(n)
	require.NoError(t, err)
	tweets, err := js.Stream(t.Context(), stream.Tweets)
	require.NoError(t, err)
	info, err := tweets.Info(t.Context())
	require.NoError(t, err)
	roomy := info.Config
	roomy.MaxBytes = -1
	_, err = js.UpdateStream(t.Context(), roomy)
	require.NoError(t, err)
	require.NoError(t, p.Flush(t.Context()), "whoever comes next finishes what was begun")
	var got seen
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error { got.add(batch); return nil })
	for i := -1; i < published-1; i++ { // the last call failed
		require.Equal(t, 1, got.n[strconv.Itoa(i)], "nothing is lost because somebody gave up")
	}
}

// onWrite calls itself for everything written.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) { f(); return len(p), nil }

// A confirmation that is lost while the connection stays up holds the publisher up for a while only.
func TestLostConfirmation(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{Listen: "127.0.0.1:0", ConfirmWithin: 200 * time.Millisecond})
	js, err := jetstream.New(s.Conn())
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), stream.Tweets))
	mute, err := s.Conn().SubscribeSync("tweets.>") // takes messages and confirms none
	require.NoError(t, err)
	p := s.Publisher()
	require.NoError(t, p.Tweet(t.Context(), &market.Tweet{Source: "test", ID: "1"}))
	_, err = mute.NextMsg(time.Minute)
	require.NoError(t, err)
	require.NoError(t, mute.Unsubscribe())
	open(t, stream.Config{URL: s.URL()}) // makes the stream again

	limit, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, p.Flush(limit))
	var got seen
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error { got.add(batch); return nil })
	require.Equal(t, map[string]int{"1": 1}, got.n)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := stream.Open(t.Context(), stream.Config{URL: "nats://127.0.0.1:1"})
	require.ErrorContains(t, err, "RCAS_NATS_URL")
	_, err = stream.Open(t.Context(), stream.Config{})
	require.ErrorContains(t, err, "directory")
	file := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = stream.Open(t.Context(), stream.Config{Dir: file})
	require.Error(t, err)
}

func TestOtherProcessesJoinByURL(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{Listen: "127.0.0.1:0"})
	joined := open(t, stream.Config{URL: s.URL()})
	require.False(t, joined.Serving())
	publishEach(t, joined, 0, 3)
	require.Eventually(t, func() bool { // the server counts a moment after it has confirmed
		backlogs, err := s.Backlogs(t.Context())
		return err == nil && len(backlogs) == 3 && backlogs[1].Pending == 3
	}, time.Minute, 5*time.Millisecond)
	_, err := stream.Open(t.Context(), stream.Config{URL: "nats://" + s.URL()[len(s.URL())-15:]})
	require.Error(t, err, "without the token")
}
