package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Seam is a minute of a coin at a venue that has trades and, by their numbers, may lack others.
type Seam struct {
	Symbol string
	Minute time.Time
	// First and Last are the lowest and the highest number of its trades; LastTime is the time of the last.
	First, Last int64
	LastTime    time.Time
	// Before, Inside and After tell where numbers are missing: before the first (down to the last trade of an earlier minute, or to where
	// the coin begins), between, and up to the trade of number Next in a later minute.
	Before, Inside, After bool
	Next                  int64
}

// seams compares the numbers of trades minute by minute. The first minute of a coin may have begun before its feed did.
const seams = `
WITH minutes AS (
    SELECT symbol, date_trunc('minute', time) AS minute, min(trade_id::bigint) AS first, max(trade_id::bigint) AS last, max(time) AS last_time,
           count(DISTINCT trade_id) AS n
    FROM prices WHERE venue = $1 AND time >= $2 AND time < $3 AND trade_id ~ '^[0-9]{1,18}$' GROUP BY 1, 2
), beside AS (
    SELECT m.*, lag(m.last) OVER w AS before, lead(m.first) OVER w AS next FROM minutes AS m WINDOW w AS (PARTITION BY m.symbol ORDER BY m.minute)
), judged AS (
    SELECT b.*, b.before IS NULL OR b.before < b.first - 1 AS lacks_before, b.last - b.first + 1 > b.n AS lacks_inside,
           coalesce(b.next > b.last + 1, false) AS lacks_after
    FROM beside AS b
)
SELECT symbol, minute, first, last, last_time, lacks_before, lacks_inside, lacks_after, coalesce(next, 0)
FROM judged WHERE lacks_before OR lacks_inside OR lacks_after
ORDER BY minute DESC, symbol`

// Seams returns the minutes of a venue that begin in a time (whole minutes) and may lack trades, newest first: where the feed began or broke
// off. Only venues that number their trades one by one have any.
func (s *Store) Seams(ctx context.Context, venue string, from, to time.Time) ([]Seam, error) {
	rows, err := s.pool.Query(ctx, seams, venue, from, to)
	if err != nil {
		return nil, wrap("look for seams", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Seam])
	if err != nil {
		return nil, wrap("look for seams", err)
	}
	return found, nil
}
