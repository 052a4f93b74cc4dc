package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// history is $3 days of posts and 100 days of trades at an even pace: $1 of posts, a quarter of that of all else, the newest now. (A chunk of trades is a day, and making many takes
// long; older trades arrive late.)
var history = []string{
	`INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
	 SELECT at, 'BTC', 'v', i::text, 100 + i % 97, 1 + i % 5, at
	 FROM generate_series(1, $1::integer / 4) AS i, LATERAL (SELECT $2::timestamptz - i * (INTERVAL '100 days' / ($1 / 4)) AS at) AS a`,
	`INSERT INTO tweets (time, source, id, author, text, symbols, received_at)
	 SELECT at, 'test', 'did:' || i % 500 || '/' || i, 'ann', 'post ' || i, '{BTC}', at
	 FROM generate_series(1, $1::integer) AS i, LATERAL (SELECT $2::timestamptz - i * ($3 * INTERVAL '1 day' / $1) AS at) AS a`,
	`INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat, author_hash, text_hash,
	                         terms)
	 SELECT at, 'test', 'did:' || i % 500 || '/' || i, 'BTC', 'm', 0.25, 0.25, 0.5, (i % 11) / 11.0, 1 + i % 3, 1, false, i % 500, i, 'word' || i % 10
	 FROM generate_series(1, $1::integer / 4) AS i, LATERAL (SELECT $2::timestamptz - i * ($3 * INTERVAL '1 day' / ($1 / 4)) AS at) AS a`,
}

// ages at which rows arrive late: before and beyond each horizon of refresh, compression and retention of the test below.
var ages = []int{0, 1, 3, 6, 8, 20, 29, 31, 34, 36, 60, 85, 100, 200, 350, 420, 700} // days

// TestTimeMachine lets the time pass that posts and trades are kept: in every round rows of every age arrive in every way that there is, the database's jobs run, and windows and
// functions are compared with the raw rows. Then what is no longer kept is dropped, which must change no window, and the rounds go on.
// make soak runs it over two years, with 400,000 posts.
func TestTimeMachine(t *testing.T) {
	t.Parallel()
	rows, days, rounds := 105_000, 450, 1
	if os.Getenv("RCAS_SOAK") != "" {
		rows, days, rounds = 400_000, 730, 5
	}
	seed := rand.Uint64()
	t.Log("seed", seed)
	m := &machine{T: t, s: storetest.New(t), r: rand.New(rand.NewPCG(seed, 0)), now: time.Now().UTC().Truncate(time.Microsecond), rows: rows, days: days}
	require.NoError(t, m.s.SetRetention(t.Context(), store.Keep{Trades: 90 * 24 * time.Hour, Posts: 400 * 24 * time.Hour}))
	// Compiling a plan of hundreds of chunks takes a server longer than running it.
	storetest.Exec(t, m.s, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET jit = off', current_database()); END $$`)
	m.s.Pool().Reset()
	require.NoError(t, m.s.UseModel(t.Context(), "m", nil, false))
	require.NoError(t, m.s.SaveAssets(t.Context(), []market.Asset{{Symbol: "BTC", Name: "Bitcoin"}}))
	for _, sql := range history {
		if strings.Contains(sql, "$3") {
			storetest.Exec(t, m.s, sql, rows, m.now, days)
		} else {
			storetest.Exec(t, m.s, sql, rows, m.now)
		}
	}
	require.NoError(t, m.s.RefreshWindows(t.Context()))
	storetest.Exec(t, m.s, `SELECT compress_chunk(c, if_not_compressed => true) FROM unnest(ARRAY['prices', 'tweets', 'sentiments']) AS h,
		show_chunks(h, older_than => INTERVAL '7 days') AS c`)
	for range rounds {
		m.write(time.Time{}, time.Time{})
		m.runJobs()
		m.compare(time.Time{}, time.Time{})
	}

	// A chunk is as old as its rows in a database that lived through them.
	storetest.Exec(t, m.s, `UPDATE _timescaledb_catalog.chunk AS c SET creation_time = i.range_start FROM timescaledb_information.chunks AS i
		WHERE i.chunk_name IN (to_jsonb(c)->>'table_name', split_part(to_jsonb(c)->>'relid', '.', 2)) AND i.hypertable_schema = 'public' AND i.range_start < now()`)
	storetest.Exec(t, m.s, `CREATE TABLE prices_before AS SELECT * FROM prices_1h`)
	storetest.Exec(t, m.s, `CREATE TABLE mood_before AS SELECT * FROM mood_1h`)
	m.runJobs()
	trades := storetest.Value[time.Time](t, m.s, `SELECT min(time) FROM prices`)
	posts := storetest.Value[time.Time](t, m.s, `SELECT min(time) FROM sentiments`)
	require.WithinDuration(t, m.now.AddDate(0, 0, -90), trades, 48*time.Hour)
	require.WithinDuration(t, m.now.AddDate(0, 0, -400), posts, 9*24*time.Hour)
	for range rounds {
		m.write(trades, posts)
		m.runJobs()
		m.compare(trades, posts)
		storetest.RequireNone(t, m.s, `SELECT * FROM prices_before AS b FULL JOIN (SELECT * FROM prices_1h WHERE bucket < $1) AS w USING (bucket, symbol, venue)
			WHERE b.bucket IS DISTINCT FROM w.bucket AND (b.bucket < $1 OR b.bucket IS NULL) OR b.trades <> w.trades AND b.bucket < $1`, trades.Truncate(24*time.Hour))
		storetest.RequireNone(t, m.s, `SELECT * FROM mood_before AS b JOIN mood_1h AS w USING (bucket, symbol, model, source, repeat)
			WHERE b.posts <> w.posts AND b.bucket < $1`, posts.Truncate(24*time.Hour))
		require.Equal(t, storetest.Value[int64](t, m.s, `SELECT sum(posts)::bigint FROM mood_before WHERE bucket < $1`, posts.Truncate(24*time.Hour)),
			storetest.Value[int64](t, m.s, `SELECT sum(posts)::bigint FROM mood_1h WHERE bucket < $1`, posts.Truncate(24*time.Hour)))
	}
}

// machine is a database that ages.
type machine struct {
	*testing.T
	s    *store.Store
	r    *rand.Rand
	now  time.Time
	rows int // posts
	days int // of them
	late int // rows that arrived late so far
}

// write lets rows of every age arrive: a trade and a post that are new, a repeat of that post, and all of it once more; and an
// archive again. It forgets posts and an account, and scores a stretch with another model. What is older than the given times must be refused.
func (m *machine) write(trades, posts time.Time) {
	var prices []*market.Price
	var tweets []*market.Tweet
	var scoredPosts []store.ScoredPost
	var forget []string
	refused := [2]int64{}
	for _, age := range ages {
		// Rows of one age are of one day in every round, at whatever hour the test runs: of a day that never had rows none are refused. And never the time of
		// another trade, for which of two that are equally old is a window's last is nobody's to say.
		at := m.now.AddDate(0, 0, -1-age).Truncate(24 * time.Hour).Add(time.Duration(1+m.r.IntN(84_600_000_000)) * time.Microsecond)
		m.late++
		prices = append(prices, &market.Price{Venue: "v", Symbol: "BTC", TradeID: fmt.Sprint("late", m.late), Time: at, Price: 50 + m.r.Float64()*200,
			Volume: 1, ReceivedAt: m.now})
		if at.Before(trades) {
			refused[0]++
		}
		for i := range 2 {
			p := tweet(0, at.Add(time.Duration(i)*20*time.Minute))
			p.ID, p.Symbols = fmt.Sprint("late/", m.late, "/", i), []string{"BTC"}
			tweets = append(tweets, p)
			s := scored(p, "late")
			s.TextHash = int64(1_000_000_000 + m.late)
			scoredPosts = append(scoredPosts, s)
			if p.Time.Before(posts) {
				refused[1]++
			}
		}
		n := 1 + age*m.rows/m.days + m.r.IntN(m.rows/m.days) // a post of that age
		if n <= m.rows {
			forget = append(forget, fmt.Sprintf("did:%d/%d", n%500, n))
		}
	}
	for range 2 {
		p, err := m.s.InsertPrices(m.Context(), prices)
		require.NoError(m, err)
		w, err := m.s.InsertTweets(m.Context(), tweets)
		require.NoError(m, err)
		_, err = m.s.InsertSentiments(m.Context(), "m", scoredPosts)
		require.NoError(m, err)
		require.Equal(m, refused, [2]int64{p.Refused, w.Refused})
	}
	again := m.archiveAgain(trades)
	got, err := m.s.InsertPrices(m.Context(), again)
	require.NoError(m, err)
	require.Zero(m, got.Rows)
	_, err = m.s.ForgetTweets(m.Context(), "test", append(forget, fmt.Sprintf("did:%d/", m.r.IntN(500))))
	require.NoError(m, err)
	from := m.now.AddDate(0, 0, -80+m.r.IntN(60))
	unscored, err := m.s.Unscored(m.Context(), "other", false, store.Position{Time: from}, from.AddDate(0, 0, 3), 2000)
	require.NoError(m, err)
	var rescored []store.ScoredPost
	for _, p := range unscored {
		s := scored(p)
		s.TextHash = m.r.Int64()
		rescored = append(rescored, s)
	}
	_, err = m.s.InsertSentiments(m.Context(), "other", rescored)
	require.NoError(m, err)
}

// archiveAgain is a stretch of the trades of the history, some kept and some perhaps dropped.
func (m *machine) archiveAgain(time.Time) []*market.Price {
	var prices []*market.Price
	first := 1 + m.r.IntN(m.rows/5)
	for i := first; i < first+1000; i++ {
		var p market.Price
		p.Venue, p.Symbol, p.TradeID, p.Price, p.Volume = "v", "BTC", fmt.Sprint(i), float64(100+i%97), float64(1+i%5)
		p.Time = m.now.Add(-time.Duration(i) * (100 * 24 * time.Hour / time.Duration(m.rows/4))) // which PostgreSQL rounds otherwise
		prices = append(prices, &p)
	}
	ids := make([]string, len(prices))
	for i, p := range prices {
		ids[i] = p.TradeID
	}
	var kept []*market.Price
	for _, row := range storetest.Rows(m.T, m.s, `SELECT trade_id, time FROM prices WHERE trade_id = ANY($1) AND time BETWEEN $2 AND $3`, ids,
		prices[len(prices)-1].Time.Add(-time.Minute), prices[0].Time.Add(time.Minute)) {
		for _, p := range prices {
			if p.TradeID == row[0] {
				p.Time, p.ReceivedAt = row[1].(time.Time), m.now
				kept = append(kept, p)
			}
		}
	}
	return kept
}

// runJobs runs every job as RunJobs does, and brings older windows up to date.
func (m *machine) runJobs() {
	for _, job := range storetest.Rows(m.T, m.s, `SELECT job_id FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY job_id`) {
		storetest.Exec(m.T, m.s, fmt.Sprintf(`CALL run_job(%d)`, job[0]))
	}
}

// compare wants windows and functions to say what the raw rows say, from the given times on.
func (m *machine) compare(trades, posts time.Time) {
	until := m.now.AddDate(0, 0, -2).Truncate(24 * time.Hour)
	if trades = trades.Truncate(24*time.Hour).AddDate(0, 0, 1); trades.Year() < 2000 {
		trades = m.now.AddDate(-3, 0, 0).Truncate(24 * time.Hour)
	}
	if posts = posts.Truncate(24*time.Hour).AddDate(0, 0, 1); posts.Year() < 2000 {
		posts = m.now.AddDate(-3, 0, 0).Truncate(24 * time.Hour)
	}
	for view, width := range map[string]string{"1m": "1 minute", "5m": "5 minutes", "1h": "1 hour", "1d": "1 day"} {
		storetest.RequireNone(m.T, m.s, `
			SELECT * FROM (SELECT time_bucket($1::interval, time) AS bucket, symbol, venue, first(price, time) AS open, max(price) AS high, min(price) AS low,
			                      last(price, time) AS close, sum(volume) AS volume, count(*) AS trades FROM prices WHERE time >= $2 GROUP BY 1, 2, 3) AS raw
			FULL JOIN (SELECT * FROM prices_`+view+` WHERE bucket >= $2) AS w USING (bucket, symbol, venue)
			WHERE (raw.open, raw.high, raw.low, raw.close, raw.trades) IS DISTINCT FROM (w.open, w.high, w.low, w.close, w.trades)
			   OR abs(raw.volume - w.volume) > 1e-6`, width, trades)
		storetest.RequireNone(m.T, m.s, `
			SELECT * FROM (SELECT time_bucket($1::interval, time) AS bucket, symbol, model, repeat, count(*) AS posts, sum(score::float8) AS sum_score,
			                      sum(weight::float8) AS sum_weight FROM sentiments WHERE time >= $2 GROUP BY 1, 2, 3, 4) AS raw
			FULL JOIN (SELECT * FROM mood_`+view+` WHERE bucket >= $2) AS w USING (bucket, symbol, model, repeat)
			WHERE raw.posts IS DISTINCT FROM w.posts OR abs(raw.sum_score - w.sum_score) > 1e-6 OR abs(raw.sum_weight - w.sum_weight) > 1e-6`, width, posts)
	}
	storetest.RequireNone(m.T, m.s, `
		SELECT * FROM (SELECT time_bucket('1 hour', bucket) AS bucket, symbol, term, sum(n) AS n FROM term_counts WHERE bucket >= $1 GROUP BY 1, 2, 3 HAVING sum(n) <> 0) raw
		FULL JOIN (SELECT * FROM term_counts_1h WHERE bucket >= $1) AS w USING (bucket, symbol, term) WHERE raw.n IS DISTINCT FROM w.n`, posts)
	for _, width := range []string{"1 hour", "1 day"} {
		storetest.RequireNone(m.T, m.s, `
			SELECT * FROM (SELECT time_bucket($1::interval, time) AS bucket, first(price, time) AS open, last(price, time) AS close, count(*) AS trades
			               FROM prices WHERE time >= $2 AND time < $3 GROUP BY 1) AS raw
			FULL JOIN candles('BTC', $2, $3, $1::interval) AS c USING (bucket)
			WHERE (raw.open, raw.close, raw.trades) IS DISTINCT FROM (c.open, c.close, c.trades)`, width, trades, until)
		storetest.RequireNone(m.T, m.s, `
			SELECT * FROM (SELECT time_bucket($1::interval, time) AS bucket, count(*) AS posts, avg(score::float8) AS mood
			               FROM sentiments WHERE time >= $2 AND time < $3 AND model = 'm' GROUP BY 1) AS raw
			FULL JOIN mood('BTC', $2, $3, $1::interval, repeats => true) AS c USING (bucket)
			WHERE raw.posts IS DISTINCT FROM c.posts OR abs(raw.mood - c.mood) > 1e-6`, width, posts, until)
	}
	storetest.RequireNone(m.T, m.s, `
		SELECT * FROM (SELECT term, sum(n) AS n FROM term_counts WHERE bucket >= $1 AND bucket < $2 GROUP BY 1 HAVING sum(n) <> 0) AS raw
		FULL JOIN top_terms('BTC', $1, $2, 1000) AS c USING (term) WHERE raw.n IS DISTINCT FROM c.posts`, posts, until)
	// Of two posts with one text within the hour the second is the repeat, at every age.
	storetest.RequireNone(m.T, m.s, `SELECT * FROM sentiments WHERE id LIKE 'late/%' AND repeat <> (id LIKE '%/1')`)
	storetest.RequireNone(m.T, m.s, `SELECT * FROM tweets WHERE deleted_at IS NOT NULL AND text <> '' OR deleted_at IS NULL AND text = ''`)
	storetest.RequireNone(m.T, m.s, `SELECT * FROM deletions WHERE pending`)
}
