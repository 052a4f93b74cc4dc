package ingestor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rcas/market"
	"rcas/store"
	"rcas/stream"
	"rcas/telemetry"
)

// DoorConfig says what comes through the door.
type DoorConfig struct {
	Stream *stream.Stream
	// Matcher maps posts to coins.
	Matcher *market.Matcher
	// Detect names the language of a text that its source tags so ("": does not), or "" when it can't tell. Nil: languages stay as the
	// sources name them.
	Detect func(text, tag string) string
	// KeepUnmapped stores posts that speak of no known coin instead of dropping them.
	KeepUnmapped bool
	// Known tells whether a coin is in the assets file; trades of others are dropped. Nil: all are known.
	Known func(symbol string) bool
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Clock hears the times of live feeds. Nil: nobody asks whose clock is wrong.
	Clock *Clock
	// Pseudonyms stand in the place of authors' names in what enters. Nil: names do.
	Pseudonyms *Pseudonyms
	// Room returns an error as long as there is no room for more: sources wait, before the disk is full and the database stops. It is asked
	// for every message. Nil: there always is.
	Room func() error
	// Metrics may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
}

// Door is the [Sink] through which everything enters RCAS: it makes posts and trades storable, drops what is not and counts why,
// maps posts to coins, and publishes.
type Door struct {
	cfg  DoorConfig
	full *telemetry.Fault

	publishing sync.Mutex
	publisher  *stream.Publisher

	counting sync.Mutex
	counts   map[string]map[string]int64 // source → event → n
	logged   map[string]bool
	venues   map[string]bool
}

var _ Sink = (*Door)(nil)

// NewDoor returns a door to the stream.
func NewDoor(cfg DoorConfig) *Door {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Detect == nil {
		cfg.Detect = func(_, tag string) string { return tag }
	}
	if cfg.Known == nil {
		cfg.Known = func(string) bool { return true }
	}
	if cfg.Room == nil {
		cfg.Room = func() error { return nil }
	}
	return &Door{cfg: cfg, full: cfg.Metrics.Fault(cfg.Log, "sources wait for room"), publisher: cfg.Stream.Publisher(), counts: map[string]map[string]int64{}, logged: map[string]bool{},
		venues: map[string]bool{}}
}

// Events that the door counts.
const (
	eventRead      = "read"
	eventPublished = "published"
	eventDeleted   = "deleted"
	eventSkew      = "skew"
	eventDropped   = "dropped:" // with a reason
)

// Tweet implements [Sink].
func (d *Door) Tweet(ctx context.Context, t *market.Tweet) error {
	now := d.cfg.Now()
	d.Count(t.Source, eventRead, 1)
	t.Clean()
	t.ReceivedAt = d.received(t.Source, t.ReceivedAt, t.Time, now)
	if err := t.Validate(now); err != nil {
		d.refuse(ctx, t.Source, t.Time, now, err)
		return nil
	}
	d.cfg.Clock.onTime(t.Source, t.Time, now)
	// Archives and scrapers tell a retweet by its text only.
	t.Repost = t.Repost || strings.HasPrefix(t.Text, "RT @")
	t.Symbols = d.cfg.Matcher.Match(t.Text)
	if len(t.Symbols) == 0 && !d.cfg.KeepUnmapped {
		d.drop(ctx, t.Source, "unmapped")
		return nil
	}
	t.Lang = d.cfg.Detect(t.Text, t.Lang)
	d.cfg.Pseudonyms.hide(t)
	if err := d.wait(ctx); err != nil {
		return err
	}
	d.Count(t.Source, eventPublished, 1)
	d.publishing.Lock()
	defer d.publishing.Unlock()
	return d.publisher.Tweet(ctx, t)
}

// Price implements [Sink].
func (d *Door) Price(ctx context.Context, p *market.Price) error {
	now := d.cfg.Now()
	d.Count(p.Venue, eventRead, 1)
	d.counting.Lock()
	d.venues[p.Venue] = true
	d.counting.Unlock()
	p.Time = p.Time.UTC()
	p.ReceivedAt = d.received(p.Venue, p.ReceivedAt, p.Time, now)
	if err := p.Validate(now); err != nil {
		d.refuse(ctx, p.Venue, p.Time, now, err)
		return nil
	}
	d.cfg.Clock.onTime(p.Venue, p.Time, now)
	if !d.cfg.Known(p.Symbol) {
		d.drop(ctx, p.Venue, "unknown symbol")
		return nil
	}
	if err := d.wait(ctx); err != nil {
		return err
	}
	d.Count(p.Venue, eventPublished, 1)
	d.publishing.Lock()
	defer d.publishing.Unlock()
	return d.publisher.Price(ctx, p)
}

// Delete implements [Sink].
func (d *Door) Delete(ctx context.Context, source, id string) error {
	d.Count(source, eventDeleted, 1)
	d.publishing.Lock()
	defer d.publishing.Unlock()
	deletion := &market.Tweet{Source: source, ID: id, Deleted: true, ReceivedAt: d.cfg.Now().UTC()}
	d.cfg.Pseudonyms.hide(deletion)
	return d.publisher.Tweet(ctx, deletion)
}

// roomCheck is how often a source that waits asks again.
const roomCheck = time.Second

// wait returns when there is room.
func (d *Door) wait(ctx context.Context) error {
	for err := d.cfg.Room(); err != nil; err = d.cfg.Room() {
		d.full.Failed(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(roomCheck):
		}
	}
	d.full.Over()
	return nil
}

// received is when the message reached RCAS, never before it was sent: a feed's clock may run ahead of ours.
func (d *Door) received(source string, received, sent, now time.Time) time.Time {
	if received.IsZero() {
		received = now
	}
	d.cfg.Metrics.Lag(source, received.Sub(sent))
	if received.Before(sent) {
		d.Count(source, eventSkew, 1)
		received = sent
	}
	return received.UTC()
}

// reasons are the words under which Validate's errors are counted.
var reasons = []struct {
	err    error
	reason string
}{
	{market.ErrFuture, DropFuture}, {market.ErrAncient, "ancient"}, {market.ErrNoID, "no id"}, {market.ErrNoTime, "no time"},
	{market.ErrBadName, "bad name"}, {market.ErrBadPrice, "bad price"}, {market.ErrBadVolume, "bad volume"},
	{market.ErrNoSymbol, "no symbol"},
}

func (d *Door) refuse(ctx context.Context, source string, at, now time.Time, err error) {
	if errors.Is(err, market.ErrFuture) {
		d.cfg.Clock.early(source, at, now)
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			if r.reason != DropFuture || d.cfg.Clock == nil { // else the clock speaks
				d.logOnce(source, r.reason, err)
			}
			d.drop(ctx, source, r.reason)
			return
		}
	}
	d.drop(ctx, source, "invalid")
}

// logOnce writes the first case of each reason; the counts tell how many there were.
func (d *Door) logOnce(source, reason string, err error) {
	d.counting.Lock()
	defer d.counting.Unlock()
	if key := source + "/" + reason; !d.logged[key] {
		d.logged[key] = true
		d.cfg.Log.Warn("dropped; more of the kind are only counted", "source", source, "reason", reason, "error", err)
	}
}

// Drop implements [Sink]. What a source drops was read, too, so that read = published + dropped always.
func (d *Door) Drop(source, reason string) {
	d.Count(source, eventRead, 1)
	d.Count(source, eventDropped+reason, 1)
}

// drop counts what was handed over with ctx and is dropped here.
func (d *Door) drop(ctx context.Context, source, reason string) {
	d.Count(source, eventDropped+reason, 1)
	TellDrop(ctx, reason)
}

// Venues returns the names under which trades came in.
func (d *Door) Venues() []string {
	d.counting.Lock()
	defer d.counting.Unlock()
	return slices.Collect(maps.Keys(d.venues))
}

// maxSource bounds the names under which things are counted, in bytes.
const maxSource = 512

// Count implements [Sink].
func (d *Door) Count(source, event string, n int64) {
	source = market.Text(source, maxSource) // a bad name must not keep the counts out of the database
	d.cfg.Metrics.Count(source, event, n)
	d.add(source, event, n)
}

func (d *Door) add(source, event string, n int64) {
	d.counting.Lock()
	defer d.counting.Unlock()
	events := d.counts[source]
	if events == nil {
		events = map[string]int64{}
		d.counts[source] = events
	}
	events[event] += n
}

// Flush implements [Sink].
func (d *Door) Flush(ctx context.Context) error {
	d.publishing.Lock()
	defer d.publishing.Unlock()
	return d.publisher.Flush(ctx)
}

// Sync implements [Sink]. It holds nobody up while it waits for the disk.
func (d *Door) Sync(ctx context.Context) error {
	d.publishing.Lock()
	err := d.publisher.Flush(ctx)
	durable := d.publisher.Durable()
	d.publishing.Unlock()
	if err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(durable))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the stream's disk: %w", ctx.Err())
	}
}

// Counter adds increments to pipeline_counts.
type Counter interface {
	AddCounts(ctx context.Context, counts []store.Count) error
}

// SaveCounts moves what the door has counted since the last call into the database. What can't be saved is kept for the next call.
func (d *Door) SaveCounts(ctx context.Context, to Counter) error {
	d.counting.Lock()
	taken := d.counts
	d.counts = map[string]map[string]int64{}
	d.counting.Unlock()
	var counts []store.Count
	for source, events := range taken {
		for event, n := range events {
			counts = append(counts, store.Count{Component: "ingest", Source: source, Event: event, N: n})
		}
	}
	if err := to.AddCounts(ctx, counts); err != nil {
		for _, c := range counts {
			d.add(c.Source, c.Event, c.N)
		}
		return fmt.Errorf("save the door's counts: %w", err)
	}
	return nil
}
