package stream_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/stream"
	"rcas/stream/streamtest"
)

// Three nodes: the leader goes in the middle of publishing and reading, comes back, and the next one goes.
func TestClusterLosesItsLeader(t *testing.T) {
	t.Parallel()
	nodes := streamtest.New(t, 3)
	s := open(t, stream.Config{URL: nodes.URL()})
	require.Equal(t, 3, admin(t, s, stream.Tweets).CachedInfo().Config.Replicas, "three nodes keep three of each")
	reader := open(t, stream.Config{URL: nodes.URL()})
	var got seen
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, consumer := range []string{stream.Writer, stream.Scorer} {
		go func() {
			assert.NoError(t, reader.Consume(ctx, stream.Tweets, consumer, small, func(_ context.Context, batch []*stream.Message) error {
				if consumer == stream.Writer {
					got.add(batch)
				}
				return nil
			}))
		}()
	}
	p := s.Publisher()
	const n = 3000
	down := -1
	for i := range n {
		if i%1000 == 500 {
			if down >= 0 {
				nodes.Start(down)
			}
			down = nodes.Leader(stream.Tweets)
			nodes.Stop(down)
		}
		require.NoError(t, p.Tweet(t.Context(), &market.Tweet{Source: "test", ID: strconv.Itoa(i)}))
	}
	limit, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	require.NoError(t, p.Flush(limit))
	require.Eventually(t, func() bool { got.Lock(); defer got.Unlock(); return len(got.n) == n }, 3*time.Minute, 50*time.Millisecond,
		"something was lost")
}

// Two nodes keep one of each message, and the log says so: a third one that comes later changes nothing by itself.
func TestTwoNodesKeepOneOfEach(t *testing.T) {
	t.Parallel()
	nodes := streamtest.New(t, 2)
	log := &logged{}
	s := open(t, stream.Config{URL: nodes.URL(), Log: slog.New(slog.NewTextHandler(log, nil))})
	require.Equal(t, 1, admin(t, s, stream.Tweets).CachedInfo().Config.Replicas)
	require.Contains(t, log.String(), "--nats-replicas 3")
	_, err := stream.Open(t.Context(), stream.Config{URL: nodes.URL(), Replicas: 3})
	require.ErrorContains(t, err, "NATS has not the 3 nodes that --nats-replicas asks for")
}

// With one replica on a node that is away, whoever asks is told so soon, and whoever publishes goes on when it is back.
func TestOneReplicaAway(t *testing.T) {
	t.Parallel()
	nodes := streamtest.New(t, 3)
	s := open(t, stream.Config{URL: nodes.URL(), Replicas: 1})
	require.Equal(t, 1, admin(t, s, stream.Tweets).CachedInfo().Config.Replicas)
	down := nodes.Leader(stream.Tweets)
	nodes.Stop(down)
	p := s.Publisher()
	require.NoError(t, p.Tweet(t.Context(), &market.Tweet{Source: "test", ID: "1"}))
	asking := open(t, stream.Config{URL: nodes.URL(), ReadOnly: true})
	began := time.Now()
	_, err := asking.Backlogs(t.Context())
	require.ErrorContains(t, err, "no NATS node answers for the stream")
	require.Less(t, time.Since(began), 15*time.Second, "not half a minute")
	flushed := make(chan error, 1)
	go func() { flushed <- p.Flush(t.Context()) }()
	nodes.Start(down)
	require.NoError(t, <-flushed)
	require.EqualValues(t, 1, admin(t, s, stream.Tweets).CachedInfo().State.Msgs)
}

// Replicas and placement are the operator's, and change without loss.
func TestReplicasOfAnOperator(t *testing.T) {
	t.Parallel()
	nodes := streamtest.New(t, 3, func(o *server.Options) { o.Tags.Add("disk:" + o.ServerName) })
	s := open(t, stream.Config{URL: nodes.URL(), Replicas: 1})
	publish(t, s, 0, 100)
	js, err := jetstream.New(s.Conn())
	require.NoError(t, err)
	theirs := admin(t, s, stream.Tweets).CachedInfo().Config
	theirs.Replicas = 3
	_, err = js.UpdateStream(t.Context(), theirs)
	require.NoError(t, err)
	open(t, stream.Config{URL: nodes.URL()})
	open(t, stream.Config{URL: nodes.URL(), ReadOnly: true})
	require.Equal(t, 3, admin(t, s, stream.Tweets).CachedInfo().Config.Replicas)

	open(t, stream.Config{URL: nodes.URL(), Replicas: 1}) // now the settings say so
	theirs.Replicas, theirs.Placement = 1, &jetstream.Placement{Tags: []string{"disk:node2"}}
	require.Eventually(t, func() bool { // one change at a time
		_, err = js.UpdateStream(t.Context(), theirs)
		return err == nil
	}, 2*time.Minute, 100*time.Millisecond)
	open(t, stream.Config{URL: nodes.URL()})
	have := admin(t, s, stream.Tweets).CachedInfo().Config
	require.Equal(t, 1, have.Replicas)
	require.Equal(t, []string{"disk:node2"}, have.Placement.Tags)
	publish(t, s, 100, 200)
	var got seen
	drainBy(t, s, func(_ context.Context, batch []*stream.Message) error { got.add(batch); return nil })
	require.Len(t, got.n, 200)
}
