package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// readerSettings make a session that of rcas_reader, whoever logs in: settings of a role count at its login only.
const readerSettings = `SET ROLE rcas_reader; SET statement_timeout = '30s'; SET default_transaction_isolation = 'repeatable read';
SET default_transaction_read_only = on; SET jit = off`

// Readers opens a pool of at most n sessions that may read what is public and nothing else. The caller closes it.
func (s *Store) Readers(ctx context.Context, n int32) (*pgxpool.Pool, error) {
	config := s.pool.Config()
	config.MaxConns, config.MinConns = n, 0
	config.ConnConfig.Tracer = nil
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, readerSettings, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("become rcas_reader (GRANT rcas_reader TO the user of the database's URL): %w", err)
		}
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database for readers: %w", err)
	}
	return pool, nil
}
