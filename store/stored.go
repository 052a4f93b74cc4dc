package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Span is a time from one moment to before another.
type Span struct{ From, To time.Time }

// Now returns the time of the database's clock, which stored_at is of.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	if err := s.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return now, wrap("ask the time", err)
	}
	return now, nil
}

// otherPrices finds the bars of another width than $5 seconds (0: of any), and, unless that is 0, the buckets of the width that have trades.
// The four prices that stand for a bar are known by their ids, as 3600s-1714564800-open. Those of a bar may all lie outside of the time asked
// for: bars of up to a day are found all the same.
const otherPrices = `
SELECT DISTINCT CASE WHEN bar THEN to_timestamp(split_part(split_part(trade_id, 's-', 2), '-', 1)::bigint)
                     ELSE time_bucket(make_interval(secs => $5::float8), time, $3::timestamptz) END AS begins,
       CASE WHEN bar THEN split_part(trade_id, 's-', 1)::float8 ELSE $5::float8 END AS seconds
FROM prices, LATERAL (SELECT trade_id ~ '^[0-9]{1,8}s-[0-9]{1,11}-(open|high|low|close)$' AS bar) AS kind
WHERE symbol = $1::text AND venue = $2::text AND time >= $3::timestamptz - INTERVAL '1 day' AND time < $4::timestamptz + INTERVAL '1 day'
  AND stored_at < $6::timestamptz AND (bar AND trade_id NOT LIKE $5::bigint || 's-%' OR NOT bar AND $5 > 0)`

// OtherPrices returns the times of what was stored before a moment of a market from one time to before another, other than bars of the width:
// bars of other widths, and, where the width is not 0, trades, to the width.
func (s *Store) OtherPrices(ctx context.Context, symbol, venue string, width time.Duration, from, until, before time.Time) ([]Span, error) {
	rows, err := s.pool.Query(ctx, otherPrices, symbol, venue, from, until, int64(width/time.Second), before)
	if err != nil {
		return nil, wrap("look up prices", err)
	}
	spans, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (span Span, err error) {
		var seconds float64
		err = row.Scan(&span.From, &seconds)
		span.To = span.From.Add(time.Duration(seconds * float64(time.Second)))
		return span, err
	})
	if err != nil {
		return nil, wrap("look up prices", err)
	}
	return spans, nil
}
