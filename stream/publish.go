package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"rcas/market"
)

// maxPublishPending bounds the messages handed over and not yet confirmed by the stream.
const maxPublishPending = 4096

// ErrNotStored means that the stream refused a message or never confirmed it: it is full, or unreachable.
var ErrNotStored = errors.New("the stream did not store a message")

// Publisher hands messages to the stream without waiting for each. One goroutine may use it at a time.
type Publisher struct {
	s       *Stream
	pending []jetstream.PubAckFuture
	failed  error // a message is lost to this publisher: it was refused, and ctx ended before it could be stored
}

// Publisher returns a new publisher.
func (s *Stream) Publisher() *Publisher { return &Publisher{s: s} }

// Tweet publishes a post.
func (p *Publisher) Tweet(ctx context.Context, t *market.Tweet) error {
	return p.publish(ctx, "tweets."+token(t.Source), t)
}

// Price publishes a trade.
func (p *Publisher) Price(ctx context.Context, price *market.Price) error {
	return p.publish(ctx, "prices."+token(price.Venue), price)
}

func (p *Publisher) publish(ctx context.Context, subject string, v any) error {
	if p.failed != nil {
		return p.failed
	}
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
	p.pending = append(p.pending, future)
	return nil
}

// Flush waits until the stream has confirmed everything published before. After an error of its own kind ([ErrNotStored]) a
// publisher is of no more use: what it returned the error for may be missing.
func (p *Publisher) Flush(ctx context.Context) error { return p.settle(ctx, 0) }

// settle waits for the oldest messages until only keep are unconfirmed. A message that was refused, or not confirmed in time,
// is published again, with back-off, until it is stored or ctx ends: a full stream pushes back.
func (p *Publisher) settle(ctx context.Context, keep int) error {
	if p.failed != nil {
		return p.failed
	}
	for len(p.pending) > keep {
		future := p.pending[0]
		select {
		case <-future.Ok():
		case err := <-future.Err():
			if p.failed = p.again(ctx, future, err); p.failed != nil {
				return p.failed
			}
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNotStored, ctx.Err())
		}
		p.pending = p.pending[1:]
	}
	return nil
}

func (p *Publisher) again(ctx context.Context, future jetstream.PubAckFuture, cause error) error {
	p.s.log.Warn("the stream did not take a message; trying again", "subject", future.Msg().Subject, "error", cause)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w on %s: %w", ErrNotStored, future.Msg().Subject, cause)
		case <-time.After(wait):
		}
		if _, cause = p.s.js.PublishMsg(ctx, future.Msg()); cause == nil {
			return nil
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
