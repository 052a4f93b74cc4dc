package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Size is what the database takes on disk.
type Size struct {
	// Bytes of all tables and indexes, without the log of changes (WAL).
	Bytes int64
	// Growth is in bytes a day, as over the last week, or since the database was made; compression and retention are in it, so it falls
	// below zero at times. Days is over how many it was measured: below 1 it says little.
	Growth, Days float64
}

// Size measures the database and its growth.
func (s *Store) Size(ctx context.Context) (Size, error) {
	var size Size
	var since *time.Time
	var then *int64
	err := s.pool.QueryRow(ctx, `SELECT pg_database_size(current_database()), old.time, old.bytes
		FROM (SELECT) AS one LEFT JOIN (SELECT time, bytes FROM database_sizes WHERE time > now() - INTERVAL '7 days' ORDER BY time LIMIT 1) AS old ON true`).
		Scan(&size.Bytes, &since, &then)
	if err != nil {
		return Size{}, wrap("measure the database", err)
	}
	if since != nil {
		size.Days = time.Since(*since).Hours() / 24
		if size.Days > 0 {
			size.Growth = float64(size.Bytes-*then) / size.Days
		}
	}
	return size, nil
}

// DaysLeft is for how many days so many free bytes last at this growth; ok is false where nothing grows or it was not measured for a day.
func (s Size) DaysLeft(free uint64) (days float64, ok bool) {
	if s.Growth <= 0 || s.Days < 1 {
		return 0, false
	}
	return float64(free) / s.Growth, true
}

// TableSize is what one table or window takes on disk.
type TableSize struct {
	Name string
	// Bytes, indexes and compressed chunks included.
	Bytes int64
}

// TableSizes returns what tables and windows take, the largest first.
func (s *Store) TableSizes(ctx context.Context) ([]TableSize, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT name, hypertable_size(relation)::bigint AS bytes FROM (
		    SELECT hypertable_name::text AS name, format('%I.%I', hypertable_schema, hypertable_name)::regclass AS relation
		    FROM timescaledb_information.hypertables WHERE hypertable_schema = 'public'
		    UNION ALL
		    SELECT view_name, format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
		    FROM timescaledb_information.continuous_aggregates WHERE view_schema = 'public') AS t
		ORDER BY bytes DESC, name`)
	if err != nil {
		return nil, wrap("measure the tables", err)
	}
	sizes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[TableSize])
	if err != nil {
		return nil, wrap("measure the tables", err)
	}
	return sizes, nil
}
