package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// vacuumInterval is how often RunJobs looks for tables to vacuum; a server's autovacuum naps for a minute.
const vacuumInterval = 10 * time.Minute

// filled lists the tables that hold anything, and whether they have grown by a fifth, and by a quarter of a megabyte, since they were
// analysed. (Statistics of changed rows, which a server's autovacuum goes by, are not kept in the embedded database.)
const filled = `
SELECT format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid) / 8192 > 1.2 * c.relpages + 32
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relisshared AND n.nspname <> 'information_schema'
  AND pg_relation_size(c.oid) > 0
ORDER BY c.oid`

// Vacuum does for the embedded database what a server's autovacuum does by itself: it makes room where rows were replaced (windows are
// replaced at every refresh), summarises what was added for the index of words, and gathers the planner's statistics of tables
// that have grown; it returns how many those were. Where nothing changed, it costs next to nothing. It does nothing where
// this process does not serve the embedded database.
func (s *Store) Vacuum(ctx context.Context) (analyzed int, err error) {
	if !s.Serving() {
		return 0, nil
	}
	rows, err := s.pool.Query(ctx, filled)
	if err != nil {
		return 0, fmt.Errorf("look for tables to vacuum: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Name  string
		Grown bool
	}])
	if err != nil {
		return 0, fmt.Errorf("look for tables to vacuum: %w", err)
	}
	for _, t := range tables {
		sql := "VACUUM " + t.Name
		if t.Grown {
			sql = "VACUUM (ANALYZE) " + t.Name
			analyzed++
		}
		if _, err := s.pool.Exec(ctx, sql); err != nil {
			return analyzed, fmt.Errorf("vacuum %s: %w", t.Name, err)
		}
	}
	return analyzed, nil
}
