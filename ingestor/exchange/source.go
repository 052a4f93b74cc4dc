package exchange

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/market"
)

// relist is how old the list of products may grow before a reconnect asks for it again.
const relist = 24 * time.Hour

// Source reads the trades of one venue. It implements [ingestor.Source].
type Source struct {
	name string
	wire Wire
	cfg  Config
	log  *slog.Logger

	mu       sync.Mutex
	products map[string]string // symbol by product
	listed   time.Time         // when the venue was asked for them; zero: they are to be asked for again
}

var _ ingestor.Source = (*Source)(nil)

// New returns the source of a venue; a venue's own package calls it with its configuration's defaults filled in.
func New(name string, wire Wire, cfg Config) *Source {
	return &Source{name: name, wire: wire, cfg: cfg, log: cfg.Log.With("source", name)}
}

// Name returns the venue.
func (s *Source) Name() string { return s.name }

// Run reads until ctx ends.
func (s *Source) Run(parent context.Context, sink ingestor.Sink) error {
	if len(s.cfg.Symbols) == 0 {
		return fmt.Errorf("%s: no coins to read trades of; name some in the assets file", s.name)
	}
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	r := &reader{Source: s, sink: sink, wake: make(chan struct{}, 1)}
	r.ledger = newLedger(func(event string, n int64) { sink.Count(s.name, event, n) })
	if err := r.load(parent); err != nil {
		return err
	}
	var work sync.WaitGroup
	work.Go(func() {
		if err := r.repair(ctx); err != nil {
			cancel(err)
		}
	})
	work.Go(func() { feed.KeepCursor(ctx, s.cfg.Cursors, sink, s.name, s.cfg.Save, r.ledger.cursor, s.log) })
	runner := feed.Runner{
		Name: s.name, Sink: sink, Log: s.cfg.Log,
		Silence: s.cfg.Silence, Idle: s.cfg.Idle, Lifetime: s.cfg.Lifetime,
		Ladder: func(error) feed.Ladder { return s.cfg.Ladder },
	}
	err := runner.Run(ctx, func(sctx context.Context, session *feed.Session) error { return r.session(ctx, sctx, session) })
	cancel(err)
	work.Wait()
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// reader is one run of a source.
type reader struct {
	*Source
	sink   ingestor.Sink
	ledger *ledger
	wake   chan struct{} // a new gap was seen
}

// session is one connection. Data goes to the sink with ctx, which outlives the session.
func (r *reader) session(ctx, sctx context.Context, session *feed.Session) error {
	products, err := r.list(sctx)
	if err != nil {
		return err
	}
	conn, err := r.wire.Connect(sctx, slices.Sorted(maps.Keys(products)), session)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Each(sctx, func(text []byte) error {
		message, err := r.wire.Decode(text)
		for range message.Malformed {
			r.sink.Drop(r.name, "malformed")
		}
		if message.Refused != "" {
			r.sink.Count(r.name, "refused", 1)
			r.log.Warn("the venue refused a subscription", "reason", message.Refused)
			r.outdated()
		}
		if message.Shutdown {
			session.Handover()
		}
		if len(message.Trades) > 0 {
			session.Data()
		}
		return errors.Join(err, r.take(ctx, message.Trades, products, fromFeed))
	})
}

// take hands trades on and books them, in this order: a number in the ledger is a trade in the sink.
func (r *reader) take(ctx context.Context, trades []Trade, products map[string]string, from origin) error {
	now := time.Now().UTC()
	for _, t := range trades {
		symbol, ok := products[t.Product]
		if !ok {
			r.sink.Drop(r.name, "unknown product")
			continue
		}
		err := r.sink.Price(ctx, &market.Price{
			Venue: r.name, Symbol: symbol, TradeID: strconv.FormatInt(t.ID, 10),
			Time: t.Time.UTC(), Price: t.Price, Volume: t.Volume, ReceivedAt: now,
		})
		if err != nil {
			return feed.Fatal(err)
		}
		if r.ledger.enter(t, from, now.Add(r.cfg.Settle)) {
			select {
			case r.wake <- struct{}{}:
			default:
			}
		}
	}
	return nil
}

// outdated has the next session ask for the products again: one that was delisted meanwhile would be refused time after time.
func (r *reader) outdated() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listed = time.Time{}
}

// list returns the symbols by product, asked for at the first session, at the first one a day later, and after a refusal.
func (r *reader) list(ctx context.Context) (map[string]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.products != nil && time.Since(r.listed) < relist {
		return r.products, nil
	}
	products, err := r.wire.Products(ctx, r.cfg.Symbols)
	switch {
	case err != nil && r.products != nil:
		r.log.Warn("the list of products could not be renewed, going on with the old one", "err", err)
		return r.products, nil
	case err != nil:
		return nil, fmt.Errorf("ask %s which coins it lists: %w", r.name, err)
	case len(products) == 0:
		return nil, fmt.Errorf("%s lists none of the %d coins wanted", r.name, len(r.cfg.Symbols))
	}
	var unlisted []string
	for _, symbol := range r.cfg.Symbols {
		if !slices.Contains(slices.Collect(maps.Values(products)), symbol) {
			unlisted = append(unlisted, symbol)
		}
	}
	if r.products == nil && len(unlisted) > 0 {
		r.log.Info("some coins are not listed", "symbols", unlisted)
		r.sink.Count(r.name, "unlisted", int64(len(unlisted)))
	}
	r.products, r.listed = products, time.Now()
	return products, nil
}

// repair asks the REST endpoint for what is missing, until ctx ends. It returns an error only when the sink failed.
func (r *reader) repair(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		gap, ok, wait := r.ledger.next(time.Now())
		if !ok {
			r.await(ctx, wait)
			continue
		}
		trades, err := r.wire.Fetch(ctx, gap)
		if ctx.Err() != nil {
			return nil
		}
		r.mu.Lock()
		products := r.products
		r.mu.Unlock()
		inside := slices.DeleteFunc(trades, func(t Trade) bool {
			return t.Product != gap.Product || t.ID < gap.From || t.ID > gap.To
		})
		if err := r.take(ctx, inside, products, fromREST); err != nil {
			return err
		}
		r.ledger.asked(gap, err != nil, r.cfg.Timing, rand.Float64())
		if err == nil {
			failures = 0
			continue
		}
		r.sink.Count(r.name, "refused", 1)
		r.log.Warn("missing trades could not be fetched", "product", gap.Product, "from", gap.From, "to", gap.To, "err", err)
		_ = feed.Sleep(ctx, max(r.cfg.Retry.Wait(failures, rand.Float64()), feed.Wait(err)))
		failures++
	}
	return nil
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
