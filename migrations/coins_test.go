package migrations_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

// planted is a database with hours of some coins.
type planted struct {
	s     *store.Store
	hours []*hourly
}

func (p planted) end() time.Time { return p.hours[0].end() }

// coinsOf plants a coin that is whole, one that loses some hours, one that hardly anybody speaks of, and one without data.
func coinsOf(t *testing.T) planted {
	t.Helper()
	p := planted{s: newDatabase(t, "BTC", "DOGE", "ETH", "SOL")}
	r := newRand(t)
	for i, symbol := range []string{"BTC", "DOGE", "ETH"} {
		h := newHourly(r, symbol, 200, 0.5)
		for k := range h.posts {
			h.posts[k] = 1 + r.IntN(5)
			if i == 1 && k%9 != 0 {
				h.posts[k], h.mood[k] = 0, math.NaN()
			}
		}
		if i == 2 {
			h.drop(r, 0.1)
		}
		h.insert(t, p.s)
		p.hours = append(p.hours, h)
	}
	slices.SortFunc(p.hours, func(a, b *hourly) int { return cmp.Compare(a.symbol, b.symbol) })
	return p
}

func TestCorrelationsEqualAnIndependentComputation(t *testing.T) {
	t.Parallel()
	c := coinsOf(t)
	type series struct {
		symbol, measure string
		values          []float64
	}
	var all []series
	for _, measure := range []string{"return", "mood"} {
		for _, h := range c.hours {
			all = append(all, series{h.symbol, measure, map[string][]float64{"return": h.returns(), "mood": h.mood}[measure]})
		}
	}
	rows := storetest.Rows(t, c.s, `SELECT * FROM correlations($1, $2, '1 hour')`, start, c.end())
	require.Len(t, rows, len(all)*len(all), "the coin without data has no rows")
	i, silent := 0, 0
	for _, a := range all {
		for _, b := range all {
			r, n := correlation(a.values, b.values, 0)
			want := []any{a.symbol, a.measure, b.symbol, b.measure, r, int64(n)}
			if n < 30 {
				want[4] = nil
				silent++
			}
			requireRow(t, want, rows[i], fmt.Sprint(a.symbol, a.measure, b.symbol, b.measure))
			i++
		}
	}
	require.Positive(t, silent, "too few pairs say nothing")
	require.Len(t, storetest.Rows(t, c.s, `SELECT * FROM correlations($1, $2, '1 hour', ARRAY['BTC'])`, start, c.end()), 4)
}

// TestLeadLagsHoldTheFamilysError compares q with Benjamini and Hochberg's definition: the least level at which a test would be kept.
func TestLeadLagsHoldTheFamilysError(t *testing.T) {
	t.Parallel()
	c := coinsOf(t)
	rows := storetest.Rows(t, c.s, `SELECT symbol, lag, correlation, n, effective_n, p_single, q_value FROM lead_lags($1, $2, '1 hour', 5)`, start, c.end())
	var want [][]any
	for _, h := range c.hours {
		want = append(want, storetest.Rows(t, c.s, `SELECT $1, lag, correlation, n, effective_n, p_single FROM lead_lag($1, $2, $3, '1 hour', 5) WHERE n >= 30`,
			h.symbol, start, c.end())...)
	}
	require.Len(t, rows, len(want))
	require.Greater(t, len(rows), 20)
	for i := range want {
		p, q := want[i][5].(float64), 1.0
		for _, other := range want {
			level := other[5].(float64)
			if level < p {
				continue
			}
			rank := 0
			for _, any := range want {
				if any[5].(float64) <= level {
					rank++
				}
			}
			q = min(q, level*float64(len(want))/float64(rank))
		}
		requireRow(t, append(want[i], q), rows[i], "lead and lag")
	}
}

func TestMoodRangeIsUsualOfTheBucketsBefore(t *testing.T) {
	t.Parallel()
	c := coinsOf(t)
	h := c.hours[2]
	z := zScores(h.mood, 24)
	rows := storetest.Rows(t, c.s, `SELECT bucket, mood, usual_low, usual_high, z, posts FROM mood_range($1, $2, $3, '1 hour', 24)`, h.symbol, start, c.end())
	require.Len(t, rows, len(h.mood), "every bucket has its row")
	known := 0
	for i, row := range rows {
		want := []any{start.Add(time.Duration(i) * time.Hour), number(h.mood[i]), row[2], row[3], number(z[i]), int64(h.posts[i])}
		requireRow(t, want, row, fmt.Sprint("hour ", i))
		if row[2] == nil || row[4] == nil {
			continue
		}
		known++
		low, high := row[2].(float64), row[3].(float64)
		require.InDelta(t, z[i], (h.mood[i]-(low+high)/2)/((high-low)/2), 1e-9)
	}
	require.Greater(t, known, 100)
}

// TestMoodIndexEqualsItsDefinition computes the index of each coin and of the market with math.Erf, hour by hour.
func TestMoodIndexEqualsItsDefinition(t *testing.T) {
	t.Parallel()
	c := coinsOf(t)
	const baseline, from = 24, 60
	weights := []float64{30, 15, 10, 10, 15, 20}
	require.NoError(t, c.s.SetIndexWeights(t.Context(), store.Weights{"mood": 40}))
	weights[0] = 40
	total := make([]int, len(c.hours[0].posts))
	for _, h := range c.hours {
		for i, n := range h.posts {
			total[i] += n
		}
	}
	mean := func(parts [][]float64, people []float64, part int) float64 {
		var sum, weight float64
		for i, p := range parts {
			if !math.IsNaN(p[part]) {
				sum, weight = sum+p[part]*people[i], weight+people[i]
			}
		}
		return sum / weight
	}
	index := func(parts []float64) float64 {
		var sum, weight float64
		for i, p := range parts {
			if !math.IsNaN(p) {
				sum, weight = sum+p*weights[i], weight+weights[i]
			}
		}
		return sum / weight
	}
	check := func(symbol any, hours []*hourly) {
		rows := storetest.Rows(t, c.s, `SELECT * FROM mood_index($1, $2, $3, '1 hour', 24)`, symbol, start.Add(from*time.Hour), c.end())
		found := 0
		for i := from; i < len(total); i++ {
			var parts [][]float64
			var people []float64
			for _, h := range hours {
				if p := indexParts(h, total, baseline)[i]; !math.IsNaN(p[0]) {
					parts, people = append(parts, p), append(people, float64(h.posts[i]))
				}
			}
			if len(parts) == 0 {
				continue
			}
			joined := make([]float64, 6)
			for part := range joined {
				joined[part] = mean(parts, people, part)
			}
			if symbol == nil {
				joined[3] = math.NaN()
			}
			want := []any{start.Add(time.Duration(i) * time.Hour), index(joined)}
			for _, p := range joined {
				want = append(want, number(p))
			}
			require.Less(t, found, len(rows))
			requireRow(t, want, rows[found], fmt.Sprint(symbol, " hour ", i))
			require.True(t, rows[found][1].(float64) >= 0 && rows[found][1].(float64) <= 100)
			found++
		}
		require.Len(t, rows, found)
		require.Greater(t, found, 100)
	}
	check("BTC", c.hours[:1])
	check("ETH", c.hours[2:])
	check(nil, c.hours)
}

// indexParts places six measures of every hour among the hours before.
func indexParts(h *hourly, total []int, baseline int) [][]float64 {
	n, returns := len(h.mood), h.returns()
	measures := make([][]float64, 6)
	for i := range n {
		before := filter(h.mood[max(0, i-12):i], func(v float64) bool { return !math.IsNaN(v) })
		latest := filter(returns[max(0, i-11):i+1], func(v float64) bool { return !math.IsNaN(v) })
		value := func(v float64) float64 { return v }
		volatility, momentum := math.NaN(), math.NaN()
		if len(latest) >= 6 {
			volatility = -math.Sqrt(sum(latest, func(v float64) float64 { return v * v }) / float64(len(latest)))
			momentum = sum(latest, value)
		}
		share := float64(h.posts[i]) / float64(total[i]) // NaN where nobody spoke
		for part, v := range []float64{h.mood[i], h.mood[i] - sum(before, value)/float64(len(before)), float64(h.posts[i]), share, volatility, momentum} {
			measures[part] = append(measures[part], v)
		}
	}
	places := make([][]float64, n)
	for _, m := range measures {
		for i, z := range zScores(m, baseline) {
			places[i] = append(places[i], 50*(1+math.Erf(z/math.Sqrt2)))
		}
	}
	return places
}
