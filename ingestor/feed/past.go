package feed

import (
	"sync"
	"time"
)

// PastWeeks is how many weeks of the past a feed may bring something of in a day, where nothing else is configured.
const PastWeeks = 10

// Past lets through what a live feed brings of the past, in bounds. A post dated years ago is stored in its own time, where it opens parts
// of tables and windows that hold nothing else; an archive that somebody imports into a network has thousands of such posts, and what is
// said now would wait for them. So it may be of so many weeks only, and what is of others is left out.
type Past struct {
	// Weeks is how many in a day of the present. Negative: as many as come.
	Weeks int

	mu     sync.Mutex
	opened map[time.Time]bool
	since  time.Time
}

// day is the age from which something is of the past. Parts of tables hold a week.
const (
	day  = 24 * time.Hour
	week = 7 * day
)

// Admits tells whether something of the time at, which the feed brought at the time seen, may be stored.
func (p *Past) Admits(at, seen time.Time) bool {
	if p.Weeks < 0 || seen.Sub(at) < day {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opened == nil || time.Since(p.since) > day {
		p.opened, p.since = map[time.Time]bool{}, time.Now()
	}
	of := at.UTC().Truncate(week)
	if !p.opened[of] && len(p.opened) >= p.Weeks {
		return false
	}
	p.opened[of] = true
	return true
}
