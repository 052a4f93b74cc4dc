package archive

var genericTrades = &format{
	name: "trades as a table", holds: "trades",
	known:   "columns of time and `price`, and none of the others' (CSV, objects of JSON)",
	units:   "`amount`, `qty`, `quantity`, `size` or `volume`, in coins; a trade of nothing is none, and counted",
	times:   "the first column that counts seconds or tells its zone, else the date (`--timezone`)",
	ids:     "`trade_id`, `id`, …; without any made of time, content, and how many just like it were before",
	origin:  "`exchange`, `--venue`, or the exchange in the file's name; coin from a column, `--symbol` or the file's name",
	general: true,
	table: func(h *header) bool {
		return h.rows == nil && h.hasTrades() && !h.hasBars() && !h.any("tweet", "full_text", "tweet_text", "raw_content", "body")
	},
	open: func(p *pass, h *header) (recordReader, error) { return p.trades(h, tradeForm{}) },
}

var inverseTrades = &format{
	name: "BitMEX' and Bybit's trades", holds: "trades",
	known:  "a column `homeNotional` beside time and price: the amount in coins, where `size` counts contracts",
	units:  "`homeNotional`, in coins",
	times:  "`timestamp`, seconds, or as `2021-05-10D00:00:01.5`",
	ids:    "`trdMatchID`",
	origin: "`--venue`, or the exchange in the file's name; coin from `symbol`",
	table:  func(h *header) bool { return h.hasTrades() && h.any("home_notional") },
	open: func(p *pass, h *header) (recordReader, error) {
		return p.trades(h, tradeForm{amount: []string{"home_notional"}})
	},
}

var bareTrades = &format{
	name: "Kraken's and Bitstamp's dumps of trades", holds: "trades",
	known:  "three numbers without a header: time, price, amount",
	units:  "coins",
	times:  "the first column, seconds",
	ids:    "made of time, content, and how many just like it were before",
	origin: "`--venue`, or the exchange in the file's name (bitstampUSD.csv); coin from the file's name (XBTUSD.csv)",
	table:  func(h *header) bool { return h.shaped(3, 0) && h.rows.timed() },
	open: func(p *pass, h *header) (recordReader, error) {
		if len(h.rows.records) > 1 && h.rows.spread(1) > 3 && h.rows.spread(2) < 1.5 {
			return nil, refuse("its second numbers, which should be prices, differ by much, and its third, the amounts, hardly: give its columns " +
				"names (time,amount,price)")
		}
		return p.trades(h.named("time,price,amount"), tradeForm{})
	},
}

var coinGecko = &format{
	name: "CoinGecko's prices", holds: "trades",
	known:  "columns `snapped_at` and `price`",
	units:  "`total_volume` is in dollars: left out",
	times:  "`snapped_at`",
	ids:    "made of time and content",
	origin: "`--venue`; coin from the file's name (btc-usd-max.csv)",
	table:  func(h *header) bool { return h.has("snapped_at", "price") },
	open: func(p *pass, h *header) (recordReader, error) {
		return p.trades(h, tradeForm{noAmount: "CoinGecko counts volumes in dollars"})
	},
}
