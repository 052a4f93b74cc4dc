// Package stocktwits reads what is said about coins on StockTwits, by its public streams. No key is needed.
//
// Protocol: GET /api/2/streams/symbol/BTC.X.json gives the newest thirty messages about a coin, since narrows them to those after a number,
// max to those up to one. Who shows no key has 200 requests an hour; the client keeps to [Config.PerHour]. With so few requests, what is
// asked next is the coin about which most is likely to have been said since it was last asked: busy coins every few minutes, quiet ones
// every hour or two.
//
// New keys are not given out, and the streams are not promised to anybody: a firewall may refuse them for hours (403), which passes.
//
// Counters, besides those of package feed:
//
//	overlap  messages that came again, in the streams of other coins
//	gap      times that more was said about a coin than is read back for
//	refused  requests that StockTwits refused
package stocktwits

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/store"
	"rcas/telemetry"
)

// Config says what to read. Zero values mean the defaults.
type Config struct {
	// URL of the API, without a path. Default: https://api.stocktwits.com.
	URL string
	// Symbols are the coins to read about, as BTC. There is no default.
	Symbols []string
	// PerHour is how many requests are made in an hour. Default: 180; 200 are allowed.
	PerHour int
	// Version of RCAS, which the host is told. Default: dev.
	Version string
	// Cursors keeps how far was read; nil starts with the newest messages.
	Cursors ingestor.Cursors
	// HTTP opens all connections; nil means http.DefaultClient.
	HTTP *http.Client
	// Metrics and Log may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	// Ladder is the back-off after refusals. Default: 1 min doubling to 30 min.
	Ladder feed.Ladder
	// Idle: see [feed.Runner]. Default: 6 h.
	Idle time.Duration
	// Retry is the time after which a coin that StockTwits does not know is asked for again. Default: 15 min.
	Retry time.Duration
	// Save is the time between two saves of the position. Default: 5 s.
	Save time.Duration
}

// allowed is how many requests an hour StockTwits allows who shows no key.
const allowed = 200

// StockTwits is the source. It implements [ingestor.Source].
type StockTwits struct {
	cfg   Config
	log   *slog.Logger
	state *feed.State
}

var _ ingestor.Source = (*StockTwits)(nil)

// New returns the source, or says what is wrong in the configuration.
func New(cfg Config) (*StockTwits, error) {
	if len(cfg.Symbols) == 0 {
		return nil, errors.New("stocktwits: no coins to read about; name some in the assets file")
	}
	if cfg.PerHour < 0 || cfg.PerHour > allowed {
		return nil, fmt.Errorf("stocktwits: per_hour %d is not between 1 and the %d that are allowed", cfg.PerHour, allowed)
	}
	return newStockTwits(cfg), nil
}

func newStockTwits(cfg Config) *StockTwits {
	cfg.URL = strings.TrimRight(cmp.Or(cfg.URL, "https://api.stocktwits.com"), "/")
	cfg.PerHour = cmp.Or(cfg.PerHour, 180)
	cfg.Version = cmp.Or(cfg.Version, "dev")
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler))
	cfg.Ladder = cmp.Or(cfg.Ladder, feed.Ladder{First: time.Minute, Max: 30 * time.Minute, Exact: true})
	cfg.Idle = cmp.Or(cfg.Idle, 6*time.Hour)
	cfg.Retry = cmp.Or(cfg.Retry, 15*time.Minute)
	cfg.Save = cmp.Or(cfg.Save, 5*time.Second)
	return &StockTwits{cfg: cfg, log: cfg.Log.With("source", Source), state: feed.NewState(Source, cfg.Log, cfg.Metrics)}
}

// Name returns "stocktwits".
func (*StockTwits) Name() string { return Source }

// Report tells how the source is doing.
func (s *StockTwits) Report() store.FeedState { return s.state.Report() }

// Run reads until ctx ends.
func (s *StockTwits) Run(ctx context.Context, sink ingestor.Sink) error {
	r := &reader{
		StockTwits: s, sink: sink, newest: map[string]int64{}, coins: make([]coin, len(s.cfg.Symbols)),
		rest:  &feed.Client{HTTP: s.cfg.HTTP, UserAgent: "rcas/" + s.cfg.Version},
		limit: rate.NewLimiter(rate.Limit(float64(s.cfg.PerHour)/3600), 3),
	}
	for i, symbol := range s.cfg.Symbols {
		r.coins[i] = coin{symbol: symbol, perSecond: likely}
	}
	if _, err := feed.LoadCursor(ctx, s.cfg.Cursors, Source, &r.newest, s.log); err != nil {
		return feed.UnlessEnded(ctx, err)
	}
	keeping, stop := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	defer keeper.Wait()
	defer stop()
	keeper.Go(func() { feed.KeepCursor(keeping, s.cfg.Cursors, sink, Source, s.cfg.Save, r.cursor, s.log) })
	runner := feed.Runner{
		Name: Source, Sink: sink, Log: s.cfg.Log, State: s.state, Idle: s.cfg.Idle, Ladder: func(error) feed.Ladder { return s.cfg.Ladder },
	}
	return runner.Run(ctx, func(sctx context.Context, session *feed.Session) error { return r.session(ctx, sctx, session) })
}

// reader is one run of the source.
type reader struct {
	*StockTwits
	sink  ingestor.Sink
	rest  *feed.Client
	limit *rate.Limiter
	known feed.Recent
	coins []coin

	mu     sync.Mutex
	newest map[string]int64 // the number of the newest message read, by coin
}

// session asks for one coin after another until an error. Posts go to the sink with ctx, which outlives the session.
func (r *reader) session(ctx, sctx context.Context, session *feed.Session) error {
	for {
		if err := r.limit.Wait(sctx); err != nil { // before it is chosen who is asked
			return err
		}
		c := busiest(r.coins, time.Now(), r.cfg.Retry)
		if c == nil { // none of them is known
			if err := feed.Sleep(sctx, r.cfg.Retry/4); err != nil {
				return err
			}
			continue
		}
		n, err := r.read(ctx, sctx, session, c.symbol)
		switch status, refused := errors.AsType[*feed.StatusError](err); {
		case refused && status.Code == http.StatusNotFound:
			r.sink.Count(Source, "refused", 1)
			r.state.LeaveOut(c.symbol, "StockTwits does not know "+stream(c.symbol))
			c.absent = time.Now()
		case refused:
			r.sink.Count(Source, "refused", 1)
			return feed.Later(err, until(status.Header, time.Now()))
		case err != nil:
			return err
		default:
			r.state.TakeIn(c.symbol)
			c.absent = time.Time{}
		}
		c.note(n, time.Now())
	}
}

// until returns how long to stay away by the headers that tell the limit, zero where they don't.
func until(header http.Header, now time.Time) time.Duration {
	if header.Get("X-RateLimit-Remaining") != "0" {
		return 0
	}
	reset, err := strconv.ParseInt(header.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil {
		return 0
	}
	return min(max(0, time.Unix(reset, 0).Sub(now)), time.Hour)
}

// stream is what StockTwits calls a coin.
func stream(symbol string) string { return symbol + ".X" }

// maxPages is how many pages of thirty messages are read back at most; each is one of the requests of the hour.
const maxPages = 4

// read reads the messages about a coin, newest first, back to what was read before, and returns how many were new.
func (r *reader) read(ctx, sctx context.Context, session *feed.Session, symbol string) (n int, err error) {
	r.mu.Lock()
	since, asked := r.newest[symbol]
	r.mu.Unlock()
	var got tally
	before := int64(0)
	for page := 1; ; page++ {
		var answer Page
		if err := r.ask(sctx, symbol, since, before, &answer); err != nil {
			return got.added, err
		}
		session.Data()
		if err := r.take(ctx, &answer, &got); err != nil {
			return got.added, err
		}
		list := answer.Messages
		reached := !answer.More || len(list) == 0 || list[len(list)-1].Number <= since || answer.Oldest <= 0
		if !asked || reached || page == maxPages { // the first time, the newest will do
			if asked && !reached {
				r.sink.Count(Source, "gap", 1)
				r.state.Lost(1, "more was said about a coin than is read back for; what lies between is lost", "symbol", symbol)
			}
			break
		}
		before = answer.Oldest
		if err := r.limit.Wait(sctx); err != nil {
			return got.added, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if got.early > 0 {
		got.newest = min(got.newest, got.early-1)
	}
	r.newest[symbol] = max(since, got.newest)
	return got.added, nil
}

// tally is what a reading brought: how many messages were new, the number of the newest, and that of the oldest which was refused for lying
// ahead of this machine's clock: from that on they are to be read again.
type tally struct {
	added         int
	newest, early int64
}

func (r *reader) ask(ctx context.Context, symbol string, since, before int64, page *Page) error {
	query := url.Values{}
	if since > 0 {
		query.Set("since", strconv.FormatInt(since, 10))
	}
	if before > 0 {
		query.Set("max", strconv.FormatInt(before, 10))
	}
	address := r.cfg.URL + "/api/2/streams/symbol/" + url.PathEscape(stream(symbol)) + ".json"
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return r.rest.Get(ctx, address, page)
}

// take hands on what is new of a page, and tallies it.
func (r *reader) take(ctx context.Context, page *Page, got *tally) error {
	early := false
	ctx = ingestor.WithDrops(ctx, func(reason string) { early = reason == ingestor.DropFuture })
	for _, raw := range page.Malformed {
		r.sink.Drop(Source, "malformed")
		r.state.Illegible(raw)
	}
	r.state.Legible(max(len(page.Messages), 1))
	for _, m := range page.Messages {
		if r.known.Add(m.ID) {
			r.sink.Count(Source, "overlap", 1)
			got.newest = max(got.newest, m.Number)
			continue
		}
		m.ReceivedAt = time.Now().UTC()
		early = false
		if err := r.sink.Tweet(ctx, m.Tweet); err != nil {
			return feed.Fatal(err)
		}
		if early {
			r.known.Forget(m.ID)
			got.early = m.Number // they come newest first
			continue
		}
		got.added++
		got.newest = max(got.newest, m.Number)
		r.state.Fresh("", m.Time)
	}
	return nil
}

func (r *reader) cursor() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.newest) == 0 {
		return ""
	}
	text, _ := json.Marshal(r.newest) // numbers always marshal
	return string(text)
}
