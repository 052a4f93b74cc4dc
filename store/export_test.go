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
    SELECT time, source, id, symbol, $18::text, negative, neutral, positive, positive - negative, skipped, weight, reach, repeat, author_hash, text_hash, kind, terms
    FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::real[], $6::real[], $7::real[], $8::text[], $9::real[], $10::float8[],
                $11::boolean[], $14::integer[], $15::bigint[], $16::text[], $17::text[])
      AS t (time, source, id, symbol, negative, neutral, positive, skipped, weight, reach, repeat, author_hash, text_hash, kind, terms)
    RETURNING time)
SELECT count(*) FROM bare WHERE time BETWEEN $12 AND $13`

// Pages inserts scored posts, bare or after a search for what is stored beside them, and returns how many pages of the database were looked at for that.
func (s *Store) Pages(ctx context.Context, model string, bare bool, posts []ScoredPost) (pages int64, err error) {
	rows := sentimentRows(posts)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := takeTurn(ctx, tx, scoreTogether, model); err != nil {
			return err
		}
		pages, err = explainPages(ctx, tx, bareSentiments, rows.args(model)...)
		if err != nil || bare {
			return err
		}
		more, err := explainPages(ctx, tx, findVoices, rows.beside()...)
		pages += more
		return err
	})
	return pages, err
}

func explainPages(ctx context.Context, tx pgx.Tx, sql string, args ...any) (int64, error) {
	var text []byte
	if err := tx.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "+sql, args...).Scan(&text); err != nil {
		return 0, err
	}
	var plans []struct {
		Plan struct {
			Hit  int64 `json:"Shared Hit Blocks"`
			Read int64 `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
		return 0, fmt.Errorf("read the plan: %w: %s", err, text)
	}
	return plans[0].Plan.Hit + plans[0].Plan.Read, nil
}

// AreDropped asks about the day of a post's sentiments what is asked once no rows of it were found, which others may have committed since.
func (s *Store) AreDropped(ctx context.Context, at time.Time, symbol, model, source string) (bool, error) {
	d := dayOf(at, symbol, model, source)
	found, err := s.allOf(ctx, d.start, []day{d}, droppedSentiments.windows, droppedSentiments.missing)
	return len(found) > 0, err
}
