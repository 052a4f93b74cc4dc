package stream_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/stream"
)

// A power cut takes what was not yet written through to the disk: the end of the last file of messages, here after the writer has
// acknowledged what lay there. What is published next must reach everybody, though its numbers were given before.
func TestStoreThatLostItsTail(t *testing.T) {
	t.Parallel()
	for _, index := range []string{"with", "without"} { // the index may have been written through, or not
		t.Run(index+" index", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := stream.Open(t.Context(), stream.Config{Dir: dir})
			require.NoError(t, err)
			publishEach(t, s, 0, 100)
			ctx, cancel := context.WithCancel(t.Context())
			var before seen
			ended := make(chan error, 1)
			go func() {
				ended <- s.Consume(ctx, stream.Tweets, stream.Writer, small, func(_ context.Context, batch []*stream.Message) error {
					before.add(batch)
					return nil
				})
			}()
			require.Eventually(t, func() bool { return floor(t, s, stream.Writer) == 100 }, time.Minute, 10*time.Millisecond)
			cancel()
			require.NoError(t, <-ended)
			s.Close()

			store := filepath.Join(dir, "nats", "jetstream", "$G", "streams", stream.Tweets, "msgs")
			block := filepath.Join(store, "1.blk")
			info, err := os.Stat(block)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(block, info.Size()*7/10-5)) // in the middle of a message
			if index == "without" {
				require.NoError(t, os.Remove(filepath.Join(store, "index.db")))
			}

			s = open(t, stream.Config{Dir: dir})
			if index == "without" { // else the numbers of what was lost are not given again
				state := admin(t, s, stream.Tweets).CachedInfo().State
				require.Less(t, state.LastSeq, uint64(100), "the tail is not lost")
			}
			publish(t, s, 200, 300)
			var after seen
			drainBy(t, s, func(_ context.Context, batch []*stream.Message) error { after.add(batch); return nil })
			for i := 200; i < 300; i++ {
				require.Contains(t, after.n, strconv.Itoa(i), "the writer's position lies ahead of the stream")
			}
		})
	}
}

// A power cut can leave the state of a consumer half-written, or empty. Nothing that was not acknowledged is lost by it.
func TestTornState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := filepath.Join(dir, "nats", "jetstream", "$G", "streams", stream.Tweets, "obs", stream.Writer, "o.dat")
	var got seen
	for round, size := range []int64{7, 1, 0} { // of which the first is within the numbers of messages under way
		s, err := stream.Open(t.Context(), stream.Config{Dir: dir})
		require.NoError(t, err)
		publishEach(t, s, round*100, round*100+100)
		drainSome(t, s, 60)
		s.Close()
		info, err := os.Stat(state)
		require.NoError(t, err)
		require.Greater(t, info.Size(), size)
		require.NoError(t, os.Truncate(state, size))
		s, err = stream.Open(t.Context(), stream.Config{Dir: dir})
		require.NoError(t, err)
		drainBy(t, s, func(_ context.Context, batch []*stream.Message) error { got.add(batch); return nil })
		s.Close()
		for i := 60; i < 100; i++ {
			require.Contains(t, got.n, strconv.Itoa(round*100+i))
		}
	}
}

// drainSome lets the writer acknowledge the first n messages that it gets, and leaves others under way.
func drainSome(t *testing.T, s *stream.Stream, n int) {
	t.Helper()
	c, err := admin(t, s, stream.Tweets).Consumer(t.Context(), stream.Writer)
	require.NoError(t, err)
	for i := range n + 10 {
		m, err := c.Next()
		require.NoError(t, err)
		if i < n {
			require.NoError(t, m.DoubleAck(t.Context()))
		}
	}
}

func floor(t *testing.T, s *stream.Stream, consumer string) uint64 {
	t.Helper()
	c, err := admin(t, s, stream.Tweets).Consumer(t.Context(), consumer)
	require.NoError(t, err)
	return c.CachedInfo().AckFloor.Stream
}

// BenchmarkPublish tells what each way to write through to the disk costs.
func BenchmarkPublish(b *testing.B) {
	for _, interval := range []time.Duration{2 * time.Minute, time.Second, stream.DefaultSyncInterval, stream.SyncAlways} {
		name := fmt.Sprint("sync=", interval)
		if interval == stream.SyncAlways {
			name = "sync=always"
		}
		b.Run(name, func(b *testing.B) {
			s, err := stream.Open(b.Context(), stream.Config{Dir: b.TempDir(), SyncInterval: interval})
			require.NoError(b, err)
			defer s.Close()
			p := s.Publisher()
			post := market.Tweet{Source: "test", Text: string(make([]byte, 280)), Symbols: []string{"BTC"}, Time: time.Now()}
			b.ResetTimer()
			for i := range b.N {
				post.ID = strconv.Itoa(i)
				require.NoError(b, p.Tweet(b.Context(), &post))
			}
			require.NoError(b, p.Flush(b.Context()))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
		})
	}
}
