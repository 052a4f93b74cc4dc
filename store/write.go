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

// insertTweets adds those posts that are not there. It takes symbols as text, separated by the unit separator (U+001F, which no symbol may
// hold): unnest of a two-dimensional array would flatten it.
const insertTweets = `
INSERT INTO tweets (time, source, id, author, lang, text, symbols, repost, followers, quote_count, reply_count, retweet_count,
                    favorite_count, received_at, deleted_at)
SELECT time, source, id, author, lang, text, CASE symbols WHEN '' THEN '{}' ELSE string_to_array(symbols, E'\x1f') END, repost,
       followers, quote_count, reply_count, retweet_count, favorite_count, received_at, deleted_at
FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::bigint[],
            $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::timestamptz[], $15::timestamptz[])
  AS t (time, source, id, author, lang, text, symbols, repost, followers, quote_count, reply_count, retweet_count, favorite_count,
        received_at, deleted_at)
ON CONFLICT DO NOTHING`

// tweetColumns are posts as the database takes them.
type tweetColumns struct {
	time                                          []time.Time
	source, id, author, lang, text                []string
	symbols                                       [][]string
	repost                                        []bool
	followers, quotes, replies, retweets, favours []int64
	received                                      []time.Time
	deleted                                       []*time.Time
}

func tweetRows(tweets []*market.Tweet) *tweetColumns {
	n := len(tweets)
	c := &tweetColumns{time: make([]time.Time, n), source: make([]string, n), id: make([]string, n), author: make([]string, n),
		lang: make([]string, n), text: make([]string, n), symbols: make([][]string, n), repost: make([]bool, n), followers: make([]int64, n),
		quotes: make([]int64, n), replies: make([]int64, n), retweets: make([]int64, n), favours: make([]int64, n), received: make([]time.Time, n),
		deleted: make([]*time.Time, n)}
	for i, t := range tweets {
		c.time[i], c.source[i], c.id[i], c.author[i] = t.Time, t.Source, t.ID, t.Author
		c.lang[i], c.text[i], c.symbols[i], c.repost[i] = t.Lang, t.Text, t.Symbols, t.Repost
		c.followers[i], c.quotes[i], c.replies[i] = t.Followers, t.QuoteCount, t.ReplyCount
		c.retweets[i], c.favours[i], c.received[i] = t.RetweetCount, t.FavoriteCount, t.ReceivedAt
	}
	return c
}

// forget leaves out text and author of posts whose deletion came first, given when it was seen.
func (c *tweetColumns) forget(deleted map[int]time.Time) {
	for i, seen := range deleted {
		c.author[i], c.text[i], c.deleted[i] = "", "", &seen
	}
}

func (c *tweetColumns) fields() []field {
	return []field{fieldOf("time", c.time, appendMicros), fieldOf("source", c.source, appendText), fieldOf("id", c.id, appendText),
		fieldOf("author", c.author, appendText), fieldOf("lang", c.lang, appendText), fieldOf("text", c.text, appendText),
		fieldOf("symbols", c.symbols, appendTexts), fieldOf("repost", c.repost, appendBool), fieldOf("followers", c.followers, appendInt8),
		fieldOf("quote_count", c.quotes, appendInt8), fieldOf("reply_count", c.replies, appendInt8),
		fieldOf("retweet_count", c.retweets, appendInt8), fieldOf("favorite_count", c.favours, appendInt8),
		fieldOf("received_at", c.received, appendMicros), fieldOf("deleted_at", c.deleted, nullable(appendMicros))}
}

func (c *tweetColumns) args() []any {
	symbols := make([]string, len(c.symbols))
	for i, s := range c.symbols {
		symbols[i] = strings.Join(s, "\x1f")
	}
	return []any{c.time, c.source, c.id, c.author, c.lang, c.text, symbols, c.repost, c.followers, c.quotes, c.replies, c.retweets, c.favours,
		c.received, c.deleted}
}

// compareTweets is the order of posts by their key.
func compareTweets(a, b *market.Tweet) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.ID, b.ID))
}

// InsertTweets stores posts, with what was counted, in one transaction. Posts stored before change nothing; of posts whose deletion, or
// their account's, came first, neither text nor author is stored. Posts of days that are no longer kept are refused and counted.
func (s *Store) InsertTweets(ctx context.Context, tweets []*market.Tweet) (stored Stored, err error) {
	tweets, refused, err := keep(ctx, s, droppedTweets, tweets, func(t *market.Tweet) day { return dayOf(t.Time, "", "", t.Source) })
	if err != nil {
		return Stored{}, wrap("store rows", err)
	}
	// Writers that store the same posts, one because they were delivered again, must lock them in the same order, or they wait for each other.
	tweets = slices.SortedStableFunc(slices.Values(tweets), compareTweets)
	bySource := map[string]int64{}
	for _, t := range tweets {
		bySource[t.Source]++
	}
	rows := tweetRows(tweets)
	var deleted map[int]time.Time
	err = s.tweetsAgain.store(func(fresh bool) (int64, error) {
		stored, err = s.insert(ctx, bySource, refused, func(tx pgx.Tx) (added map[string]int64, err error) {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared(`+insertingTweets+`)`); err != nil {
				return nil, err
			}
			if deleted, err = deletedAmong(ctx, tx, rows.time, rows.source, rows.id); err != nil {
				return nil, err
			}
			rows.forget(deleted)
			if fresh {
				return bySource, s.copyRows(ctx, tx, "tweets", len(tweets), rows.fields())
			}
			return countAdded(ctx, tx, insertTweets+" RETURNING source", rows.args()...)
		})
		return stored.Duplicates, err
	})
	if err == nil {
		err = s.forgetWordsOfDeleted(ctx, tweets, deleted)
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

// priceColumns are trades as the database takes them.
type priceColumns struct {
	time                   []time.Time
	symbol, venue, tradeID []string
	price, volume          []float64
	received               []time.Time
	fill                   []bool
}

func priceRows(prices []*market.Price) *priceColumns {
	n := len(prices)
	c := &priceColumns{time: make([]time.Time, n), symbol: make([]string, n), venue: make([]string, n), tradeID: make([]string, n),
		price: make([]float64, n), volume: make([]float64, n), received: make([]time.Time, n), fill: make([]bool, n)}
	for i, p := range prices {
		c.time[i], c.symbol[i], c.venue[i], c.tradeID[i] = p.Time, p.Symbol, p.Venue, p.TradeID
		c.price[i], c.volume[i], c.received[i], c.fill[i] = p.Price, p.Volume, p.ReceivedAt, p.Fill
	}
	return c
}

func (c *priceColumns) fields() []field {
	return []field{fieldOf("time", c.time, appendMicros), fieldOf("symbol", c.symbol, appendText), fieldOf("venue", c.venue, appendText),
		fieldOf("trade_id", c.tradeID, appendText), fieldOf("price", c.price, appendFloat8), fieldOf("volume", c.volume, appendFloat8),
		fieldOf("received_at", c.received, appendMicros)}
}

// args are those of insertPrices.
func (c *priceColumns) args() []any {
	return []any{c.time, c.symbol, c.venue, c.tradeID, c.price, c.volume, c.received}
}

// fillIn runs fillPrices, and returns how many trades of each venue are new.
func (c *priceColumns) fillIn(ctx context.Context, tx pgx.Tx) (added map[string]int64, err error) {
	if _, err := tx.Exec(ctx, fillingPrices); err != nil {
		return nil, err
	}
	first, last := slices.MinFunc(c.time, time.Time.Compare), slices.MaxFunc(c.time, time.Time.Compare)
	return countAdded(ctx, tx, fillPrices+" RETURNING venue",
		append(c.args(), c.fill, first.Truncate(time.Minute), last.Truncate(time.Minute).Add(time.Minute))...)
}

// InsertPrices stores trades, with what was counted, in one transaction. Trades stored before change nothing. Trades of days that are no
// longer kept are refused and counted. Those of a minute that is over (see [market.Price.Fill]) are stored only where the minute has none of
// the other kind, trades or a bar; the rest counts as there already.
func (s *Store) InsertPrices(ctx context.Context, prices []*market.Price) (Stored, error) {
	prices, refused, err := keep(ctx, s, droppedPrices, prices, func(p *market.Price) day { return dayOf(p.Time, p.Symbol, "", p.Venue) })
	if err != nil {
		return Stored{}, wrap("store rows", err)
	}
	byVenue := map[string]int64{}
	filling := slices.ContainsFunc(prices, func(p *market.Price) bool { return p.Fill })
	if !filling { // as posts are; the order of those that fill counts, and they have a lock
		prices = slices.SortedStableFunc(slices.Values(prices), func(a, b *market.Price) int {
			return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Venue, b.Venue), cmp.Compare(a.Symbol, b.Symbol), cmp.Compare(a.TradeID, b.TradeID))
		})
	}
	for _, p := range prices {
		byVenue[p.Venue]++
	}
	rows := priceRows(prices)
	var stored Stored
	if filling {
		stored, err = s.insert(ctx, byVenue, refused, func(tx pgx.Tx) (map[string]int64, error) { return rows.fillIn(ctx, tx) })
	} else {
		err = s.pricesAgain.store(func(fresh bool) (int64, error) {
			stored, err = s.insert(ctx, byVenue, refused, func(tx pgx.Tx) (map[string]int64, error) {
				if fresh {
					return byVenue, s.copyRows(ctx, tx, "prices", len(prices), rows.fields())
				}
				return countAdded(ctx, tx, insertPrices+" RETURNING venue", rows.args()...)
			})
			return stored.Duplicates, err
		})
	}
	if err != nil || stored.Duplicates == 0 {
		return stored, err
	}
	return stored, s.countDiffering(ctx, rows)
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
func (s *Store) countDiffering(ctx context.Context, c *priceColumns) error {
	rows, err := s.pool.Query(ctx, differingPrices, c.time, c.symbol, c.venue, c.tradeID, c.price, c.volume,
		slices.MinFunc(c.time, time.Time.Compare), slices.MaxFunc(c.time, time.Time.Compare))
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

// insert adds rows, of which add tells how many of each source were new, and the counts of that, and of what was refused before, per source,
// in one transaction.
func (s *Store) insert(ctx context.Context, given, refused map[string]int64, add func(tx pgx.Tx) (added map[string]int64, err error)) (Stored, error) {
	var stored Stored
	var counts []Count
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		stored, counts = Stored{}, nil
		added, err := add(tx)
		if err != nil {
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

// countAdded runs a statement that returns the source of each row that it adds. Counting inside the database spares sending each.
func countAdded(ctx context.Context, tx pgx.Tx, sql string, args ...any) (map[string]int64, error) {
	rows, err := tx.Query(ctx, "WITH added (source) AS ("+sql+") SELECT source, count(*) FROM added GROUP BY source",
		append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return nil, err
	}
	added := map[string]int64{}
	var source string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&source, &n}, func() error { added[source] = n; return nil })
	return added, err
}
