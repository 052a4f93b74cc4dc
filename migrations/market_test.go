package migrations_test

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

const span = 3 * 24 * time.Hour

// eachStage checks the states in which windows must tell the truth: part of them materialised and the rest read from the rows,
// and all of them after rows that came late.
func eachStage(t *testing.T, s *store.Store, late func(), check func(stage string)) {
	refresh(t, s, start.Add(span/2))
	check("half materialised")
	late()
	refresh(t, s, start.Add(span))
	check("all materialised")
}

func TestCandlesEqualTheTrades(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC", "ETH"), newRand(t)
	trades := randomTrades(r, "BTC", 6000, span)
	insertTrades(t, s, randomTrades(r, "ETH", 500, span))
	insertTrades(t, s, trades[:5000])
	known := trades[:5000]
	late := func() {
		insertTrades(t, s, trades[5000:])
		known = trades
	}
	eachStage(t, s, late, func(stage string) {
		from, to := start.Add(3*time.Hour+7*time.Minute), start.Add(span-11*time.Minute)
		for _, width := range []time.Duration{time.Minute, 7 * time.Minute, 15 * time.Minute, time.Hour, 90 * time.Minute,
			24 * time.Hour} {
			for _, venue := range []any{nil, "kraken"} {
				requireCandles(t, s, known, from, to, width, venue, fmt.Sprint(stage, ", ", width, ", ", venue))
			}
		}
	})
	requireFilled(t, s, trades, 30*time.Minute)
}

// origin is where the database's buckets begin that do not divide a week.
var origin = time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC)

func bucketOf(at time.Time, width time.Duration) time.Time {
	return origin.Add(at.Sub(origin).Truncate(width))
}

func requireCandles(t *testing.T, s *store.Store, trades []trade, from, to time.Time, width time.Duration, venue any,
	name string) {
	t.Helper()
	trades = filter(trades, func(p trade) bool {
		bucket := bucketOf(p.at, width)
		return (venue == nil || venue == p.venue) && !bucket.Before(bucketOf(from, width)) && bucket.Before(to)
	})
	slices.SortFunc(trades, func(a, b trade) int { return a.at.Compare(b.at) })
	groups := map[time.Time][]trade{}
	for _, p := range trades {
		groups[bucketOf(p.at, width)] = append(groups[bucketOf(p.at, width)], p)
	}
	rows := storetest.Rows(t, s, `SELECT * FROM candles('BTC', $1, $2, $3, venue => $4)`, from, to, width, venue)
	require.Len(t, rows, len(groups), name)
	for i, row := range rows {
		if i > 0 {
			require.True(t, rows[i-1][0].(time.Time).Before(row[0].(time.Time)), "in order of time")
		}
		requireRow(t, candle(row[0].(time.Time), groups[row[0].(time.Time).UTC()]), row, name)
	}
}

func candle(bucket time.Time, trades []trade) []any {
	volume := sum(trades, func(p trade) float64 { return p.volume })
	turnover := sum(trades, func(p trade) float64 { return p.volume * p.price })
	high, low := math.Inf(-1), math.Inf(1)
	for _, p := range trades {
		high, low = max(high, p.price), min(low, p.price)
	}
	return []any{bucket, trades[0].price, high, low, trades[len(trades)-1].price, volume, ratio(turnover, volume),
		int64(len(trades))}
}

// requireFilled checks that gaps, and nothing else, carry the last close forward.
func requireFilled(t *testing.T, s *store.Store, trades []trade, width time.Duration) {
	t.Helper()
	slices.SortFunc(trades, func(a, b trade) int { return a.at.Compare(b.at) })
	groups := byBucket(trades, width, func(p trade) time.Time { return p.at })
	rows := storetest.Rows(t, s, `SELECT * FROM candles('BTC', $1, $2, $3, fill => true)`, start, start.Add(span), width)
	bucket, gaps := start.Add(trades[0].at.Sub(start).Truncate(width)), 0
	require.Len(t, rows, int(start.Add(span).Sub(bucket)/width), "from the first trade to the end")
	var last float64
	for _, row := range rows {
		if group := groups[bucket]; len(group) > 0 {
			requireRow(t, candle(bucket, group), row, "filled")
			last = group[len(group)-1].price
		} else {
			requireRow(t, []any{bucket, last, last, last, last, 0.0, nil, int64(0)}, row, "a gap")
			gaps++
		}
		bucket = bucket.Add(width)
	}
	require.Greater(t, gaps, 10)
}

func TestCandlesByVenueAddUp(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC"), newRand(t)
	insertTrades(t, s, randomTrades(r, "BTC", 3000, span))
	args := []any{start, start.Add(span)}
	storetest.RequireNone(t, s, `
		SELECT * FROM (SELECT bucket, max(high) AS high, min(low) AS low, sum(trades) AS trades FROM candles_by_venue('BTC', $1,
			$2, '1 hour') GROUP BY 1) AS v
		FULL JOIN (SELECT bucket, high, low, trades FROM candles('BTC', $1, $2, '1 hour')) AS c USING (bucket, high, low, trades)
		WHERE v.bucket IS NULL OR c.bucket IS NULL`, args...)
	storetest.RequireNone(t, s, `
		SELECT * FROM candles_by_venue('BTC', $1, $2, '1 hour') AS v
		FULL JOIN (SELECT 'kraken' AS venue, * FROM candles('BTC', $1, $2, '1 hour', 'kraken')) AS c USING (bucket, venue, open,
			high, low, close, trades)
		WHERE venue = 'kraken' AND (v.vwap IS NULL OR c.vwap IS NULL)`, args...)
	storetest.Exec(t, s, `INSERT INTO prices SELECT $1, 'BTC', v, 'same', p, 1, now() FROM (VALUES ('zaif', 1),
		('aax', 2)) AS x (v, p)`, start.Add(span))
	require.Equal(t, 2.0, storetest.Value[float64](t, s, `SELECT close FROM candles('BTC', $1, $2, '1 min')`, start.Add(span),
		start.Add(span+time.Minute)),
		"of two venues at the same instant the first by name")
}

func TestCandlesOfMonthsAndWeeksBeginWhereCalendarsDo(t *testing.T) {
	t.Parallel()
	s := newDatabase(t, "BTC")
	var trades []trade
	for day := range 100 {
		trades = append(trades, trade{start.AddDate(0, 0, day).Add(12 * time.Hour), "BTC", "v", float64(day + 1), 1})
	}
	insertTrades(t, s, trades)
	conn, err := s.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `SET TimeZone = 'America/New_York'`)
	require.NoError(t, err)
	query := func(sql string) [][]any {
		rows, err := conn.Query(t.Context(), sql)
		require.NoError(t, err)
		all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
		require.NoError(t, err)
		return all
	}
	rows := query(`SELECT bucket, trades FROM candles('BTC', '2024-03-10 00:00Z', '2024-06-01 00:00Z', '1 month', fill => true)`)
	require.Len(t, rows, 3)
	for i, days := range []int64{28, 30, 31} {
		requireRow(t, []any{time.Date(2024, time.Month(3+i), 1, 0, 0, 0, 0, time.UTC), days}, rows[i], "month")
	}
	rows = query(`SELECT bucket, trades FROM candles('BTC', '2024-03-10 00:00Z', '2024-03-25 00:00Z', '7 days', fill => true)`)
	require.Len(t, rows, 3)
	requireRow(t, []any{start, int64(7)}, rows[0], "week")
	rows = query(`SELECT bucket FROM candles('BTC', '2024-03-08 00:00Z', '2024-03-13 00:00Z', '1 day', fill => true)`)
	require.Len(t, rows, 5, "a change of summer time in the session's time zone")
}

func TestMoodEqualsThePosts(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC", "ETH"), newRand(t)
	posts, others := randomPosts(r, "BTC", 6000, span), randomPosts(r, "ETH", 2000, span)
	insertPosts(t, s, others)
	insertPosts(t, s, posts[:5000])
	known := posts[:5000]
	late := func() {
		insertPosts(t, s, posts[5000:])
		known = posts
	}
	eachStage(t, s, late, func(stage string) {
		from := start.Add(26*time.Hour + 7*time.Minute)
		for _, width := range []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour} {
			for _, who := range []string{"all", "people", "adverts"} {
				for _, repeats := range []bool{true, false} {
					for _, source := range []any{nil, "reddit"} {
						of := func(p post) bool { return source == nil || source == p.source }
						keep := func(p post) bool {
							return of(p) && (repeats || !p.repeat) && (who == "all" || who == "people" && p.personal() || who == "adverts" && p.kind == "advert")
						}
						rows := storetest.Rows(t, s, `SELECT * FROM mood('BTC', $1, $2, $3, repeats => $4, source => $5,
							momentum_windows => 2, who => $6)`,
							from, start.Add(span), width, repeats, source, who)
						requireMood(t, rows, filter(known, of), filter(known, keep), filter(others, keep), from, width,
							fmt.Sprint(stage, width, who, repeats, source))
					}
				}
			}
		}
	})
	got := storetest.Rows(t, s, `SELECT bucket, a.authors, m.authors FROM authors('BTC', $1, $2, '1 hour') AS a JOIN mood('BTC',
		$1, $2, '1 hour') AS m USING (bucket)`, start, start.Add(span))
	hours := byBucket(filter(posts, func(p post) bool { return p.personal() && !p.repeat }), time.Hour, func(p post) time.Time { return p.at })
	require.Len(t, got, len(hours))
	for _, row := range got {
		of := hours[row[0].(time.Time).UTC()]
		exact, estimate := authorsOf(of)
		requireRow(t, []any{int64(exact), estimate}, row[1:], "authors of an hour")
	}
}

// authorsOf counts the authors of posts, and estimates them as the windows do: by linear counting in 1,024 bits.
func authorsOf(posts []post) (exact int, estimate float64) {
	authors, bits := map[int32]bool{}, map[int32]bool{}
	for _, p := range posts {
		authors[p.author], bits[p.author&1023] = true, true
	}
	return len(authors), min(-1024*math.Log(1-float64(len(bits))/1024), float64(len(posts)))
}

// requireMood compares rows with the posts that were asked for, those of another coin, and all: there is a row where there is any post.
func requireMood(t *testing.T, rows [][]any, all, posts, others []post, from time.Time, width time.Duration, name string) {
	t.Helper()
	at := func(p post) time.Time { return p.at }
	groups, besides, everybody := byBucket(posts, width, at), byBucket(others, width, at), byBucket(all, width, at)
	first := bucketOf(from, width)
	n := 0
	for bucket := range everybody {
		if !bucket.Before(first) {
			n++
		}
	}
	require.Len(t, rows, n, name)
	for _, row := range rows {
		bucket := row[0].(time.Time).UTC()
		before := append(slices.Clone(groups[bucket.Add(-width)]), groups[bucket.Add(-2*width)]...)
		requireRow(t, append(moodOf(bucket, groups[bucket], besides[bucket], before), shares(everybody[bucket])...), row[:len(row)-1], name)
	}
}

// shares are those of adverts, bots, news and repeats among the judged posts.
func shares(posts []post) []any {
	judged := filter(posts, func(p post) bool { return p.judged })
	share := func(of func(p post) bool) any { return ratio(float64(len(filter(judged, of))), float64(len(judged))) }
	return []any{share(func(p post) bool { return p.kind == "advert" }), share(func(p post) bool { return p.kind == "bot" }),
		share(func(p post) bool { return p.kind == "news" }), share(func(p post) bool { return p.repeat })}
}

func moodOf(bucket time.Time, posts, others, before []post) []any {
	judged := filter(posts, func(p post) bool { return p.judged })
	n := float64(len(judged))
	mean := sum(judged, post.score) / n
	square := sum(judged, func(p post) float64 { return (p.score() - mean) * (p.score() - mean) })
	share := func(of func(p post) bool) any { return ratio(float64(len(filter(judged, of))), n) }
	neutral := func(p post) float32 { return 1 - p.neg - p.pos }
	negative := share(func(p post) bool { return p.neg > neutral(p) && p.neg > p.pos })
	positive := share(func(p post) bool { return p.pos > neutral(p) && p.pos > p.neg })
	unique := filter(posts, func(p post) bool { return !p.repeat })
	now, past := weighted(judged), weighted(filter(before, func(p post) bool { return p.judged }))
	row := []any{bucket, ratio(mean*n, n), now, nil, negative, nil, positive, int64(len(posts)), int64(len(unique)),
		int64(len(judged)),
		min(linearCount(posts), float64(len(posts))), ratio(float64(len(posts)), float64(len(posts)+len(others))), nil, nil}
	if n > 0 {
		row[5] = 1 - negative.(float64) - positive.(float64)
		row[13] = sum(judged, func(p post) float64 { return p.score() * p.reach })
	}
	if n > 1 {
		row[3] = math.Sqrt(square / (n - 1) / n)
	}
	if now != nil && past != nil {
		row[12] = now.(float64) - past.(float64)
	}
	return row
}

func weighted(posts []post) any {
	weight := func(p post) float64 { return float64(p.weight) }
	return ratio(sum(posts, func(p post) float64 { return weight(p) * p.score() }), sum(posts, weight))
}

// linearCount estimates the number of authors by 1,024 bits.
func linearCount(posts []post) float64 {
	var seen [16]uint64
	for _, p := range posts {
		bit := p.author & 1023
		seen[bit/64] |= 1 << (bit % 64)
	}
	set := 0
	for _, word := range seen {
		set += bits.OnesCount64(word)
	}
	return 1024 * math.Log(1024/math.Max(1, float64(1024-set)))
}

func TestMoodFollowsTheActiveModel(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC"), newRand(t)
	insertPosts(t, s, randomPosts(r, "BTC", 500, span))
	posts := func() int64 {
		return storetest.Value[int64](t, s, `SELECT coalesce(sum(posts), 0)::bigint FROM mood('BTC', $1, $2, '1 day')`, start,
			start.Add(span))
	}
	before := posts()
	require.Positive(t, before)
	storetest.Exec(t, s, `UPDATE models SET active = false; INSERT INTO models (name, active) VALUES ('newer', true)`)
	require.Zero(t, posts())
	storetest.Exec(t, s, `INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight,
		reach, repeat, author_hash, text_hash, kind)
		SELECT time, source, id, symbol, 'newer', 0, 0, 1, 1, weight, reach, repeat, author_hash, text_hash, kind FROM sentiments`)
	require.Equal(t, before, posts())
	require.Equal(t, 1.0, storetest.Value[float64](t, s, `SELECT max(mood) FROM mood('BTC', $1, $2, '1 day')`, start,
		start.Add(span)))
	require.Less(t, storetest.Value[float64](t, s, `SELECT max(mood) FROM mood('BTC', $1, $2, '1 day', model => $3)`, start,
		start.Add(span), model), 1.0)
}

func TestMoodPriceIsCandlesAndMoodOnOneLine(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC"), newRand(t)
	insertTrades(t, s, randomTrades(r, "BTC", 4000, span))
	insertPosts(t, s, randomPosts(r, "BTC", 4000, span))
	from, to := start.Add(20*time.Hour), start.Add(span)
	got := storetest.Rows(t, s, `SELECT bucket, close, volume, trades, mood, weighted_mood, negative, neutral, positive, posts,
		unique_posts
		FROM mood_price('BTC', $1, $2, '15 min')`, from, to)
	want := storetest.Rows(t, s, `
		SELECT bucket, close, coalesce(volume, 0), coalesce(trades, 0), mood, weighted_mood, negative, neutral, positive,
			coalesce(posts, 0),
		       coalesce(unique_posts, 0)
		FROM candles('BTC', $1, $2, '15 min') FULL JOIN mood('BTC', $1, $2, '15 min') USING (bucket) ORDER BY 1`, from, to)
	require.Len(t, got, len(want))
	for i := range want {
		requireRow(t, want[i], got[i], "joined")
	}

	closes := map[time.Time]float64{}
	for _, row := range storetest.Rows(t, s, `SELECT bucket, close FROM candles('BTC', $1, $2, '15 min')`, start, to) {
		closes[row[0].(time.Time).UTC()] = row[1].(float64)
	}
	returnOf := func(bucket time.Time) any {
		now, before := closes[bucket], closes[bucket.Add(-15*time.Minute)]
		if now == 0 || before == 0 {
			return nil
		}
		return math.Log(now / before)
	}
	gaps := 0
	for _, row := range storetest.Rows(t, s, `SELECT bucket, "return", realised_volatility FROM mood_price('BTC', $1, $2,
		'15 min', volatility_windows => 8)`, from, to) {
		bucket := row[0].(time.Time).UTC()
		var squares []float64
		for i := range 8 {
			if r, ok := returnOf(bucket.Add(-15 * time.Minute * time.Duration(i))).(float64); ok {
				squares = append(squares, r*r)
			}
		}
		var volatility any
		if len(squares) >= 4 {
			volatility = math.Sqrt(sum(squares, func(x float64) float64 { return x }) / float64(len(squares)) * 365 * 24 * 4)
		} else {
			gaps++
		}
		requireRow(t, []any{bucket, returnOf(bucket), volatility}, row, "returns")
	}
	require.Positive(t, gaps)
}
