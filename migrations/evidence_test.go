package migrations_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

// The tests of this file measure what the signals are worth on series of which the truth is known. RCAS_SOAK=1 (make soak) takes
// many more series, and tells the figures in docs/signals.md.

// soak returns how many series to draw.
func soak(usual, long int) int {
	if os.Getenv("RCAS_SOAK") != "" {
		return long
	}
	return usual
}

// newSeries stores n series of so many hours, each a coin of its own, drawn by draw.
func newSeries(t *testing.T, n, hours int, draw func(r *rand.Rand, i int, h *hourly)) (*store.Store, []*hourly) {
	t.Helper()
	symbols := make([]string, n)
	for i := range symbols {
		symbols[i] = fmt.Sprint("C", i)
	}
	s, r := newDatabase(t, symbols...), newRand(t)
	series := make([]*hourly, n)
	for i, symbol := range symbols {
		series[i] = newHourly(r, symbol, hours, 0.7)
		draw(r, i, series[i])
		series[i].insert(t, s)
	}
	refresh(t, s, start.Add(time.Duration(hours)*time.Hour))
	return s, series
}

// TestLeadLagOnNoise: where mood and price know nothing of each other, a p below 0.05 must come up in 5 of 100 series.
func TestLeadLagOnNoise(t *testing.T) {
	t.Parallel()
	n := soak(60, 1000)
	s, series := newSeries(t, n, 240, func(r *rand.Rand, i int, h *hourly) {
		if i%2 == 1 {
			h.drop(r, 0.05)
		}
	})
	family, single, lags := 0, 0, 0
	for _, h := range series {
		row := storetest.Rows(t, s, `SELECT min(p_value), count(*) FILTER (WHERE p_single < 0.05), count(*) FROM lead_lag($1, $2,
			$3, '1 hour', 12)`,
			h.symbol, start, h.end())[0]
		if row[0].(float64) < 0.05 {
			family++
		}
		single, lags = single+int(row[1].(int64)), lags+int(row[2].(int64))
	}
	t.Logf("%d series of noise: some lag of 25 at p_value < 0.05 in %.1f %%; a single lag at p_single < 0.05 in %.1f %%",
		n, 100*float64(family)/float64(n), 100*float64(single)/float64(lags))
	requireRare(t, family, n, 0.05, "lead_lag of noise: some lag of 25 at p_value < 0.05")
	requireRare(t, single/25, lags/25, 0.05, "lead_lag of noise: a lag at p_single < 0.05")
}

// TestLeadLagFindsPlantedLags: mood moves price some hours later, explaining a fifth of its variance.
func TestLeadLagFindsPlantedLags(t *testing.T) {
	t.Parallel()
	n := soak(24, 400)
	lags := make([]int, n)
	s, series := newSeries(t, n, 240, func(r *rand.Rand, i int, h *hourly) {
		lags[i] = r.IntN(13) - 6
		h.lead(r, lags[i], 0.5)
		h.drop(r, 0.04)
	})
	found, near, wrong := 0, 0, 0
	for i, h := range series {
		row := storetest.Rows(t, s, `SELECT lag, p_value FROM lead_lag($1, $2, $3, '1 hour', 12) ORDER BY p_single LIMIT 1`,
			h.symbol, start, h.end())[0]
		switch distance := int(row[0].(int32)) - lags[i]; {
		case row[1].(float64) >= 0.05:
		case distance == 0:
			found++
		case distance == 1 || distance == -1:
			near++
		default:
			wrong++
		}
	}
	t.Logf("%d series with a planted lag: found exactly in %.1f %%, one bucket beside it in %.1f %%, another lag in %.1f %%",
		n, 100*float64(found)/float64(n), 100*float64(near)/float64(n), 100*float64(wrong)/float64(n))
	requireRare(t, n-found, n, 0.05, "a planted lag is not found exactly")
	requireRare(t, wrong, n, 0.02, "another lag than the planted one is found")
}

// lead makes prices follow mood by lag hours (or mood follow prices, where lag is negative): the return becomes strength standard
// deviations of mood and its own noise.
func (h *hourly) lead(r *rand.Rand, lag int, strength float64) {
	price := 100.0
	for i := range h.close {
		ret := r.NormFloat64()
		if k := i - lag; k >= 0 && k < len(h.mood) {
			ret += strength * math.Atanh(h.mood[k]) / 0.2
		}
		price *= math.Exp(0.01 * ret)
		h.close[i] = price
	}
}

// TestDivergenceFindsPlantedEvents: twice in three weeks mood and price part ways for four hours.
func TestDivergenceFindsPlantedEvents(t *testing.T) {
	t.Parallel()
	n := soak(24, 400)
	planted := make([][]int, n)
	s, series := newSeries(t, n, 96+3*168, func(r *rand.Rand, i int, h *hourly) {
		first := 100 + r.IntN(200)
		planted[i] = []int{first, first + 50 + r.IntN(200)}
		for k, at := range planted[i] {
			h.diverge(at, 4, []float64{1, -1}[(i+k)%2])
		}
		h.drop(r, 0.02)
	})
	hits, wanted, falseAlarms, weeks := 0, 0, 0, 0.0
	for i, h := range series {
		found := map[int]bool{}
		for _, row := range storetest.Rows(t, s, `SELECT start_time, end_time, direction FROM divergence_events($1, $2, $3,
			'1 hour', min_posts => 1)`, h.symbol, start, h.end()) {
			from, to := int(row[0].(time.Time).Sub(start)/time.Hour), int(row[1].(time.Time).Sub(start)/time.Hour)
			hit := false
			for k, at := range planted[i] {
				direction := []string{"bullish", "bearish"}[(i+k)%2]
				if from < at+4 && to > at && row[2] == direction {
					hit, found[k] = true, true
				}
			}
			if !hit {
				falseAlarms++
			}
		}
		hits, wanted, weeks = hits+len(found), wanted+2, weeks+3
	}
	t.Logf("%d series of three weeks: %.1f %% of the planted divergences found, %.2f false alarms a week", n,
		100*float64(hits)/float64(wanted),
		float64(falseAlarms)/weeks)
	requireRare(t, wanted-hits, wanted, 0.07, "a planted divergence is not found")
	require.Less(t, float64(falseAlarms)/weeks, 1.5)
}

// diverge plants hours in which mood is two and a half standard deviations to one side and price falls, or rises, by two and a
// half an hour.
func (h *hourly) diverge(at, hours int, side float64) {
	for i := at; i < len(h.close); i++ {
		if i < at+hours {
			h.mood[i] = math.Tanh(0.2 * (2.5*side + 0.3*math.Atanh(h.mood[i])/0.2))
		}
		h.close[i] *= math.Exp(-0.025 * side * float64(min(i-at+1, hours)))
	}
}

// TestBacktestOnNoise: where a signal means nothing, the interval of its edge must hold zero about 95 times of 100.
func TestBacktestOnNoise(t *testing.T) {
	t.Parallel()
	n := soak(24, 400)
	s, series := newSeries(t, n, 1000, func(*rand.Rand, int, *hourly) {})
	held, judged := 0, 0
	for _, h := range series {
		for _, row := range storetest.Rows(t, s, `SELECT edge_low <= 0 AND edge_high >= 0, independent FROM backtest($1, $2, $3,
			'1 hour', threshold => 0.7,
				persistence => 1, min_posts => 1, resamples => 400) WHERE direction = 'both' AND horizon < '24 hours'`, h.symbol,
			start, h.end()) {
			if row[1].(int64) >= 30 {
				judged++
				if row[0].(bool) {
					held++
				}
			}
		}
	}
	t.Logf("%d back-tests of noise with 30 independent firings or more: the interval holds zero in %.1f %%", judged,
		100*float64(held)/float64(judged))
	require.Greater(t, judged, n)
	requireRare(t, (judged-held)/2, judged/2, 0.07, "the interval of a back-test of noise does not hold zero (two horizons of a series count as one)")
}
