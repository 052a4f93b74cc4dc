package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Answer says how long one of the public functions took over 24 hours at five minutes.
type Answer struct {
	Question string `json:"question"`
	// Rows of the last answer.
	Rows        int     `json:"rows"`
	MedianMilli float64 `json:"median_ms"`
	P95Milli    float64 `json:"p95_ms"`
}

var questions = []string{"candles", "mood", "mood_price", "divergence"}

// Ask measures each question n times, on coins and days of the history drawn with the seed, in turns so that what else the
// machine does falls on all alike. Times are those of the client, which reads every row.
func (h History) Ask(ctx context.Context, db *pgxpool.Pool, n int) ([]Answer, error) {
	r := rand.New(rand.NewPCG(uint64(h.Seed), 0))
	end := h.End.UTC().Truncate(time.Hour)
	times := map[string][]float64{}
	rows := map[string]int{}
	for i := range n + 1 {
		to := end.Add(-time.Duration(r.IntN((h.Days-2)*24)) * time.Hour)
		if i%10 == 0 {
			to = end
		}
		symbol := Symbol(r.IntN(h.Symbols))
		for _, q := range questions {
			began := time.Now()
			count, err := count(ctx, db, fmt.Sprintf(`SELECT * FROM %s($1, $2, $3, '5 minutes')`, q), symbol,
				to.Add(-24*time.Hour), to)
			if err != nil {
				return nil, fmt.Errorf("ask %s: %w", q, err)
			}
			if i > 0 { // the first warms up
				times[q] = append(times[q], float64(time.Since(began).Microseconds())/1000)
			}
			rows[q] = count
		}
	}
	var answers []Answer
	for _, q := range questions {
		slices.Sort(times[q])
		answers = append(answers, Answer{q, rows[q], times[q][n/2], times[q][min(n*95/100, n-1)]})
	}
	return answers, nil
}

// Settle does for the windows what a server's autovacuum does in time: statistics, and a map of which pages all can see.
func Settle(ctx context.Context, db *pgxpool.Pool) error {
	rows, err := db.Query(ctx, `SELECT format('VACUUM (ANALYZE) %I.%I', materialization_hypertable_schema, materialization_hypertable_name)
		FROM timescaledb_information.continuous_aggregates`)
	if err != nil {
		return fmt.Errorf("list the windows: %w", err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the windows: %w", err)
	}
	for _, sql := range statements {
		if _, err := db.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// count reads every row of an answer, as a client does.
func count(ctx context.Context, db *pgxpool.Pool, sql string, args ...any) (n int, err error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		if _, err := rows.Values(); err != nil {
			return 0, err
		}
		n++
	}
	return n, rows.Err()
}
