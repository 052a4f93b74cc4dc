package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"rcas/market"
)

// MaxPushedLine bounds a line that [ReadPosts] and [ReadPrices] read: 1 MiB, room for the longest post with every byte escaped.
const MaxPushedLine = 1 << 20

// Lines is what to do with the lines of a stream of NDJSON. Lines are numbered from 1.
type Lines[T any] struct {
	// Take takes what a line says. Its error ends the reading.
	Take func(line int, event *T) error
	// Drop is told of a line, or a part of one, that can't be read: a short reason to count by, and the case.
	Drop func(line int, reason string, err error)
}

// ReadPosts reads posts to the end of in, in any JSON form that the package knows; source is that of posts that don't tell
// theirs. Lines that can't be read, or are longer than [MaxPushedLine], are dropped. The error is in's or Take's.
func ReadPosts(in io.Reader, source string, lines Lines[market.Tweet]) error {
	return readJSON(in, lines.Drop, func(number int, line []byte) error {
		return decodeJSON(line, source, func(e event) error {
			if err := lines.Take(number, e.tweet); err != nil {
				return &fatal{err}
			}
			return nil
		})
	})
}

// ReadPrices reads trades to the end of in, a JSON object a line: symbol (BTC, or a market against the dollar like BTC-USD),
// time, price, and optionally volume or amount, venue and trade_id. A trade without trade_id gets one made of its time, price
// and volume, so that one sent twice is known for what it is. See [ReadPosts] for the rest.
func ReadPrices(in io.Reader, venue string, lines Lines[market.Price]) error {
	return readJSON(in, lines.Drop, func(number int, line []byte) error {
		p, err := decodePrice(line, venue)
		if err != nil {
			return err
		}
		if err := lines.Take(number, p); err != nil {
			return &fatal{err}
		}
		return nil
	})
}

// readJSON hands every line that is not blank to decode.
func readJSON(in io.Reader, drop func(int, string, error), decode func(number int, line []byte) error) error {
	lines := newLineReader(bufio.NewReaderSize(in, bufferBytes))
	lines.limit = MaxPushedLine
	for {
		line, err := lines.next()
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, errLineTooLong):
			drop(lines.number, reasonTooLong, fmt.Errorf("it has more than %d bytes", MaxPushedLine))
			continue
		case err != nil:
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		err = decode(lines.number, line)
		if f, ok := errors.AsType[*fatal](err); ok {
			return f.err
		}
		tellDrops(lines.number, err, drop)
	}
}

// tellDrops calls drop for each of the errors joined in err.
func tellDrops(line int, err error, drop func(int, string, error)) {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			tellDrops(line, one, drop)
		}
	} else if err != nil {
		drop(line, reasonOf(err), err)
	}
}

// reasonOf is what the line is counted under.
func reasonOf(err error) string {
	if u, ok := errors.AsType[*unreadable](err); ok {
		return u.reason
	}
	return reasonMalformed
}

// trade is a price as a JSON object.
type trade struct {
	Venue   string   `json:"venue"`
	Symbol  string   `json:"symbol"`
	TradeID flexible `json:"trade_id"`
	Time    flexible `json:"time"`
	Price   flexible `json:"price"`
	Volume  flexible `json:"volume"`
	Amount  flexible `json:"amount"`
}

func decodePrice(line []byte, venue string) (*market.Price, error) {
	var t trade
	if err := json.Unmarshal(line, &t); err != nil {
		return nil, malformed(err)
	}
	if t.Time == "" {
		return nil, &unreadable{reasonNoTime, fmt.Errorf("trade of %.40q", t.Symbol)}
	}
	if t.Symbol == "" {
		return nil, malformed(errors.New("the symbol is missing"))
	}
	if t.Price == "" {
		return nil, malformed(errors.New("the price is missing"))
	}
	p := &market.Price{Venue: first(t.Venue, venue), TradeID: string(t.TradeID)}
	var ok bool
	var err error
	if p.Symbol, ok = coinOf(t.Symbol); !ok {
		return nil, &unreadable{reasonNoDollar, fmt.Errorf("market %.40q", t.Symbol)}
	}
	if p.Time, err = parseTime(string(t.Time)); err != nil {
		return nil, malformed(err)
	}
	if p.Price, err = parseNumber(string(t.Price)); err != nil {
		return nil, malformed(fmt.Errorf("price: %w", err))
	}
	volume := first(string(t.Volume), string(t.Amount))
	if p.Volume, err = parseNumber(volume); err != nil {
		return nil, malformed(fmt.Errorf("volume: %w", err))
	}
	if p.TradeID == "" {
		p.TradeID = contentID(p, string(t.Price)+"\x00"+volume)
	}
	return p, nil
}
