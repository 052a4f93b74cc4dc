// Package binance reads the spot trades of Binance: the <symbol>@trade streams of its market-data endpoint, with gaps repaired
// from GET /api/v3/historicalTrades, or GET /api/v3/trades where that is not to be had. No key is needed.
//
// Protocol: https://github.com/binance/binance-spot-api-docs (web-socket-streams.md, rest-api.md). A connection lives 24 hours
// at most, so it is handed over before; a serverShutdown event does the same at once. Subscribing by the URL keeps the client
// far below five messages a second: it only ever sends pongs. Trade numbers count one by one within a symbol.
package binance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
)

// Venue is the name of the venue in prices.
const Venue = "binance"

// Defaults are used where a configuration says nothing. The REST endpoint allows a weight of 6,000 a minute and address; a page
// of trades weighs 25.
var defaults = exchange.Config{
	URL:     "wss://data-stream.binance.vision",
	RESTURL: "https://data-api.binance.vision",
	// The server pings every 20 seconds.
	Timing: exchange.Timing{Silence: 50 * time.Second, Lifetime: 23 * time.Hour, Requests: 3},
}

// historyURL serves historicalTrades, which the market-data endpoint does not; used with the default RESTURL only.
const historyURL = "https://api.binance.com"

// quotes are the currencies that count as the dollar, the best first.
var quotes = []string{"USDT", "FDUSD", "USDC", "USD"}

// New returns the source. See [exchange.Config] for what can be set; RESTURL serves history too where it is set.
func New(cfg exchange.Config) *exchange.Source {
	history := cfg.RESTURL
	if history == "" {
		history = historyURL
	}
	cfg = cfg.Or(defaults)
	return exchange.New(Venue, &wire{cfg: cfg, rest: cfg.Client(), history: history}, cfg)
}

// wire is Binance's protocol.
type wire struct {
	cfg     exchange.Config
	rest    *feed.Client
	history string

	mu      sync.Mutex
	without map[string]*refusal // of historicalTrades: by product, or of all under ""
}

// refusal is how long not to ask for history, and why.
type refusal struct {
	times  int
	until  time.Time
	passes bool // it is not the venue's last word
}

// Products asks GET /api/v3/exchangeInfo.
func (w *wire) Products(ctx context.Context, symbols []string) ([]exchange.Listing, error) {
	var answer struct {
		Symbols []struct {
			Symbol string `json:"symbol"`
			Status string `json:"status"`
			Base   string `json:"baseAsset"`
			Quote  string `json:"quoteAsset"`
		} `json:"symbols"`
	}
	url := path(w.cfg.RESTURL, "/api/v3/exchangeInfo?showPermissionSets=false")
	if err := w.rest.Get(ctx, url, &answer); err != nil {
		return nil, err
	}
	var listings []exchange.Listing
	for _, s := range answer.Symbols {
		listing := exchange.Listing{Product: s.Symbol, Base: s.Base, Quote: s.Quote}
		if s.Status != "TRADING" {
			listing.Halted = s.Status // HALT, BREAK, …: a stream of it is silent, and speaks once it trades
		}
		listings = append(listings, listing)
	}
	return exchange.Choose(listings, symbols, quotes), nil
}

// Connect opens a combined stream; its URL is the subscription. Names are in lower case there.
func (w *wire) Connect(ctx context.Context, products []string, session *feed.Session) (*feed.Conn, error) {
	streams := make([]string, len(products))
	for i, product := range products {
		streams[i] = strings.ToLower(product) + "@trade"
	}
	return feed.Dial(ctx, w.cfg.HTTP, path(w.cfg.URL, "/stream?streams="+strings.Join(streams, "/")), session)
}

// Decode reads one message.
func (*wire) Decode(message []byte) (exchange.Message, error) { return Decode(message) }

// Fetch asks for the numbers of the gap, or where history is refused (it is, in some countries) for the newest trades.
func (w *wire) Fetch(ctx context.Context, gap exchange.Gap) ([]exchange.Trade, error) {
	refused := w.refused(gap.Product)
	if refused == nil {
		var answer exchange.List[past]
		url := fmt.Sprintf("/api/v3/historicalTrades?symbol=%s&fromId=%d&limit=%d", gap.Product, gap.From, gap.To-gap.From+1)
		err := w.rest.Get(ctx, path(w.history, url), &answer)
		if err == nil {
			w.granted(gap.Product)
			return decodePast(gap.Product, answer), nil
		}
		if refused = w.refuse(gap.Product, err); refused == nil {
			return nil, err
		}
	}
	var answer exchange.List[past]
	url := fmt.Sprintf("/api/v3/trades?symbol=%s&limit=%d", gap.Product, exchange.PageSize)
	if err := w.rest.Get(ctx, path(w.cfg.RESTURL, url), &answer); err != nil {
		return nil, err
	}
	trades := decodePast(gap.Product, answer)
	if refused.passes && (len(trades) == 0 || trades[0].ID > gap.From) {
		return trades, fmt.Errorf("%w: history is refused until %s", exchange.ErrPartly, refused.until.Format(time.TimeOnly))
	}
	return trades, nil
}

// Waits before history is asked for again: after a refusal that may pass, and after one that is meant to last.
var (
	passing = feed.Ladder{First: 5 * time.Second, Max: 5 * time.Minute, Exact: true}
	lasting = feed.Ladder{First: time.Hour, Max: time.Hour, Exact: true}
)

// refused returns the refusal of history that holds for a product, if one does.
func (w *wire) refused(product string) *refusal {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, scope := range []string{"", product} {
		if r := w.without[scope]; r != nil && time.Now().Before(r.until) {
			return r
		}
	}
	return nil
}

// granted forgets refusals.
func (w *wire) granted(product string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.without, "")
	delete(w.without, product)
}

// refuse books that history was refused, where an error is that: a key is wanted (400 or 401), it is not served here (404), the product
// is unknown (400), or the firewall or the country forbids it (403, 451), which passes or does not. Else, as with the limits of the rate
// (418, 429), it returns nil.
func (w *wire) refuse(product string, err error) *refusal {
	status, ok := errors.AsType[*feed.StatusError](err)
	if !ok {
		return nil
	}
	scope, ladder, passes := "", lasting, false
	switch status.Code {
	case http.StatusBadRequest:
		if !wantsKey(status.Body) {
			scope, ladder = product, passing
		}
	case http.StatusUnauthorized, http.StatusNotFound:
	case http.StatusForbidden, http.StatusUnavailableForLegalReasons:
		ladder, passes = passing, true
	default:
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &refusal{passes: passes}
	if old := w.without[scope]; old != nil {
		r.times = old.times + 1
	}
	r.until = time.Now().Add(max(ladder.Wait(r.times, 0), status.RetryAfter))
	if w.without == nil {
		w.without = map[string]*refusal{}
	}
	w.without[scope] = r
	return r
}

// wantsKey tells whether an error says that a key is missing, or is not accepted.
func wantsKey(body string) bool {
	return strings.Contains(body, "-2014") || strings.Contains(body, "-2015")
}

func path(base, path string) string { return strings.TrimRight(base, "/") + path }
