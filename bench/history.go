package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// History says how much of the past [Fill] makes up.
type History struct {
	// Prices and Sentiments are the rows in all.
	Prices, Sentiments int64
	Days               int
	Symbols            int
	// End is where the history ends; it is cut to the hour.
	End  time.Time
	Seed int64
}

// Month is the history that the public functions are measured on: so many rows, five trades for each sentiment, over 30 days of 10 coins.
func Month(rows int64) History {
	return History{Prices: rows / 6 * 5, Sentiments: rows / 6, Days: 30, Symbols: 10, Seed: 1, End: time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)}
}

// Symbol is the name of the i-th coin of a history.
func Symbol(i int) string { return fmt.Sprintf("B%02d", i) }

// Fill makes up trades and sentiments inside the database: evenly spread in time, from three venues and three networks, with
// prices that wander and moods that swing. The same History gives the same rows, and filling twice adds nothing. progress is told
// the share done, in (0, 1]. The windows are left to the policies or to a refresh.
func (h History) Fill(ctx context.Context, db *pgxpool.Pool, progress func(float64)) error {
	end := h.End.UTC().Truncate(time.Hour)
	if err := h.name(ctx, db); err != nil {
		return err
	}
	hours := h.Days * 24
	for i := range hours {
		from := end.Add(time.Duration(i-hours) * time.Hour)
		progress(float64(i) / float64(hours))
		var there bool
		err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM prices WHERE time >= $1 AND time < $1::timestamptz + INTERVAL '1 hour')`,
			from).Scan(&there)
		if err != nil {
			return fmt.Errorf("look for the hour from %s: %w", from.Format(time.RFC3339), err)
		}
		if there {
			continue // each hour is one transaction
		}
		err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
			for sql, rows := range map[string]int64{fillPrices: h.Prices, fillSentiments: h.Sentiments} {
				first, last := rows*int64(i)/int64(hours), rows*int64(i+1)/int64(hours)
				if _, err := tx.Exec(ctx, sql, from, first, last, h.Symbols, h.Seed); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("make up the hour from %s: %w", from.Format(time.RFC3339), err)
		}
	}
	progress(1)
	return nil
}

func (h History) name(ctx context.Context, db *pgxpool.Pool) error {
	_, err := db.Exec(ctx, `WITH coins AS (
			INSERT INTO assets (symbol, name) SELECT format('B%s', lpad(i::text, 2, '0')), 'Made up ' || i FROM generate_series(0,
				$1::int - 1) AS i
			ON CONFLICT DO NOTHING)
		INSERT INTO models (name, active) SELECT 'bench', NOT EXISTS (SELECT FROM models WHERE active) ON CONFLICT DO NOTHING`,
		h.Symbols)
	if err != nil {
		return fmt.Errorf("name the made-up coins: %w", err)
	}
	return nil
}

// Both statements take: start of the hour, first and last number, symbols, seed. Chance is a hash of the row's number.
const (
	fillPrices = `
INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
SELECT t, format('B%s', lpad(coin::text, 2, '0')), (ARRAY['coinbase', 'kraken', 'binance'])[1 + (h & 3) % 3], i::text,
       100 * exp(0.1 * sin(extract(epoch FROM t)::float8 / (40000 + 7000 * coin)) + 0.01 * sin(extract(epoch
           FROM t)::float8 / (900 + 70 * coin))
                 + 0.0004 * (((h >> 2) & 1023) / 512.0::float8 - 1)),
       ((h >> 12) & 1023) / 512.0::float8, t
FROM (SELECT i, i % $4::int AS coin, hashint8extended(i, $5) AS h, $1::timestamptz +
	(i - $2) * (INTERVAL '1 hour' / ($3 - $2)::float8) AS t
      FROM generate_series($2::bigint, $3::bigint - 1) AS i) AS made
ON CONFLICT DO NOTHING`

	fillSentiments = `
INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash,
	text_hash)
SELECT t, (ARRAY['twitter', 'reddit', 'bluesky'])[1 + (h & 3) % 3], i::text, format('B%s', lpad(coin::text, 2, '0')), 'bench',
	neg, 1 - neg - pos, pos, pos - neg,
       1 + ((h >> 2) & 255) / 64.0::float8, ((h >> 10) & 65535)::float8, (h >> 26) & 7 = 0, ((h >> 32) & 262143)::int, h
FROM (SELECT *, (1 - lean) * swing AS neg, lean * swing AS pos
      FROM (SELECT *, 0.5 + 0.2 * sin(extract(epoch FROM t)::float8 / (20000 + 3000 * coin)) +
          0.3 * (((h >> 40) & 1023) / 512.0::float8 - 1) AS lean,
                   ((h >> 50) & 1023) / 1024.0::float8 AS swing
            FROM (SELECT i, i % $4::int AS coin, hashint8extended(i, $5 + 1) AS h, $1::timestamptz +
                (i - $2) * (INTERVAL '1 hour' / ($3 - $2)::float8) AS t
                  FROM generate_series($2::bigint, $3::bigint - 1) AS i) AS drawn) AS leaning) AS made
ON CONFLICT DO NOTHING`
)
