// Package kraken reads the trades of Kraken: the trade channel of its WebSocket API v2, with gaps repaired from
// GET /0/public/Trades. No key is needed.
//
// Protocol: https://docs.kraken.com/api/docs/websocket-v2/trade and
// https://docs.kraken.com/api/docs/rest-api/get-recent-trades. The snapshot after subscribing holds the last 50 trades of each
// book, which alone closes most gaps. trade_id counts one by one within a book. Heartbeats come about once a second.
package kraken

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
)

// Venue is the name of the venue in prices.
const Venue = "kraken"

// Defaults are used where a configuration says nothing. The REST endpoint allows about one public request a second.
var defaults = exchange.Config{
	URL:     "wss://ws.kraken.com/v2",
	RESTURL: "https://api.kraken.com",
	Timing:  exchange.Timing{Silence: 15 * time.Second, Requests: 1},
}

// quotes are the currencies that count as the dollar, the best first.
var quotes = []string{"USD", "USDT", "USDC"}

// New returns the source. See [exchange.Config] for what can be set.
func New(cfg exchange.Config) *exchange.Source {
	cfg = cfg.Or(defaults)
	return exchange.New(Venue, &wire{cfg: cfg, rest: cfg.Client()}, cfg)
}

// wire is Kraken's protocol.
type wire struct {
	cfg  exchange.Config
	rest *feed.Client

	mu    sync.Mutex
	pairs map[string]string // the REST endpoint's name by product
}

// get asks the REST endpoint. Every answer has the form {"error":[…],"result":…}; errors come with status 200.
func get[T any](ctx context.Context, w *wire, path string) (T, error) {
	var answer struct {
		Error  []string `json:"error"`
		Result *T       `json:"result"`
	}
	err := w.rest.Get(ctx, strings.TrimRight(w.cfg.RESTURL, "/")+path, &answer)
	switch text := strings.Join(answer.Error, "; "); {
	case err != nil:
	case strings.Contains(text, "Rate limit"), strings.Contains(text, "Too many"):
		err = &feed.StatusError{Code: http.StatusTooManyRequests, Body: text}
	case strings.Contains(text, "EQuery:"), strings.Contains(text, "EGeneral:Invalid arguments"):
		err = &feed.StatusError{Code: http.StatusBadRequest, Body: text} // this pair's trouble
	case text != "":
		err = &feed.StatusError{Code: http.StatusBadGateway, Body: text}
	case answer.Result == nil:
		err = fmt.Errorf("%w: an answer without a result", feed.ErrMalformed)
	}
	if err != nil {
		var none T
		return none, err
	}
	return *answer.Result, nil
}

// Products asks GET /0/public/AssetPairs. It knows bitcoin and dogecoin as XBT and XDG; the feed calls them BTC and DOGE.
func (w *wire) Products(ctx context.Context, symbols []string) ([]exchange.Listing, error) {
	pairs, err := get[map[string]struct {
		Name   string `json:"wsname"`
		Status string `json:"status"`
	}](ctx, w, "/0/public/AssetPairs")
	if err != nil {
		return nil, err
	}
	common := map[string]string{"XBT": "BTC", "XDG": "DOGE"}
	var listings []exchange.Listing
	names := map[string]string{}
	for name, p := range pairs {
		base, quote, ok := strings.Cut(p.Name, "/")
		if !ok {
			continue
		}
		halted := ""
		if p.Status == "cancel_only" || p.Status == "post_only" || p.Status == "maintenance" {
			halted = p.Status // else there are trades
		}
		if name, ok := common[base]; ok {
			base = name
		}
		product := base + "/" + quote
		names[product] = name
		listings = append(listings, exchange.Listing{Product: product, Base: base, Quote: quote, Halted: halted})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pairs = names
	return exchange.Choose(listings, symbols, quotes), nil
}

// Connect opens the feed and subscribes, snapshot included.
func (w *wire) Connect(ctx context.Context, products []string, session *feed.Session) (*feed.Conn, error) {
	conn, err := feed.Dial(ctx, w.cfg.HTTP, w.cfg.URL, session)
	if err != nil {
		return nil, err
	}
	subscribe, err := json.Marshal(map[string]any{
		"method": "subscribe",
		"params": map[string]any{"channel": "trade", "symbol": products, "snapshot": true},
	})
	if err == nil {
		err = conn.Send(ctx, subscribe)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return conn, nil
}

// Decode reads one message.
func (*wire) Decode(message []byte) (exchange.Message, error) { return Decode(message) }

// Fetch asks for the trades from just before the gap on: the endpoint pages by time, since= being exclusive. One microsecond
// earlier, because the trades of one order share their time.
func (w *wire) Fetch(ctx context.Context, gap exchange.Gap) ([]exchange.Trade, error) {
	w.mu.Lock()
	pair := w.pairs[gap.Product]
	w.mu.Unlock()
	since := gap.After.Add(-time.Microsecond).UnixNano()
	query := fmt.Sprintf("?pair=%s&since=%d&count=%d", url.QueryEscape(pair), since, exchange.PageSize)
	result, err := get[map[string]json.RawMessage](ctx, w, "/0/public/Trades"+query)
	if err != nil {
		return nil, err
	}
	var trades []exchange.Trade
	for name, list := range result {
		if name == "last" {
			continue
		}
		var page exchange.List[past]
		if err := json.Unmarshal(list, &page); err != nil {
			return nil, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
		}
		for _, p := range page {
			trades = append(trades, exchange.Trade{
				Product: gap.Product, ID: p.id, Time: p.at, Price: float64(p.price), Volume: float64(p.volume),
			})
		}
	}
	slices.SortFunc(trades, func(a, b exchange.Trade) int { return int(a.ID - b.ID) })
	return trades, nil
}
