package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// FeedState is how a live feed is doing, by its source: a row of feed_states.
type FeedState struct {
	Source string `json:"source"`
	// State is connecting, reading, waiting, unreadable or ended; Since when.
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// Error is the last error, also of one that is mended; ErrorAt is zero where there was none.
	Error   string    `json:"error,omitempty"`
	ErrorAt time.Time `json:"error_at,omitzero"`
	// NextTry is when the source tries again; zero unless it waits.
	NextTry time.Time `json:"next_try,omitzero"`
	// LeftOut holds, by coin, rule or channel that is not read, the reason.
	LeftOut map[string]string `json:"left_out,omitempty"`
	// Gaps is how many gaps are open, and Missing how many trades or posts they lack.
	Gaps    int   `json:"gaps"`
	Missing int64 `json:"missing"`
	// Newest is by coin the time of the newest thing read; under "" of what is not about a single coin.
	Newest map[string]time.Time `json:"newest,omitempty"`
	// SavedAt is when the database was told, by its clock. The source is gone where that is long ago.
	SavedAt time.Time `json:"saved_at,omitzero"`
}

// SaveFeedState replaces what the database knows of a feed.
func (s *Store) SaveFeedState(ctx context.Context, f FeedState) error {
	leftOut, err := json.Marshal(f.LeftOut)
	if err == nil && f.LeftOut == nil {
		leftOut = []byte("{}")
	}
	newest, err := json.Marshal(f.Newest)
	if err == nil && f.Newest == nil {
		newest = []byte("{}")
	}
	if err == nil {
		_, err = s.pool.Exec(ctx, `
			INSERT INTO feed_states (source, state, since, error, error_at, next_try, left_out, gaps, missing, newest)
			VALUES ($1, $2, $3, nullif($4, ''), $5, $6, $7::text::jsonb, $8, $9, $10::text::jsonb)
			ON CONFLICT (source) DO UPDATE SET state = excluded.state, since = excluded.since, error = excluded.error,
			error_at = excluded.error_at, next_try = excluded.next_try, left_out = excluded.left_out, gaps = excluded.gaps,
			missing = excluded.missing, newest = excluded.newest, saved_at = now()`,
			f.Source, f.State, f.Since, f.Error, orNull(f.ErrorAt), orNull(f.NextTry), string(leftOut), f.Gaps, f.Missing, string(newest))
	}
	if err != nil {
		return fmt.Errorf("save the state of %s: %w", f.Source, err)
	}
	return nil
}

// FeedStates returns what the database knows of the feeds, by name.
func (s *Store) FeedStates(ctx context.Context) ([]FeedState, error) {
	rows, err := s.pool.Query(ctx, `SELECT source, state, since, coalesce(error, ''), error_at, next_try, left_out::text, gaps, missing, newest::text,
		saved_at FROM feed_states ORDER BY source COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("read the states of the feeds: %w", err)
	}
	states, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f FeedState, err error) {
		var errorAt, nextTry *time.Time
		var leftOut, newest string
		err = row.Scan(&f.Source, &f.State, &f.Since, &f.Error, &errorAt, &nextTry, &leftOut, &f.Gaps, &f.Missing, &newest, &f.SavedAt)
		if err != nil {
			return f, err
		}
		if errorAt != nil {
			f.ErrorAt = *errorAt
		}
		if nextTry != nil {
			f.NextTry = *nextTry
		}
		if err := json.Unmarshal([]byte(leftOut), &f.LeftOut); err != nil {
			return f, err
		}
		return f, json.Unmarshal([]byte(newest), &f.Newest)
	})
	if err != nil {
		return nil, fmt.Errorf("read the states of the feeds: %w", err)
	}
	return states, nil
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
