package migrations_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

// hourly is a coin's price and mood per hour: what a test plants, and computes with. A missing value is NaN.
type hourly struct {
	symbol      string
	close, mood []float64
	posts       []int
	volume      []float64 // nil: one coin an hour
}

// insert stores the hours as one trade and a few posts each, so that close and weighted mood come out as planted.
func (h *hourly) insert(t testing.TB, s *store.Store) {
	t.Helper()
	var trades []trade
	var posts []post
	for i := range h.close {
		at := start.Add(time.Duration(i)*time.Hour + 20*time.Minute)
		if !math.IsNaN(h.close[i]) {
			volume := 1.0
			if h.volume != nil {
				volume = h.volume[i]
			}
			trades = append(trades, trade{at, h.symbol, "v", h.close[i], volume})
		}
		for k := range h.posts[i] {
			p := post{at: at.Add(time.Duration(k) * time.Second), symbol: h.symbol, source: "x", weight: 1,
				judged: !math.IsNaN(h.mood[i])}
			if p.judged {
				p.pos, p.neg = float32(0.5+h.mood[i]/2), float32(0.5-h.mood[i]/2)
			}
			posts = append(posts, p)
		}
	}
	insertTrades(t, s, trades)
	insertPosts(t, s, posts)
	// The database keeps probabilities as float32: so must whoever computes the same.
	for i, m := range h.mood {
		h.mood[i] = float64(float32(0.5+m/2) - float32(0.5-m/2))
	}
}

func (h *hourly) end() time.Time { return start.Add(time.Duration(len(h.close)) * time.Hour) }

func (h *hourly) returns() []float64 {
	r := make([]float64, len(h.close))
	r[0] = math.NaN()
	for i := 1; i < len(r); i++ {
		r[i] = math.Log(h.close[i] / h.close[i-1])
	}
	return r
}

// newHourly draws n hours: a random walk of 1 % an hour, and a mood that remembers its past with the factor memory.
func newHourly(r *rand.Rand, symbol string, n int, memory float64) *hourly {
	h := &hourly{symbol: symbol, close: make([]float64, n), mood: make([]float64, n), posts: make([]int, n)}
	price, mood := 100.0, 0.0
	for i := range n {
		price *= math.Exp(0.01 * r.NormFloat64())
		mood = memory*mood + math.Sqrt(1-memory*memory)*r.NormFloat64()
		h.close[i], h.mood[i], h.posts[i] = price, math.Tanh(0.2*mood), 1
	}
	return h
}

// drop loses a share of the prices, of the moods and of the posts.
func (h *hourly) drop(r *rand.Rand, share float64) {
	for i := range h.close {
		if r.Float64() < share {
			h.close[i] = math.NaN()
		}
		if r.Float64() < share {
			h.mood[i] = math.NaN()
		}
		if r.Float64() < share {
			h.mood[i], h.posts[i] = math.NaN(), 0
		}
	}
}

func TestDivergenceEqualsItsDefinition(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC"), newRand(t)
	h := newHourly(r, "BTC", 400, 0.5)
	for i := range h.posts {
		h.posts[i] = 1 + r.IntN(4)
	}
	h.drop(r, 0.05)
	h.insert(t, s)
	const baseline, threshold, minPosts, persistence = 24, 0.4, 2, 2
	moodZ, returnZ := zScores(h.mood, baseline), zScores(h.returns(), baseline)
	apart := make([]int, len(moodZ))
	firing := make([]bool, len(moodZ))
	for i := range moodZ {
		switch {
		case h.posts[i] < minPosts:
		case moodZ[i] >= threshold && returnZ[i] <= -threshold:
			apart[i] = 1
		case moodZ[i] <= -threshold && returnZ[i] >= threshold:
			apart[i] = -1
		}
		firing[i] = i > 0 && apart[i] != 0 && apart[i] == apart[i-1]
	}
	rows := storetest.Rows(t, s, `SELECT bucket, "return", mood_z, return_z, divergence, direction, firing
		FROM divergence('BTC', $1, $2, '1 hour', $3, $4, $5, $6)`, start.Add(10*time.Hour), h.end(), baseline, threshold,
		minPosts, persistence)
	require.Greater(t, len(rows), 350)
	returns := h.returns()
	for _, row := range rows {
		i := int(row[0].(time.Time).Sub(start) / time.Hour)
		want := []any{row[0], number(returns[i]), number(moodZ[i]), number(returnZ[i]), number(moodZ[i] - returnZ[i]), nil,
			firing[i]}
		if firing[i] {
			want[5] = map[int]string{1: "bullish", -1: "bearish"}[apart[i]]
		}
		requireRow(t, want, row, fmt.Sprint("hour ", i))
	}
	requireEvents(t, s, h, firing, apart, moodZ, returnZ)
	requireSuggestions(t, s, h)
	requireAlerts(t, s, h)
}

// number is x as the database gives it: NULL where it is none.
func number(x float64) any {
	if math.IsNaN(x) {
		return nil
	}
	return x
}

// zScores measures each value against the baseline values before it, where at least half of them are there.
func zScores(x []float64, baseline int) []float64 {
	z := make([]float64, len(x))
	for i := range x {
		past := filter(x[max(0, i-baseline):i], func(v float64) bool { return !math.IsNaN(v) })
		n := float64(len(past))
		mean := sum(past, func(v float64) float64 { return v }) / n
		deviation := math.Sqrt(sum(past, func(v float64) float64 { return (v - mean) * (v - mean) }) / (n - 1))
		z[i] = (x[i] - mean) / deviation
		if 2*len(past) < baseline {
			z[i] = math.NaN()
		}
	}
	return z
}

func requireEvents(t *testing.T, s *store.Store, h *hourly, firing []bool, apart []int, moodZ, returnZ []float64) {
	t.Helper()
	priceAt := func(i int) float64 {
		if i < 0 || i >= len(h.close) {
			return math.NaN()
		}
		return h.close[i]
	}
	var want [][]any
	for i := 10; i < len(firing); i++ {
		if !firing[i] || firing[i-1] && apart[i-1] == apart[i] {
			continue
		}
		end, peak, posts := i, i-1, h.posts[i-1] // The window before, which disagreed too, is part of the event.
		for ; end < len(firing) && firing[end] && apart[end] == apart[i]; end++ {
			posts += h.posts[end]
			if math.Abs(moodZ[end]-returnZ[end]) > math.Abs(moodZ[peak]-returnZ[peak]) {
				peak = end
			}
		}
		after := func(hours int) any { return number(math.Log(priceAt(i+hours) / priceAt(i))) }
		hour := func(i int) time.Time { return start.Add(time.Duration(i) * time.Hour) }
		want = append(want, []any{hour(i - 1), hour(i + 1), hour(end), map[int]string{1: "bullish", -1: "bearish"}[apart[i]],
			moodZ[peak] - returnZ[peak], hour(peak), int64(posts), priceAt(i), after(1), after(4), after(24)})
	}
	rows := storetest.Rows(t, s, `SELECT start_time, fired_at, end_time, direction, peak, peak_time, posts, price, return_1h, return_4h, return_24h
		FROM divergence_events('BTC', $1, $2, '1 hour', 24, 0.4, 2, 2)`,
		start.Add(10*time.Hour), h.end())
	require.NotEmpty(t, want)
	require.Len(t, rows, len(want))
	for i := range want {
		requireRow(t, want[i], rows[i], "event")
	}
	// An event belongs to the range in which it began: two halves hold what the whole holds.
	for cut := range 5 {
		middle := want[len(want)/2][1].(time.Time).Add(time.Duration(cut-3) * time.Hour)
		count := func(from, to time.Time) int64 {
			return storetest.Value[int64](t, s, `SELECT count(*) FROM divergence_events('BTC', $1, $2, '1 hour', 24, 0.4, 2, 2)`,
				from, to)
		}
		require.EqualValues(t, len(want), count(start.Add(10*time.Hour), middle)+count(middle, h.end()), "cut at %v", middle)
	}
}

// requireSuggestions counts the firings at each threshold by asking for the events.
func requireSuggestions(t *testing.T, s *store.Store, h *hourly) {
	t.Helper()
	rows := storetest.Rows(t, s, `SELECT threshold, firings, firings_per_week, suggested FROM suggest_thresholds('BTC', $1, $2,
		'1 hour', 2, 24, 2, 2)`,
		start.Add(10*time.Hour), h.end())
	weeks := storetest.Value[float64](t, s, `SELECT count(divergence) / 168.0::float8 FROM divergence('BTC', $1, $2, '1 hour', 24,
		0.4, 2, 2)`,
		start.Add(10*time.Hour), h.end())
	best, distance := 0.0, math.Inf(1)
	for i, row := range rows {
		threshold := float64(i+5) / 10
		n := storetest.Value[int64](t, s, `SELECT count(*) FROM divergence_events('BTC', $1, $2, '1 hour', 24, $3, 2, 2)`,
			start.Add(10*time.Hour), h.end(), threshold)
		requireRow(t, []any{threshold, n, float64(n) / weeks}, row[:3], "threshold")
		if d := math.Abs(float64(n)/weeks - 2); n > 0 && d <= distance {
			best, distance = threshold, d
		}
	}
	require.Len(t, rows, 36)
	suggested := filter(rows, func(row []any) bool { return row[3].(bool) })
	require.LessOrEqual(t, len(suggested), 1)
	if best > 0 {
		require.Equal(t, best, suggested[0][0])
	}
}

// requireAlerts records the alerts of the whole series twice and in pieces: each event once, none within the cooldown of another.
func requireAlerts(t *testing.T, s *store.Store, h *hourly) {
	t.Helper()
	record := func(name string, at time.Time, lookback time.Duration) int {
		return len(storetest.Rows(t, s, `SELECT id FROM record_alerts($1, $2, '1 hour', 24, 0.4, 2, 2, cooldown => '6 hours',
			lookback => $3)`, name, at, lookback))
	}
	whole := h.end().Sub(start) - 10*time.Hour
	n := record("whole", h.end(), whole)
	require.Positive(t, n)
	require.Zero(t, record("whole", h.end(), whole))
	pieces := 0
	for at := start.Add(11 * time.Hour); at.Before(h.end().Add(2 * time.Hour)); at = at.Add(2 * time.Hour) { // past the last bucket
		pieces += record("pieces", at.Add(7*time.Minute), 3*time.Hour)
	}
	require.Equal(t, n, pieces, "found as they happened")
	storetest.RequireNone(t, s, `SELECT * FROM alerts a JOIN alerts b USING (rule, symbol) WHERE b.fired_at > a.fired_at
		AND b.fired_at < a.fired_at + INTERVAL '6 hours'`)
	storetest.RequireNone(t, s, `SELECT symbol, fired_at FROM alerts WHERE rule = 'whole' EXCEPT
		SELECT 'BTC', fired_at FROM divergence_events('BTC', $1, $2, '1 hour', 24, 0.4, 2, 2)`, start.Add(10*time.Hour), h.end())
	storetest.RequireNone(t, s, `SELECT fired_at, adverts, bots, news, repeated FROM alerts WHERE rule = 'whole' EXCEPT
		SELECT bucket + INTERVAL '1 hour', adverts, bots, news, repeated FROM divergence('BTC', $1, $2, '1 hour', 24, 0.4, 2, 2)`,
		start.Add(10*time.Hour), h.end())
	storetest.RequireNone(t, s, `SELECT FROM alerts WHERE adverts IS NULL OR repeated IS NULL`)
}

func TestDivergenceStateIsTheLastWholeBucket(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC", "ETH", "SOL"), newRand(t)
	for _, symbol := range []string{"BTC", "ETH"} {
		newHourly(r, symbol, 200, 0.5).insert(t, s)
	}
	states := 0
	for hour := 120; hour < 200; hour += 4 {
		at := start.Add(time.Duration(hour) * time.Hour)
		rows := storetest.Rows(t, s, `SELECT symbol, signal, direction, divergence, posts, adverts, bots, news, repeated
			FROM divergence_state($1, '1 hour', 24, 0.3, 1, 1)`, at.Add(59*time.Minute))
		require.Len(t, rows, 3)
		for i, symbol := range []string{"BTC", "ETH"} {
			want := storetest.Rows(t, s, `SELECT $1, CASE WHEN firing THEN divergence ELSE 0 END, coalesce(direction, 'none'),
				divergence, posts, adverts, bots, news, repeated
				FROM divergence($1, $2, $3, '1 hour', 24, 0.3, 1, 1)`, symbol, at.Add(-time.Hour), at)
			requireRow(t, want[0], rows[i], symbol)
			if want[0][2] != "none" {
				states++
			}
		}
		require.Equal(t, []any{"SOL", 0.0, "none", nil, int64(0), nil, nil, nil, nil}, rows[2], "a coin without data has its row too")
	}
	require.Positive(t, states)
	require.Len(t, storetest.Rows(t, s, `SELECT symbol, signal FROM divergence_now`), 3)
}

func TestLeadLagEqualsAnIndependentComputation(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC", "ETH"), newRand(t)
	for i, symbol := range []string{"BTC", "ETH"} {
		h := newHourly(r, symbol, 300, 0.7)
		if i == 1 {
			h.drop(r, 0.1)
		}
		h.insert(t, s)
		from := 20 * i
		for _, most := range []int{10, 150} { // with many lags, chance is all but sure to find one
			rows := storetest.Rows(t, s, `SELECT lag, correlation, n, effective_n, p_single, p_value FROM lead_lag($1, $2, $3, '1 hour', $4)`, symbol,
				start.Add(time.Duration(from)*time.Hour+10*time.Minute), h.end(), most)
			want := leadLag(h.mood[from:], h.returns()[from:], most)
			require.Len(t, rows, 2*most+1)
			for i := range want {
				requireRow(t, want[i], rows[i], symbol)
			}
		}
	}
	h24 := start.Add(24 * time.Hour)
	rows := storetest.Rows(t, s, `SELECT lag, correlation, n FROM lead_lag('BTC', $1, $2, '1 hour', 500)`, start, h24)
	require.Len(t, rows, 1001)
	require.Equal(t, []any{int32(-500), nil, int64(0)}, rows[0], "a lag longer than the time has no pairs")
	shares := storetest.Rows(t, s, `SELECT DISTINCT adverts, bots, news, repeated FROM lead_lag('BTC', $1, $2, '1 hour', 2)`, start, h24)
	require.Equal(t, storetest.Rows(t, s, `SELECT adverts, bots, news, repeated FROM market_overview($1, $2) WHERE symbol = 'BTC'`, start, h24), shares)
	require.NotNil(t, shares[0][0])
}

// leadLag computes what lead_lag() returns from its definition, by other means where there are any: loops over pairs, math.Erfc,
// and the bivariate normal probability as an integral over x instead of Plackett's over the correlation.
func leadLag(mood, returns []float64, maxLag int) [][]any {
	n := len(mood)
	dx, dy := centred(mood), centred(returns)
	rho := func(d []float64, j int) float64 { return meanProduct(d, d, j) / meanProduct(d, d, 0) }
	both := func(j int) (pairs float64) {
		for i := 0; i+j < n; i++ {
			if !math.IsNaN(dx[i] + dy[i] + dx[i+j] + dy[i+j]) {
				pairs++
			}
		}
		return pairs
	}
	factor, beside := 1.0, 0.0
	for j := 1; j <= int(2*math.Sqrt(both(0))); j++ {
		part := both(j) / both(0)
		factor += 2 * rho(dx, j) * rho(dy, j) * part
		beside += (rho(dx, j-1)*rho(dy, j) + rho(dx, j)*rho(dy, j-1)) * part
	}
	factor = max(factor, 0.2)
	var rows [][]any
	for lag := -maxLag; lag <= maxLag; lag++ {
		r, pairs := correlation(mood, returns, lag)
		effective := pairs / max(factor, 1)
		z := math.Abs(math.Atanh(r)) * math.Sqrt(max(effective-3, 0))
		p := math.Erfc(z / math.Sqrt2)
		joint := square(z, max(min(beside/factor, 0.999), -0.999))
		family := 1 - (1-p)*math.Pow(joint/(1-p), float64(2*maxLag))
		rows = append(rows, []any{int32(lag), r, int64(pairs), effective, p, min(max(family, p), 1)})
	}
	return rows
}

func centred(x []float64) []float64 {
	known := filter(x, func(v float64) bool { return !math.IsNaN(v) })
	mean := sum(known, func(v float64) float64 { return v }) / float64(len(known))
	d := slices.Clone(x)
	for i := range d {
		d[i] -= mean
	}
	return d
}

func meanProduct(a, b []float64, shift int) float64 {
	total, n := 0.0, 0.0
	for i := 0; i+shift < len(a); i++ {
		if product := a[i] * b[i+shift]; !math.IsNaN(product) {
			total, n = total+product, n+1
		}
	}
	return total / n
}

func correlation(x, y []float64, lag int) (r, n float64) {
	var xs, ys []float64
	for i := range x {
		if k := i + lag; k >= 0 && k < len(y) && !math.IsNaN(x[i]+y[k]) {
			xs, ys = append(xs, x[i]), append(ys, y[k])
		}
	}
	dx, dy := centred(xs), centred(ys)
	return meanProduct(dx, dy, 0) / math.Sqrt(meanProduct(dx, dx, 0)*meanProduct(dy, dy, 0)), float64(len(xs))
}

// square is the probability that two standard normal variables of the given correlation both lie within ±z.
func square(z, correlation float64) float64 {
	const steps = 4000
	rest := math.Sqrt(1 - correlation*correlation)
	cdf := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
	f := func(x float64) float64 {
		return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) * (cdf((z-correlation*x)/rest) - cdf((-z-correlation*x)/rest))
	}
	total := f(-z) + f(z)
	for k := 1; k < steps; k++ {
		total += f(-z+2*z*float64(k)/steps) * float64(2+2*(k%2))
	}
	return total * 2 * z / steps / 3
}
