package archive

import (
	"fmt"
	"strings"

	"rcas/market"
)

// Tables that `rcas export` writes. What they say is taken as it stands: it has been through all of this before.

// isOwn tells whether the columns are those of a table of RCAS's own.
func isOwn(h *header) bool { return h.has("time", "received_at") && h.any("text", "trade_id") }

var rcasPostTable = &format{
	name: "RCAS's own posts as a table", holds: "posts",
	known:  "columns `time`, `source`, `id`, `text` and `received_at`: what `rcas export tweets` writes",
	times:  "`time`",
	ids:    "`id`",
	origin: "`source`",
	table:  func(h *header) bool { return isOwn(h) && h.has("source", "id", "text") },
	open: func(p *pass, h *header) (recordReader, error) {
		return &ownPosts{postReader{
			p: p, h: h, time: newTimeColumns(h, "time"), text: h.of("text"), id: h.of("id"), author: h.of("author"), lang: h.of("lang"),
			network: h.of("source"), repost: h.of("repost"),
			counts: [5]int{h.of("followers"), h.of("favorite_count"), h.of("retweet_count"), h.of("reply_count"), h.of("quote_count")},
		}}, nil
	},
}

// ownPosts reads records of posts as they are stored.
type ownPosts struct{ postReader }

func (r *ownPosts) read(record []string) error {
	at, err := r.time.of(record, r.p.cfg)
	if err != nil {
		return timeError(err)
	}
	t := &market.Tweet{
		Source: field(record, r.network), ID: field(record, r.id), Author: text(record, r.author), Lang: field(record, r.lang),
		Text: text(record, r.text), Repost: strings.EqualFold(field(record, r.repost), "true"),
	}
	if err := r.count(record, t); err != nil {
		return err
	}
	return r.p.post(t, at)
}

var rcasPriceTable = &format{
	name: "RCAS's own trades as a table", holds: "trades",
	known:  "columns `time`, `symbol`, `venue`, `trade_id`, `price`, `volume` and `received_at`: what `rcas export prices` writes",
	units:  "`volume`, in coins",
	times:  "`time`",
	ids:    "`trade_id`",
	origin: "`venue`",
	table:  func(h *header) bool { return isOwn(h) && h.has("symbol", "venue", "trade_id", "price", "volume") },
	open: func(p *pass, h *header) (recordReader, error) {
		r := &ownPrices{
			p: p, h: h, time: newTimeColumns(h, "time"), symbol: h.of("symbol"), venue: h.of("venue"), id: h.of("trade_id"),
			price: h.of("price"), volume: h.of("volume"),
		}
		p.tally.venue(r.source())
		return r, nil
	},
}

// ownPrices reads records of trades as they are stored. Those of bars have no volume in two of four.
type ownPrices struct {
	p                                *pass
	h                                *header
	time                             timeColumns
	symbol, venue, id, price, volume int
}

func (r *ownPrices) source() string { return first(r.p.cfg.Venue, defaultVenue) }

func (r *ownPrices) finish() error { return nil }

func (r *ownPrices) about() string {
	return "time, symbol, venue, trade_id, price and volume, in coins, from the columns of these names"
}

func (r *ownPrices) read(record []string) error {
	at, err := r.time.of(record, r.p.cfg)
	if err != nil {
		return timeError(err)
	}
	t := &market.Price{Venue: first(field(record, r.venue), r.source()), TradeID: field(record, r.id), Time: at.Time}
	var ok bool
	if t.Symbol, ok = coinOf(field(record, r.symbol)); !ok {
		return &unreadable{reasonNoDollar, fmt.Errorf("market %.40q", field(record, r.symbol))}
	}
	for _, column := range []struct {
		at    int
		value *float64
	}{{r.price, &t.Price}, {r.volume, &t.Volume}} {
		if *column.value, err = parseNumber(field(record, column.at)); err != nil {
			return malformed(fmt.Errorf("%s: %w", r.h.names[column.at], err))
		}
	}
	if !wholeID(t.TradeID) {
		return malformed(roundedID(t.TradeID))
	}
	r.p.price(t)
	return r.p.emit(event{price: t, unsure: !at.sure})
}

var rcasCandles = &format{
	name: "RCAS's own candles", holds: "bars",
	known: "columns `bucket`, `open`, `high`, `low`, `close`, `volume` and `trades`: what `rcas export candles` writes, and `rcas sql --json` " +
		"of candles()",
	units:  "`volume`, in coins",
	times:  "`bucket`, the begin; width from `interval`, or the distances",
	ids:    "made of width and start",
	origin: "`venue`, else `--venue`; coin from `symbol`, `--symbol` or the file's name",
	table:  func(h *header) bool { return h.has("bucket", "open", "high", "low", "close", "volume", "trades") },
	open:   func(p *pass, h *header) (recordReader, error) { return p.bars(h, barForm{traded: true}) },
}

var (
	foundKeys  = keys("symbol", "model", "weight", "reach")
	windowKeys = keys("bucket", "symbol")
	wordKeys   = keys("term", "mood", "weighted_mood", "mood_z")
)

var rcasFound = &format{
	name: "RCAS's own sentiments, mood and words", holds: "nothing: refused",
	known: "columns or keys `model` beside `weight` and `reach`, or `bucket` beside `mood` or `term`, as `rcas export` writes them",
	table: func(h *header) bool {
		return h.has("symbol", "model", "weight", "reach") || h.has("bucket", "symbol") && h.any("term", "mood", "weighted_mood", "mood_z")
	},
	open:   func(*pass, *header) (recordReader, error) { return nil, errFound },
	object: func(k keySet, _ *object) bool { return k.all(foundKeys) || k.all(windowKeys) && k.any(wordKeys) },
	decode: func(*object, func(event) error) error { return errFound },
}

// errFound is why what was found is not stored: it belongs to the posts, the model and the words that are here.
var errFound = refuse("it holds what RCAS has found in posts and prices: replay those (rcas export tweets, rcas export prices), and it is found anew")
