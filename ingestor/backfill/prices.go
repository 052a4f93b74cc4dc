package backfill

import (
	"cmp"
	"context"
	"encoding/json"
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
	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
	"rcas/market"
	"rcas/store"
	"rcas/telemetry"
)

// Config says what to bring. Zero values mean the defaults.
type Config struct {
	// Symbols are the coins wanted, as in the assets file.
	Symbols []string
	// Cursors keeps what is done; nil forgets it with the process.
	Cursors ingestor.Cursors
	// Again brings what was done before, too: for gaps, of which the database knows better.
	Again bool
	// Progress is told now and then how far the work is; may be nil.
	Progress func(Progress)
	// Log may be nil.
	Log *slog.Logger
	// Save is the time between two saves of what is done. Default: 5 s.
	Save time.Duration
	// Tries is how often in a row a request may fail before the work ends with an error. Default: 12.
	Tries int
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

func (c Config) or() Config {
	c.Save = cmp.Or(c.Save, 5*time.Second)
	c.Tries = cmp.Or(c.Tries, 12)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	return c
}

// Progress is how far the work is: of all series together, in their time.
type Progress struct {
	Name        string
	Done, Total time.Duration
	// Back is down to where all series are brought.
	Back time.Time
}

// Name of the cursor under which the progress of a source is kept.
func Name(source string) string { return "backfill." + source }

// state is what the cursor holds.
type state struct {
	// Wanted is what was asked for last. It goes on after a restart.
	Wanted Span `json:"wanted"`
	// Done is what was brought, by product or other series.
	Done map[string]spans `json:"done"`
}

// Wanted returns what was asked for last of a source, and whether all of it is done; the zero span where nothing ever was.
func Wanted(ctx context.Context, cursors ingestor.Cursors, source string) (want Span, done bool, err error) {
	var s state
	if _, err := feed.LoadCursor(ctx, cursors, Name(source), &s, slog.New(slog.DiscardHandler)); err != nil {
		return Span{}, false, err
	}
	done = len(s.Done) > 0
	for _, series := range s.Done {
		done = done && len(series.missing(s.Wanted)) == 0
	}
	return s.Wanted, done, nil
}

// Prices brings the past of one venue.
type Prices struct {
	past    exchange.Past
	cfg     Config
	log     *slog.Logger
	failing *telemetry.Fault // told at the first request that fails: until all tries are used up, minutes pass

	sink    ingestor.Sink
	symbols map[string]string // by product
	began   time.Time

	mu    sync.Mutex
	state state
	total time.Duration
	done  time.Duration
}

// NewPrices returns what brings the past of a venue.
func NewPrices(past exchange.Past, cfg Config) *Prices {
	cfg = cfg.or()
	log := cfg.Log.With("source", past.Venue)
	return &Prices{past: past, cfg: cfg, log: log, failing: (*telemetry.Metrics)(nil).Fault(log, "the venue does not answer; asking again")}
}

// Name returns the venue.
func (p *Prices) Name() string { return p.past.Venue }

// series is what is left to do of a product, and what is known of it.
type series struct {
	product, symbol string
	todo            spans
	// asked minutes of the last pages, and how many of them had candles.
	asked, had float64
	// chunk is how much time of trades is read at once.
	chunk time.Duration
}

// share of minutes with a candle, as far as is known.
func (s *series) share() float64 {
	if s.asked == 0 {
		return 0
	}
	return s.had / s.asked
}

// Closed is the end of the newest minute of which the venue's bar is whole at a time.
func Closed(now time.Time) time.Time { return now.UTC().Add(-time.Minute).Truncate(time.Minute) }

// Run brings a span of time, newest first, and returns when all of it was handed to the sink, ctx ends, or the venue does not answer.
func (p *Prices) Run(ctx context.Context, sink ingestor.Sink, want Span) error {
	want.From = want.From.UTC().Truncate(time.Minute)
	if closed := Closed(p.cfg.Now()); want.To.After(closed) {
		want.To = closed
	}
	want.To = want.To.UTC().Truncate(time.Minute)
	p.sink = sink
	all, err := p.begin(ctx, want)
	if err != nil {
		return err
	}
	keeping, stop := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { feed.KeepCursor(keeping, p.cfg.Cursors, sink, Name(p.past.Venue), p.cfg.Save, p.cursor, p.log) })
	defer keeper.Wait()
	defer stop()
	for {
		s := slices.MaxFunc(all, func(a, b *series) int { return a.next().Compare(b.next()) })
		if len(s.todo) == 0 {
			return nil
		}
		if err := p.page(ctx, s); err != nil {
			return err
		}
	}
}

// next is the end of what is left to do; the zero time where nothing is.
func (s *series) next() time.Time {
	if len(s.todo) == 0 {
		return time.Time{}
	}
	return s.todo[len(s.todo)-1].To
}

// begin asks for the products and looks what of them is done.
func (p *Prices) begin(ctx context.Context, want Span) ([]*series, error) {
	if _, err := feed.LoadCursor(ctx, p.cfg.Cursors, Name(p.past.Venue), &p.state, p.log); err != nil {
		return nil, err
	}
	if p.state.Done == nil {
		p.state.Done = map[string]spans{}
	}
	listings, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cfg.Again {
		p.state.Wanted = want
	}
	p.began, p.total, p.done = p.cfg.Now(), 0, 0
	var all []*series
	for _, l := range listings {
		s := &series{product: l.Product, symbol: l.Base, chunk: firstChunk, todo: p.state.Done[l.Product].missing(want)}
		if p.cfg.Again {
			s.todo = spans(nil).add(want)
		}
		if p.state.Done[l.Product] == nil {
			p.state.Done[l.Product] = spans{}
		}
		p.total += s.todo.length()
		all = append(all, s)
	}
	return all, nil
}

// list asks which of the coins the venue lists.
func (p *Prices) list(ctx context.Context) ([]exchange.Listing, error) {
	var listings []exchange.Listing
	for answers := 0; len(listings) == 0 && answers < maxAnswers; answers++ { // an empty list may be a wrong answer, too
		err := p.ask(ctx, func() (err error) {
			listings, err = p.past.Wire.Products(ctx, p.cfg.Symbols)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("ask %s which coins it lists: %w", p.past.Venue, err)
		}
	}
	if len(listings) == 0 {
		return nil, fmt.Errorf("%s lists none of the %d coins wanted", p.past.Venue, len(p.cfg.Symbols))
	}
	p.symbols = map[string]string{}
	for _, l := range listings {
		p.symbols[l.Product] = l.Base
	}
	return listings, nil
}

// page does the newest page of what is left of a series.
func (p *Prices) page(ctx context.Context, s *series) error {
	last := s.todo[len(s.todo)-1]
	reach := Span{last.From, last.To}
	if p.past.Reach > 0 {
		// The minute that is running is one of the venue's candles, too.
		reach.From = p.cfg.Now().UTC().Truncate(time.Minute).Add(-time.Duration(p.past.Reach-2) * time.Minute)
	}
	var done Span
	var err error
	if page := last.cut(reach); page.Length() > 0 {
		if longest := time.Duration(p.past.Page) * time.Minute; page.Length() > longest {
			page.From = page.To.Add(-longest)
		}
		done, err = page, p.candles(ctx, s, page)
	} else {
		if last.Length() > s.chunk {
			last.From = last.To.Add(-s.chunk)
		}
		done, err = last, p.trades(ctx, s, last)
	}
	if err != nil && answered(err) {
		p.log.Warn("a coin's past cannot be had; the others are brought", "product", s.product, "error", err)
		done, err = Span{s.todo[0].From, s.next()}, nil
	}
	if err != nil {
		return err
	}
	p.finish(s, done)
	return nil
}

// finish books a page as done.
func (p *Prices) finish(s *series, done Span) {
	p.mu.Lock()
	before := s.todo.length()
	var todo spans
	for _, t := range s.todo {
		todo = append(todo, spans{done}.missing(t)...)
	}
	s.todo = todo
	p.done += before - s.todo.length()
	p.state.Done[s.product] = p.state.Done[s.product].add(done)
	report := Progress{Name: p.past.Venue, Done: p.done, Total: p.total, Back: done.From}
	p.mu.Unlock()
	p.cfg.Progress(report)
}

// candles hands the bars of a page on.
func (p *Prices) candles(ctx context.Context, s *series, page Span) error {
	minutes := int(page.Length() / time.Minute)
	seen := map[time.Time]exchange.Candle{}
	broken := map[time.Time]bool{} // minutes of which a candle came that cannot be
	empty := 0
	for answers := 1; ; answers++ {
		var candles []exchange.Candle
		err := p.ask(ctx, func() (err error) {
			candles, err = p.past.Wire.Candles(ctx, s.product, page.From, page.To)
			return err
		})
		if err != nil {
			return fmt.Errorf("ask %s for candles of %s: %w", p.past.Venue, s.product, err)
		}
		if len(candles) == 0 {
			empty++
		}
		wrong := collect(seen, broken, candles, page)
		share := s.share()
		if share == 0 {
			share = float64(len(seen)) / float64(minutes)
		}
		// Of a quiet coin an empty page is as likely as a venue that lost it for a moment: it must be told twice.
		told := len(candles) > 0 || empty > 1 && s.asked > 0
		if told && !wrong && longestRun(seen, page) < Unlikely(share, minutes) || answers == maxAnswers {
			break
		}
		p.sink.Count(p.past.Venue, "reread", 1)
	}
	for at := range broken {
		if _, mended := seen[at]; !mended {
			p.sink.Drop(p.past.Venue, "malformed")
		}
	}
	// What was learnt longer ago counts less and less: a coin may have been quiet then.
	s.asked, s.had = s.asked/2+float64(minutes), s.had/2+float64(len(seen))
	return p.hand(ctx, s, seen)
}

// maxAnswers is how often a page is asked for that cannot be right.
const maxAnswers = 3

// collect adds the candles of a page to those seen, and tells whether the answer holds any that cannot be. Those of them that were asked for it
// adds to broken.
func collect(seen map[time.Time]exchange.Candle, broken map[time.Time]bool, candles []exchange.Candle, page Span) (wrong bool) {
	for _, c := range candles {
		bar := market.Bar{Start: c.Start, Open: c.Open, High: c.High, Low: c.Low, Close: c.Close, Volume: c.Volume}
		if c.Start.Before(page.From) || !c.Start.Before(page.To) || !c.Start.Truncate(time.Minute).Equal(c.Start) {
			wrong = true
			continue
		}
		if bar.Validate() != nil {
			wrong, broken[c.Start] = true, true
			continue
		}
		seen[c.Start] = c
	}
	return wrong
}

// longestRun returns the most minutes in a row of a page that have no candle.
func longestRun(seen map[time.Time]exchange.Candle, page Span) (longest int) {
	run := 0
	for at := page.From; at.Before(page.To); at = at.Add(time.Minute) {
		run++
		if _, ok := seen[at]; ok {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// hand hands bars on, in the order of time.
func (p *Prices) hand(ctx context.Context, s *series, seen map[time.Time]exchange.Candle) error {
	now := p.cfg.Now().UTC()
	filled := int64(0)
	for _, c := range slices.SortedFunc(values(seen), func(a, b exchange.Candle) int { return a.Start.Compare(b.Start) }) {
		if c.Quiet || c.Volume == 0 {
			continue
		}
		bar := market.Bar{
			Venue: p.past.Venue, Symbol: s.symbol, Start: c.Start, Width: time.Minute,
			Open: c.Open, High: c.High, Low: c.Low, Close: c.Close, Volume: c.Volume,
		}
		for _, row := range bar.Trades() {
			row.ReceivedAt, row.Fill = now, true
			if err := p.sink.Price(ctx, row); err != nil {
				return feed.Fatal(err)
			}
		}
		filled++
	}
	p.sink.Count(p.past.Venue, "filled", filled)
	return nil
}

func values(seen map[time.Time]exchange.Candle) func(func(exchange.Candle) bool) {
	return func(yield func(exchange.Candle) bool) {
		for _, c := range seen {
			if !yield(c) {
				return
			}
		}
	}
}

// The time of trades that is read at once: at first, and at most. It grows where little is traded.
const (
	firstChunk = 6 * time.Hour
	mostChunk  = 30 * 24 * time.Hour
)

// trades hands the trades of a chunk on, where a venue has no candles of it.
func (p *Prices) trades(ctx context.Context, s *series, chunk Span) error {
	gap := exchange.Gap{Product: s.product, From: 1, To: exchange.PageSize, After: chunk.From}
	for pages := 1; ; pages++ {
		trades, err := p.fetch(ctx, gap)
		if err != nil {
			return err
		}
		if err := p.handTrades(ctx, trades, chunk); err != nil {
			return err
		}
		if len(trades) < exchange.PageSize/2 && pages == 1 {
			s.chunk = min(2*s.chunk, mostChunk)
		} else if pages > 30 {
			s.chunk = max(s.chunk/2, time.Hour)
		}
		if len(trades) < exchange.PageSize || !trades[len(trades)-1].Time.Before(chunk.To) {
			return nil
		}
		last := trades[len(trades)-1]
		if !last.Time.After(gap.After) { // a thousand trades of one moment
			last.Time = gap.After.Add(2 * time.Microsecond)
		}
		gap.From, gap.To, gap.After = last.ID+1, last.ID+exchange.PageSize, last.Time
	}
}

// fetch asks for trades, and returns them in the order of their numbers. Of what the venue has only partly, it returns that part.
func (p *Prices) fetch(ctx context.Context, gap exchange.Gap) (trades []exchange.Trade, err error) {
	err = p.ask(ctx, func() (err error) {
		trades, err = p.past.Wire.Fetch(ctx, gap)
		if errors.Is(err, exchange.ErrPartly) {
			return nil
		}
		return err
	})
	slices.SortFunc(trades, func(a, b exchange.Trade) int { return cmp.Compare(a.ID, b.ID) })
	if err != nil {
		err = fmt.Errorf("ask %s for trades of %s: %w", p.past.Venue, gap.Product, err)
	}
	return trades, err
}

// handTrades hands on those of the trades that lie within a span.
func (p *Prices) handTrades(ctx context.Context, trades []exchange.Trade, within Span) error {
	now := p.cfg.Now().UTC()
	filled := int64(0)
	for _, t := range trades {
		if t.Time.Before(within.From) || !t.Time.Before(within.To) {
			continue
		}
		err := p.sink.Price(ctx, &market.Price{
			Venue: p.past.Venue, Symbol: p.symbols[t.Product], TradeID: strconv.FormatInt(t.ID, 10), Time: t.Time.UTC(),
			Price: t.Price, Volume: t.Volume, ReceivedAt: now, Fill: true,
		})
		if err != nil {
			return feed.Fatal(err)
		}
		filled++
	}
	p.sink.Count(p.past.Venue, "filled", filled)
	return nil
}

// ask makes a request until it is answered: after a refusal that passes it waits as long as the venue says, or the back-off does.
func (p *Prices) ask(ctx context.Context, request func() error) error {
	for failures := 0; ; failures++ {
		err := request()
		if err == nil || answered(err) {
			p.failing.Over()
		}
		if err == nil || ctx.Err() != nil || answered(err) {
			return cmp.Or(ctx.Err(), err)
		}
		p.sink.Count(p.past.Venue, "refused", 1)
		if failures+1 >= p.cfg.Tries {
			return fmt.Errorf("%w; what was brought is kept, and the same command goes on there", err)
		}
		p.failing.Failed(err)
		if err := feed.Sleep(ctx, max(p.past.Retry.Wait(failures, rand.Float64()), feed.Wait(err))); err != nil {
			return err
		}
	}
}

// answered tells whether an error is the venue's last word about the product asked for.
func answered(err error) bool {
	status, ok := errors.AsType[*feed.StatusError](err)
	return ok && (status.Code == http.StatusBadRequest || status.Code == http.StatusNotFound || status.Code == http.StatusGone)
}

func (p *Prices) cursor() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, _ := json.Marshal(p.state) // times and strings always marshal
	return string(text)
}

// Seams finds where a run of trades lacks some.
type Seams interface {
	Seams(ctx context.Context, venue string, from, to time.Time) ([]store.Seam, error)
}

// Join looks at the trades of a span that are stored by now, and asks for those that their numbers show to be missing in minutes that have
// others, as where the feed began or broke off. It returns how many such minutes there were.
func (p *Prices) Join(ctx context.Context, sink ingestor.Sink, stored Seams, within Span) (int, error) {
	p.sink = sink
	if closed := Closed(p.cfg.Now()); within.To.After(closed) {
		within.To = closed
	}
	if p.symbols == nil {
		if _, err := p.list(ctx); err != nil {
			return 0, err
		}
	}
	seams, err := stored.Seams(ctx, p.past.Venue, within.From, within.To)
	if err != nil {
		return 0, err
	}
	for _, seam := range seams {
		for product, symbol := range p.symbols {
			if symbol != seam.Symbol {
				continue
			}
			if err := p.join(ctx, product, seam); err != nil && !answered(err) {
				return 0, err
			}
		}
	}
	return len(seams), nil
}

// join asks for the trades of a minute whose numbers lie just before its first trade, after its last, or between.
func (p *Prices) join(ctx context.Context, product string, s store.Seam) error {
	minute := Span{s.Minute, s.Minute.Add(time.Minute)}
	if s.Inside {
		if err := p.forward(ctx, exchange.Gap{Product: product, From: s.First, To: s.Last, After: minute.From}, minute); err != nil {
			return err
		}
	}
	if s.After {
		err := p.forward(ctx, exchange.Gap{Product: product, From: s.Last + 1, To: s.Next - 1, After: s.LastTime}, minute)
		if err != nil {
			return err
		}
	}
	if s.Before {
		return p.backward(ctx, product, s.First-1, minute)
	}
	return nil
}

// forward asks for the trades of a gap, page by page, as far as they lie in the minute.
func (p *Prices) forward(ctx context.Context, gap exchange.Gap, minute Span) error {
	for gap.From <= gap.To {
		page := gap
		page.To = min(gap.To, gap.From+exchange.PageSize-1)
		trades, err := p.fetch(ctx, page)
		if err != nil {
			return err
		}
		if err := p.handTrades(ctx, trades, minute); err != nil || len(trades) == 0 {
			return err
		}
		last := trades[len(trades)-1]
		if !last.Time.Before(minute.To) || last.ID < gap.From {
			return nil
		}
		gap.From, gap.After = last.ID+1, last.Time
	}
	return nil
}

// backward asks for the trades of a minute up to a number. Venues that page by number give those just before it; one that pages by time
// begins with the minute, and goes forward.
func (p *Prices) backward(ctx context.Context, product string, to int64, minute Span) error {
	for to >= 1 {
		gap := exchange.Gap{Product: product, From: max(1, to-exchange.PageSize+1), To: to, After: minute.From}
		trades, err := p.fetch(ctx, gap)
		if err != nil {
			return err
		}
		full := len(trades) >= exchange.PageSize
		older := len(trades) > 0 && trades[0].Time.Before(minute.From)
		trades = slices.DeleteFunc(trades, func(t exchange.Trade) bool { return t.ID > to || t.Time.Before(minute.From) })
		if err := p.handTrades(ctx, trades, minute); err != nil || len(trades) == 0 {
			return err
		}
		if last := trades[len(trades)-1]; last.ID < to {
			return p.forward(ctx, exchange.Gap{Product: product, From: last.ID + 1, To: to, After: last.Time}, minute)
		}
		if older || !full {
			return nil
		}
		to = trades[0].ID - 1
	}
	return nil
}
