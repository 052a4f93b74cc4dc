package binance

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
)

// klinesPage is how many candles GET /api/v3/klines gives at most. A request weighs 2 of the 6,000 a minute.
const klinesPage = 1000

// Past returns what Binance tells of earlier times: one-minute candles of all years.
func Past(cfg exchange.Config) exchange.Past {
	if cfg.Requests == 0 {
		cfg.Requests = 10
	}
	history := cfg.RESTURL
	if history == "" {
		history = historyURL
	}
	cfg = cfg.Or(defaults)
	return exchange.Past{Venue: Venue, Wire: &wire{cfg: cfg, rest: cfg.Client(), history: history}, Page: klinesPage, Retry: cfg.Retry}
}

// Candles asks GET /api/v3/klines, of which both ends count. Minutes without a trade have a candle, too.
func (w *wire) Candles(ctx context.Context, product string, from, to time.Time) ([]exchange.Candle, error) {
	url := fmt.Sprintf("/api/v3/klines?symbol=%s&interval=1m&startTime=%d&endTime=%d&limit=%d", product, from.UnixMilli(),
		to.UnixMilli()-1, klinesPage)
	var answer exchange.List[kline]
	if err := w.rest.Get(ctx, path(w.cfg.RESTURL, url), &answer); err != nil {
		return nil, err
	}
	candles := make([]exchange.Candle, len(answer))
	for i, k := range answer {
		candles[i] = exchange.Candle(k)
	}
	return candles, nil
}

// kline is [start, open, high, low, close, volume, end, quote volume, trades, …], times in milliseconds.
type kline exchange.Candle

// UnmarshalJSON reads the array.
func (k *kline) UnmarshalJSON(text []byte) error {
	var fields []exchange.Number
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	if len(fields) < 9 {
		return fmt.Errorf("%w: a candle of %d fields, 9 at least expected", feed.ErrMalformed, len(fields))
	}
	*k = kline{
		Start: time.UnixMilli(int64(fields[0])).UTC(), Open: float64(fields[1]), High: float64(fields[2]), Low: float64(fields[3]),
		Close: float64(fields[4]), Volume: float64(fields[5]), Quiet: fields[8] == 0,
	}
	return nil
}
