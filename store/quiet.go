package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Series is what one venue tells of a coin, or one network of all coins, minute by minute.
type Series struct {
	// Source is the venue or the network; Symbol is empty for a network.
	Source, Symbol string
	// Minutes have rows, the first of them at First, the last at Last.
	Minutes     int
	First, Last time.Time
	// Earlier tells that there are rows before the time asked about.
	Earlier bool
	// Starts and Ends are of the runs of minutes without a row that are longer than was asked for: each minute that is empty first, and
	// each that is not any more.
	Starts, Ends []time.Time
}

// The windows tell which minutes have rows; raw rows may be gone.
const (
	quietPrices = `
WITH minutes AS (
    SELECT venue, symbol, bucket, lead(bucket) OVER (PARTITION BY venue, symbol ORDER BY bucket) AS next
    FROM prices_1m WHERE bucket >= $1 AND bucket < $2
), runs AS (
    SELECT venue, symbol, count(*) AS n, min(bucket) AS first, max(bucket) AS last,
           coalesce(array_agg(bucket + INTERVAL '1 minute' ORDER BY bucket) FILTER (WHERE next - bucket > $3), '{}') AS starts,
           coalesce(array_agg(next ORDER BY bucket) FILTER (WHERE next - bucket > $3), '{}') AS ends
    FROM minutes GROUP BY 1, 2
)
SELECT r.venue, r.symbol, r.n, r.first, r.last,
       EXISTS (SELECT FROM prices_1d AS d WHERE d.venue = r.venue AND d.symbol = r.symbol AND d.bucket < $1 - INTERVAL '1 day'), r.starts, r.ends
FROM runs AS r ORDER BY 1, 2`
	quietPosts = `
WITH filled AS (
    SELECT DISTINCT source, bucket FROM mood_1m WHERE bucket >= $1 AND bucket < $2
), minutes AS (
    SELECT source, bucket, lead(bucket) OVER (PARTITION BY source ORDER BY bucket) AS next FROM filled
), runs AS (
    SELECT source, count(*) AS n, min(bucket) AS first, max(bucket) AS last,
           coalesce(array_agg(bucket + INTERVAL '1 minute' ORDER BY bucket) FILTER (WHERE next - bucket > $3), '{}') AS starts,
           coalesce(array_agg(next ORDER BY bucket) FILTER (WHERE next - bucket > $3), '{}') AS ends
    FROM minutes GROUP BY 1
)
SELECT r.source, '', r.n, r.first, r.last,
       EXISTS (SELECT FROM mood_1d AS d WHERE d.source = r.source AND d.bucket < $1 - INTERVAL '1 day'), r.starts, r.ends
FROM runs AS r ORDER BY 1`
)

// Quiet returns all series that have rows in a time, those of prices first, with their runs of at least so many minutes without a row.
func (s *Store) Quiet(ctx context.Context, from, to time.Time, least time.Duration) (prices, posts []Series, err error) {
	for _, q := range []struct {
		sql string
		to  *[]Series
	}{{quietPrices, &prices}, {quietPosts, &posts}} {
		rows, err := s.pool.Query(ctx, q.sql, from, to, least)
		if err == nil {
			*q.to, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Series])
		}
		if err != nil {
			return nil, nil, wrap("look for gaps", err)
		}
	}
	return prices, posts, nil
}
