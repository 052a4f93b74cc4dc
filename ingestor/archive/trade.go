package archive

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"rcas/market"
)

// symbolSource says where the coin and the venue of a price come from, where its row doesn't tell.
type symbolSource struct {
	venue string
	// named is the coin in the file's name; "" for none.
	named string
}

// of returns the coin of a market as its row names it.
func (s *symbolSource) of(pair string) (string, error) {
	if pair == "" {
		if s.named == "" {
			return "", malformed(fmt.Errorf("the symbol is missing"))
		}
		return s.named, nil
	}
	symbol, ok := coinOf(pair)
	if !ok {
		return "", &unreadable{reasonNoDollar, fmt.Errorf("market %.40q", pair)}
	}
	return symbol, nil
}

// tradeReader reads the records of a trade table.
type tradeReader struct {
	table  *table
	symbol symbolSource
	// now counts, per content, the trades of one moment without an id of their own.
	now  map[string]int
	last time.Time
}

func (r *tradeReader) parse(record []string) (*market.Price, error) {
	c := r.table.columns
	p := &market.Price{Venue: r.symbol.venue, TradeID: c.field(record, "id")}
	if venue := c.field(record, "venue"); venue != "" {
		p.Venue = venue
	}
	var err error
	if p.Symbol, err = r.symbol.of(c.field(record, "symbol")); err != nil {
		return nil, err
	}
	if p.Time, err = parseTime(c.field(record, "time")); err != nil {
		return nil, malformed(err)
	}
	price := c.field(record, "price")
	if price == "" {
		return nil, malformed(fmt.Errorf("the price is missing"))
	}
	if p.Price, err = parseNumber(price); err != nil {
		return nil, malformed(fmt.Errorf("price: %w", err))
	}
	amount := c.field(record, "amount")
	if p.Volume, err = parseNumber(amount); err != nil {
		return nil, malformed(fmt.Errorf("amount: %w", err))
	}
	switch {
	case c.has("aggregate"): // Binance numbers trades and aggregated trades apart
		p.TradeID = "a" + c.field(record, "aggregate")
	case !c.has("id"):
		p.TradeID = r.id(p, price+"\x00"+amount+"\x00"+c.field(record, "side"))
	}
	return p, nil
}

// id makes an identifier from the trade itself, the same in every run: its time, its content, and how many of the same
// moment were just like it before.
func (r *tradeReader) id(p *market.Price, content string) string {
	if !p.Time.Equal(r.last) {
		r.last = p.Time
		clear(r.now)
	}
	id := contentID(p, content)
	n := r.now[id]
	r.now[id] = n + 1
	return id + "-" + strconv.Itoa(n)
}

// contentID is an identifier made of when and what was traded.
func contentID(p *market.Price, content string) string {
	h := fnv.New64a()
	h.Write([]byte(p.Venue + "\x00" + p.Symbol + "\x00" + content))
	return strconv.FormatInt(p.Time.UnixMicro(), 10) + "-" + strconv.FormatUint(h.Sum64(), 36)
}
