package ingestor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rcas/market"
	"rcas/store"
	"rcas/stream"
	"rcas/telemetry"
)

// Batches of the writer: a thousand rows already amortise a transaction; a quarter of a second keeps the windows fresh.
var (
	tweetBatch = stream.Batch{Size: 5000, Age: 250 * time.Millisecond}
	priceBatch = stream.Batch{Size: 5000, Age: 250 * time.Millisecond}
)

// Writer moves raw rows from the stream into the database. Any number of writers may run.
type Writer struct {
	Stream *stream.Stream
	Store  *store.Store
	// Metrics may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger

	deletions chan struct{}     // holds one when some were remembered
	noted     map[string]*noted // of each stream
}

// noted is how far a stream is noted in the database, as far as this writer knows.
type noted struct {
	sync.Mutex
	at store.StreamPosition
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) error {
	w.deletions, w.noted = make(chan struct{}, 1), map[string]*noted{stream.Tweets: {}, stream.Prices: {}}
	w.deletions <- struct{}{} // an earlier run may have left some
	group, ctx := errgroup.WithContext(ctx)
	for name, part := range map[string]struct {
		batch  stream.Batch
		handle stream.Handler
	}{stream.Tweets: {tweetBatch, w.tweets}, stream.Prices: {priceBatch, w.prices}} {
		group.Go(func() error {
			if w.compare(ctx, name) != nil {
				return nil // ctx has ended
			}
			group.Go(func() error { w.watchPosition(ctx, name); return nil })
			return w.Stream.Consume(ctx, name, stream.Writer, part.batch, w.noting(name, part.handle))
		})
	}
	group.Go(func() error { w.sweepDeletions(ctx); return nil })
	err := group.Wait()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepGrace)
	defer cancel()
	if _, err := w.Store.SweepDeletions(grace); err != nil {
		w.Log.Warn("deletions are left for the next run", "error", err)
	}
	return err
}

// positionCheck is how often what the stream was told is stored is compared with what is.
const positionCheck = time.Minute

// watchPosition compares until ctx ends.
func (w *Writer) watchPosition(ctx context.Context, name string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(positionCheck):
			_ = w.compare(ctx, name)
		}
	}
}

// compare tells of messages that were acknowledged and are not in the database, because it was restored from an earlier time, or the stream
// was purged. It tries until it knows, or ctx ends.
func (w *Writer) compare(ctx context.Context, name string) error {
	failing := w.Metrics.Fault(w.Log, "cannot compare the stream with what is stored; trying again", "stream", name)
	for {
		at, err := w.Stream.Position(ctx, name, stream.Writer)
		var missing *store.Missing
		if err == nil {
			missing, err = w.check(ctx, store.StreamPosition(at))
		}
		if err == nil {
			failing.Over()
			switch {
			case missing == nil:
			case missing.Anew:
				w.Log.Warn("the stream is another one than before: what the old one held and nobody had stored is lost, or still there",
					"stream", name, "stored_until", missing.Since)
			default:
				w.Metrics.Count(name, store.EventMissing, int64(missing.To-missing.From+1))
				w.Log.Error("the database lacks messages that were acknowledged: it was restored from an earlier time, or the stream was purged; "+
					"what no source reads again by its cursor must be replayed or sent again, and posts stored just before may lack their sentiments "+
					"(rcas rescore)", "stream", name, "messages", missing.To-missing.From+1, "from", missing.From, "to", missing.To,
					"stored_until", missing.Since)
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failing.Failed(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(sweepRetry):
		}
	}
}

// check compares a position that was acknowledged, and what this writer has noted, with the database.
func (w *Writer) check(ctx context.Context, acknowledged store.StreamPosition) (*store.Missing, error) {
	n := w.noted[acknowledged.Stream]
	n.Lock()
	defer n.Unlock()
	var known uint64
	if n.at.Made.Equal(acknowledged.Made) {
		known = n.at.Sequence
	}
	sequence, missing, err := w.Store.CheckPosition(ctx, acknowledged, known)
	if err != nil {
		return nil, err
	}
	n.at = acknowledged
	n.at.Sequence = sequence
	return missing, nil
}

// noting notes the stream's position when a batch is done with. A database that was put back to an earlier time meanwhile gets the batch once
// more, for its rows may have gone into the one of before.
func (w *Writer) noting(name string, handle stream.Handler) stream.Handler {
	return func(ctx context.Context, batch []*stream.Message) error {
		err := handle(ctx, batch)
		if err != nil && !(errors.Is(err, stream.ErrPoison) && len(batch) == 1) { // which is set aside now
			return err
		}
		saveErr := w.note(ctx, name, batch)
		if errors.Is(saveErr, store.ErrWentBack) {
			saveErr = errors.Join(saveErr, w.compare(ctx, name))
		}
		if saveErr != nil {
			return saveErr
		}
		return err
	}
}

func (w *Writer) note(ctx context.Context, name string, batch []*stream.Message) error {
	n := w.noted[name]
	n.Lock()
	defer n.Unlock()
	at := n.at
	for _, m := range batch {
		at.Sequence = max(at.Sequence, m.Through())
	}
	if err := w.Store.SavePosition(ctx, at, n.at.Sequence); err != nil {
		return err
	}
	n.at = at
	return nil
}

func (w *Writer) tweets(ctx context.Context, batch []*stream.Message) error {
	var posts []*market.Tweet
	deletions := map[string][]string{}
	for _, m := range batch {
		t, err := market.DecodeTweet(m.Data, time.Now())
		switch {
		case err != nil:
			m.Kill(err)
		case t.Deleted:
			deletions[t.Source] = append(deletions[t.Source], t.ID)
		default:
			posts = append(posts, t)
		}
	}
	if len(posts) > 0 {
		if _, err := w.Store.InsertTweets(ctx, posts); err != nil {
			return marked(err)
		}
		for _, t := range posts {
			w.Metrics.Fresh(telemetry.StageStored, t.ReceivedAt)
		}
	}
	for source, ids := range deletions {
		if err := w.Store.RememberDeletions(ctx, source, ids); err != nil {
			return marked(err)
		}
		w.remembered()
	}
	return nil
}

// Honouring deletions takes longer the more posts there are, while a network tells of some all the time: so after each sweep the next one
// waits for this many times as long as it took. One that failed is tried again after sweepRetry. What is left at the end must be done
// within sweepGrace, or waits for the next run.
const (
	sweepRest  = 20
	sweepRetry = 5 * time.Second
	sweepGrace = 5 * time.Second
)

// sweepDeletions honours what was remembered until ctx ends, apart from the batches, which must not wait for it.
func (w *Writer) sweepDeletions(ctx context.Context) {
	failing := w.Metrics.Fault(w.Log, "deletions not honoured; trying again")
	for {
		select {
		case <-w.deletions:
		case <-ctx.Done():
			return
		}
		started := time.Now()
		_, err := w.Store.SweepDeletions(ctx)
		rest := sweepRest * time.Since(started)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			w.remembered()
			rest = max(rest, sweepRetry)
			failing.Failed(err)
		default:
			failing.Over()
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return
		}
	}
}

// remembered tells that there are deletions to honour.
func (w *Writer) remembered() {
	select {
	case w.deletions <- struct{}{}:
	default:
	}
}

func (w *Writer) prices(ctx context.Context, batch []*stream.Message) error {
	prices := make([]*market.Price, 0, len(batch))
	for _, m := range batch {
		p, err := market.DecodePrice(m.Data, time.Now())
		if err != nil {
			m.Kill(err)
			continue
		}
		prices = append(prices, p)
	}
	if len(prices) == 0 {
		return nil
	}
	if _, err := w.Store.InsertPrices(ctx, prices); err != nil {
		return marked(err)
	}
	for _, p := range prices {
		w.Metrics.Fresh(telemetry.StageStored, p.ReceivedAt)
	}
	return nil
}

// marked says of an error of the database what the stream is to do with the batch.
func marked(err error) error {
	switch {
	case store.IsDataError(err):
		return fmt.Errorf("%w: %w", stream.ErrPoison, err)
	case store.IsTooMuch(err):
		return fmt.Errorf("%w: %w", stream.ErrTooMuch, err)
	}
	return err
}
