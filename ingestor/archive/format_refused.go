package archive

// Tables that look like prices, and are none. They are refused by name, so that nobody has to find out why.

var orderBook = &format{
	name: "order books", holds: "nothing: refused",
	known: "columns like `is_snapshot`, `update_id`, `bids`, `asks`, `level`, or a bid's and an ask's price; rows of bids and asks without " +
		"the number of a trade",
	table: func(h *header) bool {
		return h.any("is_snapshot", "update_id", "first_update_id", "last_update_id", "bids", "asks", "level", "depth", "update_type") ||
			h.any("bid_price", "best_bid", "best_bid_price", "bids_0_price") && h.any("ask_price", "best_ask", "best_ask_price", "asks_0_price")
	},
	open: func(*pass, *header) (recordReader, error) {
		return nil, refuse("its columns are those of an order book, and no trades: nobody may ever have traded at these prices")
	},
}

var liquidations = &format{
	name: "liquidations", holds: "nothing: refused",
	known: "columns like `order_status`, `time_in_force`, `average_price` with `side`; the word in the name of a table of trades",
	table: func(h *header) bool {
		return h.any("order_status", "time_in_force", "liquidation_side", "liquidation_price", "liquidated", "liquidation") ||
			h.has("average_price", "side")
	},
	open: func(*pass, *header) (recordReader, error) {
		return nil, refuse("its columns are those of orders or liquidations, and no trades")
	},
}

var indexPrices = &format{
	name: "index and mark prices", holds: "nothing: refused",
	known: "columns like `mark_price`, `index_price`, `funding_rate` without a trade's number and amount",
	table: func(h *header) bool {
		return h.any("mark_price", "index_price", "funding_rate", "last_funding_rate", "open_interest", "premium", "premium_index") &&
			!(h.any(idNames...) && h.any(amountNames...))
	},
	open: func(*pass, *header) (recordReader, error) {
		return nil, refuse("its columns are those of an index, a mark price or a funding rate, and no trades")
	},
}
