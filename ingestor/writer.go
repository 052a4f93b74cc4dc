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
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.Stream.Consume(ctx, stream.Tweets, stream.Writer, tweetBatch, w.tweets) })
	group.Go(func() error { return w.Stream.Consume(ctx, stream.Prices, stream.Writer, priceBatch, w.prices) })
	return group.Wait()
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
		if _, err := w.Store.ForgetTweets(ctx, source, ids); err != nil {
			return poison(err)
		}
	}
	return nil
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
