package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// StreamPosition is how far a stream has been stored.
type StreamPosition struct {
	Stream string
	// Made is when the stream was made: its numbers mean nothing in another one of its name.
	Made     time.Time
	Sequence uint64
}

// SavePosition notes that a stream has been stored up to a message, though some before it may still be under way. It is called before the
// message is acknowledged: so the stream's consumer is never ahead of what is noted, unless the database has gone back.
func (s *Store) SavePosition(ctx context.Context, p StreamPosition) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO stream_positions AS have (stream, made_at, sequence) VALUES ($1, $2, $3)
		ON CONFLICT (stream, made_at) DO UPDATE SET sequence = greatest(have.sequence, excluded.sequence), stored_at = now()`,
		p.Stream, p.Made, int64(p.Sequence))
	if err != nil {
		return wrap("note the stream's position", err)
	}
	return nil
}

// Missing are messages that were acknowledged, and are not in this database.
type Missing struct {
	// From and To are the first and the last that may be missing.
	From, To uint64
	// Since is when the last one before them was stored.
	Since time.Time
	// Anew says that it is not known how many: the stream is another one than that of before.
	Anew bool
}

// CheckPosition compares what a consumer has acknowledged with what was noted here. Where that is less, the database was restored from an
// earlier time, or a standby without the newest rows has taken over, or the stream was purged: the messages between are told once.
func (s *Store) CheckPosition(ctx context.Context, p StreamPosition) (*Missing, error) {
	var m Missing
	var have int64
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT sequence, stored_at FROM stream_positions WHERE stream = $1 AND made_at = $2 FOR UPDATE`, p.Stream, p.Made).
			Scan(&have, &m.Since)
		if errors.Is(err, pgx.ErrNoRows) { // a stream that nobody has noted yet begins here
			have = int64(p.Sequence)
			err = tx.QueryRow(ctx, `SELECT count(*) > 0, coalesce(max(stored_at), now()) FROM stream_positions
				WHERE stream = $1 AND made_at <> $2`, p.Stream, p.Made). // another writer may have noted it this instant
				Scan(&m.Anew, &m.Since)
		}
		if err != nil {
			return err
		}
		m.From, m.To = uint64(have)+1, p.Sequence
		_, err = tx.Exec(ctx, `INSERT INTO stream_positions AS have (stream, made_at, sequence) VALUES ($1, $2, $3)
			ON CONFLICT (stream, made_at) DO UPDATE SET sequence = greatest(have.sequence, excluded.sequence)`, p.Stream, p.Made, int64(p.Sequence))
		if err != nil || m.From > m.To {
			return err
		}
		return addCounts(ctx, tx, []Count{{"writer", p.Stream, EventMissing, int64(m.To - m.From + 1)}})
	})
	if err != nil {
		return nil, wrap(fmt.Sprintf("compare %s with what is stored", p.Stream), err)
	}
	if m.From > m.To && !m.Anew {
		return nil, nil
	}
	return &m, nil
}

// EventMissing counts messages that were acknowledged and are not in the database.
const EventMissing = "dropped:acknowledged, not stored here"
