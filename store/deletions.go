package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rcas/market"
)

const (
	rememberDeletions = `INSERT INTO deletions (source, id, pending) SELECT DISTINCT $1, unnest($2::text[]), true
		ON CONFLICT (source, id) DO UPDATE SET seen_at = now(), pending = true`
	// Longer than any redelivery takes.
	outgrowDeletions = `DELETE FROM deletions WHERE seen_at < now() - INTERVAL '1 day' AND NOT pending`
	forgetTweet      = `UPDATE tweets SET text = '', author = '', deleted_at = now()
		WHERE source = $1 AND id = $2 AND time = $3 AND deleted_at IS NULL`
	forgetBetween = `UPDATE tweets SET text = '', author = '', deleted_at = now()
		WHERE source = $1 AND id = ANY($2::text[]) AND time BETWEEN $3 AND $4 AND deleted_at IS NULL`
	findTweets = `
		SELECT t.id, t.time FROM tweets AS t
		WHERE t.source = $1 AND t.time >= $2 AND t.time < $3 AND t.id = ANY($4::text[]) AND t.deleted_at IS NULL`
	// A post that an account made after it was back is its own affair.
	findTweetsOfAccounts = `
		SELECT t.id, t.time FROM unnest($4::text[], $5::timestamptz[]) AS a (id, seen_at) JOIN tweets AS t ON %s
		WHERE t.source = $1 AND t.time >= $2 AND t.time < $3 AND t.deleted_at IS NULL AND (t.time <= a.seen_at OR t.stored_at <= a.seen_at)`
	// Open chunks have an index of identifiers, which are ordered by their bytes ("0" follows "/"); compressed ones are read through once.
	// Of what sentiments keep of a text: of posts that lie in few batches, all are found by reading these once.
	findTerms = `
		SELECT time, symbol, source, id, model FROM sentiments
		WHERE source = $1 AND id = ANY($2::text[]) AND time = ANY($3::timestamptz[]) AND time BETWEEN $4 AND $5
		  AND (terms IS NOT NULL OR earlier_terms IS NOT NULL)`
	// Which posts are to be stored without their text, and the words that stand with them: their deletion, or their account's, came first.
	findDeleted = `
		SELECT t.ord, coalesce(post.seen_at, account.seen_at)
		FROM unnest($1::timestamptz[], $2::text[], $3::text[]) WITH ORDINALITY AS t (time, source, id, ord)
		LEFT JOIN deletions AS post ON post.source = t.source AND post.id = t.id
		LEFT JOIN deletions AS account ON account.source = t.source AND account.id = split_part(t.id, '/', 1) || '/' AND account.seen_at >= t.time
		WHERE post.seen_at IS NOT NULL OR account.seen_at IS NOT NULL
		ORDER BY t.ord`
	forgetTerms = `UPDATE sentiments SET terms = NULL, earlier_terms = NULL
		WHERE time = $1 AND symbol = $2 AND source = $3 AND id = $4 AND model = $5`
	byIndex = `t.id > a.id AND t.id < left(a.id, -1) || '0'`
	byHash  = `split_part(t.id, '/', 1) || '/' = a.id`
)

// Of a sweep: how many deletions it takes at a time, and how many posts it changes in one transaction. A post lies in one compressed
// batch of a thousand, all of which an UPDATE unpacks.
const (
	sweepDeletions = 10_000
	sweepPosts     = 100
	batchRows      = 1000
)

// unpackAny lifts, for one transaction, TimescaleDB's limit of 100,000 rows that an UPDATE may unpack: for statements that are narrow.
const unpackAny = `SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = 0`

// insertingTweets is the advisory lock that transactions which insert posts share.
const insertingTweets = `hashtextextended('rcas tweets', 0)`

// ForgetTweets removes text and author of posts of a source that their authors deleted. The posts' counts and their sentiment stay; their
// words are forgotten, and count no longer. An
// identifier that ends in a slash stands for an account: for all posts whose identifier begins with it. It returns how many posts were
// there. Those that come within the day lose their text when they do; but what an account posts after it was back is its own affair.
func (s *Store) ForgetTweets(ctx context.Context, source string, ids []string) (forgotten int64, err error) {
	if err := s.RememberDeletions(ctx, source, ids); err != nil {
		return 0, err
	}
	return s.sweep(ctx, source)
}

// RememberDeletions is the first half of [Store.ForgetTweets]: what it has stored will be honoured, whenever [Store.SweepDeletions] runs,
// and by [Store.InsertTweets] at once.
func (s *Store) RememberDeletions(ctx context.Context, source string, ids []string) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, rememberDeletions, source, ids); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, outgrowDeletions)
		return err
	})
	if err != nil {
		return wrap("remember deletions of "+source, err)
	}
	return nil
}

// SweepDeletions is the second half of [Store.ForgetTweets]: it removes text and author of the stored posts that remembered deletions are
// of, and returns how many those were. It works through the chunks of the hypertable one by one, in short transactions; when it is
// interrupted, the next call begins again with what was not finished. An archive of any size is never unpacked at once.
func (s *Store) SweepDeletions(ctx context.Context) (forgotten int64, err error) {
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT source FROM deletions WHERE pending ORDER BY source`)
	if err != nil {
		return 0, wrap("look for deletions", err)
	}
	sources, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, wrap("look for deletions", err)
	}
	for _, source := range sources {
		n, err := s.sweep(ctx, source)
		forgotten += n
		if err != nil {
			return forgotten, err
		}
	}
	return forgotten, nil
}

// deletions are those of one source that a sweep works on.
type deletions struct {
	source   string
	ids      []string    // as remembered
	seen     []time.Time // of each
	posts    []string
	accounts []string
	gone     []time.Time // when each account was
}

func (s *Store) sweep(ctx context.Context, source string) (forgotten int64, err error) {
	for {
		d, err := s.pendingDeletions(ctx, source)
		if err == nil && len(d.ids) > 0 {
			var n int64
			n, err = s.honour(ctx, d)
			forgotten += n
		}
		if err != nil {
			return forgotten, wrap("forget posts of "+source, err)
		}
		if len(d.ids) < sweepDeletions {
			return forgotten, nil
		}
	}
}

// honour sweeps all chunks for some deletions, and notes that it has.
func (s *Store) honour(ctx context.Context, d deletions) (forgotten int64, err error) {
	// A post that is being inserted at this moment may not see its deletion: it is waited for.
	if _, err := s.pool.Exec(ctx, `SELECT pg_advisory_xact_lock(`+insertingTweets+`)`); err != nil {
		return 0, err
	}
	spans, err := s.spans(ctx, "tweets")
	if err != nil {
		return 0, err
	}
	for _, c := range spans {
		n, err := s.forgetIn(ctx, d, c)
		forgotten += n
		if err != nil {
			return forgotten, err
		}
	}
	// One that was delivered again meanwhile is looked after again: an account may have been back.
	_, err = s.pool.Exec(ctx, `UPDATE deletions AS d SET pending = false FROM unnest($2::text[], $3::timestamptz[]) AS done (id, seen_at)
		WHERE d.source = $1 AND d.id = done.id AND d.seen_at = done.seen_at`, d.source, d.ids, d.seen)
	return forgotten, err
}

func (s *Store) pendingDeletions(ctx context.Context, source string) (deletions, error) {
	d := deletions{source: source}
	rows, err := s.pool.Query(ctx, `SELECT id, seen_at FROM deletions WHERE source = $1 AND pending ORDER BY id LIMIT $2`, source, sweepDeletions)
	if err != nil {
		return d, err
	}
	var id string
	var seen time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &seen}, func() error {
		d.ids, d.seen = append(d.ids, id), append(d.seen, seen)
		if strings.HasSuffix(id, "/") {
			d.accounts, d.gone = append(d.accounts, id), append(d.gone, seen)
		} else {
			d.posts = append(d.posts, id)
		}
		return nil
	})
	return d, err
}

// span is a stretch of time that one chunk, or several open ones in a row, hold: from start to before end.
type span struct {
	Start, End time.Time
	Compressed bool
}

// spans returns the times that a hypertable has rows of, oldest first.
func (s *Store) spans(ctx context.Context, hypertable string) ([]span, error) {
	rows, err := s.pool.Query(ctx, `SELECT range_start, range_end, is_compressed FROM timescaledb_information.chunks
		WHERE hypertable_schema = 'public' AND hypertable_name = $1 ORDER BY range_start`, hypertable)
	if err != nil {
		return nil, err
	}
	var spans []span
	var next span
	_, err = pgx.ForEachRow(rows, []any{&next.Start, &next.End, &next.Compressed}, func() error {
		if n := len(spans); n > 0 && !next.Compressed && !spans[n-1].Compressed {
			spans[n-1].End = next.End
		} else {
			spans = append(spans, next)
		}
		return nil
	})
	return spans, err
}

// place is where a post lies.
type place struct {
	id   string
	time time.Time
}

func split(places []place) (ids []string, times []time.Time) {
	for _, p := range places {
		ids, times = append(ids, p.id), append(times, p.time)
	}
	return ids, times
}

// forgetIn honours deletions in one span. The posts are found first, which unpacks nothing on disk, and then changed by their keys: an
// UPDATE that TimescaleDB cannot narrow down to a time before it runs would unpack every post of the source.
func (s *Store) forgetIn(ctx context.Context, d deletions, c span) (forgotten int64, err error) {
	found, err := s.find(ctx, d, c)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	near, err := s.areNear(ctx, d.source, c, len(found))
	if err != nil {
		return 0, err
	}
	for group := range slices.Chunk(found, sweepPosts) {
		n, err := s.forgetGroup(ctx, d.source, group, near)
		forgotten += n
		if err != nil {
			return forgotten, err
		}
	}
	return forgotten, nil
}

// find returns where the posts of a span lie that deletions are of, in the order of time. Its statements are planned for these arguments
// alone: with times known only when they run, they would look into all chunks.
func (s *Store) find(ctx context.Context, d deletions, c span) ([]place, error) {
	var found []place
	collect := func(sql string, args ...any) error {
		rows, err := s.pool.Query(ctx, sql, append([]any{pgx.QueryExecModeExec, d.source, c.Start, c.End}, args...)...)
		if err != nil {
			return err
		}
		var p place
		_, err = pgx.ForEachRow(rows, []any{&p.id, &p.time}, func() error { found = append(found, p); return nil })
		return err
	}
	if len(d.posts) > 0 {
		if err := collect(findTweets, d.posts); err != nil {
			return nil, err
		}
	}
	if len(d.accounts) > 0 {
		by := byIndex
		if c.Compressed {
			by = byHash
		}
		if err := collect(fmt.Sprintf(findTweetsOfAccounts, by), d.accounts, d.gone); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b place) int { return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.id, b.id)) })
	return slices.Compact(found), nil
}

// areNear tells whether so many of a span's posts are found that about every compressed batch of it holds one; where nothing is
// compressed, they are.
func (s *Store) areNear(ctx context.Context, source string, c span, found int) (bool, error) {
	if !c.Compressed {
		return true, nil
	}
	if found < sweepPosts {
		return false, nil
	}
	var all int
	err := s.pool.QueryRow(ctx, `SELECT count(*) FROM tweets WHERE source = $1 AND time >= $2 AND time < $3`, pgx.QueryExecModeExec,
		source, c.Start, c.End).Scan(&all)
	return found*batchRows >= all, err
}

// forgetGroup changes posts, given in the order of time, in one transaction: those that are near each other with one statement, else
// each with its own. It unpacks about one batch a post, which may be more in all than TimescaleDB allows by default.
func (s *Store) forgetGroup(ctx context.Context, source string, group []place, near bool) (forgotten int64, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		forgotten = 0
		if _, err := tx.Exec(ctx, unpackAny); err != nil {
			return err
		}
		forget := func(sql string, args ...any) error {
			tag, err := tx.Exec(ctx, sql, append([]any{pgx.QueryExecModeExec, source}, args...)...)
			forgotten += tag.RowsAffected()
			return err
		}
		if err := forgetWords(ctx, tx, source, group); err != nil {
			return err
		}
		if near {
			ids, times := split(group)
			return forget(forgetBetween, ids, times[0], times[len(times)-1])
		}
		for _, p := range group {
			if err := forget(forgetTweet, p.id, p.time); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return forgotten, nil
}

// deletedAmong tells when the deletion was seen of those posts whose deletion came first, by their places in the lists.
func deletedAmong(ctx context.Context, tx pgx.Tx, times []time.Time, sources, ids []string) (map[int]time.Time, error) {
	var some bool // mostly there are none
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM deletions)`).Scan(&some); err != nil || !some {
		return nil, err
	}
	rows, err := tx.Query(ctx, findDeleted, pgx.QueryExecModeCacheDescribe, times, sources, ids)
	if err != nil {
		return nil, err
	}
	deleted := map[int]time.Time{}
	var ord int
	var seen time.Time
	_, err = pgx.ForEachRow(rows, []any{&ord, &seen}, func() error { deleted[ord-1] = seen; return nil })
	return deleted, err
}

// forgetWordsOfDeleted removes the words that stand with posts which were stored without their text, for they were scored before their
// deletion came, and stored after it. The posts are in the order of time.
func (s *Store) forgetWordsOfDeleted(ctx context.Context, tweets []*market.Tweet, deleted map[int]time.Time) error {
	bySource := map[string][]place{}
	for _, i := range slices.Sorted(maps.Keys(deleted)) {
		bySource[tweets[i].Source] = append(bySource[tweets[i].Source], place{tweets[i].ID, tweets[i].Time})
	}
	for source, group := range bySource {
		if err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, unpackAny); err != nil {
				return err
			}
			return forgetWords(ctx, tx, source, group)
		}); err != nil {
			return wrap("forget posts of "+source, err)
		}
	}
	return nil
}

// forgetWords removes the words that stand with posts of a source, given in the order of time.
func forgetWords(ctx context.Context, tx pgx.Tx, source string, group []place) error {
	ids, times := split(group)
	query, err := tx.Query(ctx, findTerms, pgx.QueryExecModeExec, source, ids, times, times[0], times[len(times)-1])
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(query, pgx.RowToStructByPos[rowKey])
	if err != nil {
		return err
	}
	for _, k := range found {
		if _, err := tx.Exec(ctx, forgetTerms, pgx.QueryExecModeExec, k.Time, k.Symbol, k.Source, k.ID, k.Model); err != nil {
			return err
		}
	}
	return nil
}
