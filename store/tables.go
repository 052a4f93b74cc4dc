package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"rcas/market"
)

// LoadCursor returns how far a source has been read, or "".
func (s *Store) LoadCursor(ctx context.Context, source string) (string, error) {
	var cursor string
	err := s.pool.QueryRow(ctx, `SELECT cursor FROM cursors WHERE source = $1`, source).Scan(&cursor)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", wrap("load cursor of "+source, err)
	}
	return cursor, nil
}

// SaveCursor stores how far a source has been read.
func (s *Store) SaveCursor(ctx context.Context, source, cursor string) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO cursors (source, cursor) VALUES ($1, $2)
		ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor, saved_at = now()`, source, cursor)
	if err != nil {
		return wrap("save cursor of "+source, err)
	}
	return nil
}

// SaveCursorAfter is SaveCursor where the database has the cursor before, "" being none. Where it has another one nothing is stored, and the error
// is [ErrWentBack].
func (s *Store) SaveCursorAfter(ctx context.Context, source, before, cursor string) error {
	tag, err := s.pool.Exec(ctx, `INSERT INTO cursors AS have (source, cursor)
		SELECT $1, $3 WHERE $2 = '' OR EXISTS (SELECT FROM cursors WHERE source = $1)
		ON CONFLICT (source) DO UPDATE SET cursor = excluded.cursor, saved_at = now() WHERE have.cursor IN ($2, excluded.cursor)`, source, before, cursor)
	if err != nil {
		return wrap("save cursor of "+source, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrWentBack
	}
	return nil
}

// Symbols returns the coins that the database knows, in the order of their bytes.
func (s *Store) Symbols(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, `SELECT symbol FROM assets ORDER BY symbol COLLATE "C"`)
	if err != nil {
		return nil, wrap("read the assets", err)
	}
	symbols, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, wrap("read the assets", err)
	}
	return symbols, nil
}

// SaveAssets makes the table assets say what the assets file says.
func (s *Store) SaveAssets(ctx context.Context, assets []market.Asset) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		symbols := make([]string, len(assets))
		for i, a := range assets {
			symbols[i] = a.Symbol
			_, err := tx.Exec(ctx, `INSERT INTO assets (symbol, name, cashtags, keywords, exclusions)
				VALUES ($1, $2, coalesce($3::text[], '{}'), coalesce($4::text[], '{}'), coalesce($5::text[], '{}'))
				ON CONFLICT (symbol) DO UPDATE SET name = excluded.name, cashtags = excluded.cashtags, keywords = excluded.keywords,
				exclusions = excluded.exclusions, loaded_at = now()`,
				a.Symbol, a.Name, a.Cashtags, a.Keywords, a.Exclusions)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `DELETE FROM assets WHERE symbol <> ALL($1::text[])`, symbols)
		return err
	})
	if err != nil {
		return wrap("load the assets", err)
	}
	return nil
}

// ActiveModel returns the name of the active model, or "" when none is.
func (s *Store) ActiveModel(ctx context.Context) (string, error) {
	var name string
	err := s.pool.QueryRow(ctx, `SELECT name FROM models WHERE active`).Scan(&name)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", wrap("look up the active model", err)
	}
	return name, nil
}

// UseModel registers a model and makes it the active one; ifNone leaves another active model active. Where that is so already, nothing is
// written: whoever would empty a stream can start while the database's disk is full.
func (s *Store) UseModel(ctx context.Context, name string, languages []string, ifNone bool) error {
	var done bool
	if err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM models WHERE name = $1 AND languages = coalesce($2::text[], '{}')
		AND (active OR $3 AND EXISTS (SELECT FROM models WHERE active)))`, name, languages, ifNone).Scan(&done); err != nil {
		return wrap("look up the active model", err)
	}
	if done {
		return nil
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, scoreAlone); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO models (name, languages) VALUES ($1, coalesce($2::text[], '{}'))
			ON CONFLICT (name) DO UPDATE SET languages = excluded.languages`, name, languages)
		if err != nil {
			return err
		}
		var others bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM models WHERE active AND name <> $1)`, name).Scan(&others); err != nil {
			return err
		}
		if ifNone && others {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE models SET active = false, changed_at = now() WHERE active AND name <> $1`, name); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE models SET active = true, changed_at = now() WHERE name = $1 AND NOT active`, name)
		return err
	})
	if err != nil {
		return wrap(fmt.Sprintf("make %s the active model", name), err)
	}
	return nil
}
