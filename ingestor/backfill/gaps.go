package backfill

import (
	"time"

	"rcas/store"
)

// LeastGap is the shortest run of empty minutes that is looked at.
const LeastGap = leastRun * time.Minute

// Gaps returns the runs of minutes without a row that are longer than is usual for a series, and how long the longest usual one is. Runs
// that are gaps do not count for what is usual. The time before the first row is one where the series had rows earlier; that after the last
// one where it is still read (live).
func Gaps(s store.Series, within Span, live bool) (gaps []Span, usual time.Duration) {
	active := Span{s.First, s.Last.Add(time.Minute)}
	var runs []Span
	if s.Earlier {
		active.From = within.From
		runs = append(runs, Span{within.From.Truncate(time.Minute), s.First})
	}
	for i := range s.Starts {
		runs = append(runs, Span{s.Starts[i], s.Ends[i]})
	}
	if live {
		active.To = within.To
		runs = append(runs, Span{s.Last.Add(time.Minute), within.To.Truncate(time.Minute)})
	}
	left := active.Length()
	for range 3 { // each gap found makes the series denser, and so the next one more telling
		minutes := max(1, int(left/time.Minute))
		usual = time.Duration(Unlikely(float64(s.Minutes)/float64(minutes), minutes)) * time.Minute
		gaps, left = nil, active.Length()
		for _, run := range runs {
			if run.Length() >= usual {
				gaps = append(gaps, run)
				left -= run.Length()
			}
		}
	}
	return gaps, usual
}
