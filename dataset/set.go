package dataset

import (
	"fmt"
	"strings"
)

// Set is a data set: a question to the database whose answer is rows in the order of time.
type Set struct {
	// Name is what it is asked for by, and About what its rows are.
	Name, About string
	// Buckets tells that each row is of a bucket of time, so that a width belongs to the question.
	Buckets bool
	// Time is the column of the rows' times, and Order those that tell rows of one time apart.
	Time, Order string
	// query is the question, in SQL: the rows from @from to before @to, or some around them too, about @symbol (NULL: every coin), in
	// buckets of @width.
	query string
}

// All is the catalogue.
var All = []Set{
	{
		Name: "tweets", About: "posts, those that were deleted left out", Time: "time", Order: "source, id",
		query: `SELECT time, source, id, author, lang, text, symbols, repost, followers, quote_count, reply_count, retweet_count,
				favorite_count, received_at
			FROM tweets WHERE deleted_at IS NULL AND (@symbol::text IS NULL OR @symbol::text = ANY (symbols))`,
	},
	{
		Name: "sentiments", About: "what each model found in each post about each coin, and who speaks", Time: "time",
		Order: "symbol, source, id, model",
		query: `SELECT time, source, id, symbol, model, negative, neutral, positive, score, skipped, kind, repeat, weight, reach, scored_at
			FROM sentiments WHERE @symbol::text IS NULL OR symbol = @symbol::text`,
	},
	{
		Name: "prices", About: "trades; of an archived bar, the four that stand for it", Time: "time", Order: "symbol, venue, trade_id",
		query: `SELECT time, symbol, venue, trade_id, price, volume, received_at
			FROM prices WHERE @symbol::text IS NULL OR symbol = @symbol::text`,
	},
	bucketed("candles", "open, high, low, close, volume and average price at each exchange", "symbol, venue", "candles_by_venue"),
	bucketed("mood", "how people felt, and how many stand behind it", "symbol", "mood"),
	bucketed("mood_price", "mood and price on one line", "symbol", "mood_price"),
	bucketed("divergence", "where mood and price part ways, by the default rule", "symbol", "divergence"),
	{
		Name: "terms", About: "words, and how many posts hold them", Buckets: true, Time: "bucket", Order: "symbol, term",
		query: `SELECT symbol, @width::interval::text AS "interval", time_bucket(@width::interval, bucket) AS bucket, term, sum(n)::bigint AS posts
			FROM term_counts
			WHERE bucket >= @from::timestamptz AND bucket < @to::timestamptz + @width::interval
			  AND (@symbol::text IS NULL OR symbol = @symbol::text)
			GROUP BY 1, 2, 3, 4 HAVING sum(n) > 0`,
	},
	{
		Name: "alerts", About: "events that people were told of", Time: "fired_at", Order: "symbol, rule",
		query: `SELECT fired_at, symbol, rule, kind, direction, word, value, start_time, end_time, price, divergence, mood_z, return_z, posts, recorded_at
			FROM alerts WHERE @symbol::text IS NULL OR symbol = @symbol::text`,
	},
}

// bucketed is what a function of (symbol, from, to, width) answers for each coin.
func bucketed(name, about, order, function string) Set {
	return Set{
		Name: name, About: about, Buckets: true, Time: "bucket", Order: order,
		query: `SELECT a.symbol, @width::interval::text AS "interval", f.*
			FROM assets AS a, ` + function + `(a.symbol, @from::timestamptz, @to::timestamptz, @width::interval) AS f
			WHERE @symbol::text IS NULL OR a.symbol = @symbol::text`,
	}
}

// Find returns the data set of a name.
func Find(name string) (*Set, error) {
	names := make([]string, len(All))
	for i := range All {
		if All[i].Name == name {
			return &All[i], nil
		}
		names[i] = All[i].Name
	}
	return nil, fmt.Errorf("there is no data set %q: there are %s", name, strings.Join(names, ", "))
}

// page is the question for at most @limit rows, in order.
func (s *Set) page() string {
	return fmt.Sprintf(`SELECT * FROM (%s) AS q WHERE q.%[2]s >= @from::timestamptz AND q.%[2]s < @to::timestamptz ORDER BY %[2]s, %[3]s LIMIT @limit::bigint`,
		s.query, s.Time, s.Order)
}
