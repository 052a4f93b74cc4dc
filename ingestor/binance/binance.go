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
	"sync/atomic"
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
	cfg       exchange.Config
	rest      *feed.Client
	history   string
	noHistory atomic.Bool // historicalTrades was refused: only the newest trades can be had
}

// Products asks GET /api/v3/exchangeInfo.
func (w *wire) Products(ctx context.Context, symbols []string) (map[string]string, error) {
	var answer struct {
		Symbols []struct {
			Symbol string `json:"symbol"`
			Status string `json:"status"`
			Base   string `json:"baseAsset"`
			Quote  string `json:"quoteAsset"`
		} `json:"symbols"`
	}
	url := path(w.cfg.RESTURL, "/api/v3/exchangeInfo?symbolStatus=TRADING&showPermissionSets=false")
	if err := w.rest.Get(ctx, url, &answer); err != nil {
		return nil, err
	}
	var listings []exchange.Listing
	for _, s := range answer.Symbols {
		if s.Status == "TRADING" {
			listings = append(listings, exchange.Listing{Product: s.Symbol, Base: s.Base, Quote: s.Quote})
		}
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
	var answer exchange.List[past]
	if !w.noHistory.Load() {
		url := fmt.Sprintf("/api/v3/historicalTrades?symbol=%s&fromId=%d&limit=%d", gap.Product, gap.From, gap.To-gap.From+1)
		err := w.rest.Get(ctx, path(w.history, url), &answer)
		if err == nil {
			return decodePast(gap.Product, answer), nil
		}
		if !refused(err) {
			return nil, err
		}
		w.noHistory.Store(true)
	}
	url := fmt.Sprintf("/api/v3/trades?symbol=%s&limit=%d", gap.Product, exchange.PageSize)
	if err := w.rest.Get(ctx, path(w.cfg.RESTURL, url), &answer); err != nil {
		return nil, err
	}
	return decodePast(gap.Product, answer), nil
}

// refused tells whether the endpoint will not answer such a request at any time: a key is wanted (400 or 401), the firewall or
// the country forbids it (403, 451), or it is not served here (404). 418 and 429 pass with time.
func refused(err error) bool {
	status, ok := errors.AsType[*feed.StatusError](err)
	if !ok {
		return false
	}
	switch status.Code {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusUnavailableForLegalReasons:
		return true
	}
	return false
}

func path(base, path string) string { return strings.TrimRight(base, "/") + path }
