package archive

import (
	"fmt"
	"sync"
	"time"
)

// claim is what a file has bars of: a market, in bars of a width, over a time.
type claim struct {
	file, market string
	width        time.Duration
	from, until  time.Time
}

func (c *claim) cover(from, until time.Time) {
	if c.from.IsZero() || from.Before(c.from) {
		c.from = from
	}
	if until.After(c.until) {
		c.until = until
	}
}

func (c *claim) overlaps(d *claim) bool { return c.from.Before(d.until) && d.from.Before(c.until) }

// claims is what the files of a replay have bars of. Hours and days of one market at one time would count its volume twice. Safe for
// concurrent use.
type claims struct {
	mu    sync.Mutex
	known map[string][]*claim // by market
}

func newClaims() *claims { return &claims{known: map[string][]*claim{}} }

// claim enters the bars of a file. It returns a refusal where another file has bars of another width of the same market and time.
func (c *claims) claim(file string, bars []*bar) error {
	own := map[string]*claim{}
	for _, b := range bars {
		key := claimKey(b)
		one := own[key]
		if one == nil {
			one = &claim{file: file, market: marketOf(b), width: b.width}
			own[key] = one
		}
		one.cover(b.start, b.start.Add(b.width))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range own {
		for _, other := range c.known[one.market] {
			if other.width != one.width && other.overlaps(one) {
				return overlap(one, other)
			}
		}
		for _, other := range own { // a table with several widths, one of which the reader would have to choose
			if other != one && other.market == one.market && other.overlaps(one) {
				return overlap(one, other)
			}
		}
	}
	for _, one := range own {
		c.known[one.market] = append(c.known[one.market], one)
	}
	return nil
}

// extend enters a bar that comes later in its file.
func (c *claims) extend(file string, b *bar) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.known[marketOf(b)] {
		if one.file == file && one.width == b.width {
			one.cover(b.start, b.start.Add(b.width))
			return
		}
	}
}

// all returns everything that was claimed.
func (c *claims) all() (list []*claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, claims := range c.known {
		list = append(list, claims...)
	}
	return list
}

func marketOf(b *bar) string { return b.symbol + " at " + b.venue }

func claimKey(b *bar) string { return marketOf(b) + " " + b.width.String() }

func overlap(one, other *claim) error {
	beside := "those of " + other.file
	if one.file == other.file {
		beside = "others of the same file"
	}
	return &refusal{fmt.Sprintf("its bars of %s overlap with %s of the same market (%s), which last %s: their volume would count twice. "+
		"Replay one of the two, or give them different names with --venue", width(one.width), beside, one.market, width(other.width))}
}

// width writes how long a bar lasts.
func width(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{oneDay, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := d / unit.of; d%unit.of == 0 && n > 0 {
			switch {
			case n == 1 && unit.of == time.Hour:
				return "an hour"
			case n == 1:
				return "a " + unit.name
			}
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return d.String()
}
