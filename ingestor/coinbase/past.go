package coinbase

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
)

// candlesPage is how many candles GET /products/<product>/candles gives at most; it refuses to be asked for more.
const candlesPage = 300

// Past returns what Coinbase tells of earlier times: one-minute candles of all years. It asks less often than the endpoint allows, so
// that the source may repair gaps meanwhile.
func Past(cfg exchange.Config) exchange.Past {
	if cfg.Requests == 0 {
		cfg.Requests = 4
	}
	cfg = cfg.Or(defaults)
	return exchange.Past{Venue: Venue, Wire: wire{cfg: cfg, rest: cfg.Client()}, Page: candlesPage, Retry: cfg.Retry}
}

// Candles asks GET /products/<product>/candles, of which both ends count. Minutes without a trade are absent.
func (w wire) Candles(ctx context.Context, product string, from, to time.Time) ([]exchange.Candle, error) {
	query := url.Values{
		"granularity": {"60"}, "start": {from.UTC().Format(time.RFC3339)}, "end": {to.Add(-time.Minute).UTC().Format(time.RFC3339)},
	}
	var answer exchange.List[candle]
	if err := w.rest.Get(ctx, w.path("/products/"+url.PathEscape(product)+"/candles?"+query.Encode()), &answer); err != nil {
		return nil, err
	}
	candles := make([]exchange.Candle, len(answer))
	for i, c := range answer {
		candles[i] = exchange.Candle(c)
	}
	return candles, nil
}

// candle is [seconds, low, high, open, close, volume].
type candle exchange.Candle

// UnmarshalJSON reads the array.
func (c *candle) UnmarshalJSON(text []byte) error {
	var fields []exchange.Number
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	if len(fields) < 6 {
		return fmt.Errorf("%w: a candle of %d fields, 6 expected", feed.ErrMalformed, len(fields))
	}
	*c = candle{
		Start: time.Unix(int64(fields[0]), 0).UTC(), Low: float64(fields[1]), High: float64(fields[2]), Open: float64(fields[3]),
		Close: float64(fields[4]), Volume: float64(fields[5]),
	}
	return nil
}
