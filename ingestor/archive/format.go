package archive

import (
	"fmt"
	"strings"
)

// format is an entry of the table of formats: how a kind of file is known, what its fields mean, and who reads it. A file's name never makes
// a format; it may only tell what the format leaves open, the market for one.
type format struct {
	// name is what reports and docs/archives.md call it; holds what comes out: posts, bars, trades, or nothing where it is refused.
	name, holds string
	// known says how it is known, units what volumes are counted in, times and ids how they are told, origin whose they are. They are the
	// columns of the table in docs/archives.md.
	known, units, times, ids, origin string
	// general tells that a format that is known by more goes before.
	general bool

	// A format of JSON objects: object tells whether these keys are its, and decode reads one.
	object func(k keySet, o *object) bool
	decode func(o *object, emit func(event) error) error

	// A format of tables (CSV, arrays of JSON, columns): table tells whether the columns are its, and open makes what reads their records.
	table func(h *header) bool
	open  func(p *pass, h *header) (recordReader, error)
}

// recordReader reads the records of a table.
type recordReader interface {
	// read takes a record. Its error may be a *refusal, which ends the file, or an *unreadable, which is the record's.
	read(record []string) error
	// finish ends the table: what was held back is passed on, or the file refused.
	finish() error
	// source is the network or venue under which the table's drops are counted, and about what the columns are taken for.
	source() string
	about() string
}

// refusal is the reason why a whole file is not read.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// formats is the table. The order says nothing, but for that of the rows in docs/archives.md.
var formats []*format

// Pages hold objects of other formats, so that the table refers to itself.
func init() {
	formats = []*format{
		twitterV1, twitterV2, redditObject, redditPage, blueskyView, blueskyEvent, stockTwits, telegram, rcasPost,
		redditTable, postTable, newsTable, rcasPostTable,
		rcasPrice, rcasPriceTable, rcasCandles, binanceKlines, yahoo, yahooFrame, coinMarketCap, investing, krakenBars, bitstampMinutes, genericBars,
		ohlcvRows, turnoverRows, coinbaseCandles, bitfinexCandles, okxCandles, kucoinCandles, gateCandles, metaTraderBars, marketChart,
		binanceTrades, inverseTrades, bareTrades, coinGecko, genericTrades,
		orderBook, liquidations, indexPrices, rcasFound,
	}
}

// tableFormat chooses the format of a table; nil where it is none. Two that could both be meant are refused.
func tableFormat(h *header) (*format, error) {
	var found []*format
	for _, f := range formats {
		if f.table != nil && f.table(h) {
			found = append(found, f)
		}
	}
	return decide(found)
}

// objectFormat chooses the format of a JSON object; nil where it is none.
func objectFormat(o *object) (*format, error) {
	var found [4]*format
	n := 0
	for _, f := range formats {
		if f.object != nil && n < len(found) && f.object(o.keys, o) {
			found[n] = f
			n++
		}
	}
	if n == 1 {
		return found[0], nil
	}
	return decide(found[:n])
}

// decide takes the one that is known by more. Two that could both be meant are refused.
func decide(found []*format) (*format, error) {
	special := found[:0:0]
	for _, f := range found {
		if !f.general {
			special = append(special, f)
		}
	}
	if len(special) == 0 {
		special = found
	}
	switch len(special) {
	case 0:
		return nil, nil
	case 1:
		return special[0], nil
	}
	var names []string
	for _, f := range special {
		names = append(names, f.name)
	}
	return nil, refuse("it could be %s: give its columns the names of one of them (docs/archives.md lists them)", strings.Join(names, " or "))
}
