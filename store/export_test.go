package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// bareSentiments stores the same rows as insertSentiments, and looks at nothing.
const bareSentiments = `
WITH bare AS (
    INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, skipped, weight, reach, repeat, author_hash, text_hash, kind, terms)
    SELECT time, source, id, symbol, $16::text, negative, neutral, positive, positive - negative, skipped, weight, reach, repost, author_hash, text_hash, kind, terms
    FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::real[], $6::real[], $7::real[], $8::text[],
                $9::real[], $10::float8[], $11::boolean[], $12::integer[], $15::bigint[], $17::text[], $18::text[])
      AS t (time, source, id, symbol, negative, neutral, positive, skipped, weight, reach, repost, author_hash, text_hash, kind, terms)
    RETURNING time)
SELECT count(*) FROM bare WHERE time BETWEEN $13 AND $14`

// Pages inserts scored posts, bare or as the scorer does, and returns how many pages of the database were looked at for that.
func (s *Store) Pages(ctx context.Context, model string, bare bool, posts []ScoredPost) (pages int64, err error) {
	sql := insertSentiments
	if bare {
		sql = bareSentiments
	}
	rows := sentimentRows(posts)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := takeTurn(ctx, tx, scoreTogether, model); err != nil {
			return err
		}
		var text []byte
		if err := tx.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "+sql, rows.args(model)...).Scan(&text); err != nil {
			return err
		}
		var plans []struct {
			Plan struct {
				Hit  int64 `json:"Shared Hit Blocks"`
				Read int64 `json:"Shared Read Blocks"`
			}
		}
		if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
			return fmt.Errorf("read the plan: %w: %s", err, text)
		}
		pages = plans[0].Plan.Hit + plans[0].Plan.Read
		return nil
	})
	return pages, err
}

// AreDropped asks the second question about the day of a post's sentiments: what is asked once the first one found no rows, which others may
// have committed since.
func (s *Store) AreDropped(ctx context.Context, at time.Time, symbol, model, source string) (bool, error) {
	d := dayOf(at, symbol, model, source)
	found, err := s.which(ctx, droppedSentiments.dropped, d.start, []day{d})
	return len(found) > 0, err
}
