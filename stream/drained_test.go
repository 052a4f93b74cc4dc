package stream_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/stream"
)

// trades publishes n trades, and waits until they are confirmed.
func trades(t *testing.T, s *stream.Stream, n int) {
	t.Helper()
	p := s.Publisher()
	for i := range n {
		require.NoError(t, p.Price(t.Context(), &market.Price{Venue: "v", Symbol: "BTC", TradeID: strconv.Itoa(i), Price: 1}))
	}
	require.NoError(t, p.Flush(t.Context()))
}

// drained asks once.
func drained(t *testing.T, s *stream.Stream) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	return s.WaitDrained(ctx, func(left uint64) {
		if left > 0 {
			cancel()
		}
	}) == nil
}

// What was confirmed a moment ago is not yet among what a consumer says it has to do.
func TestNotDrainedBeforeAnythingIsAcknowledged(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		s := open(t, stream.Config{})
		trades(t, s, 1+i%3)
		require.False(t, drained(t, s), "round %d: nobody has read anything", i)
		s.Close()
	}
}

func TestDrainedAcrossWhatHappensToStreams(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := stream.Open(t.Context(), stream.Config{Dir: dir})
	require.NoError(t, err)
	require.True(t, drained(t, s), "an empty stream")
	trades(t, s, 3)
	publish(t, s, 0, 3)
	require.False(t, drained(t, s))

	s.Close()
	s = open(t, stream.Config{Dir: dir})
	require.False(t, drained(t, s), "a server that was restarted")
	prices := admin(t, s, stream.Prices)
	require.NoError(t, prices.Purge(t.Context()))
	require.NoError(t, prices.DeleteConsumer(t.Context(), stream.Writer))
	again := open(t, stream.Config{Dir: t.TempDir()}) // another server, so that this one's sequences stand alone
	require.True(t, drained(t, again))
	again.Close()
	require.False(t, drained(t, s), "the posts are left")
	ok := func(context.Context, []*stream.Message) error { return nil }
	_, err = prices.CreateConsumer(t.Context(), jetstream.ConsumerConfig{
		Durable: stream.Writer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 10 * time.Second,
	})
	require.NoError(t, err)
	drainBy(t, s, ok)
	require.True(t, drained(t, s), "purged, with a new consumer, and read to the end")
}

// Somebody else's consumer keeps messages that RCAS is done with, and the last of them was deleted by hand.
func TestDrainedBesideSomebodyElse(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{})
	tweets := admin(t, s, stream.Tweets)
	_, err := tweets.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "archive", AckPolicy: jetstream.AckExplicitPolicy})
	require.NoError(t, err)
	publishEach(t, s, 0, 5)
	require.NoError(t, tweets.DeleteMsg(t.Context(), 5))
	ok := func(context.Context, []*stream.Message) error { return nil }
	drainBy(t, s, ok)
	info, err := tweets.Info(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 4, info.State.Msgs, "they are the other's")
}

// A replay beside live feeds ends: what is published after the question is not waited for.
func TestDrainedWhileOthersPublish(t *testing.T) {
	t.Parallel()
	s := open(t, stream.Config{})
	publish(t, s, 0, 10)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ok := func(context.Context, []*stream.Message) error { return nil }
	done := make(chan struct{})
	for _, consumer := range []string{stream.Writer, stream.Scorer} {
		go func() {
			_ = s.Consume(ctx, stream.Tweets, consumer, stream.Batch{Size: 10, Age: 20 * time.Millisecond}, ok)
			done <- struct{}{}
		}()
	}
	limit, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	p := s.Publisher()
	n := 10
	require.NoError(t, s.WaitDrained(limit, func(left uint64) { // there is always one more to do
		require.NoError(t, p.Tweet(t.Context(), &market.Tweet{Source: "test", ID: strconv.Itoa(n)}))
		require.NoError(t, p.Flush(t.Context()))
		n++
	}))
	cancel()
	<-done
	<-done
}

// admin is a stream as its operator sees it.
func admin(t *testing.T, s *stream.Stream, name string) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(s.Conn())
	require.NoError(t, err)
	str, err := js.Stream(t.Context(), name)
	require.NoError(t, err)
	return str
}
