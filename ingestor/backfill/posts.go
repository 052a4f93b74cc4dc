package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"rcas/ingestor"
	"rcas/ingestor/bluesky"
	"rcas/ingestor/feed"
	"rcas/ingestor/reddit"
)

const (
	// postsChunk is how much of Bluesky one connection reads: what a killed process reads again.
	postsChunk = 30 * time.Minute
	// postsConnections is how many connections read at a time. A host sends one at most some 5,000 events a second.
	postsConnections = 4
	// postsPatience is how long nothing may come.
	postsPatience = 5 * time.Minute
	// postsSeries is the one series of a network.
	postsSeries = "posts"
)

// Posts brings the past of Bluesky: by the source itself, with a cursor that was set back, half an hour a connection.
type Posts struct {
	past bluesky.Config
	cfg  Config

	mu    sync.Mutex
	state state
	todo  spans
	total time.Duration
	done  time.Duration
}

// NewPosts returns what brings the past of Bluesky; past says where it is read.
func NewPosts(past bluesky.Config, cfg Config) *Posts {
	if len(past.URLs) == 0 {
		past.URLs = bluesky.DefaultURLs()
	}
	return &Posts{past: past, cfg: cfg.or()}
}

// Name returns the network.
func (*Posts) Name() string { return bluesky.Source }

// Run brings a span of time, newest first, and returns when all of it was handed to the sink, ctx ends, or nothing comes any more. What the
// hosts no longer have is counted as a gap.
func (p *Posts) Run(parent context.Context, sink ingestor.Sink, want Span) error {
	if _, err := feed.LoadCursor(parent, p.cfg.Cursors, Name(bluesky.Source), &p.state, p.cfg.Log); err != nil {
		return err
	}
	if p.state.Done == nil {
		p.state.Done = map[string]spans{}
	}
	if p.todo = p.state.Done[postsSeries].missing(want); p.cfg.Again {
		p.todo = spans(nil).add(want)
	} else {
		p.state.Wanted = want
	}
	p.total, p.done = p.todo.length(), 0
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	keeping, stop := context.WithCancel(parent)
	var keeper, readers sync.WaitGroup
	keeper.Go(func() {
		feed.KeepCursor(keeping, p.cfg.Cursors, sink, Name(bluesky.Source), p.cfg.Save, p.cursor, p.cfg.Log)
	})
	for n := range postsConnections {
		readers.Go(func() {
			for chunk := p.next(); chunk.Length() > 0 && ctx.Err() == nil; chunk = p.next() {
				if err := p.read(ctx, sink, chunk, n); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	readers.Wait()
	stop()
	keeper.Wait()
	return context.Cause(ctx)
}

// next takes the newest chunk of what is left; an empty one where nothing is.
func (p *Posts) next() Span {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.todo) == 0 {
		return Span{}
	}
	chunk := p.todo[len(p.todo)-1]
	if from := chunk.To.Add(-time.Nanosecond).Truncate(postsChunk); from.After(chunk.From) {
		chunk.From = from
	}
	var todo spans
	for _, t := range p.todo {
		todo = append(todo, spans{chunk}.missing(t)...)
	}
	p.todo = todo
	return chunk
}

// read reads a chunk to its end.
func (p *Posts) read(ctx context.Context, sink ingestor.Sink, chunk Span, connection int) error {
	past := p.past
	past.URLs = slices.Concat(past.URLs[connection%len(past.URLs):], past.URLs[:connection%len(past.URLs)])
	past.Metrics = nil // whose figures are of the live feed
	past.Save = 200 * time.Millisecond
	begin := bluesky.Position(past.URLs[0], chunk.From)
	err := until(ctx, sink, begin, func(cursors ingestor.Cursors) (ingestor.Source, error) {
		past.Cursors = cursors
		return bluesky.New(past), nil
	}, func(cursor string) bool { return !bluesky.PositionTime(cursor).Before(chunk.To) })
	if err != nil || ctx.Err() != nil {
		return err
	}
	p.mu.Lock()
	p.state.Done[postsSeries] = p.state.Done[postsSeries].add(chunk)
	p.done += chunk.Length()
	report := Progress{Name: bluesky.Source, Done: p.done, Total: p.total, Back: chunk.From}
	p.mu.Unlock()
	p.cfg.Progress(report)
	return nil
}

func (p *Posts) cursor() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, _ := json.Marshal(p.state) // times and strings always marshal
	return string(text)
}

// Listings brings what Reddit's listings hold: the newest thousand comments and submissions of the subreddits, whatever their time.
type Listings struct {
	past reddit.Config
	cfg  Config
}

// NewListings returns what brings the past of Reddit; past says where it is read.
func NewListings(past reddit.Config, cfg Config) *Listings {
	return &Listings{past: past, cfg: cfg.or()}
}

// Name returns the network.
func (*Listings) Name() string { return reddit.Source }

// Run reads the listings once.
func (l *Listings) Run(ctx context.Context, sink ingestor.Sink, want Span) error {
	past := l.past
	past.Metrics = nil // whose figures are of the live feed
	past.Save, past.Every = 200*time.Millisecond, time.Second
	err := until(ctx, sink, "", func(cursors ingestor.Cursors) (ingestor.Source, error) {
		past.Cursors = cursors
		return reddit.New(past)
	}, func(cursor string) bool {
		var newest map[string]time.Time
		return json.Unmarshal([]byte(cursor), &newest) == nil && len(newest) == 2
	})
	if err == nil && ctx.Err() == nil {
		l.cfg.Progress(Progress{Name: reddit.Source, Done: want.Length(), Total: want.Length(), Back: want.From})
	}
	return err
}

// errReached ends a source that has read far enough.
var errReached = errors.New("read as far as wanted")

// until runs a source from a position of its own, in memory, until one that it saves is far enough. Nothing may come for postsPatience.
func until(ctx context.Context, sink ingestor.Sink, from string, build func(ingestor.Cursors) (ingestor.Source, error),
	reached func(cursor string) bool) error {
	reading, end := context.WithCancelCause(ctx)
	defer end(nil)
	watchdog := time.AfterFunc(postsPatience, func() { end(fmt.Errorf("nothing came for %s", postsPatience)) })
	defer watchdog.Stop()
	source, err := build(&position{from: from, saved: func(cursor string) {
		watchdog.Reset(postsPatience)
		if reached(cursor) {
			end(errReached)
		}
	}})
	if err != nil {
		return err
	}
	if err := source.Run(reading, unsynced{sink}); err != nil {
		return err
	}
	if err := context.Cause(reading); ctx.Err() == nil && !errors.Is(err, errReached) {
		return fmt.Errorf("read the past of %s: %w", source.Name(), err)
	}
	return nil
}

// position keeps the cursor of a source for as long as it runs.
type position struct {
	from  string
	saved func(cursor string)
}

func (p *position) LoadCursor(context.Context, string) (string, error) { return p.from, nil }

func (p *position) SaveCursor(_ context.Context, _, cursor string) error {
	p.saved(cursor)
	return nil
}

// unsynced is a sink whose cursors nobody relies on: they need not wait for a disk.
type unsynced struct{ ingestor.Sink }

func (unsynced) Sync(context.Context) error { return nil }
