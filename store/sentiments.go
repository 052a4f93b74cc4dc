package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rcas/market"
)

// ScoredPost is one post as one model read it: a row of sentiments for each of the post's symbols.
type ScoredPost struct {
	Tweet *market.Tweet
	// Sentiments are those about each of Tweet.Symbols, in their order; what names tweet, symbol and model is filled in here.
	Sentiments []market.Sentiment
	// AuthorHash counts authors and finds those who post much; TextHash, of the text's template, finds repeats.
	AuthorHash int32
	TextHash   int64
	// Terms are the post's words worth counting, each once and without spaces; none where words of its kind or language do not count.
	Terms []string
}

// insertSentiments adds those rows that are not there, and returns which they are. $12 and $13 bound the batch in time.
const insertSentiments = `
WITH added AS (
    INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, skipped, weight, reach, repeat,
                            author_hash, text_hash, kind, terms)
    SELECT time, source, id, symbol, $18, negative, neutral, positive, positive - negative, skipped, weight, reach, repeat,
           author_hash, text_hash, kind, terms
    FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::real[], $6::real[], $7::real[], $8::text[], $9::real[], $10::float8[],
                $11::boolean[], $14::integer[], $15::bigint[], $16::text[], $17::text[])
      AS i (time, source, id, symbol, negative, neutral, positive, skipped, weight, reach, repeat, author_hash, text_hash, kind, terms)
    ON CONFLICT DO NOTHING
    RETURNING time, source, id, symbol
)
SELECT i.ord FROM added AS a
JOIN unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS i (time, source, id, symbol, ord)
  ON i.time = a.time AND i.source = a.source AND i.id = a.id AND i.symbol = a.symbol
WHERE a.time BETWEEN $12 AND $13
ORDER BY i.ord`

// findKnown finds the rows that another model has scored before. They keep what was found then: whether they are repeats, and that their words
// are counted.
const findKnown = `
SELECT i.ord, (SELECT s.repeat FROM sentiments AS s
               WHERE s.source = i.source AND s.id = i.id AND s.symbol = i.symbol AND s.time = i.time AND s.time BETWEEN $5 AND $6 LIMIT 1) AS repeat
FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS i (time, source, id, symbol, ord)`

// Two models that read the same post at the same time would both count its words, so their transactions exclude each other: those of the
// active model, of which many may run at once, share a lock that all others, and a change of the active model, have for themselves.
//
// And where several statements search for a batch's rows, TimescaleDB would choose among the chunks anew for each search, which takes longer than
// the search; so they are chosen once when a statement is planned, with its times known. The lock of posts is for what is deleted meanwhile.
//
// A transaction that gets the lock of the first one has nobody beside it but those who have not: these look, once they have committed and the
// first one has, too, for what their rows and others' make repeats of each other (see [Store.markRepeats]). So the first one need not.
const (
	scoreTogether = `SELECT pg_advisory_xact_lock_shared(` + scoring + `), ` + alsoScoring
	scoreAlone    = `SELECT pg_advisory_xact_lock(` + scoring + `), ` + alsoScoring
	alsoScoring   = `pg_advisory_xact_lock_shared(` + insertingTweets + `), set_config('timescaledb.enable_chunk_append', 'off', true),
		pg_try_advisory_xact_lock(` + scoringFirst + `)`
	awaitFirst   = `SELECT pg_advisory_xact_lock_shared(` + scoringFirst + `)`
	scoring      = `hashtextextended('rcas sentiments', 0)`
	scoringFirst = `hashtextextended('rcas sentiments, the first', 0)`
)

// errNotActive says that a model may not score together with others.
var errNotActive = errors.New("the model is not the active one")

// findRepeats finds what is not marked as a repeat and is one: of the texts $1, between $2 and $3, looking at the post before each one that
// has the same text; and of the authors $4 what comes after the third post about a coin in an hour.
const findRepeats = `
SELECT time, symbol, source, id, model, _timescaledb_functions.chunk_status(chunk) & 1 = 1 AS packed FROM (
    SELECT time, symbol, source, id, model, chunk FROM (
        SELECT time, symbol, source, id, model, repeat, tableoid::regclass AS chunk,
               last_value(time) OVER (PARTITION BY text_hash ORDER BY time, source, id GROUPS BETWEEN 1 PRECEDING AND 1 PRECEDING) AS before
        FROM sentiments
        WHERE text_hash = ANY($1::bigint[]) AND time BETWEEN $2::timestamptz - INTERVAL '1 hour' AND $3::timestamptz + INTERVAL '1 hour') AS s
    WHERE NOT repeat AND time < before + INTERVAL '1 hour'
    UNION
    SELECT time, symbol, source, id, model, chunk FROM (
        SELECT time, symbol, source, id, model, repeat, tableoid::regclass AS chunk,
               dense_rank() OVER (PARTITION BY author_hash, symbol, time_bucket('1 hour', time) ORDER BY time, source, id) AS place
        FROM sentiments
        WHERE author_hash = ANY($4::integer[]) AND time >= time_bucket('1 hour', $2::timestamptz)
          AND time < time_bucket('1 hour', $3::timestamptz) + INTERVAL '1 hour') AS s
    WHERE NOT repeat AND place > 3) AS found
ORDER BY time, symbol, source, id, model`

const markRepeats = `UPDATE sentiments AS s SET repeat = true, repeat_at = now()`

// In a compressed chunk a row is found by its whole key, as constants: with less, TimescaleDB would unpack a batch of every symbol and model.
const markRepeat = markRepeats + ` WHERE s.time = $1 AND s.symbol = $2 AND s.source = $3 AND s.id = $4 AND s.model = $5 AND NOT s.repeat`

// In other chunks many are found at once: to plan a statement takes longer than to mark its row.
const (
	markTogether = markRepeats + `
	FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[]) AS k (time, symbol, source, id, model)
	WHERE s.time = k.time AND s.symbol = k.symbol AND s.source = k.source AND s.id = k.id AND s.model = k.model
	  AND s.time = ANY($1::timestamptz[]) AND s.time BETWEEN $6::timestamptz AND $7::timestamptz AND NOT s.repeat`
	marking = `SELECT pg_advisory_xact_lock(hashtextextended('rcas repeats', 0))`
	// byTime has the rows of exactly these instants read, in the order of the index of the key, and joined by their keys. Where nobody has
	// analysed the rows, a nested loop over all rows between the first and the last seems cheaper.
	byTime = `SELECT set_config('enable_nestloop', 'off', true), set_config('enable_seqscan', 'off', true)`
)

// rowKey is the key of a row of sentiments.
type rowKey struct {
	Time                      time.Time
	Symbol, Source, ID, Model string
}

// SentimentsStored says what became of a batch of scored posts.
type SentimentsStored struct {
	// Rows were added; Duplicates were there already.
	Rows, Duplicates int64
	// Added are the rows, for whoever wants to pass them on.
	Added []market.Sentiment
}

// InsertSentiments stores what one model read, the words of posts that no model had read before, and what was counted, in
// one transaction. Rows stored before change nothing and count nothing. All posts must bear the same model, and each post may
// occur once. Any number may insert at the same time; those of one Store do so one after the other, for whoever is alone need not look again.
//
// Which posts are repeats, and so which words count, does not depend on the order in which they arrive: what is stored is looked for
// before, and, where rows are late or others are committed meanwhile, once more after the rows are committed. Of two transactions the one that commits last sees the rows of both. Who was
// interrupted between the two gets the batch again. Posts of days that are no longer kept are refused and counted.
func (s *Store) InsertSentiments(ctx context.Context, model string, posts []ScoredPost) (SentimentsStored, error) {
	posts, refused, err := s.keepPosts(ctx, model, posts)
	if err != nil {
		return SentimentsStored{}, wrap("store sentiments", err)
	}
	if len(refused) > 0 {
		if err := s.AddCounts(ctx, refused); err != nil {
			return SentimentsStored{}, err
		}
	}
	// As posts are: who stores the same ones must lock them in the same order.
	posts = slices.SortedStableFunc(slices.Values(posts), func(a, b ScoredPost) int { return compareTweets(a.Tweet, b.Tweet) })
	rows := sentimentRows(posts)
	if len(rows.owner) == 0 {
		return SentimentsStored{}, nil
	}
	var stored SentimentsStored
	var sure bool
	s.scoring.Lock()
	defer s.scoring.Unlock()
	err = s.sentimentsAgain.store(func(fresh bool) (int64, error) {
		stored, sure, err = s.insertSentiments(ctx, scoreTogether, model, posts, rows, fresh)
		if errors.Is(err, errNotActive) {
			stored, sure, err = s.insertSentiments(ctx, scoreAlone, model, posts, rows, fresh)
		}
		return stored.Duplicates, err
	})
	if err == nil && !sure {
		err = s.markRepeats(ctx, rows)
	}
	if err != nil {
		return SentimentsStored{}, wrap("store sentiments", err)
	}
	return stored, nil
}

// keepPosts leaves out posts of days of which only the windows are kept.
func (s *Store) keepPosts(ctx context.Context, model string, posts []ScoredPost) (kept []ScoredPost, refused []Count, err error) {
	days := map[day]bool{}
	for _, p := range posts {
		for _, symbol := range p.Tweet.Symbols {
			days[dayOf(p.Tweet.Time, symbol, model, p.Tweet.Source)] = true
		}
	}
	gone, err := s.dropped(ctx, droppedSentiments, days)
	if err != nil || len(gone) == 0 {
		return posts, nil, err
	}
	counts := map[Count]int64{}
	for _, p := range posts {
		if slices.ContainsFunc(p.Tweet.Symbols, func(symbol string) bool { return gone[dayOf(p.Tweet.Time, symbol, model, p.Tweet.Source)] }) {
			counts[Count{"scorer", p.Tweet.Source, EventDropped, 0}]++
		} else {
			kept = append(kept, p)
		}
	}
	return kept, flatten(counts), nil
}

// insertSentiments stores a batch, of which fresh says that none of it is there. It returns whether it is sure that no row is a repeat but those
// that are marked.
func (s *Store) insertSentiments(ctx context.Context, turn, model string, posts []ScoredPost, rows *sentimentColumns, fresh bool) (
	stored SentimentsStored, sure bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		first, err := takeTurn(ctx, tx, turn, model)
		if err != nil {
			return err
		}
		unsure, err := rows.prepare(ctx, tx, model, &s.loud)
		if err != nil {
			return err
		}
		var added []int
		if fresh {
			added, err = rows.all(), s.copyRows(ctx, tx, "sentiments", len(rows.owner), rows.fields(model))
		} else {
			added, err = rows.add(ctx, tx, model)
		}
		if err != nil {
			return err
		}
		counts := map[Count]int64{}
		stored = SentimentsStored{Rows: int64(len(added)), Duplicates: int64(len(rows.owner) - len(added)), Added: make([]market.Sentiment, len(added))}
		for n, i := range added {
			post := &posts[rows.owner[i]]
			row := &stored.Added[n]
			*row = post.Sentiments[rows.place[i]]
			row.Tweet, row.Symbol, row.Model = post.Tweet, rows.symbol[i], model
			counts[Count{"scorer", post.Tweet.Source, scoredEvent(row.Skipped), 0}]++
		}
		sure = first && !unsure && stored.Duplicates == 0
		return addCounts(ctx, tx, flatten(counts))
	})
	return stored, sure, err
}

// takeTurn waits until a transaction may add rows of the model. It tells whether it is the first of those that do (see scoreTogether).
func takeTurn(ctx context.Context, tx pgx.Tx, turn, model string) (first bool, err error) {
	if err := tx.QueryRow(ctx, turn).Scan(nil, nil, nil, &first); err != nil || turn == scoreAlone {
		return first, err
	}
	active := false // and stays so as long as the lock is held
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM models WHERE name = $1 AND active)`, model).Scan(&active)
	if err == nil && !active {
		return false, errNotActive
	}
	return first, err
}

// prepare tells of the rows what the database knows: which are repeats, and which words are stored: those that count, which are not those of a
// row that another model has scored before, nor of a post whose deletion came first.
func (c *sentimentColumns) prepare(ctx context.Context, tx pgx.Tx, model string, loud *loud) (unsure bool, err error) {
	if unsure, err = c.judge(ctx, tx, loud); err != nil {
		return false, err
	}
	known, err := c.findKnown(ctx, tx, model)
	if err != nil {
		return false, err
	}
	deleted, err := deletedAmong(ctx, tx, c.time, c.source, c.id)
	for i := range c.owner {
		c.terms[i] = c.words[i]
		if _, gone := deleted[i]; gone || known[i] || c.repeat[i] {
			c.terms[i] = nil
		}
	}
	return unsure, err
}

// findKnown finds the rows that another model has scored before, if there is another.
func (c *sentimentColumns) findKnown(ctx context.Context, tx pgx.Tx, model string) (known map[int]bool, err error) {
	known = map[int]bool{}
	var others bool
	if err := tx.QueryRow(ctx, `SELECT coalesce(NOT every(name = $1), true) FROM models`, model).Scan(&others); err != nil || !others {
		return known, err
	}
	query, err := tx.Query(ctx, findKnown, pgx.QueryExecModeCacheDescribe, c.time, c.source, c.id, c.symbol, c.first, c.last)
	if err != nil {
		return nil, err
	}
	var ord int
	var repeat *bool
	_, err = pgx.ForEachRow(query, []any{&ord, &repeat}, func() error {
		if repeat != nil {
			known[ord-1], c.repeat[ord-1] = true, *repeat
		}
		return nil
	})
	return known, err
}

// all are the places of all rows.
func (c *sentimentColumns) all() []int {
	places := make([]int, len(c.owner))
	for i := range places {
		places[i] = i
	}
	return places
}

// add adds the rows that are not there, and returns their places.
func (c *sentimentColumns) add(ctx context.Context, tx pgx.Tx, model string) (added []int, err error) {
	query, err := tx.Query(ctx, insertSentiments, c.args(model)...)
	if err != nil {
		return nil, err
	}
	var ord int
	_, err = pgx.ForEachRow(query, []any{&ord}, func() error { added = append(added, ord-1); return nil })
	return added, err
}

// markRepeats marks the posts that the batch's rows, now committed, make repeats, and those of the batch that others' rows do.
func (s *Store) markRepeats(ctx context.Context, rows *sentimentColumns) error {
	if _, err := s.pool.Exec(ctx, awaitFirst); err != nil {
		return err
	}
	query, err := s.pool.Query(ctx, findRepeats, rows.beside()...)
	if err != nil {
		return err
	}
	var packed, open []rowKey // in compressed chunks, and in others
	var row rowKey
	var isPacked bool
	if _, err := pgx.ForEachRow(query, []any{&row.Time, &row.Symbol, &row.Source, &row.ID, &row.Model, &isPacked}, func() error {
		if isPacked {
			packed = append(packed, row)
		} else {
			open = append(open, row)
		}
		return nil
	}); err != nil {
		return err
	}
	for group := range slices.Chunk(packed, sweepPosts) {
		if err := s.markGroup(ctx, unpackAny, func(tx pgx.Tx) error { return markEach(ctx, tx, group) }); err != nil {
			return err
		}
	}
	for group := range slices.Chunk(open, batchRows) {
		if err := s.markGroup(ctx, byTime, func(tx pgx.Tx) error { return markAll(ctx, tx, group) }); err != nil {
			return err
		}
	}
	return nil
}

// markGroup marks rows in a transaction, under a setting. One at a time does: two that mark the same rows might wait for each other.
func (s *Store) markGroup(ctx context.Context, setting string, mark func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, marking); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, setting); err != nil {
			return err
		}
		return mark(tx)
	})
}

func markEach(ctx context.Context, tx pgx.Tx, rows []rowKey) error {
	for _, k := range rows {
		if _, err := tx.Exec(ctx, markRepeat, pgx.QueryExecModeExec, k.Time, k.Symbol, k.Source, k.ID, k.Model); err != nil {
			return err
		}
	}
	return nil
}

// markAll marks rows that are in the order of time.
func markAll(ctx context.Context, tx pgx.Tx, rows []rowKey) error {
	var at []time.Time
	var symbol, source, id, model []string
	for _, k := range rows {
		at, symbol, source = append(at, k.Time), append(symbol, k.Symbol), append(source, k.Source)
		id, model = append(id, k.ID), append(model, k.Model)
	}
	_, err := tx.Exec(ctx, markTogether, pgx.QueryExecModeCacheDescribe, at, symbol, source, id, model, at[0], at[len(at)-1])
	return err
}

func scoredEvent(skipped string) string {
	if skipped != "" {
		return "skipped:" + skipped
	}
	return "scored"
}

func flatten(counts map[Count]int64) []Count {
	var list []Count
	for c, n := range counts {
		c.N = n
		list = append(list, c)
	}
	return list
}

type sentimentColumns struct {
	time                        []time.Time
	source, id, symbol          []string
	negative, neutral, positive []*float32
	skipped, kind               []*string
	words, terms                []*string // of the post; and those of them that are stored
	weight                      []float32
	reach                       []float64
	repost, known               []bool // known: the author is
	repeat, loud                []bool // loud: it is a repeat, whatever else its author wrote
	authorHash                  []int32
	textHash                    []int64
	first, last                 time.Time
	owner, place                []int // index of the post that each row belongs to, and of its coin there
}

// newSentimentColumns has room for so many rows.
func newSentimentColumns(n int) *sentimentColumns {
	return &sentimentColumns{
		time: make([]time.Time, 0, n), source: make([]string, 0, n), id: make([]string, 0, n), symbol: make([]string, 0, n),
		negative: make([]*float32, 0, n), neutral: make([]*float32, 0, n), positive: make([]*float32, 0, n), skipped: make([]*string, 0, n),
		kind: make([]*string, 0, n), words: make([]*string, 0, n), terms: make([]*string, n), weight: make([]float32, 0, n),
		reach: make([]float64, 0, n), repost: make([]bool, 0, n), known: make([]bool, 0, n), repeat: make([]bool, n), loud: make([]bool, n),
		authorHash: make([]int32, 0, n), textHash: make([]int64, 0, n), owner: make([]int, 0, n), place: make([]int, 0, n),
	}
}

func sentimentRows(posts []ScoredPost) *sentimentColumns {
	n := 0
	for i := range posts {
		n += len(posts[i].Tweet.Symbols)
	}
	c := newSentimentColumns(n)
	for i := range posts {
		p, t := &posts[i], posts[i].Tweet
		var words *string
		if len(p.Terms) > 0 {
			joined := strings.Join(p.Terms, " ")
			words = &joined
		}
		if i == 0 || t.Time.Before(c.first) {
			c.first = t.Time
		}
		if i == 0 || t.Time.After(c.last) {
			c.last = t.Time
		}
		for place, symbol := range t.Symbols {
			mood := &p.Sentiments[place]
			c.time, c.source, c.id, c.symbol = append(c.time, t.Time), append(c.source, t.Source), append(c.id, t.ID), append(c.symbol, symbol)
			if mood.Skipped == "" {
				c.negative, c.neutral = append(c.negative, &mood.Negative), append(c.neutral, &mood.Neutral)
				c.positive, c.skipped = append(c.positive, &mood.Positive), append(c.skipped, nil)
			} else {
				c.negative, c.neutral = append(c.negative, nil), append(c.neutral, nil)
				c.positive, c.skipped = append(c.positive, nil), append(c.skipped, &mood.Skipped)
			}
			c.kind, c.words, c.known = append(c.kind, kindOf(mood)), append(c.words, words), append(c.known, t.Author != "")
			c.weight, c.reach = append(c.weight, float32(t.Weight())), append(c.reach, t.Reach())
			c.authorHash, c.textHash, c.repost = append(c.authorHash, p.AuthorHash), append(c.textHash, p.TextHash), append(c.repost, t.Repost)
			c.owner, c.place = append(c.owner, i), append(c.place, place)
		}
	}
	return c
}

// args are those of insertSentiments.
func (c *sentimentColumns) args(model string) []any {
	return []any{pgx.QueryExecModeCacheDescribe, c.time, c.source, c.id, c.symbol, c.negative, c.neutral, c.positive, c.skipped, c.weight, c.reach,
		c.repeat, c.first, c.last, c.authorHash, c.textHash, c.kind, c.terms, model}
}

// fields are what insertSentiments stores, too.
func (c *sentimentColumns) fields(model string) []field {
	score := func(buf []byte, i int) []byte {
		if c.negative[i] == nil {
			return buf
		}
		return appendFloat4(buf, *c.positive[i]-*c.negative[i])
	}
	return []field{fieldOf("time", c.time, appendMicros), fieldOf("source", c.source, appendText), fieldOf("id", c.id, appendText),
		fieldOf("symbol", c.symbol, appendText), {"model", func(buf []byte, _ int) []byte { return appendText(buf, model) }},
		fieldOf("negative", c.negative, nullable(appendFloat4)), fieldOf("neutral", c.neutral, nullable(appendFloat4)),
		fieldOf("positive", c.positive, nullable(appendFloat4)), {"score", score}, fieldOf("skipped", c.skipped, nullable(appendText)),
		fieldOf("weight", c.weight, appendFloat4), fieldOf("reach", c.reach, appendFloat8), fieldOf("repeat", c.repeat, appendBool),
		fieldOf("author_hash", c.authorHash, appendInt4), fieldOf("text_hash", c.textHash, appendInt8),
		fieldOf("kind", c.kind, nullable(appendText)), fieldOf("terms", c.terms, nullable(appendText))}
}

func kindOf(s *market.Sentiment) *string {
	if s.Kind == "" {
		return nil
	}
	kind := string(s.Kind)
	return &kind
}

// authors are those of whom more must be known.
func (c *sentimentColumns) authors() []int32 {
	var known []int32
	for i, hash := range c.authorHash {
		if c.known[i] && !c.loud[i] {
			known = append(known, hash)
		}
	}
	return distinct(known)
}

// distinct returns the values sorted, each once.
func distinct[T cmp.Ordered](values []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}

// Position is a place in the order of tweets by time, source and id.
type Position struct {
	Time       time.Time
	Source, ID string
}

// SetKinds stores who speaks in posts that the model has judged before it could be told, and the posts' templates, and marks what is a repeat
// by them. What has a kind keeps it. Words that turn out to be no person's count no longer. It returns how many rows it changed.
func (s *Store) SetKinds(ctx context.Context, model string, posts []ScoredPost) (int64, error) {
	rows := sentimentRows(posts)
	if len(rows.owner) == 0 {
		return 0, nil
	}
	var changed int64
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		changed = 0
		if _, err := tx.Exec(ctx, unpackAny); err != nil {
			return err
		}
		for i := range rows.owner {
			if rows.kind[i] == nil {
				continue
			}
			tag, err := tx.Exec(ctx, setKind, pgx.QueryExecModeExec, rows.time[i], rows.symbol[i], rows.source[i], rows.id[i], model,
				rows.kind[i], rows.textHash[i])
			if err != nil {
				return err
			}
			changed += tag.RowsAffected()
		}
		return nil
	})
	if err == nil && changed > 0 {
		err = s.markRepeats(ctx, rows)
	}
	if err != nil {
		return 0, fmt.Errorf("store who speaks: %w", err)
	}
	return changed, nil
}

// By the whole key and as constants, as in markRepeat.
const setKind = `UPDATE sentiments SET kind = $6, kind_at = now(), text_hash = $7
	WHERE time = $1 AND symbol = $2 AND source = $3 AND id = $4 AND model = $5 AND kind IS NULL AND score IS NOT NULL`

// Unscored returns up to limit posts, after the position and before the time to, that the model has not scored, in their order; kinds tells
// that posts also count which it has judged, but of which no model has told who speaks. Deleted posts and posts about no coin are left out.
func (s *Store) Unscored(ctx context.Context, model string, kinds bool, after Position, to time.Time, limit int) ([]*market.Tweet, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT time, source, id, author, lang, text, symbols, repost, followers, quote_count, reply_count, retweet_count, favorite_count,
		       received_at
		FROM tweets t
		WHERE time >= $1 AND time < $4 AND (time, source, id) > ($1, $2, $3) AND cardinality(symbols) > 0 AND deleted_at IS NULL
		  AND NOT EXISTS (SELECT FROM sentiments s WHERE s.source = t.source AND s.id = t.id AND s.time = t.time AND s.model = $5
		                  AND s.time >= $1 AND s.time < $4 AND NOT ($7 AND s.kind IS NULL AND s.score IS NOT NULL))
		ORDER BY time, source, id LIMIT $6`, after.Time, after.Source, after.ID, to, model, limit, kinds)
	if err != nil {
		return nil, wrap("read posts to score", err)
	}
	tweets, err := pgx.CollectRows(rows, scanTweet)
	if err != nil {
		return nil, wrap("read posts to score", err)
	}
	return tweets, nil
}

func scanTweet(row pgx.CollectableRow) (*market.Tweet, error) {
	t := new(market.Tweet)
	err := row.Scan(&t.Time, &t.Source, &t.ID, &t.Author, &t.Lang, &t.Text, &t.Symbols, &t.Repost, &t.Followers, &t.QuoteCount,
		&t.ReplyCount, &t.RetweetCount, &t.FavoriteCount, &t.ReceivedAt)
	return t, err
}

// Draw returns up to limit posts of the time from one to before the other, drawn at random: the same as long as nothing is added.
// Deleted posts, posts about no coin and reposts are left out.
func (s *Store) Draw(ctx context.Context, from, to time.Time, limit int) ([]*market.Tweet, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT time, source, id, author, lang, text, symbols, repost, followers, quote_count, reply_count, retweet_count, favorite_count,
		       received_at
		FROM tweets WHERE time >= $1 AND time < $2 AND cardinality(symbols) > 0 AND deleted_at IS NULL AND NOT repost
		ORDER BY md5(source || id), time LIMIT $3`, from, to, limit)
	if err != nil {
		return nil, wrap("draw posts", err)
	}
	tweets, err := pgx.CollectRows(rows, scanTweet)
	if err != nil {
		return nil, wrap("draw posts", err)
	}
	return tweets, nil
}

// CountUnscored returns how many posts between the times Unscored would return.
func (s *Store) CountUnscored(ctx context.Context, model string, kinds bool, from, to time.Time) (int64, error) {
	var n int64
	err := s.pool.QueryRow(ctx, `
		SELECT count(*) FROM tweets t
		WHERE time >= $1 AND time < $2 AND cardinality(symbols) > 0 AND deleted_at IS NULL
		  AND NOT EXISTS (SELECT FROM sentiments s WHERE s.source = t.source AND s.id = t.id AND s.time = t.time AND s.model = $3
		                  AND s.time >= $1 AND s.time < $2 AND NOT ($4 AND s.kind IS NULL AND s.score IS NOT NULL))`,
		from, to, model, kinds).Scan(&n)
	if err != nil {
		return 0, wrap("count posts to score", err)
	}
	return n, nil
}

// RegisterModel makes a model known without making it active.
func (s *Store) RegisterModel(ctx context.Context, name string, languages []string) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO models (name, languages) VALUES ($1, coalesce($2::text[], '{}'))
		ON CONFLICT (name) DO UPDATE SET languages = excluded.languages`, name, languages)
	if err != nil {
		return wrap("register model "+name, err)
	}
	return nil
}
