package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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

// Publisher hands posts and trades to the stream without waiting for each. What comes alone goes out at once; what comes within a few
// milliseconds after it shares a message with others of its subject, which goes out when it is full, when these milliseconds are over, or by
// Flush. One goroutine may use it at a time.
type Publisher struct {
	s       *Stream
	refused *telemetry.Fault

	sharing sync.Mutex // with the timer
	pending []unconfirmed
	bytes   int              // of the messages pending, and of the packs
	stored  time.Time        // when the last confirmation came
	object  []byte           // the JSON of the last post or trade
	packs   map[string]*pack // by subject; the timer runs while there are some
	sent    time.Time        // when the last message went out
	timer   *time.Timer
	linger  time.Duration
}

// unconfirmed is a message handed over. Where the stream has refused it, or it was never sent, it must be published again.
type unconfirmed struct {
	msg     *nats.Msg
	future  jetstream.PubAckFuture // nil where it was never sent
	refused error
}

// Publisher returns a new publisher.
func (s *Stream) Publisher() *Publisher {
	p := &Publisher{s: s, refused: s.metrics.Fault(s.log, "the stream does not take a message; trying again"), packs: map[string]*pack{}, linger: linger}
	p.timer = time.AfterFunc(time.Hour, p.lingered)
	p.timer.Stop()
	return p
}

// Tweet publishes a post.
func (p *Publisher) Tweet(ctx context.Context, t *market.Tweet) error {
	p.sharing.Lock()
	defer p.sharing.Unlock()
	p.object = t.AppendJSON(p.object[:0])
	return p.publish(ctx, "tweets."+token(t.Source))
}

// Price publishes a trade.
func (p *Publisher) Price(ctx context.Context, price *market.Price) error {
	p.sharing.Lock()
	defer p.sharing.Unlock()
	p.object = price.AppendJSON(p.object[:0])
	return p.publish(ctx, "prices."+token(price.Venue))
}

// publish sends the object, or puts it where others of its subject wait.
func (p *Publisher) publish(ctx context.Context, subject string) error {
	if len(p.pending) >= maxPublishPending/2 || p.bytes+len(p.object) > maxPublishBytes {
		if err := p.settle(ctx, len(p.pending)/2, maxPublishBytes/2); err != nil {
			return err
		}
	}
	open := p.packs[subject]
	if open != nil && !open.takes(p.object) {
		p.send(open)
		open = nil
	}
	if open == nil {
		open = p.open(subject)
	}
	before := len(open.data)
	open.add(p.object)
	p.bytes += len(open.data) - before
	if alone := len(p.packs) == 1 && time.Since(p.sent) >= p.linger; alone || len(open.data) >= maxPack {
		p.send(open)
	}
	if n := len(p.pending); n > 0 && p.pending[n-1].refused != nil { // The connection takes nothing more now: wait, as for a full stream.
		return p.settle(ctx, 0, 0)
	}
	return nil
}

// open begins a pack, which will go out in time whatever comes after it.
func (p *Publisher) open(subject string) *pack {
	if wait := p.linger - time.Since(p.sent); len(p.packs) == 0 && wait > 0 {
		p.timer.Reset(wait)
	}
	opened := &pack{subject: subject}
	p.packs[subject] = opened
	return opened
}

// send hands a pack over.
func (p *Publisher) send(full *pack) {
	delete(p.packs, full.subject)
	message := unconfirmed{msg: &nats.Msg{Subject: full.subject, Data: full.data}}
	message.future, message.refused = p.s.js.PublishMsgAsync(message.msg)
	p.pending = append(p.pending, message)
	p.sent = time.Now()
}

// sendAll hands over what waits for others.
func (p *Publisher) sendAll() {
	p.timer.Stop()
	for _, waiting := range p.packs {
		p.send(waiting)
	}
}

// lingered hands over what has waited long enough. Where the connection does not take it, whoever publishes next tries again.
func (p *Publisher) lingered() {
	p.sharing.Lock()
	defer p.sharing.Unlock()
	p.sendAll()
}

// Flush waits until the stream has confirmed everything published before. After [ErrNotStored], some of it may be missing; the next call,
// whoever makes it, goes on with it.
func (p *Publisher) Flush(ctx context.Context) error {
	p.sharing.Lock()
	defer p.sharing.Unlock()
	return p.settle(ctx, 0, 0)
}

// Durable is when everything that was confirmed until now survives a power cut of the server's machine.
func (p *Publisher) Durable() time.Time {
	if p.s.sync == SyncAlways || p.stored.IsZero() {
		return p.stored
	}
	return p.stored.Add(p.s.sync + syncTakes)
}

// syncTakes is how long writing through to the disk may take.
const syncTakes = 500 * time.Millisecond

// settle hands over what waits for others, and waits for the oldest messages until no more than so many, and so many bytes, are unconfirmed. A message that was refused, or not
// confirmed in time, is published again, with back-off, until it is stored or ctx ends: a full stream, or one that is away, pushes back.
func (p *Publisher) settle(ctx context.Context, keep, keepBytes int) error {
	p.sendAll()
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
