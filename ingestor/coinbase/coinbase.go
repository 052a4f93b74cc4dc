// Package coinbase reads the trades of Coinbase Exchange: the matches channel of its WebSocket feed, with gaps repaired from
// GET /products/<product>/trades. No key is needed.
//
// Protocol: https://docs.cdp.coinbase.com/exchange/websocket-feed/overview and
// https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-trades.
// A client has five seconds to subscribe. The heartbeat channel tells a quiet market from a dead connection; continuity is
// checked by trade_id, which counts one by one within a product.
package coinbase

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
)

// Venue is the name of the venue in prices.
const Venue = "coinbase"

// Defaults are used where a configuration says nothing. The REST endpoint allows 10 public requests a second and address.
var defaults = exchange.Config{
	URL:     "wss://ws-feed.exchange.coinbase.com",
	RESTURL: "https://api.exchange.coinbase.com",
	Timing:  exchange.Timing{Silence: 20 * time.Second, Requests: 5},
}

// quotes are the currencies that count as the dollar, the best first.
var quotes = []string{"USD", "USDC", "USDT"}

// New returns the source. See [exchange.Config] for what can be set.
func New(cfg exchange.Config) *exchange.Source {
	cfg = cfg.Or(defaults)
	return exchange.New(Venue, wire{cfg: cfg, rest: cfg.Client()}, cfg)
}

// wire is Coinbase's protocol.
type wire struct {
	cfg  exchange.Config
	rest *feed.Client
}

// Products asks GET /products.
func (w wire) Products(ctx context.Context, symbols []string) ([]exchange.Listing, error) {
	var answer []product
	if err := w.rest.Get(ctx, w.path("/products"), &answer); err != nil {
		return nil, err
	}
	var listings []exchange.Listing
	for _, p := range answer {
		if p.Status != "delisted" && p.Status != "internal" {
			listings = append(listings, exchange.Listing{Product: p.ID, Base: p.Base, Quote: p.Quote, Halted: p.halted()})
		}
	}
	return exchange.Choose(listings, symbols, quotes), nil
}

// Connect opens the feed and subscribes at once.
func (w wire) Connect(ctx context.Context, products []string, session *feed.Session) (*feed.Conn, error) {
	conn, err := feed.Dial(ctx, w.cfg.HTTP, w.cfg.URL, session)
	if err != nil {
		return nil, err
	}
	subscribe, err := json.Marshal(map[string]any{
		"type": "subscribe", "product_ids": products, "channels": []string{"matches", "heartbeat"},
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
func (wire) Decode(message []byte) (exchange.Message, error) { return Decode(message) }

// Fetch asks for the page that ends with the gap: the endpoint gives the trades below the number after, newest first.
func (w wire) Fetch(ctx context.Context, gap exchange.Gap) ([]exchange.Trade, error) {
	var answer exchange.List[match]
	query := fmt.Sprintf("?after=%d&limit=%d", gap.To+1, gap.To-gap.From+1)
	err := w.rest.Get(ctx, w.path("/products/"+url.PathEscape(gap.Product)+"/trades"+query), &answer)
	if err != nil {
		return nil, err
	}
	var trades []exchange.Trade
	for _, m := range answer {
		trades = append(trades, m.message(gap.Product).Trades...)
	}
	slices.Reverse(trades)
	return trades, nil
}

func (w wire) path(path string) string { return strings.TrimRight(w.cfg.RESTURL, "/") + path }
