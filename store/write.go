package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"rcas/market"
)

// Stored says what became of a batch of rows.
type Stored struct {
	// Rows were added; Duplicates were there already, or twice in the batch.
	Rows, Duplicates int64
	// Refused are of days of which only the windows are kept.
	Refused int64
}

// insertTweets takes symbols as text, separated by the unit separator (U+001F, which no symbol may hold): unnest of a
// two-dimensional array would flatten it.
const insertTweets = `
INSERT INTO tweets (time, source, id, author, lang, text, symbols, repost, followers, quote_count, reply_count, retweet_count,
                    favorite_count, received_at, deleted_at)
SELECT time, t.source, t.id, CASE WHEN deleted IS NULL THEN author ELSE '' END, lang, CASE WHEN deleted IS NULL THEN text ELSE '' END,
       CASE symbols WHEN '' THEN '{}' ELSE string_to_array(symbols, E'\x1f') END, repost,
       followers, quote_count, reply_count, retweet_count, favorite_count, received_at, deleted
FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::bigint[],
            $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::timestamptz[])
  AS t (time, source, id, author, lang, text, symbols, repost, followers, quote_count, reply_count, retweet_count, favorite_count,
        received_at)
LEFT JOIN deletions AS post ON post.source = t.source AND post.id = t.id
LEFT JOIN deletions AS account ON account.source = t.source AND account.id = split_part(t.id, '/', 1) || '/' AND account.seen_at >= t.time
CROSS JOIN LATERAL coalesce(post.seen_at, account.seen_at) AS deleted
ON CONFLICT DO NOTHING`

// InsertTweets stores posts, with what was counted, in one transaction. Posts stored before change nothing; of posts whose deletion, or
// their account's, came first, neither text nor author is stored. Posts of days that are no longer kept are refused and counted.
func (s *Store) InsertTweets(ctx context.Context, tweets []*market.Tweet) (Stored, error) {
	tweets, refused, err := keep(ctx, s, droppedTweets, tweets, func(t *market.Tweet) day { return dayOf(t.Time, "", "", t.Source) })
	if err != nil {
		return Stored{}, wrap("store rows", err)
	}
	var (
		time_, received                               []time.Time
		source, id, author, lang, text, symbols       []string
		repost                                        []bool
		followers, quotes, replies, retweets, favours []int64
	)
	bySource := map[string]int64{}
	// Writers that store the same posts, one because they were delivered again, must lock them in the same order, or they wait for each other.
	tweets = slices.SortedStableFunc(slices.Values(tweets), func(a, b *market.Tweet) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
	})
	for _, t := range tweets {
		time_, received = append(time_, t.Time), append(received, t.ReceivedAt)
		source, id, author = append(source, t.Source), append(id, t.ID), append(author, t.Author)
		lang, text = append(lang, t.Lang), append(text, t.Text)
		symbols, repost = append(symbols, strings.Join(t.Symbols, "\x1f")), append(repost, t.Repost)
		followers, quotes, replies = append(followers, t.Followers), append(quotes, t.QuoteCount), append(replies, t.ReplyCount)
		retweets, favours = append(retweets, t.RetweetCount), append(favours, t.FavoriteCount)
		bySource[t.Source]++
	}
	stored, err := s.insert(ctx, bySource, refused, `SELECT pg_advisory_xact_lock_shared(`+insertingTweets+`)`, insertTweets, "RETURNING source",
		time_, source, id, author, lang, text, symbols, repost, followers, quotes, replies, retweets, favours, received)
	if err == nil {
		err = s.forgetWordsOfDeleted(ctx, time_, source, id)
	}
	return stored, err
}

const insertPrices = `
INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::timestamptz[])
ON CONFLICT DO NOTHING`

// fillPrices is insertPrices where some came after their minute was over. A minute of a coin at a venue belongs to the kind of which a row
// was first, in the table or else in the batch: the venue's trades, or its bar of the minute, whose identifiers begin with 60s-. The bounds
// $9 and $10 are those of the batch: they spare a look at all other chunks. Of a bar the first row is at the minute's beginning, so that its
// key finds it.
const fillPrices = `
WITH given AS MATERIALIZED (
    SELECT g.*, date_trunc('minute', g.time) AS minute, g.trade_id LIKE '60s-%' AS bar
    FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::timestamptz[], $8::boolean[])
         WITH ORDINALITY AS g (time, symbol, venue, trade_id, price, volume, received_at, fill, n)
), minutes AS MATERIALIZED (
    SELECT DISTINCT g.minute, g.symbol, g.venue FROM given AS g WHERE g.fill
), claims AS (
    SELECT m.minute, m.symbol, m.venue, there.bar, 0 AS n
    FROM minutes AS m CROSS JOIN LATERAL (
        SELECT false AS bar WHERE EXISTS (
            SELECT FROM prices AS p WHERE p.time >= $9 AND p.time < $10 AND p.time >= m.minute AND p.time < m.minute + INTERVAL '1 minute'
                                      AND p.symbol = m.symbol AND p.venue = m.venue AND p.trade_id NOT LIKE '60s-%')
        UNION ALL
        SELECT true WHERE EXISTS (
            SELECT FROM prices AS p WHERE p.time >= $9 AND p.time < $10 AND p.time = m.minute
                                      AND p.symbol = m.symbol AND p.venue = m.venue AND p.trade_id LIKE '60s-%')
    ) AS there
    UNION ALL
    SELECT g.minute, g.symbol, g.venue, g.bar, g.n FROM given AS g
), owners AS MATERIALIZED (
    SELECT DISTINCT ON (c.minute, c.symbol, c.venue) c.minute, c.symbol, c.venue, c.bar
    FROM claims AS c ORDER BY c.minute, c.symbol, c.venue, c.n, c.bar
)
INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
SELECT g.time, g.symbol, g.venue, g.trade_id, g.price, g.volume, g.received_at
FROM given AS g JOIN owners AS o USING (minute, symbol, venue)
WHERE NOT g.fill OR g.bar = o.bar
ON CONFLICT DO NOTHING`

// fillingPrices is the advisory lock of transactions that insert prices of minutes that are over: two of them may mean the same minute.
const fillingPrices = `SELECT pg_advisory_xact_lock(hashtextextended('rcas prices', 0))`

// InsertPrices stores trades, with what was counted, in one transaction. Trades stored before change nothing. Trades of days that are no
// longer kept are refused and counted. Those of a minute that is over (see [market.Price.Fill]) are stored only where the minute has none of
// the other kind, trades or a bar; the rest counts as there already.
func (s *Store) InsertPrices(ctx context.Context, prices []*market.Price) (Stored, error) {
	prices, refused, err := keep(ctx, s, droppedPrices, prices, func(p *market.Price) day { return dayOf(p.Time, p.Symbol, "", p.Venue) })
	if err != nil {
		return Stored{}, wrap("store rows", err)
	}
	var (
		time_, received        []time.Time
		symbol, venue, tradeID []string
		price, volume          []float64
		fill                   []bool
	)
	byVenue := map[string]int64{}
	filling := slices.ContainsFunc(prices, func(p *market.Price) bool { return p.Fill })
	if !filling { // as posts are; the order of those that fill counts, and they have a lock
		prices = slices.SortedStableFunc(slices.Values(prices), func(a, b *market.Price) int {
			return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Venue, b.Venue), cmp.Compare(a.Symbol, b.Symbol), cmp.Compare(a.TradeID, b.TradeID))
		})
	}
	for _, p := range prices {
		time_, received = append(time_, p.Time), append(received, p.ReceivedAt)
		symbol, venue, tradeID = append(symbol, p.Symbol), append(venue, p.Venue), append(tradeID, p.TradeID)
		price, volume, fill = append(price, p.Price), append(volume, p.Volume), append(fill, p.Fill)
		byVenue[p.Venue]++
	}
	lock, sql, args := "", insertPrices, []any{time_, symbol, venue, tradeID, price, volume, received}
	if filling {
		first, last := slices.MinFunc(time_, time.Time.Compare), slices.MaxFunc(time_, time.Time.Compare)
		lock, sql, args = fillingPrices, fillPrices, append(args, fill, first.Truncate(time.Minute), last.Truncate(time.Minute).Add(time.Minute))
	}
	stored, err := s.insert(ctx, byVenue, refused, lock, sql, "RETURNING venue", args...)
	if err != nil || stored.Duplicates == 0 {
		return stored, err
	}
	return stored, s.countDiffering(ctx, time_, symbol, venue, tradeID, price, volume)
}

// EventDiffers counts duplicates of which something else is stored: another price, or another volume.
const EventDiffers = "differs"

const differingPrices = `
SELECT p.venue, count(*)
FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[]) AS t (time, symbol, venue, trade_id, price, volume)
JOIN prices AS p ON p.time = t.time AND p.symbol = t.symbol AND p.venue = t.venue AND p.trade_id = t.trade_id
WHERE p.time BETWEEN $7::timestamptz AND $8::timestamptz AND (p.price <> t.price OR p.volume <> t.volume)
GROUP BY 1`

// countDiffering counts the trades that are stored with other figures.
func (s *Store) countDiffering(ctx context.Context, time_ []time.Time, symbol, venue, tradeID []string, price, volume []float64) error {
	rows, err := s.pool.Query(ctx, differingPrices, time_, symbol, venue, tradeID, price, volume,
		slices.MinFunc(time_, time.Time.Compare), slices.MaxFunc(time_, time.Time.Compare))
	if err != nil {
		return wrap("compare prices", err)
	}
	var counts []Count
	count := Count{Component: "writer", Event: EventDiffers}
	if _, err = pgx.ForEachRow(rows, []any{&count.Source, &count.N}, func() error { counts = append(counts, count); return nil }); err != nil {
		return wrap("compare prices", err)
	}
	if len(counts) == 0 {
		return nil
	}
	return s.AddCounts(ctx, counts)
}

// insert runs a bulk insert, under a lock where one is given, and the counts of what it did, and of what was refused before, per source, in
// one transaction.
func (s *Store) insert(ctx context.Context, given, refused map[string]int64, lock, sql, returning string, args ...any) (Stored, error) {
	var stored Stored
	var counts []Count
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		stored = Stored{}
		if lock != "" {
			if _, err := tx.Exec(ctx, lock); err != nil {
				return err
			}
		}
		// Counting inside the database spares sending a name back for every row.
		rows, err := tx.Query(ctx, "WITH added (source) AS ("+sql+" "+returning+") SELECT source, count(*) FROM added GROUP BY source",
			append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
		if err != nil {
			return err
		}
		added := map[string]int64{}
		var source string
		var n int64
		if _, err := pgx.ForEachRow(rows, []any{&source, &n}, func() error { added[source] = n; return nil }); err != nil {
			return err
		}
		for source, given := range given {
			counts = append(counts,
				Count{"writer", source, "stored", added[source]}, Count{"writer", source, "duplicate", given - added[source]})
			stored.Rows += added[source]
			stored.Duplicates += given - added[source]
		}
		for source, n := range refused {
			counts = append(counts, Count{"writer", source, EventDropped, n})
			stored.Refused += n
		}
		return addCounts(ctx, tx, counts)
	})
	if err != nil {
		return Stored{}, wrap("store rows", err)
	}
	s.tell(counts)
	return stored, nil
}
