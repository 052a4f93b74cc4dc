package bench

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// postTables are the tables that posts end up in: themselves, and their scores and words.
var postTables = []string{"tweets", "sentiments"}

// Written is how many bytes of WAL the server has written so far.
func Written(ctx context.Context, db *pgxpool.Pool) (bytes float64, err error) {
	if err := db.QueryRow(ctx, `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8`).Scan(&bytes); err != nil {
		return 0, fmt.Errorf("ask how much WAL was written: %w", err)
	}
	return bytes, nil
}

// DiskOf tells what each of so many messages takes in the database, uncompressed, indexes included.
func DiskOf(ctx context.Context, db *pgxpool.Pool, messages int) (Disk, error) {
	d := Disk{Tables: map[string]float64{}}
	if err := db.QueryRow(ctx, `SELECT pg_database_size(current_database())::float8 / $1`, messages).Scan(&d.Database); err != nil {
		return d, fmt.Errorf("measure the database: %w", err)
	}
	for _, table := range postTables {
		var bytes float64
		if err := db.QueryRow(ctx, `SELECT hypertable_size($1::regclass)::float8 / $2`, table, messages).Scan(&bytes); err != nil {
			return d, fmt.Errorf("measure the table %s: %w", table, err)
		}
		d.Tables[table] = bytes
	}
	return d, nil
}
