package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"rcas/market"
	"rcas/telemetry"
)

// maxPublishPending bounds the messages handed over and not yet confirmed by the stream.
const maxPublishPending = 4096

// ErrNotStored means that the stream refused a message or never confirmed it: it is full, or unreachable.
var ErrNotStored = errors.New("the stream did not store a message")

// Publisher hands messages to the stream without waiting for each. One goroutine may use it at a time.
type Publisher struct {
	s       *Stream
	pending []unconfirmed
	refused *telemetry.Fault
}

// unconfirmed is a message handed over. Where the stream has refused it, it must be published again.
type unconfirmed struct {
	jetstream.PubAckFuture
	refused error
}

// Publisher returns a new publisher.
func (s *Stream) Publisher() *Publisher {
	return &Publisher{s: s, refused: s.metrics.Fault(s.log, "the stream does not take a message; trying again")}
}

// Tweet publishes a post.
func (p *Publisher) Tweet(ctx context.Context, t *market.Tweet) error {
	return p.publish(ctx, "tweets."+token(t.Source), t)
}

// Price publishes a trade.
func (p *Publisher) Price(ctx context.Context, price *market.Price) error {
	return p.publish(ctx, "prices."+token(price.Venue), price)
}

func (p *Publisher) publish(ctx context.Context, subject string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode for %s: %w", subject, err)
	}
	if len(p.pending) >= maxPublishPending/2 {
		if err := p.settle(ctx, maxPublishPending/4); err != nil {
			return err
		}
	}
	future, err := p.s.js.PublishAsync(subject, body)
	if err != nil {
		return fmt.Errorf("%w on %s: %w", ErrNotStored, subject, err)
	}
	p.pending = append(p.pending, unconfirmed{PubAckFuture: future})
	return nil
}

// Flush waits until the stream has confirmed everything published before. After [ErrNotStored], some of it may be missing; the next call,
// whoever makes it, goes on with it.
func (p *Publisher) Flush(ctx context.Context) error { return p.settle(ctx, 0) }

// settle waits for the oldest messages until only keep are unconfirmed. A message that was refused, or not confirmed in time,
// is published again, with back-off, until it is stored or ctx ends: a full stream pushes back.
func (p *Publisher) settle(ctx context.Context, keep int) error {
	for len(p.pending) > keep {
		oldest := &p.pending[0]
		if oldest.refused == nil {
			select {
			case <-oldest.Ok():
			case oldest.refused = <-oldest.Err():
			case <-ctx.Done():
				return fmt.Errorf("%w: %w", ErrNotStored, ctx.Err())
			}
		}
		if oldest.refused != nil {
			if err := p.again(ctx, oldest.Msg()); err != nil {
				return err
			}
		}
		p.pending = p.pending[1:]
	}
	return nil
}

func (p *Publisher) again(ctx context.Context, message *nats.Msg) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		_, cause := p.s.js.PublishMsg(ctx, message)
		if cause == nil {
			p.refused.Over()
			return nil
		}
		p.refused.Failed(cause)
		p.s.metrics.PublishRetry()
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w on %s: %w", ErrNotStored, message.Subject, cause)
		case <-time.After(wait):
		}
	}
}

var noToken = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// token makes a name fit as one token of a subject, where dots, spaces, * and > have a meaning.
func token(name string) string {
	if name = noToken.ReplaceAllString(name, "_"); name == "" {
		return "_"
	}
	return name
}
