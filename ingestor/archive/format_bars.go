package archive

var genericBars = &format{
	name: "bars as a table", holds: "bars",
	known: "columns of time, `open`, `high`, `low` and `close`, in any order, and none of the others' (CSV, objects of JSON); so " +
		"CryptoDataDownload's and `rcas sql --json`'s candles",
	units: "`volume` in coins, or the column that names its coin (`Volume BTC`); dollars (`Volume USDT`), or more than any market turns " +
		"over, are left out",
	times:   "of the begin; of the end where all say 23:59:59 or the like. Width from `close_time`, `interval`, or the distances; dates are days",
	ids:     "made of width and start",
	origin:  "`exchange`, `--venue`, or the exchange in the file's name; coin from a column, `--symbol` or the file's name",
	general: true,
	table:   func(h *header) bool { return h.rows == nil && h.hasBars() },
	open:    func(p *pass, h *header) (recordReader, error) { return p.bars(h, barForm{}) },
}

var coinMarketCap = &format{
	name: "CoinMarketCap's prices", holds: "bars",
	known:  "a column `Market Cap`, `marketCap` or `Marketcap` beside open, high, low and close",
	units:  "the volume is in dollars: left out",
	times:  "`Date`, or `timeOpen` and `timeClose`",
	ids:    "made of width and start",
	origin: "`--venue`; coin from a column, `--symbol` or the file's name",
	table:  func(h *header) bool { return h.hasBars() && h.any(capNames...) },
	open: func(p *pass, h *header) (recordReader, error) {
		return p.bars(h, barForm{noVolume: "CoinMarketCap counts volumes in dollars"})
	},
}

var investing = &format{
	name: "Investing.com's prices", holds: "bars",
	known:  "columns `Date`, `Price`, `Open`, `High`, `Low` and `Change %`: the price is the close",
	units:  "`Vol.` doesn't say in what: left out",
	times:  "`Date`, a day, as `May 10, 2021`; 05/10/2021 may be either of two days and is refused",
	ids:    "made of width and start",
	origin: "`--venue`; coin from `--symbol` or the file's name",
	table: func(h *header) bool {
		return h.any(timeNames...) && h.has("price", "open", "high", "low") && !h.any(closeNames...)
	},
	open: func(p *pass, h *header) (recordReader, error) {
		return p.bars(h, barForm{close: []string{"price"}, noVolume: "it doesn't say in what it counts"})
	},
}

var bitstampMinutes = &format{
	name: "Bitstamp's minutes", holds: "bars",
	known:  "columns `Volume_(BTC)` and `Weighted_Price` beside open, high, low and close; minutes without a trade are NaN, and counted",
	units:  "`Volume_(BTC)`, in coins",
	times:  "`Timestamp`, seconds",
	ids:    "made of width and start",
	origin: "the exchange in the file's name (bitstampUSD…), `--venue`; coin from the column of the volume",
	table:  func(h *header) bool { return h.hasBars() && h.any("weighted_price") && !h.any("volume") },
	open:   func(p *pass, h *header) (recordReader, error) { return p.bars(h, barForm{}) },
}

// Kraken's bars without header: OHLCVT, and the same with the average price as the API has it.
const (
	krakenBarHeader     = "time,open,high,low,close,volume,trades"
	krakenBarHeaderVWAP = "time,open,high,low,close,vwap,volume,count"
)

var krakenBars = &format{
	name: "Kraken's bars", holds: "bars",
	known:  "seven numbers without a header (time, open, high, low, close, volume, trades), or eight with the average price before the volume",
	units:  "coins",
	times:  "the first column, seconds",
	ids:    "made of width and start",
	origin: "kraken; coin from the file's name (XBTUSD_60.csv)",
	table: func(h *header) bool {
		switch {
		case h.shapedLike(7, 1, 2, 3, 4):
			return h.rows.countsTrades()
		case h.shapedLike(8, 1, 2, 3, 4):
			return h.rows.each(func(r []string) bool {
				average := number(r, 5)
				return average == 0 || average >= number(r, 3)*.99 && average <= number(r, 2)*1.01
			})
		}
		return false
	},
	open: func(p *pass, h *header) (recordReader, error) {
		names := krakenBarHeader
		if h.rows.width == 8 {
			names = krakenBarHeaderVWAP
		}
		return p.bars(h.named(names), barForm{venue: "kraken"})
	},
}
