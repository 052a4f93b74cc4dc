package store

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Count is one increment of pipeline_counts.
type Count struct {
	Component string // ingest, writer or scorer
	Source    string
	Event     string // stored, duplicate, scored, skipped:language, dropped:unmapped, …
	N         int64
}

type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// AddCounts adds increments to pipeline_counts.
func (s *Store) AddCounts(ctx context.Context, counts []Count) error {
	return addCounts(ctx, s.pool, counts)
}

func addCounts(ctx context.Context, db execer, counts []Count) error {
	var component, source, event []string
	var n []int64
	for _, c := range counts {
		if c.N != 0 {
			component, source = append(component, c.Component), append(source, c.Source)
			event, n = append(event, c.Event), append(n, c.N)
		}
	}
	if len(n) == 0 {
		return nil
	}
	_, err := db.Exec(ctx, `INSERT INTO pipeline_counts (component, source, event, n)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])`, component, source, event, n)
	if err != nil {
		return wrap("add to pipeline_counts", err)
	}
	return nil
}

// tell passes committed counts on to the metrics.
func (s *Store) tell(counts []Count) {
	for _, c := range counts {
		s.metrics.Stored(c.Source, c.Event, c.N)
	}
}

// Counts returns the sums of pipeline_counts over all time.
func (s *Store) Counts(ctx context.Context) ([]Count, error) {
	rows, err := s.pool.Query(ctx, `SELECT component, source, event, sum(n)::bigint FROM pipeline_counts GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`)
	if err != nil {
		return nil, wrap("read pipeline_counts", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Count])
	if err != nil {
		return nil, wrap("read pipeline_counts", err)
	}
	return counts, nil
}
