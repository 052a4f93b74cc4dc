package migrations_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

// trade and post are rows of prices and sentiments, as the tests know them outside the database.
type trade struct {
	at            time.Time
	symbol, venue string
	price, volume float64
}

type post struct {
	at             time.Time
	symbol, source string
	neg, pos       float32 // probabilities; neutral is the rest
	judged, repeat bool
	weight         float32
	reach          float64
	author         int32
	kind           string // empty: not known
}

// personal tells that a person speaks, as far as is known.
func (p post) personal() bool { return p.kind == "" || p.kind == "person" }

func (p post) score() float64 { return float64(p.pos - p.neg) }

const model = "test"

// start is a Monday, so that buckets of weeks begin with it too.
var start = time.Date(2024, 3, 4, 0, 0, 0, 0, time.UTC)

// newDatabase returns a database that knows the symbols and one active model. Windows are refreshed when a test says so: a native
// server's own workers would hide rows inserted while they run until their next time.
func newDatabase(t testing.TB, symbols ...string) *store.Store {
	t.Helper()
	s := storetest.New(t)
	if !s.Embedded() {
		storetest.Exec(t, s, `SELECT _timescaledb_functions.stop_background_workers()`)
	}
	storetest.Exec(t, s, `INSERT INTO models (name, active) VALUES ($1, true)`, model)
	storetest.Exec(t, s, `INSERT INTO assets (symbol, name) SELECT s, 'Name of ' || s FROM unnest($1::text[]) AS s`, symbols)
	return s
}

// newRand returns a generator and prints how to get the same one again.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func insertTrades(t testing.TB, s *store.Store, trades []trade) {
	t.Helper()
	for part := range slices.Chunk(trades, 20_000) {
		n := len(part)
		at, symbol, venue, id := make([]time.Time, n), make([]string, n), make([]string, n), make([]string, n)
		price, volume := make([]float64, n), make([]float64, n)
		for i, p := range part {
			at[i], symbol[i], venue[i], price[i], volume[i] = p.at, p.symbol, p.venue, p.price, p.volume
			id[i] = strconv.FormatInt(p.at.UnixMicro(), 10)
		}
		storetest.Exec(t, s, `INSERT INTO prices (time, symbol, venue, trade_id, price, volume, received_at)
			SELECT a, b, c, d, e, f, a FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::float8[],
				$6::float8[])
			AS u (a, b, c, d, e, f)`, at, symbol, venue, id, price, volume)
	}
}

func insertPosts(t testing.TB, s *store.Store, posts []post) {
	t.Helper()
	for part := range slices.Chunk(posts, 20_000) {
		n := len(part)
		at, symbol, source, id := make([]time.Time, n), make([]string, n), make([]string, n), make([]string, n)
		neg, pos, weight := make([]float32, n), make([]float32, n), make([]float32, n)
		judged, repeat, reach, author, kind := make([]bool, n), make([]bool, n), make([]float64, n), make([]int32, n), make([]string, n)
		for i, p := range part {
			at[i], symbol[i], source[i], neg[i], pos[i], weight[i] = p.at, p.symbol, p.source, p.neg, p.pos, p.weight
			judged[i], repeat[i], reach[i], author[i], kind[i] = p.judged, p.repeat, p.reach, p.author, p.kind
			id[i] = strconv.FormatInt(p.at.UnixMicro(), 10)
		}
		storetest.Exec(t, s, `INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score,
			skipped, weight, reach,
				repeat, author_hash, text_hash, kind)
			SELECT a, b, c, d, $12, CASE WHEN g THEN e END, CASE WHEN g THEN 1 - e - f END, CASE WHEN g THEN f END, CASE WHEN g
				THEN f - e END,
				CASE WHEN NOT g THEN 'language' END, h, i, j, k, 0, nullif(l, '')
			FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::real[], $6::real[], $7::boolean[], $8::real[],
				$9::float8[],
				$10::boolean[], $11::integer[], $13::text[]) AS u (a, b, c, d, e, f, g, h, i, j, k, l)`,
			at, source, id, symbol, neg, pos, judged, weight, reach, repeat, author, model, kind)
	}
}

// randomTrades returns trades with gaps, on two venues, no two of a symbol at the same instant, in no order.
func randomTrades(r *rand.Rand, symbol string, n int, span time.Duration) []trade {
	trades := make([]trade, 0, n)
	for i, at := range instants(r, n, span) {
		if at.Sub(start)%(7*time.Hour) < time.Hour {
			continue // an outage
		}
		trades = append(trades, trade{at, symbol, []string{"kraken", "coinbase"}[r.IntN(2)],
			100 * math.Exp(0.01*r.NormFloat64()+float64(i)/float64(n)), r.ExpFloat64()})
	}
	r.Shuffle(len(trades), func(i, j int) { trades[i], trades[j] = trades[j], trades[i] })
	return trades
}

func randomPosts(r *rand.Rand, symbol string, n int, span time.Duration) []post {
	posts := make([]post, 0, n)
	for _, at := range instants(r, n, span) {
		if at.Sub(start)%(5*time.Hour) < 40*time.Minute {
			continue
		}
		neg := r.Float32()
		posts = append(posts, post{at, symbol, []string{"twitter", "reddit"}[r.IntN(2)], neg, (1 - neg) * r.Float32(),
			r.IntN(10) > 0,
			r.IntN(5) == 0, 1 + r.Float32(), 1000 * r.Float64(), int32(r.Uint32()),
			[]string{"", "person", "person", "person", "advert", "bot", "news"}[r.IntN(7)]})
	}
	r.Shuffle(len(posts), func(i, j int) { posts[i], posts[j] = posts[j], posts[i] })
	return posts
}

// instants returns n different times of the span from start, sorted, to the microsecond.
func instants(r *rand.Rand, n int, span time.Duration) []time.Time {
	seen := map[int64]bool{}
	for len(seen) < n {
		seen[r.Int64N(span.Microseconds())] = true
	}
	times := make([]time.Time, 0, n)
	for us := range seen {
		times = append(times, start.Add(time.Duration(us)*time.Microsecond))
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// byBucket groups rows by the start of their bucket. Widths that divide a week begin at start, a Monday at midnight.
func byBucket[T any](rows []T, width time.Duration, at func(T) time.Time) map[time.Time][]T {
	groups := map[time.Time][]T{}
	for _, row := range rows {
		bucket := start.Add(at(row).Sub(start).Truncate(width))
		groups[bucket] = append(groups[bucket], row)
	}
	return groups
}

func filter[T any](rows []T, keep func(T) bool) []T {
	var kept []T
	for _, row := range rows {
		if keep(row) {
			kept = append(kept, row)
		}
	}
	return kept
}

// sum adds a function of the rows.
func sum[T any](rows []T, of func(T) float64) (total float64) {
	for _, row := range rows {
		total += of(row)
	}
	return total
}

// requireRow compares a row of the database with what was computed here: numbers to nine digits, NULL with nil.
func requireRow(t testing.TB, want, got []any, name string) {
	t.Helper()
	require.Len(t, got, len(want), name)
	for i := range want {
		number, isNumber := want[i].(float64)
		found, isFloat := got[i].(float64)
		if isNumber && isFloat {
			require.InDelta(t, number, found, 1e-9*max(1, math.Abs(number)), "%s, column %d of %v", name, i, got)
			continue
		}
		if at, ok := want[i].(time.Time); ok {
			require.True(t, at.Equal(got[i].(time.Time)), "%s, column %d: want %v, got %v", name, i, at, got[i])
			continue
		}
		require.Equal(t, want[i], got[i], "%s, column %d of %v", name, i, got)
	}
}

// refresh brings the windows up to date as far as the time given, leaving the rest to the real-time part.
func refresh(t testing.TB, s *store.Store, to time.Time) {
	t.Helper()
	for _, window := range []string{
		"prices_1m", "prices_5m", "prices_1h", "prices_1d", "mood_1m", "mood_5m", "mood_1h", "mood_1d", "term_windows_15m",
	} {
		storetest.Exec(t, s, fmt.Sprintf(`CALL refresh_continuous_aggregate('%s', NULL, '%s',
			options => '{"buckets_per_batch": 0}')`, window, to.Format(time.RFC3339)))
	}
}

// ratio is a / b, or nil where that is no number.
func ratio(a, b float64) any {
	if b == 0 {
		return nil
	}
	return a / b
}
