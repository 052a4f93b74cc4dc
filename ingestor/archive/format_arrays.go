package archive

import (
	"encoding/json"

	"rcas/market"
)

// Arrays of bars without names differ in the order of their numbers. The figures tell it: the high is the highest, the low the lowest. Where
// they fit several orders, they read the same in each.

var ohlcvRows = &format{
	name: "OHLCV in rows", holds: "bars",
	known: "five or six numbers a row: time, open, high, low, close and volume, as ccxt, freqtrade and CoinGecko have them (arrays of JSON, or " +
		"CSV without a header)",
	units:  "coins",
	times:  "the first number, seconds or milliseconds, or a date",
	ids:    "made of width and start",
	origin: "`--venue`, or the exchange in the file's name; coin from `--symbol` or the file's name",
	table: func(h *header) bool {
		return h.rows != nil && h.rows.bools == 0 && (h.rows.width == 6 || h.rows.width == 5) && h.rows.timed() && h.rows.ordered(1, 2, 3, 4)
	},
	open: func(p *pass, h *header) (recordReader, error) {
		names := "time,open,high,low,close,volume"
		if h.rows.width == 5 {
			names = "time,open,high,low,close"
		}
		return p.bars(h.named(names), barForm{})
	},
}

var coinbaseCandles = &format{
	name: "Coinbase's candles", holds: "bars",
	known:  "six numbers a row: time, low, high, open, close and volume",
	units:  "coins",
	times:  "the first number, seconds",
	ids:    "made of width and start",
	origin: "coinbase; coin from `--symbol` or the file's name",
	table: func(h *header) bool {
		return h.shapedLike(6, 3, 2, 1, 4) && isNumber(h.rows.records[0][0]) && len(h.rows.records[0][0]) <= 12 && !h.rows.same([]int{1, 2, 3}, []int{3, 2, 1})
	},
	open: func(p *pass, h *header) (recordReader, error) {
		return p.bars(h.named("time,low,high,open,close,volume"), barForm{venue: "coinbase"})
	},
}

var bitfinexCandles = &format{
	name: "Bitfinex's candles", holds: "bars",
	known:  "six numbers a row: time, open, close, high, low and volume",
	units:  "coins",
	times:  "the first number, milliseconds",
	ids:    "made of width and start",
	origin: "bitfinex; coin from `--symbol` or the file's name",
	table: func(h *header) bool {
		return h.shapedLike(6, 1, 3, 4, 2) && isNumber(h.rows.records[0][0]) && len(h.rows.records[0][0]) > 12 && !h.rows.same([]int{2, 3, 4}, []int{3, 4, 2})
	},
	open: func(p *pass, h *header) (recordReader, error) {
		return p.bars(h.named("time,open,close,high,low,volume"), barForm{venue: "bitfinex"})
	},
}

var okxCandles = &format{
	name: "OKX' candles", holds: "bars",
	known:  "nine numbers a row: time, open, high, low, close, three volumes and whether the bar is complete",
	units:  "coins, the first of the volumes; of contracts the second, which the figures tell",
	times:  "the first number, milliseconds",
	ids:    "made of width and start",
	origin: "okx; coin from `--symbol` or the file's name",
	table: func(h *header) bool {
		return h.shapedLike(9, 1, 2, 3, 4) && h.rows.each(func(r []string) bool { return field(r, 8) == "0" || field(r, 8) == "1" })
	},
	open: func(p *pass, h *header) (recordReader, error) {
		return p.bars(h.named("time,open,high,low,close,volume,coin_volume,quote_volume,complete"), barForm{venue: "okx"})
	},
}

// shapedLike tells whether the rows have so many numbers, a time first, and their prices in the columns given.
func (h *header) shapedLike(width, open, high, low, close int) bool {
	return h.rows != nil && h.rows.bools == 0 && h.rows.width == width && h.rows.timed() && h.rows.ordered(open, high, low, close)
}

var marketChart = &format{
	name: "CoinGecko's market_chart", holds: "trades",
	known:  "an object with the lists `prices` and `total_volumes`",
	units:  "the volumes are in dollars and of a whole day: left out",
	times:  "milliseconds",
	ids:    "made of time and price",
	origin: "`--venue`; coin from `--symbol` or the file's name",
	object: func(k keySet, o *object) bool { return k.all(chartKeys) },
	decode: func(o *object, emit func(event) error) error {
		if o.pass == nil {
			return &unreadable{reason: reasonNoPost}
		}
		var chart struct {
			Prices [][2]flexible `json:"prices"`
		}
		if err := o.into(&chart); err != nil {
			return err
		}
		m, err := o.pass.markets(newHeader(nil), "", "")
		if err != nil {
			return err
		}
		o.pass.tally.venue(m.venue)
		o.pass.tally.note(m.venue, noteNoVolume, o.pass.at.file)
		for _, point := range chart.Prices {
			p := &market.Price{Venue: m.venue, Symbol: m.named}
			if p.Time, err = parseEpoch(string(point[0])); err != nil {
				return malformed(err)
			}
			if p.Price, err = parseDecimal(string(point[1])); err != nil {
				return malformed(err)
			}
			p.TradeID = contentID(p, string(point[1]))
			if err := emit(event{price: p}); err != nil {
				return err
			}
		}
		return nil
	},
}

var chartKeys = keys("prices", "total_volumes")

// rowOf returns the elements of an array of JSON as the fields of a record; nil where it holds lists or objects.
func rowOf(raw []byte) []string {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		return nil
	}
	record := make([]string, len(elements))
	for i, element := range elements {
		if element[0] == '[' || element[0] == '{' {
			return nil
		}
		record[i] = plainField(element)
	}
	return record
}

// volumes tells whether rows that begin with time, open, high, low and close have two volumes behind, of which one is what was paid for the other.
func (s *sample) volumes() bool { return s.paid(6, 5, 3, 2) || s.paid(5, 6, 3, 2) }

// countsTrades tells whether rows of seven numbers end in a count of trades, as Kraken's do. A few rows may by chance look like turnover.
func (s *sample) countsTrades() bool {
	return s.seconds() && s.each(func(r []string) bool { return isWhole(field(r, 6)) }) && (len(s.records) < 3 || !s.volumes())
}

var turnoverRows = &format{
	name: "OHLCV with turnover, in rows", holds: "bars",
	known: "seven or eight numbers a row: time, open, high, low, close, volume and turnover, and a count of trades, where one of the two divided by " +
		"the other is a price of the bar, as Bybit has them",
	units:  "coins; of contracts in dollars, which the figures tell, the turnover",
	times:  "the first number, seconds or milliseconds, or a date",
	ids:    "made of width and start",
	origin: "`--venue`, or the exchange in the file's name; coin from `--symbol` or the file's name",
	table: func(h *header) bool {
		return h.rows != nil && h.rows.volumes() && (h.shapedLike(7, 1, 2, 3, 4) && !h.rows.countsTrades() || h.shapedLike(8, 1, 2, 3, 4))
	},
	open: func(p *pass, h *header) (recordReader, error) {
		names := "time,open,high,low,close,volume,quote_volume"
		if h.rows.paid(5, 6, 3, 2) {
			names = "time,open,high,low,close,quote_volume,volume"
		}
		if h.rows.width == 8 {
			names += ",count"
		}
		return p.bars(h.named(names), barForm{})
	},
}

var kucoinCandles = &format{
	name: "KuCoin's candles", holds: "bars",
	known:  "seven numbers a row: time, open, close, high, low, volume and turnover",
	units:  "coins",
	times:  "the first number, seconds",
	ids:    "made of width and start",
	origin: "kucoin; coin from `--symbol` or the file's name",
	table: func(h *header) bool {
		return h.shapedLike(7, 1, 3, 4, 2) && h.rows.paid(6, 5, 4, 3) && !h.rows.same([]int{2, 3, 4}, []int{3, 4, 2})
	},
	open: func(p *pass, h *header) (recordReader, error) {
		return p.bars(h.named("time,open,close,high,low,volume,quote_volume"), barForm{venue: "kucoin"})
	},
}

var gateCandles = &format{
	name: "Gate's candles", holds: "bars",
	known:  "seven or eight elements a row: time, turnover, close, high, low, open, volume, and whether the bar is complete",
	units:  "coins",
	times:  "the first number, seconds",
	ids:    "made of width and start",
	origin: "gateio; coin from `--symbol` or the file's name",
	table: func(h *header) bool {
		return h.rows != nil && (h.rows.width == 7 || h.rows.width == 8) && h.rows.timed() && h.rows.ordered(5, 3, 4, 2) && h.rows.paid(1, 6, 4, 3)
	},
	open: func(p *pass, h *header) (recordReader, error) {
		names := "time,quote_volume,close,high,low,open,volume"
		if h.rows.width == 8 {
			names += ",complete"
		}
		return p.bars(h.named(names), barForm{venue: "gateio"})
	},
}

var metaTraderBars = &format{
	name: "MetaTrader's bars", holds: "bars",
	known:  "seven fields a row without a header: date, time of day, open, high, low, close and volume",
	units:  "the volume counts changes of the price: left out",
	times:  "the first two columns (`--timezone`)",
	ids:    "made of width and start",
	origin: "`--venue`, or the exchange in the file's name; coin from `--symbol` or the file's name",
	table: func(h *header) bool {
		return h.shapedLike(7, 2, 3, 4, 5) && h.rows.each(func(r []string) bool { return clockTime.MatchString(field(r, 1)) })
	},
	open: func(p *pass, h *header) (recordReader, error) {
		return p.bars(h.named("date,time,open,high,low,close,volume"), barForm{noVolume: "MetaTrader counts changes of the price"})
	},
}
