package archive

import (
	"strings"
)

// table is a kind of CSV file: which columns say what, and who reads the records.
type table struct {
	columns columns
	width   int
	kind    tableKind
	// venue is the exchange that the form belongs to; "" where the form tells nothing.
	venue string
	// volumeUnit is what the volume is counted in where the header tells; "" stands for the coin.
	volumeUnit string
	// data tells that the line by which the table was known is its first record, not a header.
	data bool
}

type tableKind uint8

const (
	barTable tableKind = iota + 1
	tradeTable
	redditTable
)

const binance = "binance"

// Binance's files without header, as it documents them for spot and futures.
const (
	klineHeader = "open_time,open,high,low,close,volume,close_time,quote_volume,count," +
		"taker_buy_volume,taker_buy_quote_volume,ignore"
	tradeHeader     = "id,price,qty,quote_qty,time,is_buyer_maker"
	aggTradeHeader  = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
	bestMatchColumn = ",is_best_match"
)

// tableOf knows a CSV file by its first line; nil where it is none that RCAS reads.
func tableOf(line string) *table {
	fields, err := splitRecord(nil, line)
	if err != nil || len(fields) < 2 {
		return nil
	}
	c := readHeader(fields)
	t := &table{columns: c, width: len(fields)}
	switch {
	case c.has("time", "open", "high", "low", "close"):
		t.kind = barTable
		if !c.has("volume") {
			c["volume"], t.volumeUnit = volumeOfCoin(fields)
		}
	case c.has("time", "price"):
		t.kind = tradeTable
	case c.has("time", "body"), c.has("time", "title", "author"):
		t.kind = redditTable
	default:
		return headless(fields)
	}
	if name := strings.ToLower(line); strings.HasPrefix(name, "open_time,") || strings.HasPrefix(name, tradeHeader) ||
		strings.HasPrefix(name, aggTradeHeader) {
		t.venue = binance
	}
	return t
}

// headless knows Binance's files by the number and nature of their columns.
func headless(fields []string) *table {
	for _, field := range fields {
		if !isNumber(field) && !isBool(field) {
			return nil
		}
	}
	bools := 0
	for bools < len(fields) && isBool(fields[len(fields)-1-bools]) {
		bools++
	}
	header, kind := "", tradeTable
	switch [2]int{len(fields), bools} {
	case [2]int{12, 0}:
		header, kind = klineHeader, barTable
	case [2]int{6, 1}:
		header = tradeHeader
	case [2]int{7, 2}:
		header = tradeHeader + bestMatchColumn
	case [2]int{7, 1}:
		header = aggTradeHeader
	case [2]int{8, 2}:
		header = aggTradeHeader + bestMatchColumn
	default:
		return nil
	}
	return &table{columns: readHeader(strings.Split(header, ",")), width: len(fields), kind: kind, venue: binance, data: true}
}

func isNumber(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return false
		}
	}
	return true
}

func isBool(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }
