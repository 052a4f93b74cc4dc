package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"rcas/figure"
	"rcas/ingestor"
	"rcas/store"
)

// Feeds tell the database how they are every so often when only the times of what they read have changed, at the next look otherwise.
const (
	feedLook = 2 * time.Second
	feedSave = 30 * time.Second
	feedGone = 2 * time.Minute // the age from which a state is that of a process that is gone
)

// saveFeedStates tells the database how the sources are doing, and once more at the end.
func (a *app) saveFeedStates(ctx context.Context, sources []ingestor.Source) error {
	unsaved := a.settings.metrics.Fault(a.settings.log, "the states of the feeds are not saved; trying again")
	ticker := time.NewTicker(feedLook)
	defer ticker.Stop()
	saved := map[string]store.FeedState{}
	save := func(ctx context.Context) {
		for _, source := range sources {
			reporter, ok := source.(ingestor.Reporter)
			if !ok {
				continue
			}
			state := reporter.Report()
			if old := saved[state.Source]; sameFeedState(old, state) && time.Since(old.SavedAt) < feedSave {
				continue
			}
			if err := a.store.SaveFeedState(ctx, state); err != nil {
				if ctx.Err() == nil {
					unsaved.Failed(err)
				}
				return
			}
			state.SavedAt = time.Now()
			saved[state.Source] = state
			unsaved.Over()
		}
	}
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			save(last)
			return nil
		case <-ticker.C:
			save(ctx)
		}
	}
}

// sameFeedState tells whether nothing changed but what changes all the time.
func sameFeedState(a, b store.FeedState) bool {
	return a.State == b.State && a.Since.Equal(b.Since) && a.Error == b.Error && maps.Equal(a.LeftOut, b.LeftOut) && (a.Gaps == 0) == (b.Gaps == 0)
}

// staleCoin is how long ago a coin's newest trade must be, beside the feed's newest, to be named.
const staleCoin = 10 * time.Minute

// printFeeds writes how the live feeds are doing; nothing where there are none.
func printFeeds(w io.Writer, feeds []store.FeedState, now time.Time) {
	if len(feeds) == 0 {
		return
	}
	fmt.Fprintln(w, "\nlive feed\tstate\tsince\tnewest\tgaps\tmissing\tnext try")
	for _, f := range feeds {
		state, next := f.State, ""
		if now.Sub(f.SavedAt) > feedGone {
			state = "gone (was " + state + ")"
		} else if !f.NextTry.IsZero() {
			next = f.NextTry.UTC().Format(time.DateTime)
		}
		newest := ""
		if len(f.Newest) > 0 {
			newest = latest(f.Newest).UTC().Format(time.DateTime)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", f.Source, state, f.Since.UTC().Format(time.DateTime), newest, f.Gaps, figure.Count(f.Missing), next)
	}
	for _, f := range feeds {
		if f.Error != "" {
			fmt.Fprintf(w, "%s: last error, %s: %s\n", f.Source, f.ErrorAt.UTC().Format(time.DateTime), oneLine(f.Error))
		}
		for _, what := range sortedKeys(f.LeftOut) {
			fmt.Fprintf(w, "%s: without %s: %s\n", f.Source, what, oneLine(f.LeftOut[what]))
		}
		var stale []string
		for _, symbol := range sortedKeys(f.Newest) {
			if age := latest(f.Newest).Sub(f.Newest[symbol]); symbol != "" && age > staleCoin {
				stale = append(stale, fmt.Sprintf("%s %s", symbol, age.Round(time.Minute)))
			}
		}
		if len(stale) > 0 {
			fmt.Fprintf(w, "%s: behind its newest trade: %s\n", f.Source, strings.Join(stale, ", "))
		}
	}
}

func latest(times map[string]time.Time) time.Time {
	return slices.MaxFunc(slices.Collect(maps.Values(times)), time.Time.Compare)
}
