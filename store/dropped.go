package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Rows of a day whose raw rows were dropped (rcas.drop_old) and whose windows remain must not be stored: the windows would be computed anew,
// from them alone. The windows of a day are there and its raw rows are not: by this one knows such a day, for each coin and feed.
// $1 to $4 are the days and names asked about, $5 and $6 bound them in time.
const (
	droppedPrices = `SELECT d.day, d.symbol, '', d.venue FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[]) AS d (day, symbol, model, venue)
		WHERE EXISTS (SELECT FROM prices_1d AS w WHERE w.bucket = d.day AND w.symbol = d.symbol AND w.venue = d.venue AND w.bucket BETWEEN $5 AND $6)
		  AND NOT EXISTS (SELECT FROM prices AS r WHERE r.time >= d.day AND r.time < d.day + INTERVAL '1 day' AND r.symbol = d.symbol
		                  AND r.venue = d.venue AND r.time BETWEEN $5::timestamptz AND $6::timestamptz + INTERVAL '1 day')`
	droppedSentiments = `SELECT d.day, d.symbol, d.model, d.source FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[]) AS d (day, symbol, model, source)
		WHERE EXISTS (SELECT FROM mood_1d AS w WHERE w.bucket = d.day AND w.symbol = d.symbol AND w.model = d.model AND w.source = d.source
		              AND w.bucket BETWEEN $5 AND $6)
		  AND NOT EXISTS (SELECT FROM sentiments AS r WHERE r.time >= d.day AND r.time < d.day + INTERVAL '1 day' AND r.symbol = d.symbol
		                  AND r.model = d.model AND r.source = d.source AND r.time BETWEEN $5::timestamptz AND $6::timestamptz + INTERVAL '1 day')`
	// Posts have no windows of their own; and the scorer may be ahead of the writer.
	droppedTweets = `SELECT d.day, '', '', d.source FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[]) AS d (day, symbol, model, source)
		WHERE EXISTS (SELECT FROM mood_1d AS w WHERE w.bucket = d.day AND w.source = d.source AND w.bucket BETWEEN $5 AND $6)
		  AND NOT EXISTS (SELECT FROM sentiments AS r WHERE r.time >= d.day AND r.time < d.day + INTERVAL '1 day' AND r.source = d.source
		                  AND r.time BETWEEN $5::timestamptz AND $6::timestamptz + INTERVAL '1 day')
		  AND NOT EXISTS (SELECT FROM tweets AS r WHERE r.time >= d.day AND r.time < d.day + INTERVAL '1 day' AND r.source = d.source
		                  AND r.time BETWEEN $5::timestamptz AND $6::timestamptz + INTERVAL '1 day')`
)

// EventDropped is counted for rows that are refused because the raw rows of their day are no longer kept.
const EventDropped = "dropped:no longer kept"

// leastKept is the shortest time for which raw rows may be kept, less the margin of a day: younger days are not asked about.
const leastKept = 6 * 24 * time.Hour

// day is a UTC day of one coin, model and feed, as far as a table has them.
type day struct {
	start                 time.Time
	symbol, model, source string
}

func dayOf(at time.Time, symbol, model, source string) day {
	return day{at.UTC().Truncate(24 * time.Hour), symbol, model, source}
}

// dropped tells which of the days have windows but no raw rows any more.
func (s *Store) dropped(ctx context.Context, question string, days map[day]bool) (map[day]bool, error) {
	var starts []time.Time
	var symbols, models, sources []string
	var first, last time.Time
	for d := range days {
		if time.Since(d.start) < leastKept {
			continue
		}
		if len(starts) == 0 || d.start.Before(first) {
			first = d.start
		}
		if d.start.After(last) {
			last = d.start
		}
		starts, symbols = append(starts, d.start), append(symbols, d.symbol)
		models, sources = append(models, d.model), append(sources, d.source)
	}
	if len(starts) == 0 {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, question, pgx.QueryExecModeExec, starts, symbols, models, sources, first, last)
	if err != nil {
		return nil, err
	}
	gone := map[day]bool{}
	var d day
	_, err = pgx.ForEachRow(rows, []any{&d.start, &d.symbol, &d.model, &d.source}, func() error {
		gone[day{d.start.UTC(), d.symbol, d.model, d.source}] = true
		return nil
	})
	return gone, err
}

// keep returns the rows of which the day is not dropped, and what was refused by feed.
func keep[T any](ctx context.Context, s *Store, question string, rows []T, of func(T) day) (kept []T, refused map[string]int64, err error) {
	days := map[day]bool{}
	for _, r := range rows {
		days[of(r)] = true
	}
	gone, err := s.dropped(ctx, question, days)
	if err != nil || len(gone) == 0 {
		return rows, nil, err
	}
	refused = map[string]int64{}
	for _, r := range rows {
		if d := of(r); gone[d] {
			refused[d.source]++
		} else {
			kept = append(kept, r)
		}
	}
	return kept, refused, nil
}
