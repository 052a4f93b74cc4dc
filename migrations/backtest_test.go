package migrations_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

// outcome is one firing at one horizon.
type outcome struct {
	at   time.Time
	side float64
	gain float64 // NaN where there is no price at the horizon
}

func TestBacktestEqualsItsDefinition(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC"), newRand(t)
	h := newHourly(r, "BTC", 600, 0.5)
	h.drop(r, 0.01)
	h.insert(t, s)
	const call = `('BTC', $1, $2, '1 hour', 24, 0.5, 1, 1)`
	events := storetest.Rows(t, s, `SELECT fired_at, direction, end_time - start_time FROM divergence_events`+call, start,
		h.end())
	rows := storetest.Rows(t, s, `SELECT direction, (extract(epoch FROM horizon) / 3600)::integer, firings, firings_per_week,
		measured, independent, hit_rate,
		usual_hit_rate, mean_gain, usual_gain, p10, median, p90, usual_p10, usual_median, usual_p90, edge, edge_low, edge_high,
			note FROM backtest`+call, start, h.end())
	weeks := storetest.Value[float64](t, s, `SELECT count(divergence) / 168.0::float8 FROM divergence`+call, start, h.end())
	require.Len(t, rows, 9)
	for _, row := range rows {
		direction, hours := row[0].(string), int(row[1].(int32))
		var outcomes []outcome
		for _, event := range events {
			if direction == "both" || direction == event[1] {
				side := map[any]float64{"bullish": 1, "bearish": -1}[event[1]]
				i := int(event[0].(time.Time).Sub(start)/time.Hour) - 1
				outcomes = append(outcomes, outcome{event[0].(time.Time), side, side * h.after(i, hours)})
			}
		}
		measured := filter(outcomes, func(o outcome) bool { return !math.IsNaN(o.gain) })
		n := float64(len(measured))
		usualMean, usualHit := h.usual(hours)
		gain := sum(measured, func(o outcome) float64 { return o.gain }) / n
		usual := sum(measured, func(o outcome) float64 { return o.side * usualMean }) / n
		hit := sum(measured, func(o outcome) float64 { return indicator(o.gain > 0) }) / n
		usualHits := sum(measured, func(o outcome) float64 { return usualHit[o.side] }) / n
		groups := grouped(measured, hours, usualMean)
		gains := make([]float64, len(measured))
		for i, o := range measured {
			gains[i] = o.gain
		}
		want := []any{direction, row[1], int64(len(outcomes)), float64(len(outcomes)) / weeks, int64(len(measured)),
			int64(len(groups)), hit, usualHits, gain, usual,
			quantile(gains, 0.1), quantile(gains, 0.5), quantile(gains, 0.9)}
		requireRow(t, want, row[:13], "backtest")
		if direction != "both" {
			all := h.allAfter(hours, map[string]float64{"bullish": 1, "bearish": -1}[direction])
			requireRow(t, []any{quantile(all, 0.1), quantile(all, 0.5), quantile(all, 0.9)}, row[13:16], "usual")
		}
		edge := row[16].(float64)
		require.InDelta(t, gain-usual, edge, 1e-12)
		if len(groups) >= 30 {
			// The bootstrap interval comes near the normal one, whose width the groups tell.
			low, high := row[17].(float64), row[18].(float64)
			width := 2 * 1.96 * standardError(groups)
			require.InEpsilon(t, width, high-low, 0.3, "%s %d", direction, hours)
			require.Less(t, low, edge)
			require.Greater(t, high, edge)
			require.NotContains(t, row[19], "too few")
		} else {
			require.Contains(t, row[19], "too few to say")
			require.Equal(t, []any{nil, nil}, row[17:19], "no interval below its own minimum")
		}
	}
	const after = ` AS a JOIN backtest('BTC', $1, $2, '1 hour', 24, 0.5, 1, 1, cost => 0.01) AS b USING (direction, horizon)`
	storetest.RequireNone(t, s, `SELECT * FROM backtest`+call+after+`
		WHERE abs(b.mean_gain - a.mean_gain - ln(0.99)) > 1e-9 OR abs(b.median - a.median - ln(0.99)) > 1e-9 OR abs(b.edge - a.edge - ln(0.99)) > 1e-9
		   OR b.usual_gain <> a.usual_gain OR b.usual_hit_rate <> a.usual_hit_rate OR b.hit_rate > a.hit_rate OR b.firings <> a.firings`, start, h.end())
	storetest.RequireNone(t, s, `SELECT * FROM backtest('BTC', $1, $2, '1 hour', 24, 1.5, 1, kind => 'mood') AS b, (
			SELECT count(*) FILTER (WHERE e.turn AND e.side <> 0) AS n FROM (
				SELECT d.side, lag(d.side) OVER w IS DISTINCT FROM d.side OR lag(d.bucket) OVER w <> d.bucket - INTERVAL '1 hour' AS turn
				FROM (SELECT bucket, CASE WHEN posts >= 1 AND abs(mood_z) >= 1.5 THEN sign(mood_z) ELSE 0 END AS side
				      FROM divergence('BTC', $1, $2, '1 hour', 24)) AS d
				WINDOW w AS (ORDER BY d.bucket)) AS e) AS own
		WHERE b.direction = 'both' AND (own.n = 0 OR b.firings <> own.n)`, start, h.end())
	again := func(arguments string) [][]any {
		return storetest.Rows(t, s, `SELECT edge_low, edge_high FROM backtest('BTC', $1, $2, '1 hour', 24, 0.5, 1,
			1`+arguments+`)`, start, h.end())
	}
	first := again("")
	require.Equal(t, first, again(""), "the same question has the same answer")
	require.NotEqual(t, first, again(", seed => 2"))
}

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// after is the return from the end of hour i to the end of the hour so many later.
func (h *hourly) after(i, hours int) float64 {
	if i+hours >= len(h.close) {
		return math.NaN()
	}
	return math.Log(h.close[i+hours] / h.close[i])
}

func (h *hourly) allAfter(hours int, side float64) (all []float64) {
	for i := range h.close {
		if r := h.after(i, hours); !math.IsNaN(r) {
			all = append(all, side*r)
		}
	}
	return all
}

func (h *hourly) usual(hours int) (mean float64, hit map[float64]float64) {
	all := h.allAfter(hours, 1)
	n := float64(len(all))
	return sum(all, func(r float64) float64 { return r }) / n, map[float64]float64{
		1:  sum(all, func(r float64) float64 { return indicator(r > 0) }) / n,
		-1: sum(all, func(r float64) float64 { return indicator(r < 0) }) / n,
	}
}

// grouped joins firings closer together than the horizon, and returns the excess gains of each group.
func grouped(outcomes []outcome, hours int, usualMean float64) (groups [][]float64) {
	for i, o := range outcomes {
		if i == 0 || o.at.Sub(outcomes[i-1].at) >= time.Duration(hours)*time.Hour {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], o.gain-o.side*usualMean)
	}
	return groups
}

// standardError of the mean of all excess gains, groups being drawn whole.
func standardError(groups [][]float64) float64 {
	total, n := 0.0, 0.0
	for _, g := range groups {
		total, n = total+sum(g, func(x float64) float64 { return x }), n+float64(len(g))
	}
	square := 0.0
	for _, g := range groups {
		d := sum(g, func(x float64) float64 { return x - total/n })
		square += d * d
	}
	return math.Sqrt(square) / n
}

// quantile interpolates between the sorted values, as percentile_cont does.
func quantile(x []float64, q float64) float64 {
	x = slices.Sorted(slices.Values(x))
	place := q * float64(len(x)-1)
	i := int(place)
	if i+1 >= len(x) {
		return x[i]
	}
	return x[i] + (place-float64(i))*(x[i+1]-x[i])
}
