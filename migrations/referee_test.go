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

// requireRare fails when hits of n are more than come up once in a million times at a chance of p, and two percent points more: significance by
// formula is an approximation.
func requireRare(t *testing.T, hits, n int, p float64, name string) {
	t.Helper()
	tail := 0.0
	for k := hits; k <= n; k++ {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		tail += math.Exp(a - b - c + float64(k)*math.Log(p+0.02) + float64(n-k)*math.Log(1-p-0.02))
	}
	t.Logf("%s: %d of %d series (%.1f %%)", name, hits, n, 100*float64(hits)/float64(n))
	require.Greater(t, tail, 1e-6, "%s: %d of %d", name, hits, n)
}

// vary gives the hours a volume that remembers its past.
func (h *hourly) vary(r *rand.Rand) {
	h.volume = make([]float64, len(h.close))
	log := 0.0
	for i := range h.volume {
		log = 0.8*log + 0.6*r.NormFloat64()
		h.volume[i] = math.Exp(log)
	}
}

const (
	grangerCall = `SELECT p_value FROM granger($1, $2, $3, '1 hour', 2, market => ARRAY['C0']) WHERE cause = $4`
	realityCall = `SELECT min(p_value) FROM reality_check($1, $2, $3, '1 hour', '3 hours', 24, 1, 1, resamples => 200)`
	forwardCall = `SELECT p_value, edge FROM walk_forward($1, $2, $3, '1 hour', '8 days', '3 days', '3 hours', 24, 1, 1) WHERE test_from IS NULL`
	eventsCall  = `SELECT p_value, cumulative FROM event_study($1, $2, '1 hour', 1, 4, 40, ARRAY['C0']) WHERE offset_from = '4 hours'`
)

// TestRefereeOnNoise: where mood, price and events know nothing of each other, each test says so in 95 of 100 series.
func TestRefereeOnNoise(t *testing.T) {
	t.Parallel()
	n := soak(16, 400)
	s, series := newSeries(t, n+1, 480, func(r *rand.Rand, i int, h *hourly) {
		h.vary(r)
		if i%2 == 1 {
			h.drop(r, 0.03)
		}
	})
	r := newRand(t)
	low := map[string]int{}
	count := func(name string, rows [][]any) {
		if p, ok := rows[0][0].(float64); ok && p < 0.05 {
			low[name]++
		}
	}
	for _, h := range series[1:] {
		for _, cause := range []string{"mood", "return"} {
			count("granger by "+cause, storetest.Rows(t, s, grangerCall, h.symbol, start, h.end(), cause))
		}
		count("reality_check", storetest.Rows(t, s, realityCall, h.symbol, start, h.end()))
		count("walk_forward", storetest.Rows(t, s, forwardCall, h.symbol, start, h.end()))
		// Nine events whose estimations hold no other event, and forty whose estimations are mostly other events.
		for _, every := range []int{46, 10} {
			times := make([]time.Time, 414/every)
			for k := range times {
				times[k] = start.Add(time.Duration(60+every*k)*time.Hour + time.Duration(r.IntN(240))*time.Minute)
			}
			count(fmt.Sprint("event_study every ", every), storetest.Rows(t, s, eventsCall, h.symbol, times))
		}
	}
	for _, name := range []string{"granger by mood", "granger by return", "reality_check", "walk_forward", "event_study every 46", "event_study every 10"} {
		requireRare(t, low[name], n, 0.05, name+" of noise at p < 0.05")
	}
}

// TestRefereeFindsPlantedTruths: in some coins mood moves price, in others it only follows what moves price, and about some events price rises.
func TestRefereeFindsPlantedTruths(t *testing.T) {
	t.Parallel()
	n := soak(8, 100)
	var market []float64
	events := make([][]time.Time, 3*n+1)
	s, series := newSeries(t, 3*n+1, 480, func(r *rand.Rand, i int, h *hourly) {
		h.vary(r)
		switch {
		case i == 0:
			market = h.returns()
		case i <= n: // mood moves price an hour later
			h.lead(r, 1, 0.9)
		case i <= 2*n: // price remembers its past, or follows the market an hour later; mood is what price, or the market, just did
			h.follow(r, market, i%2 == 0)
		default: // price rises by 6 % in the three hours after each event
			for k := range 20 {
				at := 60 + 20*k + r.IntN(5)
				events[i] = append(events[i], start.Add(time.Duration(at)*time.Hour+time.Minute))
				for j := at + 1; j < len(h.close); j++ {
					h.close[j] *= math.Exp(0.02 * float64(min(j-at, 3)))
				}
			}
		}
	})
	found := map[string]int{}
	p := func(sql string, args ...any) []any { return storetest.Rows(t, s, sql, args...)[0] }
	for i, h := range series[1:] {
		switch {
		case i < n:
			found["granger"] += int(indicator(p(grangerCall, h.symbol, start, h.end(), "mood")[0].(float64) < 0.05))
			found["reality_check"] += int(indicator(p(realityCall, h.symbol, start, h.end())[0].(float64) < 0.05))
			row := p(forwardCall, h.symbol, start, h.end())
			found["walk_forward"] += int(indicator(row[0].(float64) < 0.05 && row[1].(float64) > 0))
		case i < 2*n:
			found["what mood only follows"] += int(indicator(p(grangerCall, h.symbol, start, h.end(), "mood")[0].(float64) < 0.05))
			best := p(`SELECT p_value FROM lead_lag($1, $2, $3, '1 hour', 2) WHERE lag = 1`, h.symbol, start, h.end())
			found["lead_lag"] += int(indicator(best[0].(float64) < 0.05))
		default:
			row := p(eventsCall, h.symbol, events[i+1])
			found["event_study"] += int(indicator(row[0].(float64) < 0.05 && math.Abs(row[1].(float64)-0.06) < 0.04))
		}
	}
	requireRare(t, found["what mood only follows"], n, 0.05, "granger of what mood only follows at p < 0.05")
	for _, name := range []string{"granger", "reality_check", "walk_forward", "event_study", "lead_lag"} {
		requireRare(t, n-found[name], n, 0.1, name+" misses what is there (lead_lag: what is not)")
	}
}

// follow makes a mood that knows only what the coin's price, or the market's, did in the hour before, where that moves price on.
func (h *hourly) follow(r *rand.Rand, market []float64, own bool) {
	price, before := 100.0, 0.0
	for i := range h.close {
		ret := 0.01 * r.NormFloat64()
		cause := before
		if !own {
			cause = 0
			if i > 1 {
				cause = market[i-1]
			}
		}
		ret += 0.5 * cause
		price *= math.Exp(ret)
		h.close[i], before = price, ret
		felt := ret
		if !own {
			felt = 0
			if i > 0 {
				felt = market[i]
			}
		}
		h.mood[i] = math.Tanh(0.2 * (60*felt + 0.8*r.NormFloat64()))
	}
}

func TestRefereeEqualsAnIndependentComputation(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC", "ETH"), newRand(t)
	btc, eth := newHourly(r, "BTC", 400, 0.7), newHourly(r, "ETH", 400, 0.7)
	btc.vary(r)
	btc.lead(r, 1, 0.3)
	for i := range eth.close {
		eth.close[i] = math.Sqrt(eth.close[i] * btc.close[i])
	}
	btc.drop(r, 0.02)
	eth.drop(r, 0.01)
	btc.insert(t, s)
	eth.insert(t, s)
	for _, lags := range []int{1, 2, 3} {
		rows := storetest.Rows(t, s, `SELECT n, statistic, p_value, share, coefficient FROM granger('BTC', $1, $2, '1 hour', $3)`, start, btc.end(), lags)
		volume := make([]float64, len(btc.close))
		for i := range volume {
			volume[i] = math.Log(btc.volume[i]) + 0*btc.close[i]
		}
		requireRow(t, granger(btc.returns(), btc.mood, volume, eth.returns(), lags), rows[0], "mood")
		requireRow(t, granger(btc.mood, btc.returns(), volume, eth.returns(), lags), rows[1], "return")
	}
	requirePositions(t, s, btc)
	for _, hours := range [][]int{{90}, {90, 92}, {70, 120, 121, 200, 300, 390}} {
		var times []time.Time
		for _, at := range hours {
			times = append(times, start.Add(time.Duration(at)*time.Hour+20*time.Minute))
		}
		rows := storetest.Rows(t, s, `SELECT events, independent, abnormal, cumulative, error, p_value FROM event_study('BTC', $1, '1 hour', 2, 6, 60)`, times)
		want := eventStudy(btc.returns(), eth.returns(), hours, 2, 6, 60)
		require.Len(t, rows, len(want))
		for i := range want {
			requireRow(t, want[i], rows[i], fmt.Sprint(hours, i-2))
		}
	}
	for df := 1; df < 9; df++ {
		for _, x := range []float64{0, 0.3, 2, 9, 40} {
			require.InDelta(t, upperGamma(float64(df)/2, x/2), storetest.Value[float64](t, s, `SELECT rcas.chi2_p($1, $2)`, x, df), 1e-12)
			require.InDelta(t, studentP(x, df), storetest.Value[float64](t, s, `SELECT rcas.t_p($1, $2)`, x, df), 1e-9)
		}
	}
}

// granger computes what granger() answers about an effect: least squares by orthogonal projection, and loops over pairs.
func granger(effect, cause, volume, market []float64, lags int) []any {
	var x [][]float64 // rows: 1, controls, cause, effect
	var at []int
	for i := lags; i < len(effect); i++ {
		row := []float64{1}
		for _, series := range [][]float64{effect, volume, market, cause} {
			row = append(row, series[i-lags:i]...)
		}
		row = append(row, effect[i])
		if !slices.ContainsFunc(row, math.IsNaN) {
			x, at = append(x, row), append(at, i)
		}
	}
	columns := make([][]float64, len(x[0]))
	for _, row := range x {
		for k, v := range row {
			columns[k] = append(columns[k], v)
		}
	}
	controls := 3*lags + 1
	var basis [][]float64
	for _, c := range columns[:controls] {
		basis = append(basis, unit(without(c, basis)))
	}
	y := without(columns[len(columns)-1], basis)
	var rest [][]float64
	for _, c := range columns[controls : controls+lags] {
		rest = append(rest, without(c, basis))
	}
	reach := int(4 * math.Pow(float64(len(at))/100, 2.0/9))
	cov, inner, b := square0(lags), square0(lags), make([]float64, lags)
	for p := range lags {
		b[p] = dot(rest[p], y)
		for q := range lags {
			inner[p][q] = dot(rest[p], rest[q])
			for i := range at {
				for j := range at {
					if d := max(at[i]-at[j], at[j]-at[i]); d <= reach {
						cov[p][q] += (1 - float64(d)/float64(reach+1)) * rest[p][i] * y[i] * rest[q][j] * y[j]
					}
				}
			}
		}
	}
	statistic := dot(b, solve(cov, b))
	theta := solve(inner, b)
	return []any{int64(len(at)), statistic, upperGamma(float64(lags)/2, statistic/2), dot(b, theta) / dot(y, y), sum(theta, func(v float64) float64 { return v })}
}

// eventStudy computes what event_study() answers, from its definition.
func eventStudy(returns, market []float64, hours []int, before, after, estimation int) (rows [][]any) {
	type event struct {
		at         int
		a, dm      []float64
		n, sxx, s2 float64
	}
	var events []event
	for _, h := range hours {
		var rs, ms []float64
		for i := max(h-before-estimation, 0); i < h-before; i++ {
			if !math.IsNaN(returns[i] + market[i]) {
				rs, ms = append(rs, returns[i]), append(ms, market[i])
			}
		}
		if 2*len(rs) < estimation {
			continue
		}
		dr, dm := centred(rs), centred(ms)
		n, sxx := float64(len(rs)), dot(dm, dm)
		beta := dot(dr, dm) / sxx
		e := event{at: h, n: n, sxx: sxx, s2: (dot(dr, dr) - beta*dot(dr, dm)) / (n - 2)}
		for i := h - before; i <= min(h+after, len(returns)-1); i++ {
			shift := market[i] - (ms[0] - dm[0])
			e.a, e.dm = append(e.a, returns[i]-(rs[0]-dr[0])-beta*shift), append(e.dm, shift)
		}
		events = append(events, e)
	}
	for step := range before + after + 1 {
		var whole []event
		for _, e := range events {
			if len(e.a) > step && !math.IsNaN(sum(e.a[:step+1], func(v float64) float64 { return v })) {
				whole = append(whole, e)
			}
		}
		if len(whole) == 0 {
			rows = append(rows, []any{int64(0), int64(0), nil, nil, nil, nil})
			continue
		}
		car := func(e event) float64 { return sum(e.a[:step+1], func(v float64) float64 { return v }) }
		n := float64(len(whole))
		mean := sum(whole, car) / n
		var families []float64
		for i, e := range whole {
			if i == 0 || e.at-whole[i-1].at > before+after {
				families = append(families, 0)
			}
			families[len(families)-1] += car(e) - mean
		}
		g := float64(len(families))
		err, df := math.Sqrt(dot(families, families)*g/(g-1))/n, len(families)-1
		if g == 1 {
			e, size := whole[0], float64(step+1)
			drift := sum(e.dm[:step+1], func(v float64) float64 { return v })
			err, df = math.Sqrt(e.s2*(size+size*size/e.n+drift*drift/e.sxx)), int(e.n)-2
			if n > 1 {
				err = math.NaN()
			}
		}
		rows = append(rows, []any{int64(n), int64(g), sum(whole, func(e event) float64 { return e.a[step] }) / n, mean, number(err), number(studentP(mean/err, df))})
	}
	return rows
}

// requirePositions compares what reality_check() and walk_forward() say was gained with the positions that the events of each threshold open.
func requirePositions(t *testing.T, s *store.Store, h *hourly) {
	t.Helper()
	const hold = 3
	returns := h.returns()
	usual := func(from, to int) float64 {
		known := filter(returns[from:to], func(v float64) bool { return !math.IsNaN(v) })
		return sum(known, func(v float64) float64 { return v }) / float64(len(known))
	}
	// held is the position of each hour under a threshold, and in which hour it was opened.
	held := func(threshold float64) (side []float64, opened []int, firings int) {
		side, opened = make([]float64, len(returns)), make([]int, len(returns))
		for _, row := range storetest.Rows(t, s, `SELECT fired_at, direction FROM divergence_events('BTC', $1, $2, '1 hour', 24, $3, 1, 1)`, start, h.end(), threshold) {
			at := int(row[0].(time.Time).Sub(start) / time.Hour)
			traded := false
			for i := at; i < min(at+hold, len(returns)); i++ {
				side[i], opened[i] = map[any]float64{"bullish": 1, "bearish": -1}[row[1]], at
				traded = traded || !math.IsNaN(returns[i])
			}
			firings += int(indicator(traded))
		}
		return side, opened, firings
	}
	gain := func(side []float64, opened []int, from, to int, less float64) (total float64, firings int) {
		seen := map[int]bool{}
		for i := from; i < to; i++ {
			if side[i] != 0 && !math.IsNaN(returns[i]) {
				total += side[i] * (returns[i] - less)
				seen[opened[i]] = true
			}
		}
		return total, len(seen)
	}
	rows := storetest.Rows(t, s, `SELECT threshold, firings, gain, edge, p_single, p_value FROM reality_check('BTC', $1, $2, '1 hour', '3 hours', 24, 1, 1, resamples => 100)`, start, h.end())
	require.Len(t, rows, 36)
	last := 0.0
	for _, row := range rows {
		side, opened, firings := held(row[0].(float64))
		if firings == 0 {
			require.Equal(t, []any{int64(0), nil, nil, nil, nil}, row[1:])
			continue
		}
		all, n := gain(side, opened, 0, len(returns), 0)
		edge, _ := gain(side, opened, 0, len(returns), usual(1, len(returns)))
		requireRow(t, []any{int64(n), all, edge / float64(n)}, row[1:4], fmt.Sprint("threshold ", row[0]))
		require.GreaterOrEqual(t, row[5].(float64), row[4].(float64)-1e-12, "the best of all is at least as good as one")
		last = max(last, row[0].(float64))
	}
	require.Greater(t, last, 0.9)

	folds := storetest.Rows(t, s, `SELECT test_from, test_to, threshold, train_firings, train_edge, firings, gain, edge, error
		FROM walk_forward('BTC', $1, $2, '1 hour', '7 days', '3 days', '3 hours', 24, 1, 1)`, start, h.end())
	var edges []float64
	total := []float64{0, 0, 0}
	for k, row := range folds[:len(folds)-1] {
		from := (7 + 3*k) * 24
		to := min(from+72, len(returns))
		best, bestEdge, bestN := 0.0, 0.0, 0
		for tenths := 5; tenths <= 40; tenths++ {
			side, opened, _ := held(float64(tenths) / 10)
			edge, n := gain(side, opened, from-7*24, from, usual(from-7*24, from))
			// Thresholds that open the same positions gain the same but for how the sums are rounded: of these, the database's choice.
			same := math.Abs(edge-bestEdge) < 1e-12
			if edge > 0 && (edge > bestEdge && !same || same && best != row[2]) {
				best, bestEdge, bestN = float64(tenths)/10, edge, n
			}
		}
		want := []any{start.Add(time.Duration(from) * time.Hour), start.Add(time.Duration(to) * time.Hour), nil, nil, nil, int64(0), 0.0, 0.0}
		side, less := make([]float64, len(returns)), usual(from, to)
		if best > 0 {
			var opened []int
			side, opened, _ = held(best)
			all, n := gain(side, opened, from, to, 0)
			edge, _ := gain(side, opened, from, to, less)
			want = append(want[:2], best, int64(bestN), bestEdge, int64(n), all, edge)
			total[0], total[1], total[2] = total[0]+float64(n), total[1]+all, total[2]+edge
		}
		requireRow(t, want, row[:8], fmt.Sprint("fold ", k))
		for i := from; i < to; i++ {
			edges = append(edges, side[i]*(returns[i]-less)) // NaN where there is no return
		}
	}
	require.Len(t, folds, 1+(len(returns)-7*24+71)/72)
	requireRow(t, []any{int64(total[0]), total[1], total[2], longRun(edges, hold)}, folds[len(folds)-1][5:9], "all folds")
}

// longRun is the standard error of a sum, by Bartlett's weights over so many lags; what is NaN does not count.
func longRun(x []float64, lags int) float64 {
	d := centred(x)
	total := 0.0
	for i := range d {
		for j := max(0, i-lags); j < min(len(d), i+lags+1); j++ {
			if !math.IsNaN(d[i] + d[j]) {
				total += (1 - math.Abs(float64(i-j))/float64(lags+1)) * d[i] * d[j]
			}
		}
	}
	return math.Sqrt(total)
}

func dot(a, b []float64) (total float64) {
	for i := range a {
		total += a[i] * b[i]
	}
	return total
}

// without is what is left of a column beside an orthonormal basis; taken out twice, for what rounding leaves.
func without(x []float64, basis [][]float64) []float64 {
	x = slices.Clone(x)
	for range 2 {
		for _, b := range basis {
			f := dot(x, b)
			for i := range x {
				x[i] -= f * b[i]
			}
		}
	}
	return x
}

func unit(x []float64) []float64 {
	length := math.Sqrt(dot(x, x))
	for i := range x {
		x[i] /= length
	}
	return x
}

func square0(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
	}
	return m
}

// solve is Gauss's elimination with pivots.
func solve(m [][]float64, b []float64) []float64 {
	a := make([][]float64, len(m))
	for i := range m {
		a[i] = append(slices.Clone(m[i]), b[i])
	}
	for k := range a {
		for i := k + 1; i < len(a); i++ {
			if math.Abs(a[i][k]) > math.Abs(a[k][k]) {
				a[i], a[k] = a[k], a[i]
			}
		}
		for i := range a {
			if f := a[i][k] / a[k][k]; i != k {
				for j := k; j <= len(a); j++ {
					a[i][j] -= f * a[k][j]
				}
			}
		}
	}
	x := make([]float64, len(a))
	for i := range x {
		x[i] = a[i][len(a)] / a[i][i]
	}
	return x
}

// upperGamma is the regularised upper incomplete gamma function, by the series of the lower one.
func upperGamma(a, x float64) float64 {
	if x == 0 {
		return 1
	}
	term := 1 / a
	total := term
	for n := 1; n < 2000; n++ {
		term *= x / (a + float64(n))
		total += term
	}
	g, _ := math.Lgamma(a)
	return 1 - total*math.Exp(a*math.Log(x)-x-g)
}

// studentP integrates Student's density from -t to t, by Simpson's rule over the angle whose tangent is t/√df.
func studentP(t float64, df int) float64 {
	if math.IsNaN(t) {
		return t
	}
	nu := float64(df)
	top := math.Atan(math.Abs(t) / math.Sqrt(nu))
	f := func(angle float64) float64 { return math.Pow(math.Cos(angle), nu-1) }
	const steps = 4000
	total := f(0) + f(top)
	for k := 1; k < steps; k++ {
		total += f(top*float64(k)/steps) * float64(2+2*(k%2))
	}
	a, _ := math.Lgamma((nu + 1) / 2)
	b, _ := math.Lgamma(nu / 2)
	return 1 - 2*math.Exp(a-b)/math.Sqrt(math.Pi)*total*top/steps/3
}
