package archive

// Binance's files without header, as it documents them for spot and futures. In files of futures margined in coins the volumes are contracts,
// and what is called quote volume here is in coins.
const (
	klineHeader = "open_time,open,high,low,close,volume,close_time,quote_volume,count," +
		"taker_buy_volume,taker_buy_quote_volume,ignore"
	tradeHeader     = "id,price,qty,quote_qty,time,is_buyer_maker"
	aggTradeHeader  = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
	bestMatchColumn = ",is_best_match"

	binance = "binance"
)

var binanceKlines = &format{
	name: "Binance klines", holds: "bars",
	known: "columns `open_time`, `close_time` and a count of trades beside the prices, or twelve numbers without a header (CSV, or arrays as " +
		"the API gives them)",
	units:  "coins; of futures in contracts, which the other volume tells, that one. Bars that move or count without volume are an index: refused",
	times:  "`open_time`, milli- or microseconds; width from `close_time`",
	ids:    "made of width and start",
	origin: "binance; coin from the file's name",
	table: func(h *header) bool {
		if h.rows != nil {
			return h.rows.width == 12 && h.rows.bools == 0 && h.rows.timed() && h.rows.ordered(1, 2, 3, 4)
		}
		return h.hasBars() && h.any("open_time") && h.any("close_time") && h.any(countNames...)
	},
	open: func(p *pass, h *header) (recordReader, error) {
		if h.rows != nil {
			h = h.named(klineHeader)
		}
		return p.bars(h, barForm{venue: binance, counted: true})
	},
}

var binanceTrades = &format{
	name: "Binance trades and aggTrades", holds: "trades",
	known: "columns `price`, `qty`, `time`, `is_buyer_maker`, or `agg_trade_id`; or six to eight columns without a header, numbers with one or " +
		"two truths behind",
	units:  "coins; of futures in contracts `base_qty`, or computed with the size of a contract",
	times:  "`time` or `transact_time`, milli- or microseconds",
	ids:    "`id`, or `a` and `agg_trade_id`",
	origin: "binance; coin from the file's name",
	table: func(h *header) bool {
		return aggregated(h) || h.shaped(6, 1) || h.shaped(7, 2) || h.has("price", "qty", "time", "is_buyer_maker")
	},
	open: func(p *pass, h *header) (recordReader, error) {
		form := tradeForm{venue: binance, value: []string{"quote_qty"}}
		if aggregated(h) {
			form.idPrefix = "a" // trades and aggregated trades are numbered apart
		}
		switch {
		case h.shaped(6, 1):
			h = h.named(tradeHeader)
		case h.shaped(7, 2):
			h = h.named(tradeHeader + bestMatchColumn)
		case h.shaped(7, 1):
			h = h.named(aggTradeHeader)
		case h.shaped(8, 2):
			h = h.named(aggTradeHeader + bestMatchColumn)
		}
		return p.trades(h, form)
	},
}

func aggregated(h *header) bool {
	return h.has("agg_trade_id", "price") || h.shaped(7, 1) || h.shaped(8, 2)
}
