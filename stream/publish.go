package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"rcas/market"
	"rcas/telemetry"
)

// maxPublishPending bounds the messages handed over and not yet confirmed by the stream.
const maxPublishPending = 4096

// maxPublishBytes bounds their bytes. It is well below what the connection keeps while the server is away (8 MiB, for everybody who
// publishes): beyond that, it would refuse.
const maxPublishBytes = 4 << 20

// ErrNotStored means that whoever published gave up before the stream had stored a message: it was full or unreachable until then.
var ErrNotStored = errors.New("the stream did not store a message")

// Publisher hands messages to the stream without waiting for each. One goroutine may use it at a time.
type Publisher struct {
	s       *Stream
	pending []unconfirmed
	bytes   int       // of the messages pending
	stored  time.Time // when the last confirmation came
	refused *telemetry.Fault
}

// unconfirmed is a message handed over. Where the stream has refused it, or it was never sent, it must be published again.
type unconfirmed struct {
	msg     *nats.Msg
	future  jetstream.PubAckFuture // nil where it was never sent
	refused error
}

// Publisher returns a new publisher.
func (s *Stream) Publisher() *Publisher {
	return &Publisher{s: s, refused: s.metrics.Fault(s.log, "the stream does not take a message; trying again")}
}

// Tweet publishes a post.
func (p *Publisher) Tweet(ctx context.Context, t *market.Tweet) error {
	return p.publish(ctx, "tweets."+token(t.Source), t.AppendJSON(make([]byte, 0, 320+len(t.Text))))
}

// Price publishes a trade.
func (p *Publisher) Price(ctx context.Context, price *market.Price) error {
	return p.publish(ctx, "prices."+token(price.Venue), price.AppendJSON(make([]byte, 0, 256)))
}

func (p *Publisher) publish(ctx context.Context, subject string, body []byte) error {
	if len(p.pending) >= maxPublishPending/2 || p.bytes+len(body) > maxPublishBytes {
		if err := p.settle(ctx, len(p.pending)/2, maxPublishBytes/2); err != nil {
			return err
		}
	}
	message := unconfirmed{msg: &nats.Msg{Subject: subject, Data: body}}
	message.future, message.refused = p.s.js.PublishMsgAsync(message.msg)
	p.pending = append(p.pending, message)
	p.bytes += len(body)
	if message.refused != nil { // The connection takes nothing more now: wait, as for a full stream.
		return p.settle(ctx, 0, 0)
	}
	return nil
}

// Flush waits until the stream has confirmed everything published before. After [ErrNotStored], some of it may be missing; the next call,
// whoever makes it, goes on with it.
func (p *Publisher) Flush(ctx context.Context) error { return p.settle(ctx, 0, 0) }

// Durable is when everything that was confirmed until now survives a power cut of the server's machine.
func (p *Publisher) Durable() time.Time {
	if p.s.sync == SyncAlways || p.stored.IsZero() {
		return p.stored
	}
	return p.stored.Add(p.s.sync + syncTakes)
}

// syncTakes is how long writing through to the disk may take.
const syncTakes = 500 * time.Millisecond

// settle waits for the oldest messages until no more than so many, and so many bytes, are unconfirmed. A message that was refused, or not
// confirmed in time, is published again, with back-off, until it is stored or ctx ends: a full stream, or one that is away, pushes back.
func (p *Publisher) settle(ctx context.Context, keep, keepBytes int) error {
	for len(p.pending) > 0 && (len(p.pending) > keep || p.bytes > keepBytes) {
		oldest := &p.pending[0]
		if oldest.refused == nil {
			select {
			case <-oldest.future.Ok():
			case oldest.refused = <-oldest.future.Err():
			case <-ctx.Done():
				return fmt.Errorf("%w: %w", ErrNotStored, ctx.Err())
			}
		}
		if oldest.refused != nil {
			if err := p.again(ctx, oldest.msg, oldest.refused); err != nil {
				return err
			}
		}
		p.stored = time.Now()
		p.bytes -= len(oldest.msg.Data)
		p.pending = p.pending[1:]
	}
	return nil
}

// again publishes a message until it is stored. Nothing is sent while the server is away: it would only fill the connection's buffer.
func (p *Publisher) again(ctx context.Context, message *nats.Msg, cause error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if p.s.nc.IsConnected() {
			cause = p.once(ctx, message)
		} else if p.s.nc.IsClosed() {
			return fmt.Errorf("%w on %s: %w", ErrNotStored, message.Subject, nats.ErrConnectionClosed)
		}
		if cause == nil {
			p.refused.Over()
			return nil
		}
		why := p.s.why(ctx, message.Subject, cause)
		p.refused.Failed(why)
		p.s.metrics.PublishRetry()
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w on %s: %w", ErrNotStored, message.Subject, why)
		case <-time.After(wait):
		}
	}
}

// once publishes a message and waits for the confirmation, which may never come.
func (p *Publisher) once(ctx context.Context, message *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_, err := p.s.js.PublishMsg(ctx, message)
	return err
}

// why says why a message of the subject was not stored. A server whose disk is full answers questions, and no message.
func (s *Stream) why(ctx context.Context, subject string, cause error) error {
	if s.srv != nil {
		if unable := s.srv.unable.Load(); unable != nil {
			return fmt.Errorf("%w: %s", errDisk, *unable)
		}
	}
	silent := errors.Is(cause, jetstream.ErrAsyncPublishTimeout) || errors.Is(cause, context.DeadlineExceeded) || errors.Is(cause, nats.ErrTimeout)
	if !silent || ctx.Err() != nil || !s.nc.IsConnected() {
		return plain(cause)
	}
	kind, _, _ := strings.Cut(subject, ".")
	if _, err := s.js.Stream(ctx, strings.ToUpper(kind)); err != nil {
		return plain(err)
	}
	return fmt.Errorf("%w: %w", errDisk, cause)
}

// errDisk explains a message that is not confirmed.
var errDisk = errors.New("the NATS server answers but stores nothing: most likely its disk is full (disk full, see its log). Make room; " +
	"a server by URL must then be started anew to take messages again")

// token makes a name fit as one token of a subject, where dots, spaces, * and > have a meaning: a run of what does not fit is one _.
func token(name string) string {
	fits := true
	name = strings.Map(func(c rune) rune { // which copies nothing of a name that fits, as nearly every one does
		before := fits
		fits = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
		switch {
		case fits:
			return c
		case before:
			return '_'
		}
		return -1
	}, name)
	return cmp.Or(name, "_")
}
