// Package feedtest holds what the simulators of all feeds share: a [Sink] that remembers, a server whose connections misbehave
// ([Serve]), and misfortune by a seed ([Chaos], [Seeds]).
//
// It is for tests only.
package feedtest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"rcas/ingestor"
	"rcas/market"
)

// Sink is an [ingestor.Sink] that keeps what it takes the way the database would: once per key. A second row of the same key
// with other content is a conflict.
type Sink struct {
	// Pause, where set, is called for every post and trade: a slow sink sleeps there.
	Pause func()
	// Clock, where set, is this machine's: what lies ahead of it is refused as the door refuses it.
	Clock func() time.Time

	mu        sync.Mutex
	prices    map[string]market.Price
	tweets    map[string]market.Tweet
	deleted   map[string]bool
	drops     map[string]int64
	counters  map[string]int64
	taken     int64
	flushed   int64
	conflicts []string
}

var _ ingestor.Sink = (*Sink)(nil)

// NewSink returns an empty sink.
func NewSink() *Sink {
	return &Sink{
		prices: map[string]market.Price{}, tweets: map[string]market.Tweet{}, deleted: map[string]bool{},
		drops: map[string]int64{}, counters: map[string]int64{},
	}
}

func (s *Sink) enter(ctx context.Context) error {
	if s.Pause != nil {
		s.Pause()
	}
	return ctx.Err()
}

// early refuses what lies ahead of the clock.
func (s *Sink) early(ctx context.Context, at time.Time) bool {
	if s.Clock == nil || !at.After(s.Clock().Add(market.MaxFuture)) {
		return false
	}
	s.Drop("", ingestor.DropFuture)
	ingestor.TellDrop(ctx, ingestor.DropFuture)
	return true
}

// Tweet keeps a post under source/id.
func (s *Sink) Tweet(ctx context.Context, t *market.Tweet) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if s.early(ctx, t.Time) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	key := t.Source + "/" + t.ID
	row := *t
	row.ReceivedAt = time.Time{}
	if old, ok := s.tweets[key]; ok && (old.Text != row.Text || !old.Time.Equal(row.Time) || old.Author != row.Author) {
		s.conflicts = append(s.conflicts, fmt.Sprintf("%s: %+v, then %+v", key, old, row))
	}
	s.tweets[key] = row
	return t.Validate(time.Now().Add(time.Hour)) // simulators run with skewed clocks; the real sink clamps
}

// Price keeps a trade under venue/symbol/id. The key of the database holds the time too, so a second time is a conflict.
func (s *Sink) Price(ctx context.Context, p *market.Price) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if s.early(ctx, p.Time) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	key := p.Venue + "/" + p.Symbol + "/" + p.TradeID
	row := *p
	row.ReceivedAt, row.Fill = time.Time{}, false // how it came, not what it is
	if old, ok := s.prices[key]; ok && old != row {
		s.conflicts = append(s.conflicts, fmt.Sprintf("%s: %+v, then %+v", key, old, row))
	}
	s.prices[key] = row
	return p.Validate(time.Now().Add(time.Hour))
}

// Delete remembers that the post was to be forgotten.
func (s *Sink) Delete(ctx context.Context, source, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted[source+"/"+id] = true
	return ctx.Err()
}

// Drop counts.
func (s *Sink) Drop(_, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops[reason]++
}

// Count counts.
func (s *Sink) Count(_, event string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters[event] += n
}

// Flush marks everything taken so far as safe.
func (s *Sink) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushed = s.taken
	return ctx.Err()
}

// Sync is Flush: what is in memory cannot be made safer.
func (s *Sink) Sync(ctx context.Context) error { return s.Flush(ctx) }

// HasPrice tells whether the trade is kept.
func (s *Sink) HasPrice(venue, symbol, id string) (market.Price, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.prices[venue+"/"+symbol+"/"+id]
	return p, ok
}

// HasTweet tells whether the post is kept.
func (s *Sink) HasTweet(source, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.tweets[source+"/"+id]
	return ok
}

// Prices returns a copy of the kept trades by venue/symbol/id.
func (s *Sink) Prices() map[string]market.Price {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.prices)
}

// Tweets returns a copy of the kept posts by source/id, deleted ones included.
func (s *Sink) Tweets() map[string]market.Tweet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.tweets)
}

// Deleted tells whether the post was to be forgotten.
func (s *Sink) Deleted(source, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleted[source+"/"+id]
}

// Conflicts lists the keys that came with different content.
func (s *Sink) Conflicts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.conflicts...)
}

// Counter returns the counter of an event.
func (s *Sink) Counter(event string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counters[event]
}

// Counters returns a copy of all counters, drops under "drop <reason>", and what was taken under "taken".
func (s *Sink) Counters() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := maps.Clone(s.counters)
	for reason, n := range s.drops {
		all["drop "+reason] = n
	}
	all["taken"] = s.taken
	return all
}

// Cursors keeps cursors in memory, as the database would over restarts.
type Cursors struct {
	mu    sync.Mutex
	saved map[string]string
}

var _ ingestor.Cursors = (*Cursors)(nil)

// LoadCursor returns the saved cursor or "".
func (c *Cursors) LoadCursor(ctx context.Context, source string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved[source], ctx.Err()
}

// SaveCursor keeps the cursor.
func (c *Cursors) SaveCursor(ctx context.Context, source, cursor string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.saved == nil {
		c.saved = map[string]string{}
	}
	c.saved[source] = cursor
	return ctx.Err()
}
