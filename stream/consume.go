package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"rcas/telemetry"
)

// Message is one post or trade of a batch.
type Message struct {
	Subject string
	Data    []byte
	// Stored is when the stream took the message that this came in, perhaps with others, and Sequence the number of that one there.
	Stored   time.Time
	Sequence uint64

	from *delivery
	nth  int  // of those in the stream's message
	last bool // of them
	dead error
}

// Through is the number of the last message of the stream that is done with, when this and all before it are.
func (m *Message) Through() uint64 {
	if m.last || m.Sequence == 0 {
		return m.Sequence
	}
	return m.Sequence - 1
}

// Kill sets the message aside in the DEAD stream, with the reason, once the handler returns: it can never be handled.
func (m *Message) Kill(why error) { m.dead = why }

// Killed tells why the message was set aside, or nil.
func (m *Message) Killed() error { return m.dead }

// Handler stores a batch. When it returns nil the messages are acknowledged, so it must have committed by then; the messages
// that it killed go to the DEAD stream. A message of the stream that held several is acknowledged once all of them are done with.
//
// An error that wraps [ErrPoison] means that some message of the batch can't be stored: the batch is halved until the message is
// found and set aside. One that wraps [ErrTooMuch] has the batch halved too, and a message alone tried again. Any other error means that the handler itself can't work now (the database is away): the batch is tried
// again, with back-off, until it works.
type Handler func(ctx context.Context, batch []*Message) error

// ErrPoison marks an error that lies in the messages, not in the machinery: see [Handler].
var ErrPoison = errors.New("a message of the batch can't be stored")

// ErrTooMuch marks an error of a batch that may pass in parts, where nothing is known against its messages: see [Handler].
var ErrTooMuch = errors.New("the batch is too much at once")

// Batch says when a batch is complete: at Size messages or so, at about 8 MiB of them, or at an age of Age, whichever comes first. What shares a
// message of the stream comes in one batch, which may so be somewhat larger or smaller. While more wait
// in the stream than complete it, it may become four times as old: what is behind anyway catches up sooner by full batches.
type Batch struct {
	Size int
	Age  time.Duration
	// Workers handle batches at the same time. Zero: 1.
	Workers int
}

// Consume reads a durable consumer of a stream until ctx ends, and returns nil then. Batches under way when ctx ends are
// finished first, within a grace of ten seconds. A consumer that is not there is an error; one that nobody answers for is waited for.
func (s *Stream) Consume(ctx context.Context, streamName, consumer string, b Batch, handle Handler) error {
	c, err := s.consumer(ctx, streamName, consumer)
	if c == nil {
		return err
	}
	var group errgroup.Group
	for range max(b.Workers, 1) {
		group.Go(func() error {
			w := worker{s: s, stream: streamName, consumer: c, batch: b, handle: handle, posts: maxPack / 512,
				unread:   s.metrics.Fault(s.log, "cannot read from the stream; trying again", "stream", streamName, "consumer", consumer),
				unstored: s.metrics.Fault(s.log, "batch not stored; trying again", "stream", streamName, "consumer", consumer)}
			return w.run(ctx)
		})
	}
	return group.Wait()
}

// consumer looks a durable consumer up. That of a cluster may have no leader just now: it is asked for again, until ctx ends (nil, nil).
func (s *Stream) consumer(ctx context.Context, streamName, name string) (jetstream.Consumer, error) {
	unread := s.metrics.Fault(s.log, "cannot read from the stream; trying again", "stream", streamName, "consumer", name)
	for backoff := 50 * time.Millisecond; ctx.Err() == nil; backoff = min(2*backoff, 5*time.Second) {
		c, err := s.js.Consumer(ctx, streamName, name)
		switch {
		case err == nil:
			unread.Over()
			return c, nil
		case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, nats.ErrConnectionClosed):
			return nil, fmt.Errorf("look up consumer %s of %s: %w", name, streamName, err)
		}
		unread.Failed(plain(err))
		pause(ctx, backoff)
	}
	return nil, nil
}

// worker reads and handles batches one after the other, fetching the next one while the database works on the current.
type worker struct {
	s        *Stream
	stream   string
	consumer jetstream.Consumer
	batch    Batch
	handle   Handler

	length, posts    int // of a message of the last request: bytes on average, and posts or trades at most
	unread, unstored *telemetry.Fault
}

// Of a batch in memory: batchBytes is where it ends, which posts of ordinary length come nowhere near; fetchStep is how many messages are
// asked for at a time, by whose length the next request is measured.
const batchBytes, fetchStep = 8 << 20, 250

func (w *worker) run(ctx context.Context) error {
	batches := make(chan []*Message)
	go func() {
		defer close(batches)
		w.fetchAll(ctx, batches)
	}()
	for batch := range batches {
		work, cancel := graceful(ctx, 10*time.Second)
		w.process(work, batch)
		cancel()
	}
	return nil
}

// graceful returns a context that outlives ctx by the grace period, so that a batch in the database may finish.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return work, func() { stop(); cancel() }
}

func (w *worker) fetchAll(ctx context.Context, batches chan<- []*Message) {
	backoff := 50 * time.Millisecond
	for ctx.Err() == nil {
		batch, err := w.fetch(ctx)
		if err != nil {
			w.unread.Failed(plain(err))
			pause(ctx, backoff)
			backoff = min(2*backoff, 5*time.Second)
			continue
		}
		backoff = 50 * time.Millisecond
		w.unread.Over()
		if len(batch) == 0 {
			continue
		}
		w.offer(ctx, batch, batches)
	}
}

// offer hands a batch over, telling the stream meanwhile that it is in good hands.
func (w *worker) offer(ctx context.Context, batch []*Message, batches chan<- []*Message) {
	ticker := time.NewTicker(ackWait / 3)
	defer ticker.Stop()
	for {
		select {
		case batches <- batch:
			return
		case <-ticker.C:
			inProgress(batch)
		case <-ctx.Done(): // Not acknowledged: the stream delivers them again.
			for from := range deliveries(batch) {
				_ = from.msg.Nak()
			}
			return
		}
	}
}

func inProgress(batch []*Message) {
	for from := range deliveries(batch) {
		_ = from.msg.InProgress()
	}
}

// deliveries are the messages of the stream that a batch came in.
func deliveries(batch []*Message) iter.Seq[*delivery] {
	return func(yield func(*delivery) bool) {
		for i, m := range batch {
			if (i == 0 || m.from != batch[i-1].from) && !yield(m.from) {
				return
			}
		}
	}
}

// fetch reads a batch, in several requests.
func (w *worker) fetch(ctx context.Context) (batch []*Message, err error) {
	began, bytes := time.Now(), 0
	for bytes < batchBytes {
		room := (w.batch.Size - len(batch)) / w.posts // in messages of the stream
		if room <= 0 && len(batch) > 0 {
			break
		}
		asked := max(min(room, fetchStep, (batchBytes-bytes)/max(w.length, 1)), 1)
		until := began.Add(w.batch.Age)
		if len(batch) > 0 && batch[len(batch)-1].from.waiting >= room {
			until = began.Add(4 * w.batch.Age)
		}
		// The server ends the request at its size or its age, and drops it with the connection.
		incoming, err := w.consumer.Fetch(asked, jetstream.FetchMaxWait(max(time.Until(until), time.Millisecond)))
		if err == nil {
			n, came, most := 0, 0, 0
			for msg := range incoming.Messages() {
				messages := received(msg)
				batch = append(batch, messages...)
				n, came, most = n+1, came+len(msg.Data()), max(most, len(messages))
			}
			if n > 0 {
				w.length, w.posts, bytes = came/n, most, bytes+came
			}
			if err = incoming.Error(); err == nil && n == asked {
				continue
			}
		}
		if err != nil && len(batch) == 0 && ctx.Err() == nil {
			return nil, err
		}
		break
	}
	return batch, nil
}

// process brings a batch to its end: every message stored and acknowledged, or set aside. When ctx ends first, what is
// left stays unacknowledged and is delivered again.
func (w *worker) process(ctx context.Context, batch []*Message) {
	backoff := 100 * time.Millisecond
	consumer, began := w.consumer.CachedInfo().Name, time.Now()
	for {
		err := w.attempt(ctx, batch)
		switch {
		case err == nil:
			w.unstored.Over()
			w.settle(ctx, batch)
			w.s.metrics.Batch(w.stream, consumer, len(batch), time.Since(began))
			return
		case errors.Is(err, ErrPoison) && len(batch) == 1:
			batch[0].Kill(err)
			w.settle(ctx, batch)
			return
		case errors.Is(err, ErrPoison), errors.Is(err, ErrTooMuch) && len(batch) > 1:
			w.halve(ctx, batch)
			return
		case ctx.Err() != nil:
			return
		}
		w.unstored.Failed(err)
		w.s.metrics.BatchRetry(w.stream, consumer)
		pause(ctx, backoff)
		backoff = min(2*backoff, 5*time.Second)
		for _, m := range batch {
			m.dead = nil
		}
		inProgress(batch)
	}
}

// halve brings the halves of a batch to their ends, one after the other.
func (w *worker) halve(ctx context.Context, batch []*Message) {
	half := middle(batch)
	first, second := batch[:half], batch[half:]
	waited := underWork(second)
	w.process(ctx, first)
	waited()
	w.process(ctx, second)
}

// middle is where a batch of two or more is halved: between two messages of the stream, as long as it has several.
func middle(batch []*Message) int {
	half := len(batch) / 2
	for near := range half {
		for _, i := range []int{half - near, half + near} {
			if i < len(batch) && batch[i].nth == 0 {
				return i
			}
		}
	}
	return half
}

// attempt handles the batch while telling the stream that it is being worked on.
func (w *worker) attempt(ctx context.Context, batch []*Message) error {
	defer underWork(batch)()
	return w.handle(ctx, batch)
}

// underWork tells the stream that the batch is being worked on, until the function that it returns is called.
func underWork(batch []*Message) (done func()) {
	ended := make(chan struct{})
	go func() {
		ticker := time.NewTicker(ackWait / 3)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				inProgress(batch)
			}
		}
	}()
	return func() { close(ended) }
}

// settle notes that the batch is done with, and ends the messages of the stream of which nothing is left.
func (w *worker) settle(ctx context.Context, batch []*Message) {
	for _, m := range batch {
		if m.dead != nil {
			m.from.killed = append(m.from.killed, m)
		}
		if m.from.left--; m.from.left == 0 {
			w.end(ctx, m.from)
		}
	}
}

// end acknowledges a message of the stream; what the handler killed of it goes to the DEAD stream just before, so that it does not go there
// again when the rest takes long and the message is delivered once more. An acknowledgement that gets
// lost only means one more delivery, which the database's keys turn into nothing.
func (w *worker) end(ctx context.Context, from *delivery) {
	consumer := w.consumer.CachedInfo().Name
	for _, m := range from.killed {
		if err := w.s.bury(ctx, w.stream, consumer, m); err != nil {
			w.s.log.Error("cannot set a message aside; it will be delivered again", "subject", m.Subject, "error", err)
			_ = from.msg.NakWithDelay(ackWait)
			return
		}
		if w.s.onDead != nil {
			w.s.onDead(consumer, m.Subject)
		}
	}
	_ = from.msg.Ack()
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
