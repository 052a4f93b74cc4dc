package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// rawRows asks whether rows of a day whose raw rows were dropped (rcas.drop_old) are about to be stored, where its windows remain: they would
// be computed anew, from those rows alone. The windows of a day are there and its raw rows are not: by this one knows such a day, for each
// coin and feed. One day is asked about at a time, $1, for its names $2 to $4: with the time known when the question is planned, it looks into
// one chunk.
//
// The raw rows are looked for first: nearly always there are some, and the first is found at once, by the time that the order asks for. What
// the windows show while they are behind is computed from the raw rows, each time: only planning that takes longer than the other question.
// Where there are windows and were no rows, these are looked for again: what the windows show may be rows that others have committed since. In one
// statement the two could not be told apart: a chunk that others make while it is planned may be in one half of it and not in the other.
type rawRows struct{ missing, windows string }

const (
	names     = `FROM unnest($2::text[], $3::text[], $4::text[]) AS d (symbol, model, source) WHERE `
	rowsOfDay = `AS r WHERE r.time >= $1::timestamptz AND r.time < $1::timestamptz + INTERVAL '1 day' `
	firstRow  = ` ORDER BY r.time LIMIT 1) IS NULL`
)

var (
	droppedPrices = questions(`SELECT d.symbol, '', d.source `, `(SELECT true FROM prices `+rowsOfDay+`AND r.symbol = d.symbol AND r.venue = d.source`+firstRow,
		`SELECT FROM prices_1d AS w WHERE w.bucket = $1::timestamptz AND w.symbol = d.symbol AND w.venue = d.source`)
	droppedSentiments = questions(`SELECT d.symbol, d.model, d.source `, `(SELECT true FROM sentiments `+rowsOfDay+
		`AND r.symbol = d.symbol AND r.model = d.model AND r.source = d.source`+firstRow,
		`SELECT FROM mood_1d AS w WHERE w.bucket = $1::timestamptz AND w.symbol = d.symbol AND w.model = d.model AND w.source = d.source`)
	// Posts have no windows of their own; and the scorer may be ahead of the writer.
	droppedTweets = questions(`SELECT '', '', d.source `, `(SELECT true FROM tweets `+rowsOfDay+`AND r.source = d.source`+firstRow+
		` AND (SELECT true FROM sentiments `+rowsOfDay+`AND r.source = d.source`+firstRow,
		`SELECT FROM mood_1d AS w WHERE w.bucket = $1::timestamptz AND w.source = d.source`)
)

// questions makes the two questions of what they return, and of their conditions: that there are no rows, and that there are windows.
func questions(what, missing, windows string) rawRows {
	return rawRows{what + names + missing, what + names + `EXISTS (` + windows + `)`}
}

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
func (s *Store) dropped(ctx context.Context, of rawRows, days map[day]bool) (map[day]bool, error) {
	ask := map[time.Time][]day{}
	for d := range days {
		if time.Since(d.start) >= leastKept {
			ask[d.start] = append(ask[d.start], d)
		}
	}
	gone := map[day]bool{}
	for start, asked := range ask {
		found, err := s.allOf(ctx, start, asked, of.missing, of.windows, of.missing)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			gone[d] = true
		}
	}
	return gone, nil
}

// allOf returns for which coins, models and feeds of a day each of the questions, asked one after the other, finds something.
func (s *Store) allOf(ctx context.Context, start time.Time, asked []day, questions ...string) (found []day, err error) {
	found = asked
	for _, question := range questions {
		if len(found) == 0 {
			break
		}
		if found, err = s.which(ctx, question, start, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// which returns for which coins, models and feeds of a day the question finds something.
func (s *Store) which(ctx context.Context, sql string, start time.Time, asked []day) (found []day, err error) {
	var symbols, models, sources []string
	for _, d := range asked {
		symbols, models, sources = append(symbols, d.symbol), append(models, d.model), append(sources, d.source)
	}
	rows, err := s.pool.Query(ctx, sql, pgx.QueryExecModeExec, start, symbols, models, sources)
	if err != nil {
		return nil, err
	}
	d := day{start: start}
	_, err = pgx.ForEachRow(rows, []any{&d.symbol, &d.model, &d.source}, func() error { found = append(found, d); return nil })
	return found, err
}

// keep returns the rows of which the day is not dropped, and what was refused by feed.
func keep[T any](ctx context.Context, s *Store, dropped rawRows, rows []T, of func(T) day) (kept []T, refused map[string]int64, err error) {
	days := map[day]bool{}
	for _, r := range rows {
		days[of(r)] = true
	}
	gone, err := s.dropped(ctx, dropped, days)
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
