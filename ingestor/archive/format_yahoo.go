package archive

import (
	"strings"
)

// yahooDollars is why Yahoo's volumes of coins are not taken.
const yahooDollars = "Yahoo counts volumes in dollars"

var yahoo = &format{
	name: "Yahoo's prices", holds: "bars",
	known:  "columns `Adj Close`, `Dividends` or `Stock Splits` beside open, high, low and close",
	units:  "the volume is in dollars: left out",
	times:  "`Date`, a day",
	ids:    "made of width and start",
	origin: "`--venue`; coin from a column or the file's name",
	table: func(h *header) bool {
		return h.hasBars() && h.any("adj_close", "dividends", "stock_splits") && !h.any(capNames...)
	},
	open: func(p *pass, h *header) (recordReader, error) { return p.bars(h, barForm{noVolume: yahooDollars}) },
}

var yahooFrame = &format{
	name: "yfinance's frames", holds: "bars",
	known:  "a header `Price,Close,High,Low,Open,Volume` with the line `Ticker,BTC-USD,…` below it",
	units:  "the volume is in dollars: left out",
	times:  "the first column, a day or a time (`--timezone`)",
	ids:    "made of width and start",
	origin: "`--venue`; coin from the line of tickers",
	table: func(h *header) bool {
		return len(h.names) > 4 && plainName(h.names[0]) == "price" && h.has("open", "high", "low", "close") && !h.any(timeNames...)
	},
	open: func(p *pass, h *header) (recordReader, error) { return &frameReader{p: p, names: h.names}, nil },
}

// frameReader reads a frame with two lines of names: of what, and of whom.
type frameReader struct {
	p     *pass
	names []string
	// tickers are those of the columns, in the order of their first ones; columns, for each, where time, open, high, low, close stand.
	tickers []string
	columns map[string][5]int
	reader  recordReader
}

func (r *frameReader) read(record []string) error {
	switch {
	case r.reader == nil && field(record, 0) == "Ticker":
		return r.start(record)
	case r.reader == nil:
		return refuse("it begins like a frame of yfinance, but its second line tells no ticker")
	case strings.Join(record[1:], "") == "": // the name of the index
		return nil
	}
	for _, ticker := range r.tickers {
		bar := []string{ticker}
		for _, column := range r.columns[ticker] {
			bar = append(bar, text(record, column))
		}
		if err := r.reader.read(bar); err != nil {
			return err
		}
	}
	return nil
}

func (r *frameReader) start(tickers []string) (err error) {
	r.columns = map[string][5]int{}
	for i, ticker := range tickers[1:] {
		if _, known := r.columns[ticker]; !known {
			r.tickers = append(r.tickers, ticker)
		}
		columns := r.columns[ticker]
		for j, name := range [...]string{"date", "open", "high", "low", "close"} {
			if plainName(r.names[i+1]) == name {
				columns[j] = i + 1
			}
		}
		r.columns[ticker] = columns
	}
	r.reader, err = r.p.bars(newHeader([]string{"ticker", "date", "open", "high", "low", "close"}), barForm{noVolume: yahooDollars})
	return err
}

func (r *frameReader) finish() error {
	if r.reader == nil {
		return nil
	}
	return r.reader.finish()
}

func (r *frameReader) source() string { return first(r.p.cfg.Venue, defaultVenue) }

func (r *frameReader) about() string { return "bars of each ticker; no volume (" + yahooDollars + ")" }
