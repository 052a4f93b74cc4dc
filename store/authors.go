package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// AuthorKey returns the fingerprint of the key that authors' names are hashed with, or "" where names are stored.
func (s *Store) AuthorKey(ctx context.Context) (string, error) {
	var fingerprint string
	err := s.pool.QueryRow(ctx, `SELECT fingerprint FROM author_key`).Scan(&fingerprint)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask how authors are stored: %w", err)
	}
	return fingerprint, nil
}

// SetAuthorKey notes the fingerprint of the key that names are hashed with from now on, and returns the one in force: another process
// may have been faster.
func (s *Store) SetAuthorKey(ctx context.Context, fingerprint string) (string, error) {
	if _, err := s.pool.Exec(ctx, `INSERT INTO author_key (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING`, fingerprint); err != nil {
		return "", wrap("note how authors are stored", err)
	}
	return s.AuthorKey(ctx)
}
