package ingestor

import (
	"context"
	"fmt"
	"log/slog"
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

	deletions chan struct{} // holds one when some were remembered
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) error {
	w.deletions = make(chan struct{}, 1)
	w.deletions <- struct{}{} // an earlier run may have left some
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.Stream.Consume(ctx, stream.Tweets, stream.Writer, tweetBatch, w.tweets) })
	group.Go(func() error { return w.Stream.Consume(ctx, stream.Prices, stream.Writer, priceBatch, w.prices) })
	group.Go(func() error { w.sweepDeletions(ctx); return nil })
	err := group.Wait()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepGrace)
	defer cancel()
	if _, err := w.Store.SweepDeletions(grace); err != nil {
		w.Log.Warn("deletions are left for the next run", "error", err)
	}
	return err
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
			return poison(err)
		}
		for _, t := range posts {
			w.Metrics.Fresh(telemetry.StageStored, t.ReceivedAt)
		}
	}
	for source, ids := range deletions {
		if err := w.Store.RememberDeletions(ctx, source, ids); err != nil {
			return poison(err)
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
		return poison(err)
	}
	for _, p := range prices {
		w.Metrics.Fresh(telemetry.StageStored, p.ReceivedAt)
	}
	return nil
}

// poison marks an error of the data, so that the stream finds the message it lies in.
func poison(err error) error {
	if err != nil && store.IsDataError(err) {
		return fmt.Errorf("%w: %w", stream.ErrPoison, err)
	}
	return err
}
