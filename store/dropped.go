package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Rows of a day whose raw rows were dropped (rcas.drop_old) and whose windows remain must not be stored: the windows would be computed anew,
// from them alone. The windows of a day are there and its raw rows are not: by this one knows such a day, for each coin and feed.
// One day is asked about at a time, $1, for its names $2 to $4: with the time known when the question is planned, it looks into one chunk.
const (
	droppedPrices = `SELECT d.symbol, '', d.venue FROM unnest($2::text[], $3::text[], $4::text[]) AS d (symbol, model, venue)
		WHERE EXISTS (SELECT FROM prices_1d AS w WHERE w.bucket = $1::timestamptz AND w.symbol = d.symbol AND w.venue = d.venue)
		  AND NOT EXISTS (SELECT FROM prices AS r WHERE r.time >= $1::timestamptz AND r.time < $1::timestamptz + INTERVAL '1 day'
		                  AND r.symbol = d.symbol AND r.venue = d.venue)`
	droppedSentiments = `SELECT d.symbol, d.model, d.source FROM unnest($2::text[], $3::text[], $4::text[]) AS d (symbol, model, source)
		WHERE EXISTS (SELECT FROM mood_1d AS w WHERE w.bucket = $1::timestamptz AND w.symbol = d.symbol AND w.model = d.model AND w.source = d.source)
		  AND NOT EXISTS (SELECT FROM sentiments AS r WHERE r.time >= $1::timestamptz AND r.time < $1::timestamptz + INTERVAL '1 day'
		                  AND r.symbol = d.symbol AND r.model = d.model AND r.source = d.source)`
	// Posts have no windows of their own; and the scorer may be ahead of the writer.
	droppedTweets = `SELECT '', '', d.source FROM unnest($2::text[], $3::text[], $4::text[]) AS d (symbol, model, source)
		WHERE EXISTS (SELECT FROM mood_1d AS w WHERE w.bucket = $1::timestamptz AND w.source = d.source)
		  AND NOT EXISTS (SELECT FROM sentiments AS r WHERE r.time >= $1::timestamptz AND r.time < $1::timestamptz + INTERVAL '1 day'
		                  AND r.source = d.source)
		  AND NOT EXISTS (SELECT FROM tweets AS r WHERE r.time >= $1::timestamptz AND r.time < $1::timestamptz + INTERVAL '1 day'
		                  AND r.source = d.source)`
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
func (s *Store) dropped(ctx context.Context, sql string, days map[day]bool) (map[day]bool, error) {
	ask := map[time.Time][]day{}
	for d := range days {
		if time.Since(d.start) >= leastKept {
			ask[d.start] = append(ask[d.start], d)
		}
	}
	gone := map[day]bool{}
	for start, asked := range ask {
		var symbols, models, sources []string
		for _, d := range asked {
			symbols, models, sources = append(symbols, d.symbol), append(models, d.model), append(sources, d.source)
		}
		rows, err := s.pool.Query(ctx, sql, pgx.QueryExecModeExec, start, symbols, models, sources)
		if err != nil {
			return nil, err
		}
		d := day{start: start}
		if _, err := pgx.ForEachRow(rows, []any{&d.symbol, &d.model, &d.source}, func() error { gone[d] = true; return nil }); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// keep returns the rows of which the day is not dropped, and what was refused by feed.
func keep[T any](ctx context.Context, s *Store, sql string, rows []T, of func(T) day) (kept []T, refused map[string]int64, err error) {
	days := map[day]bool{}
	for _, r := range rows {
		days[of(r)] = true
	}
	gone, err := s.dropped(ctx, sql, days)
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
