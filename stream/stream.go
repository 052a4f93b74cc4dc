package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"rcas/telemetry"
)

// The streams, and the subjects below them.
const (
	Tweets = "TWEETS" // tweets.<source>: one market.Tweet as JSON a message
	Prices = "PRICES" // prices.<venue>: one market.Price as JSON a message
	Dead   = "DEAD"   // dead.<stream>: messages set aside, unchanged, with headers that say why
)

// The durable consumers. Any number of processes share one.
const (
	Writer = "writer" // on TWEETS and PRICES: moves raw rows to the database
	Scorer = "scorer" // on TWEETS: adds sentiments
)

// ackWait is how long a message may be under way in silence before it is delivered again. It is short, because it is also how long
// the messages of a killed process stay away; consumers tell the stream about what they still work on.
const ackWait = 10 * time.Second

// maxAckPending bounds the messages under way per consumer, and so the memory of all its processes.
const maxAckPending = 40_000

// confirmWithin is how long the stream may take to confirm a message. A confirmation can be lost while the connection stays up.
const confirmWithin = 30 * time.Second

// Config says where the stream is.
type Config struct {
	// URL of a NATS server with JetStream. Empty: a server inside this process, storing in Dir.
	URL string
	// Dir is where the server inside the process stores; unused with a URL.
	Dir string
	// Listen makes the server inside the process reachable on this loopback address (host:port) for others, e.g. the Grafana
	// plugin. Empty: reachable from this process only.
	Listen string
	// MaxBytes bounds each of TWEETS and PRICES; a full stream pushes back on the sources instead of losing what is
	// oldest. Zero: 8 GiB.
	MaxBytes int64
	// Replicas of each stream: 3 on a cluster of three nodes. Zero: 1.
	Replicas int
	// ConfirmWithin is how long a confirmation is awaited before the message is published again. Zero: 30 s.
	ConfirmWithin time.Duration
	// OnDead is told of each message that was set aside, so that somebody counts them. May be nil.
	OnDead func(consumer, subject string)
	// Metrics may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
}

// Stream is a connection to JetStream. Safe for concurrent use.
type Stream struct {
	nc  *nats.Conn
	js  jetstream.JetStream
	srv *server.Server
	url string
	log *slog.Logger

	metrics *telemetry.Metrics

	onDead func(consumer, subject string)
}

// Open connects, or starts the server inside the process, and creates or updates streams and consumers.
func Open(ctx context.Context, cfg Config) (*Stream, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Stream{url: cfg.URL, log: cfg.Log, metrics: cfg.Metrics, onDead: cfg.OnDead}
	if err := s.connect(cfg); err != nil {
		s.Close()
		return nil, err
	}
	js, err := jetstream.New(s.nc, jetstream.WithPublishAsyncMaxPending(maxPublishPending),
		jetstream.WithPublishAsyncTimeout(cmp.Or(cfg.ConfirmWithin, confirmWithin)))
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	s.js = js
	if err := s.setup(ctx, cfg); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Stream) connect(cfg Config) (err error) {
	options := []nats.Option{nats.Name("rcas"), nats.MaxReconnects(-1), nats.ReconnectJitter(100*time.Millisecond, time.Second)}
	if cfg.URL == "" {
		if s.srv, s.url, err = startServer(cfg); err != nil {
			return err
		}
		options = append(options, nats.InProcessServer(s.srv))
	}
	if s.nc, err = nats.Connect(s.url, options...); err != nil {
		return fmt.Errorf("connect to NATS; is the server of RCAS_NATS_URL up? %w", err)
	}
	return nil
}

// setup also creates the consumers: the streams keep a message only until every consumer has acknowledged it, so a consumer
// that came later would miss what went before.
func (s *Stream) setup(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 8 << 30
	}
	streams := []jetstream.StreamConfig{
		{Name: Tweets, Subjects: []string{"tweets.>"}, Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew},
		{Name: Prices, Subjects: []string{"prices.>"}, Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew},
		{Name: Dead, Subjects: []string{"dead.>"}, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Duplicates: 2 * time.Minute},
	}
	for _, sc := range streams {
		sc.Storage = jetstream.FileStorage
		sc.MaxBytes = cfg.MaxBytes
		sc.Replicas = max(cfg.Replicas, 1)
		// The stream keeps no window of message ids: the database's keys find repeats over all time, and a window of two
		// minutes at full speed would hold millions of ids in memory.
		if sc.Duplicates == 0 {
			sc.Duplicates = 100 * time.Millisecond
		}
		if _, err := s.js.CreateOrUpdateStream(ctx, sc); err != nil {
			if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, nats.ErrNoResponders) {
				return fmt.Errorf("the NATS server has no JetStream; start it with --jetstream: %w", err)
			}
			return fmt.Errorf("create stream %s: %w", sc.Name, err)
		}
	}
	for _, c := range []struct{ stream, name string }{{Tweets, Writer}, {Prices, Writer}, {Tweets, Scorer}} {
		if _, err := s.js.CreateOrUpdateConsumer(ctx, c.stream, jetstream.ConsumerConfig{
			Durable: c.name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: maxAckPending,
		}); err != nil {
			return fmt.Errorf("create consumer %s of %s: %w", c.name, c.stream, err)
		}
	}
	return nil
}

// Conn is the plain NATS connection, for subjects that need no storage: sentiments.<symbol>, alerts.<symbol>.
func (s *Stream) Conn() *nats.Conn { return s.nc }

// Serving tells whether the server runs inside this process.
func (s *Stream) Serving() bool { return s.srv != nil }

// URL is where others reach the server. It may hold a token: never log it.
func (s *Stream) URL() string { return s.url }

// Backlog is what one consumer has still to do.
type Backlog struct {
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	// Pending messages have not been delivered; Unacknowledged ones have, but are not done; Redelivered ones were
	// delivered more than once and are not done.
	Pending        uint64 `json:"pending"`
	Unacknowledged int    `json:"unacknowledged"`
	Redelivered    int    `json:"redelivered"`
}

// Backlogs tells how far behind each consumer is.
func (s *Stream) Backlogs(ctx context.Context) ([]Backlog, error) {
	var backlogs []Backlog
	for _, c := range []struct{ stream, name string }{{Prices, Writer}, {Tweets, Writer}, {Tweets, Scorer}} {
		consumer, err := s.js.Consumer(ctx, c.stream, c.name)
		if err != nil {
			return nil, fmt.Errorf("look up consumer %s of %s: %w", c.name, c.stream, err)
		}
		info := consumer.CachedInfo()
		backlogs = append(backlogs, Backlog{c.stream, c.name, info.NumPending, info.NumAckPending, info.NumRedelivered})
	}
	return backlogs, nil
}

// WaitDrained waits until every consumer has acknowledged everything, calling progress (which may be nil) with the number of
// messages still to do, summed over the consumers.
func (s *Stream) WaitDrained(ctx context.Context, progress func(left uint64)) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		backlogs, err := s.Backlogs(ctx)
		if err != nil {
			return err
		}
		var left uint64
		for _, b := range backlogs {
			left += b.Pending + uint64(b.Unacknowledged)
		}
		if progress != nil {
			progress(left)
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the stream to drain, %d messages left: %w", left, ctx.Err())
		case <-ticker.C:
		}
	}
}

// Close waits for nothing: call [Stream.Flush] first. Closing twice is fine.
func (s *Stream) Close() {
	if s.nc != nil {
		s.nc.Close()
	}
	if s.srv != nil {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
	}
}
