package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"rcas/telemetry"
)

// The streams, and the subjects below them.
const (
	Tweets = "TWEETS" // tweets.<source>: market.Tweet as JSON, one a message or several with line breaks between
	Prices = "PRICES" // prices.<venue>: market.Price as JSON, likewise
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

// maxAckPending bounds the messages under way per consumer. What a process has in memory is bounded by its batches.
const maxAckPending = 40_000

// DefaultSyncInterval costs little; see docs/delivery.md for figures.
const DefaultSyncInterval = 250 * time.Millisecond

// SyncAlways, as an interval, is with every message.
const SyncAlways = time.Duration(-1)

// answerWithin is how long the server may take to answer a question about a stream.
const answerWithin = 5 * time.Second

// confirmWithin is how long the stream may take to confirm a message. A confirmation can be lost while the connection stays up: with the
// node of a cluster that leads the stream, whose place another takes in some five seconds.
const confirmWithin = 10 * time.Second

var discard = slog.New(slog.DiscardHandler)

// Config says where the stream is, and what is asked of it.
type Config struct {
	// URL of a NATS server with JetStream; several, of one cluster, with commas between. Empty: a server inside this process,
	// storing in Dir.
	URL string
	// Auth is what the server of URL wants to see.
	Auth Auth
	// Dir is where the server inside the process stores; unused with a URL.
	Dir string
	// Listen makes the server inside the process reachable on this loopback address (host:port) for others, e.g. the Grafana
	// plugin. Empty: reachable from this process only.
	Listen string
	// MaxBytes bounds each of TWEETS and PRICES; a full stream pushes back on the sources instead of losing what is
	// oldest. Zero: 8 GiB for a stream that is made, and for one that is there what it has.
	MaxBytes int64
	// Replicas of each stream. Zero: 3 for a stream that is made on a cluster of three or more, else 1, and for one that is there
	// what it has.
	Replicas int
	// ReadOnly leaves streams and consumers as they are: none is made, none is changed.
	ReadOnly bool
	// SyncInterval is how often the server writes what it has confirmed through to its disk: the server inside the process does as told
	// here, of one by URL its configuration says (sync_interval). Zero: [DefaultSyncInterval].
	SyncInterval time.Duration
	// ConfirmWithin is how long a confirmation is awaited before the message is published again. Zero: 10 s.
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
	srv *own
	url string
	log *slog.Logger

	metrics  *telemetry.Metrics
	replicas int // as asked for, or 0
	sync     time.Duration
	onDead   func(consumer, subject string)
}

// Open connects, or starts the server inside the process, and makes streams and consumers that are missing.
func Open(ctx context.Context, cfg Config) (*Stream, error) {
	if cfg.Log == nil {
		cfg.Log = discard
	}
	s := &Stream{log: cfg.Log, metrics: cfg.Metrics, replicas: cfg.Replicas, sync: cmp.Or(cfg.SyncInterval, DefaultSyncInterval), onDead: cfg.OnDead}
	if err := s.connect(cfg); err != nil {
		s.Close()
		return nil, err
	}
	js, err := jetstream.New(s.nc, jetstream.WithPublishAsyncMaxPending(maxPublishPending),
		jetstream.WithPublishAsyncTimeout(cmp.Or(cfg.ConfirmWithin, confirmWithin)), jetstream.WithDefaultTimeout(answerWithin))
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	s.js = js
	if cfg.ReadOnly {
		return s, nil
	}
	if err := s.setup(ctx, cfg); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Conn is the plain NATS connection, for subjects that need no storage: sentiments.<symbol>, alerts.<symbol>.
func (s *Stream) Conn() *nats.Conn { return s.nc }

// Serving tells whether the server runs inside this process.
func (s *Stream) Serving() bool { return s.srv != nil }

// URL is where others reach the server. It may hold a token: never log it.
func (s *Stream) URL() string { return s.url }

// Backlog is what one consumer has still to do, in messages of the stream, which hold a post or trade each, or some dozens.
type Backlog struct {
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	// Pending messages have not been delivered; Unacknowledged ones have, but are not done; Redelivered ones were
	// delivered more than once and are not done.
	Pending        uint64 `json:"pending"`
	Unacknowledged int    `json:"unacknowledged"`
	Redelivered    int    `json:"redelivered"`
	// Oldest is when the stream took the oldest message that is not done with; zero where there is none.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Backlogs tells how far behind each consumer is. A consumer that nobody has made yet is left out.
func (s *Stream) Backlogs(ctx context.Context) ([]Backlog, error) {
	var backlogs []Backlog
	for _, c := range consumers {
		held, err := s.js.Stream(ctx, c.stream)
		var consumer jetstream.Consumer
		if err == nil {
			consumer, err = held.Consumer(ctx, c.name)
		}
		if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look up consumer %s of %s: %w", c.name, c.stream, plain(err))
		}
		info := consumer.CachedInfo()
		b := Backlog{Stream: c.stream, Consumer: c.name, Pending: info.NumPending, Unacknowledged: info.NumAckPending, Redelivered: info.NumRedelivered}
		if b.Pending > 0 || b.Unacknowledged > 0 {
			// What is acknowledged meanwhile is gone: then nothing is said.
			if oldest, err := held.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(">")); err == nil {
				b.Oldest = oldest.Time
			}
		}
		backlogs = append(backlogs, b)
	}
	return backlogs, nil
}

// Size is what one stream holds.
type Size struct {
	Stream          string
	Messages, Bytes uint64
}

// Sizes tells what each stream holds. One that nobody has made yet holds nothing.
func (s *Stream) Sizes(ctx context.Context) ([]Size, error) {
	var sizes []Size
	for _, name := range []string{Tweets, Prices, Dead} {
		size, err := s.size(ctx, name)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

func (s *Stream) size(ctx context.Context, name string) (Size, error) {
	held, err := s.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Size{Stream: name}, nil
	}
	if err != nil {
		return Size{}, fmt.Errorf("look up stream %s: %w", name, plain(err))
	}
	state := held.CachedInfo().State
	return Size{name, state.Msgs, state.Bytes}, nil
}

// Position is how far a consumer has acknowledged a stream without a gap.
type Position struct {
	Stream string
	// Made is when the stream was made: its numbers mean nothing in another one of its name.
	Made     time.Time
	Sequence uint64
}

// Position tells how far a consumer is.
func (s *Stream) Position(ctx context.Context, streamName, consumer string) (Position, error) {
	held, err := s.js.Stream(ctx, streamName)
	if err != nil {
		return Position{}, fmt.Errorf("look up stream %s: %w", streamName, plain(err))
	}
	c, err := held.Consumer(ctx, consumer)
	if err != nil {
		return Position{}, fmt.Errorf("look up consumer %s of %s: %w", consumer, streamName, plain(err))
	}
	return Position{streamName, held.CachedInfo().Created.UTC(), c.CachedInfo().AckFloor.Stream}, nil
}

// WaitDrained waits until every consumer has acknowledged everything that lay in the streams when it was called, calling progress (which
// may be nil) with the number of messages still to do, summed over the consumers.
func (s *Stream) WaitDrained(ctx context.Context, progress func(left uint64)) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	ends := map[string]uint64{} // what a consumer has to reach in each stream
	for {
		var left uint64
		for _, c := range consumers {
			n, err := s.left(ctx, c.stream, c.name, ends)
			if err != nil && ctx.Err() == nil {
				return err
			}
			left += n
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for the stream to drain, %d messages left: %w", left, err)
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

// left is how many messages up to the end of the stream the consumer has still to do. The end is taken once, so that what others publish
// meanwhile is not waited for.
//
// It goes by sequences: a consumer's own count of what is pending may still be zero when a message has just been confirmed.
func (s *Stream) left(ctx context.Context, streamName, name string, ends map[string]uint64) (uint64, error) {
	str, err := s.js.Stream(ctx, streamName)
	if err != nil {
		return 0, fmt.Errorf("look up stream %s: %w", streamName, plain(err))
	}
	state := str.CachedInfo().State
	end, known := ends[streamName]
	if !known || state.LastSeq < end { // it was made anew
		end = state.LastSeq
		ends[streamName] = end
	}
	if state.Msgs == 0 || state.FirstSeq > end {
		return 0, nil // all was acknowledged by all, or purged
	}
	consumer, err := str.Consumer(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("look up consumer %s of %s: %w", name, streamName, plain(err))
	}
	info := consumer.CachedInfo()
	if info.AckFloor.Stream >= end {
		return 0, nil
	}
	if n := info.NumPending + uint64(info.NumAckPending); n > 0 {
		return n, nil
	}
	// The last messages may have been deleted by hand, while others are kept for somebody else's consumer.
	last, err := str.GetLastMsgForSubject(ctx, ">")
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read the last message of %s: %w", streamName, plain(err))
	case info.AckFloor.Stream >= last.Sequence:
		return 0, nil
	}
	return min(end, last.Sequence) - info.AckFloor.Stream, nil
}

// Close waits for nothing: call [Stream.Flush] first. Closing twice is fine.
func (s *Stream) Close() {
	if s.nc != nil {
		s.nc.Close()
	}
	if s.srv != nil {
		s.srv.close()
		s.srv = nil
	}
}
