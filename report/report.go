// Package report shows one coin in one time on one page: price and mood, who spoke, where the two parted ways and what came after, the words,
// and the posts that could sway most. The page needs nothing else, and every figure on it is the answer of a public SQL function.
package report

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Querier is a connection, or a pool of them.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Report is what a page shows. Pointers are nil where something can't be known.
type Report struct {
	Symbol, Name string
	From, To     time.Time
	// Width of the buckets of Buckets, and Rule of those that Events and Lags go by.
	Width, Rule time.Duration
	Buckets     []Bucket
	// Whole is the whole time as one bucket, its close and return aside.
	Whole  Bucket
	Events []Event
	Lags   []Lag
	Words  []Word
	Posts  []Post
}

// Bucket is a row of mood_price and of mood.
type Bucket struct {
	Time          time.Time
	Close, Return *float64
	Mood, Error   *float64
	// Posts and Judged count people's posts without repeats.
	Posts, Judged                 int64
	Adverts, Bots, News, Repeated *float64
}

// Event is a row of divergence_events, by the default rule.
type Event struct {
	Start             time.Time
	End               *time.Time
	Direction         string
	Peak              float64 // in standard deviations
	Posts             int64
	Price             *float64
	Hour, Hours4, Day *float64 // log returns after it fired
}

// Lag is a row of lead_lag: a positive lag means that mood leads.
type Lag struct {
	Lag         int
	Correlation *float64
	N           int64
	P           *float64
}

// Word is a row of top_terms.
type Word struct {
	Term  string
	Posts int64
}

// Post is a row of influence.
type Post struct {
	Time             time.Time
	Source, ID, Text string
	Score, Reach     *float64
}

// The questions. $1 is the coin, $2 and $3 are from and to, $4 is the width.
const (
	nameSQL    = `SELECT name FROM assets WHERE symbol = $1`
	bucketsSQL = `SELECT coalesce(p.bucket, m.bucket), p.close, p."return", m.weighted_mood, m.mood_error, coalesce(m.unique_posts, 0), coalesce(m.judged, 0),
		m.adverts, m.bots, m.news, m.repeated
		FROM mood_price($1, $2, $3, $4) AS p FULL JOIN mood($1, $2, $3, $4) AS m USING (bucket) ORDER BY 1`
	wholeSQL = `SELECT $2::timestamptz, NULL::float8, sum(p."return"), sum(m.mood * m.judged) / nullif(sum(m.judged), 0), NULL::float8,
		coalesce(sum(m.unique_posts), 0)::bigint, coalesce(sum(m.judged), 0)::bigint,
		sum(m.adverts * a.judged) / nullif(sum(a.judged), 0), sum(m.bots * a.judged) / nullif(sum(a.judged), 0),
		sum(m.news * a.judged) / nullif(sum(a.judged), 0), sum(m.repeated * a.judged) / nullif(sum(a.judged), 0)
		FROM mood($1, $2, $3, $4) AS m JOIN mood($1, $2, $3, $4, who => 'all', repeats => true) AS a USING (bucket)
		FULL JOIN mood_price($1, $2, $3, $4) AS p USING (bucket)`
	eventsSQL = `SELECT start_time, end_time, direction, peak, posts, price, return_1h, return_4h, return_24h
		FROM divergence_events($1, $2, $3, $4) ORDER BY start_time`
	lagsSQL  = `SELECT lag, correlation, n, p_value FROM lead_lag($1, $2, $3, $4) ORDER BY lag`
	wordsSQL = `SELECT term, posts FROM top_terms($1, $2, $3, 40)`
	postsSQL = `SELECT "time", source, id, text, score::float8, reach FROM influence($1, $2, $3, 10)`
)

// widths are those that a page may have.
var widths = []time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// mostBuckets is how many a chart shows well.
const mostBuckets = 250

// widthFor is the narrowest that a page has room for.
func widthFor(span time.Duration) time.Duration {
	for _, w := range widths {
		if span/w <= mostBuckets {
			return w
		}
	}
	return widths[len(widths)-1]
}

// ruleFor is a quarter of an hour, as the default of alerts is, unless a time has more of these than one call gives.
func ruleFor(span time.Duration) time.Duration {
	for _, w := range []time.Duration{15 * time.Minute, time.Hour} {
		if span/w <= 100_000 {
			return w
		}
	}
	return 24 * time.Hour
}

// Ask fills a report.
func Ask(ctx context.Context, db Querier, symbol string, from, to time.Time) (*Report, error) {
	r := &Report{Symbol: symbol, From: from.UTC(), To: to.UTC(), Width: widthFor(to.Sub(from)), Rule: ruleFor(to.Sub(from))}
	args := []any{symbol, from, to}
	wide, rule := append(slices.Clone(args), interval(r.Width)), append(slices.Clone(args), interval(r.Rule))
	var whole []Bucket
	var names []struct{ Name string }
	for _, question := range []func() error{
		func() error { return ask(ctx, db, &r.Buckets, bucketsSQL, wide...) },
		func() error { return ask(ctx, db, &whole, wholeSQL, wide...) },
		func() error { return ask(ctx, db, &names, nameSQL, symbol) },
		func() error { return ask(ctx, db, &r.Events, eventsSQL, rule...) },
		func() error { return ask(ctx, db, &r.Lags, lagsSQL, rule...) },
		func() error { return ask(ctx, db, &r.Words, wordsSQL, args...) },
		func() error { return ask(ctx, db, &r.Posts, postsSQL, args...) },
	} {
		if err := question(); err != nil {
			return nil, err
		}
	}
	r.Whole = whole[0]
	if len(names) > 0 {
		r.Name = names[0].Name
	}
	return r, nil
}

func interval(width time.Duration) string { return fmt.Sprintf("%d minutes", int64(width.Minutes())) }

// ask collects the rows of one question.
func ask[T any](ctx context.Context, db Querier, into *[]T, sql string, args ...any) error {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	*into, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	return err
}
