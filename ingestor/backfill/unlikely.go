package backfill

import "math"

// leastRun is the shortest run of empty minutes that is unlikely of anything.
const leastRun = 3

// Unlikely returns how many minutes in a row without a row are more than chance brings to a series that had rows in a share of its minutes:
// in so many minutes, a run of that length comes by chance once in 150 such series. The share is taken for a fifth smaller than it is, since
// nights are quieter than days. It is a figure without bound for a series without rows.
func Unlikely(share float64, minutes int) int {
	share = min(share, 1) * 0.8
	if share <= 0 || minutes <= 0 {
		return math.MaxInt32
	}
	// A run of n begins at a given minute with a probability of (1-share)^n; there are at most as many beginnings as minutes.
	run := (math.Log(float64(minutes)) + 5) / -math.Log1p(-share)
	return max(leastRun, int(math.Ceil(min(run, math.MaxInt32))))
}
