package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Keep is how long raw rows are kept after they came. Zero leaves what the database says; Forever drops nothing. Windows are kept for ever.
type Keep struct {
	Trades, Posts time.Duration
}

// Forever keeps raw rows as long as there is room.
const Forever time.Duration = -1

// ErrNotOwner says that the session's user may not change how long rows are kept.
var ErrNotOwner = errors.New("only the owner of the tables may change how long rows are kept; run rcas migrate up as that user")

// Shortest times that raw rows may be kept: windows are corrected by late rows, and a chunk of posts is a week.
const (
	LeastTrades = 7 * 24 * time.Hour
	LeastPosts  = 21 * 24 * time.Hour
)

// Validate refuses horizons that contradict each other.
func (k Keep) Validate() error {
	check := func(what string, d, least time.Duration) error {
		if d != 0 && d != Forever && d < least {
			return fmt.Errorf("%s are to be kept for %d days, but late rows correct windows for longer; keep them for %d days or more", what, d/(24*time.Hour), least/(24*time.Hour))
		}
		return nil
	}
	if err := check("trades", k.Trades, LeastTrades); err != nil {
		return err
	}
	return check("posts", k.Posts, LeastPosts)
}

// SetRetention changes how long raw rows are kept, and the policies of compression and refresh with it. It needs the owner of the schema.
func (s *Store) SetRetention(ctx context.Context, k Keep) error {
	if err := k.Validate(); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		changed := int64(0)
		for what, d := range map[string]time.Duration{"trades": k.Trades, "posts": k.Posts} {
			var interval *string
			if d == 0 {
				continue
			}
			if d != Forever {
				text := fmt.Sprintf("%d seconds", int64(d.Seconds()))
				interval = &text
			}
			tag, err := tx.Exec(ctx, `UPDATE retention SET keep = justify_hours($2::text::interval) WHERE what = $1 AND keep IS DISTINCT FROM $2::text::interval`,
				what, interval)
			if err != nil {
				return err
			}
			changed += tag.RowsAffected()
		}
		if changed == 0 {
			return nil
		}
		_, err := tx.Exec(ctx, `SELECT rcas.apply_retention()`)
		return err
	})
	if isForbidden(err) {
		return fmt.Errorf("%w: %w", ErrNotOwner, err)
	}
	if err != nil {
		return wrap("set how long rows are kept", err)
	}
	return nil
}

// Retention returns how long raw rows are kept.
func (s *Store) Retention(ctx context.Context) (Keep, error) {
	var trades, posts float64
	err := s.pool.QueryRow(ctx, `SELECT coalesce((SELECT extract(epoch FROM keep) FROM retention WHERE what = 'trades'), 0)::float8,
		coalesce((SELECT extract(epoch FROM keep) FROM retention WHERE what = 'posts'), 0)::float8`).Scan(&trades, &posts)
	if err != nil {
		return Keep{}, wrap("read how long rows are kept", err)
	}
	duration := func(seconds float64) time.Duration {
		if seconds == 0 {
			return Forever
		}
		return time.Duration(seconds) * time.Second
	}
	return Keep{duration(trades), duration(posts)}, nil
}
