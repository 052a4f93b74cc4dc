package stocktwits

// NewAt returns a source that asks as often as a test wants.
func NewAt(cfg Config) *StockTwits { return newStockTwits(cfg) }
