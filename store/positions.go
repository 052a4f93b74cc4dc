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

// ErrWentBack means that the database does not know what was noted in it before: it was put back to an earlier time while services went on.
var ErrWentBack = errors.New("the database does not know what was noted in it before: it was put back to an earlier time")

// SavePosition notes that a stream has been stored up to a message, though some before it may still be under way. It is called before the
// message is acknowledged: so the stream's consumer is never ahead of what is noted, unless the database has gone back.
//
// Known is a message up to which the stream was noted before, as [Store.CheckPosition] told or this function did. Where the database does not know
// that any more, nothing is noted, for the difference would be hidden: the error is [ErrWentBack].
func (s *Store) SavePosition(ctx context.Context, p StreamPosition, known uint64) error {
	tag, err := s.pool.Exec(ctx, `UPDATE stream_positions SET sequence = greatest(sequence, $3), stored_at = now()
		WHERE stream = $1 AND made_at = $2 AND sequence >= $4`, p.Stream, p.Made, int64(p.Sequence), int64(known))
	if err != nil {
		return wrap("note the stream's position", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrWentBack
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

// CheckPosition compares what a consumer has acknowledged, and what the caller knows was noted, with what is noted here. Where that is less, the
// database was restored from an earlier time, or a standby without the newest rows has taken over, or the stream was purged: the messages
// between are told once. It returns up to where the stream is noted now.
func (s *Store) CheckPosition(ctx context.Context, p StreamPosition, known uint64) (noted uint64, missing *Missing, err error) {
	p.Sequence = max(p.Sequence, known)
	var m Missing
	var have int64
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT sequence, stored_at FROM stream_positions WHERE stream = $1 AND made_at = $2 FOR UPDATE`, p.Stream, p.Made).
			Scan(&have, &m.Since)
		if errors.Is(err, pgx.ErrNoRows) {
			if known == 0 { // a stream that nobody has noted yet begins here
				have = int64(p.Sequence)
			} // else it was noted: in a database that is this one's future
			err = tx.QueryRow(ctx, `SELECT count(*) > 0 AND $3, coalesce(max(stored_at), now()) FROM stream_positions
				WHERE stream = $1 AND made_at <> $2`, p.Stream, p.Made, known == 0). // another writer may have noted it this instant
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
		return 0, nil, wrap(fmt.Sprintf("compare %s with what is stored", p.Stream), err)
	}
	noted = max(uint64(have), p.Sequence)
	if m.From > m.To && !m.Anew {
		return noted, nil, nil
	}
	return noted, &m, nil
}

// EventMissing counts messages that were acknowledged and are not in the database.
const EventMissing = "dropped:acknowledged, not stored here"
