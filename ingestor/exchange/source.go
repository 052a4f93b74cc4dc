package exchange

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/market"
	"rcas/store"
)

// Source reads the trades of one venue. It implements [ingestor.Source].
type Source struct {
	name  string
	wire  Wire
	cfg   Config
	log   *slog.Logger
	state *feed.State
}

var _ ingestor.Source = (*Source)(nil)

// New returns the source of a venue; a venue's own package calls it with its configuration's defaults filled in.
func New(name string, wire Wire, cfg Config) *Source {
	return &Source{name: name, wire: wire, cfg: cfg, log: cfg.Log.With("source", name), state: feed.NewState(name, cfg.Log, cfg.Metrics)}
}

// Name returns the venue.
func (s *Source) Name() string { return s.name }

// Report tells how the source is doing.
func (s *Source) Report() store.FeedState { return s.state.Report() }

// Run reads until ctx ends.
func (s *Source) Run(parent context.Context, sink ingestor.Sink) error {
	if len(s.cfg.Symbols) == 0 {
		return fmt.Errorf("%s: no coins to read trades of; name some in the assets file", s.name)
	}
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	r := &reader{Source: s, sink: sink, wake: make(chan struct{}, 1), look: make(chan struct{}, 1)}
	r.ledger = newLedger(func(event string, n int64) { sink.Count(s.name, event, n) }, func(gap Gap, why string) {
		s.state.Lost(gap.To-gap.From+1, "trades are lost: "+why, "product", gap.Product, "from", gap.From, "to", gap.To)
	})
	if err := r.load(parent); err != nil {
		return feed.UnlessEnded(parent, err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		if err := r.repair(ctx); err != nil {
			cancel(err)
		}
	})
	work.Go(func() { feed.KeepCursor(ctx, s.cfg.Cursors, sink, s.name, s.cfg.Save, r.ledger.cursor, s.log) })
	runner := feed.Runner{
		Name: s.name, Sink: sink, Log: s.cfg.Log, State: s.state,
		Silence: s.cfg.Silence, Idle: s.cfg.Idle, Lifetime: s.cfg.Lifetime,
		Ladder: func(err error) feed.Ladder {
			if errors.Is(err, feed.ErrAgain) {
				return again
			}
			return s.cfg.Ladder
		},
	}
	err := runner.Run(ctx, func(sctx context.Context, session *feed.Session) error { return r.session(ctx, sctx, session) })
	cancel(err)
	work.Wait()
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// again is the back-off where a session ended for another subscription: a new one follows soon.
var again = feed.Ladder{First: 500 * time.Millisecond, Max: 5 * time.Second, Exact: true}

// reader is one run of a source.
type reader struct {
	*Source
	sink      ingestor.Sink
	ledger    *ledger
	catalogue catalogue
	wake      chan struct{} // there may be something to ask for
	look      chan struct{} // the list of products is to be asked for
}

// session is one connection. Data goes to the sink with ctx, which outlives the session.
func (r *reader) session(ctx, sctx context.Context, session *feed.Session) error {
	if err := r.list(sctx); err != nil {
		return err
	}
	subscription := r.probe(sctx, session, r.subscription(r.catalogue.mayRetry()))
	if len(subscription.products) == 0 {
		return fmt.Errorf("%s refuses all of the coins wanted", r.name)
	}
	conn, err := r.wire.Connect(sctx, subscription.products, session)
	if err != nil {
		return err
	}
	defer conn.Close()
	watching, stop := context.WithCancel(sctx)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer stop()
	watcher.Go(func() { r.watch(watching, session, subscription) })
	return conn.Each(sctx, func(text []byte) error {
		message, err := r.wire.Decode(text)
		for range message.Malformed {
			r.sink.Drop(r.name, "malformed")
		}
		if message.Malformed > 0 || message.Unknown {
			r.state.Illegible(text)
		}
		if message.Refused != "" {
			err = r.refuse(message.Refused, subscription, err)
		}
		for _, product := range message.Accepted {
			r.accept(subscription, product)
		}
		if message.Relist {
			r.relistNow()
		}
		if message.Shutdown {
			session.Handover()
		}
		if len(message.Trades) > 0 {
			session.Data()
			r.state.Legible(len(message.Trades))
			for _, t := range message.Trades {
				r.accept(subscription, t.Product)
			}
		}
		return errors.Join(err, r.take(ctx, message.Trades, subscription.symbols, fromFeed))
	})
}

// take hands trades on and books them, in this order: a number in the ledger is a trade in the sink. One that the sink refuses for lying
// in the future is booked as missing.
func (r *reader) take(ctx context.Context, trades []Trade, symbols map[string]string, from origin) error {
	now := time.Now().UTC()
	early := false
	ctx = ingestor.WithDrops(ctx, func(reason string) { early = early || reason == ingestor.DropFuture })
	ask := false
	for _, t := range trades {
		symbol, ok := symbols[t.Product]
		if !ok {
			r.sink.Drop(r.name, "unknown product")
			continue
		}
		early = false
		err := r.sink.Price(ctx, &market.Price{
			Venue: r.name, Symbol: symbol, TradeID: strconv.FormatInt(t.ID, 10),
			Time: t.Time.UTC(), Price: t.Price, Volume: t.Volume, ReceivedAt: now, Fill: past(t.Time, now),
		})
		if err != nil {
			return feed.Fatal(err)
		}
		if early {
			r.ledger.early(t, now)
			ask = true
			continue
		}
		r.state.Fresh(symbol, t.Time)
		ask = r.ledger.enter(t, from, now.Add(r.cfg.Settle)) || ask
	}
	if ask && from == fromFeed {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// past tells whether the minute of a trade is over, so that the venue's bar of it may have been stored.
func past(at, now time.Time) bool { return !now.Before(at.Truncate(time.Minute).Add(time.Minute)) }

// repair asks the REST endpoint for what is missing, until ctx ends. It returns an error only when the sink failed.
func (r *reader) repair(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		r.state.Gaps(r.ledger.backlog())
		gap, ok, wait := r.ledger.next(time.Now())
		if !ok {
			r.await(ctx, wait)
			continue
		}
		trades, err := r.wire.Fetch(ctx, gap)
		if ctx.Err() != nil {
			return nil
		}
		r.catalogue.mu.Lock()
		symbols := r.catalogue.symbols
		r.catalogue.mu.Unlock()
		wanted := slices.DeleteFunc(trades, func(t Trade) bool { return !r.ledger.seeks(t) })
		if err := r.take(ctx, wanted, symbols, fromREST); err != nil {
			return err
		}
		r.ledger.asked(gap, err != nil && !answered(err), r.cfg.Timing, rand.Float64())
		failed := "missing trades of " + gap.Product + " cannot be fetched; trying again"
		if err == nil {
			failures = 0
			r.state.Over(failed)
			continue
		}
		r.sink.Count(r.name, "refused", 1)
		r.state.Fault(failed, fmt.Errorf("ask for %d to %d: %w", gap.From, gap.To, err))
		if answered(err) || errors.Is(err, ErrPartly) {
			continue // that is this product's trouble
		}
		_ = feed.Sleep(ctx, max(r.cfg.Retry.Wait(failures, rand.Float64()), feed.Wait(err)))
		failures++
	}
	return nil
}

// answered tells whether an error is the venue's answer to this very request, which it would give again: the product is unknown, or
// what is asked for is. All else, such as the limits of its rate, firewalls and maintenance, passes.
func answered(err error) bool {
	status, ok := errors.AsType[*feed.StatusError](err)
	return ok && (status.Code == http.StatusBadRequest || status.Code == http.StatusNotFound || status.Code == http.StatusGone)
}

// await waits until a gap is due, a new one is seen, or ctx ends. Zero waits for a new one.
func (r *reader) await(ctx context.Context, wait time.Duration) {
	var due <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-due:
	}
}

// load takes up where the last run ended.
func (r *reader) load(ctx context.Context) error {
	var marks map[string]mark
	found, err := feed.LoadCursor(ctx, r.cfg.Cursors, r.name, &marks, r.log)
	if found {
		r.ledger.resume(marks)
	}
	return err
}
