package kraken

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
)

// candlesReach is how many candles GET /0/public/OHLC gives: the newest, however it is asked.
const candlesReach = 720

// Past returns what Kraken tells of earlier times: candles of the newest 720 minutes, trades of all years.
func Past(cfg exchange.Config) exchange.Past {
	if cfg.Retry == (feed.Ladder{}) {
		cfg.Retry = feed.Ladder{First: 3 * time.Second, Max: time.Minute, Exact: true} // its counter of requests falls slowly
	}
	cfg = cfg.Or(defaults)
	return exchange.Past{Venue: Venue, Wire: &wire{cfg: cfg, rest: cfg.Client()}, Page: candlesReach, Reach: candlesReach, Retry: cfg.Retry}
}

// Candles asks GET /0/public/OHLC, which knows a beginning (exclusive) and no end: what lies outside is left out here. Minutes without a
// trade have a candle, too.
func (w *wire) Candles(ctx context.Context, product string, from, to time.Time) ([]exchange.Candle, error) {
	w.mu.Lock()
	pair := w.pairs[product]
	w.mu.Unlock()
	result, err := get[map[string]json.RawMessage](ctx, w, fmt.Sprintf("/0/public/OHLC?pair=%s&interval=1&since=%d", url.QueryEscape(pair), from.Unix()-1))
	if err != nil {
		return nil, err
	}
	var candles []exchange.Candle
	for name, list := range result {
		if name == "last" {
			continue
		}
		var page exchange.List[candle]
		if err := json.Unmarshal(list, &page); err != nil {
			return nil, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
		}
		for _, c := range page {
			if !c.Start.Before(from) && c.Start.Before(to) {
				candles = append(candles, exchange.Candle(c))
			}
		}
	}
	return candles, nil
}

// candle is [seconds, open, high, low, close, mean price, volume, trades].
type candle exchange.Candle

// UnmarshalJSON reads the array.
func (c *candle) UnmarshalJSON(text []byte) error {
	var fields []exchange.Number
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	if len(fields) < 8 {
		return fmt.Errorf("%w: a candle of %d fields, 8 expected", feed.ErrMalformed, len(fields))
	}
	*c = candle{
		Start: time.Unix(int64(fields[0]), 0).UTC(), Open: float64(fields[1]), High: float64(fields[2]), Low: float64(fields[3]),
		Close: float64(fields[4]), Volume: float64(fields[6]), Quiet: fields[7] == 0,
	}
	return nil
}
