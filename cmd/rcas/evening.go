package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"rcas/ingestor"
	"rcas/ingestor/backfill"
	"rcas/ingestor/feed"
)

// Of the past that is brought beside live feeds: how often somebody is told how far it is, how often the windows are brought up to date
// meanwhile, and how long after the beginning the minutes around it are looked at: by then each feed has begun, and its minute is over.
const (
	eveningSays    = 20 * time.Second
	eveningWindows = 45 * time.Second
	eveningCloses  = 130 * time.Second
)

// evening brings the past of sources, beside what runs already.
type evening struct {
	*app
	door    *ingestor.Door
	sources []backfill.Source
	want    map[string]backfill.Span
	began   time.Time

	mu       sync.Mutex
	progress map[string]backfill.Progress
}

// firstEvening finds the sources that this database has never read, or whose past was not brought to its end. It returns nil where there
// are none.
func (a *app) firstEvening(ctx context.Context, flags sourceFlags, since time.Duration) (*evening, error) {
	if since <= 0 {
		return nil, nil
	}
	door, err := a.door(ctx, nil)
	if err != nil {
		return nil, err
	}
	e := &evening{app: a, door: door, want: map[string]backfill.Span{}, began: time.Now(), progress: map[string]backfill.Progress{}}
	configs, err := flags.configs(a.settings.file.Sources)
	if err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(configs) {
		want, done, err := backfill.Wanted(ctx, a.store, name)
		if err != nil {
			return nil, err
		}
		cursor, err := a.store.LoadCursor(ctx, name)
		if err != nil {
			return nil, err
		}
		if done || want == (backfill.Span{}) && cursor != "" {
			continue
		}
		if want == (backfill.Span{}) {
			want = backfill.Span{From: e.began.Add(-since), To: e.began}
			if name == "bluesky" { // it may take the live feed a moment to begin
				want.To = want.To.Add(time.Minute)
			}
		}
		source, err := a.past(name, configs[name], backfill.Config{Progress: e.note})
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", name, err)
		}
		if source == nil || name == "reddit" { // whose source begins with all that the listings hold
			continue
		}
		e.sources, e.want[name] = append(e.sources, source), want
	}
	if len(e.sources) == 0 {
		return nil, nil
	}
	return e, nil
}

// note takes in how far a source is.
func (e *evening) note(p backfill.Progress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.progress[p.Name] = p
}

// run brings all, and returns when that is done or ctx ends. A source that fails is told in the log, and goes on at the next start.
func (e *evening) run(ctx context.Context) {
	names := make([]string, len(e.sources))
	for i, s := range e.sources {
		names[i] = s.Name()
	}
	e.settings.say(fmt.Sprintf("bringing %s of %s, the newest first, while they are read", spell(e.longest()), strings.Join(names, ", ")))
	working, end := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { every(working, eveningSays, func() { e.settings.say(e.line()) }) })
	beside.Go(func() { every(working, eveningWindows, func() { e.refresh(working) }) })
	var bringing sync.WaitGroup
	for _, source := range e.sources {
		bringing.Go(func() {
			err := e.stream.Hold(ctx, backfill.Name(source.Name()), func(ctx context.Context) error { return e.bring(ctx, source) })
			if err != nil && ctx.Err() == nil {
				e.settings.log.Error("the past of a source was not brought to its end; the next start goes on there", "source", source.Name(), "error", err)
			}
		})
	}
	bringing.Wait()
	end()
	beside.Wait()
	if ctx.Err() == nil {
		if err := e.stream.WaitDrained(ctx, nil); err == nil {
			e.refresh(ctx)
		}
		e.settings.say(fmt.Sprintf("%s of %s is there, after %s", spell(e.longest()), strings.Join(names, ", "), time.Since(e.began).Round(time.Second)))
	}
	_ = e.door.SaveCounts(context.WithoutCancel(ctx), e.store)
}

// bring brings one source's past, and then closes the seam to the live feed.
func (e *evening) bring(ctx context.Context, source backfill.Source) error {
	want := e.want[source.Name()]
	if err := source.Run(ctx, e.door, want); err != nil || ctx.Err() != nil {
		return errors.Join(err, e.door.Flush(ctx))
	}
	prices, ok := source.(*backfill.Prices)
	if !ok {
		return e.door.Flush(ctx)
	}
	if feed.Sleep(ctx, time.Until(e.began.Add(eveningCloses))) != nil {
		return nil
	}
	want.To = time.Now()
	if err := prices.Run(ctx, e.door, want); err != nil {
		return err
	}
	return e.join(ctx, e.door, prices, want)
}

// join waits until what was brought is stored, and completes the minutes where bars and trades meet.
func (a *app) join(ctx context.Context, door *ingestor.Door, prices *backfill.Prices, want backfill.Span) error {
	if err := door.Flush(ctx); err != nil {
		return err
	}
	if err := a.stream.WaitDrained(ctx, nil); err != nil {
		return err
	}
	if _, err := prices.Join(ctx, door, a.store, want); err != nil {
		return err
	}
	return door.Flush(ctx)
}

// refresh brings the windows up to date, and saves what was counted.
func (e *evening) refresh(ctx context.Context) {
	err := errors.Join(e.door.SaveCounts(ctx, e.store), e.store.RefreshWindows(ctx))
	if err != nil && ctx.Err() == nil {
		e.settings.log.Warn("the windows of what was brought are not up to date yet", "error", err)
	}
}

// longest of the spans wanted.
func (e *evening) longest() (longest time.Duration) {
	for _, want := range e.want {
		longest = max(longest, want.Length())
	}
	return longest
}

// line tells how far each source is.
func (e *evening) line() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var parts []string
	for _, source := range e.sources {
		p, ok := e.progress[source.Name()]
		if !ok {
			parts = append(parts, source.Name()+" not begun")
			continue
		}
		parts = append(parts, source.Name()+" "+describe(p, e.began))
	}
	return "the past: " + strings.Join(parts, "; ")
}

// describe tells how far a source is, and an estimate of how long it takes.
func describe(p backfill.Progress, began time.Time) string {
	if p.Total <= 0 || p.Done >= p.Total {
		return "is there"
	}
	text := fmt.Sprintf("%d %%, back to %s", 100*p.Done/p.Total, p.Back.Local().Format("Jan 2 15:04"))
	if p.Done > 0 {
		left := time.Duration(float64(time.Since(began)) * float64(p.Total-p.Done) / float64(p.Done))
		text += ", about " + spell(left) + " left"
	}
	return text
}

// spell writes a length of time as people say it.
func spell(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	}
	return fmt.Sprintf("%.0f seconds", d.Seconds())
}

// every calls f again and again until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

// past makes what brings the past of a source; nil where there is none to be had.
func (a *app) past(name string, cfg sourceConfig, how backfill.Config) (backfill.Source, error) {
	kinds := sourceKinds()
	i := slices.IndexFunc(kinds, func(k sourceKind) bool { return k.name == name })
	if i < 0 || kinds[i].past == nil {
		return nil, nil
	}
	how.Symbols, how.Cursors, how.Log = a.settings.symbols(), a.store, a.settings.log
	return kinds[i].past(a, cfg, how)
}
