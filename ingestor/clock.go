package ingestor

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"rcas/market"
	"rcas/telemetry"
)

// Clock tells a wrong clock of this machine from a wrong clock of a feed. It hears which times feeds tell, by the [Door], and what
// time HTTP hosts have, by [Clock.Transport].
//
// What lies more than [market.MaxFuture] ahead of this machine's clock is dropped under [DropFuture]. One such message is the fault of
// whoever sent it. Where a feed goes on so for seconds, one of two clocks is wrong: this machine's, unless more of the other feeds and
// hosts agree with it than with that feed. Safe for concurrent use; a nil *Clock hears nothing.
type Clock struct {
	log     *slog.Logger
	metrics *telemetry.Metrics
	wrong   *telemetry.Fault

	mu    sync.Mutex
	feeds map[string]*feedClock
	hosts map[string]hostClock
}

// feedClock is what a feed's times have been lately.
type feedClock struct {
	since, last time.Time // of the messages ahead of this machine's clock, which are no further apart than lately: when they came
	early       int       // how many
	ahead       time.Duration
	onTime      int       // messages within the usual of this machine's clock since then
	seen        time.Time // the last of these
	fault       *telemetry.Fault
}

// hostClock is by how much a host's clock was ahead of this machine's, and when.
type hostClock struct {
	ahead time.Duration
	heard time.Time
}

const (
	lately     = 5 * time.Minute
	earlyLeast = 3               // messages ahead of this machine's clock
	earlySpan  = 5 * time.Second // for how long
	// dateSlack is how far a host's Date, which is whole seconds and some way old, may be off this machine's clock.
	dateSlack = 5 * time.Second
)

// NewClock returns a clock that has heard nothing. log and metrics may be nil.
func NewClock(log *slog.Logger, metrics *telemetry.Metrics) *Clock {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Clock{
		log: log, metrics: metrics, feeds: map[string]*feedClock{}, hosts: map[string]hostClock{},
		wrong: metrics.Fault(log, "this machine's clock seems wrong; set it right (timedatectl set-ntp true). What feeds send from ahead of "+
			"it is not taken meanwhile, and asked for again afterwards"),
	}
}

// early hears that a feed's message lies ahead of now, this machine's time.
func (c *Clock) early(source string, at, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.feed(source)
	heard := time.Now()
	if f.early == 0 || heard.Sub(f.last) > lately {
		f.early, f.onTime, f.since = 0, 0, heard
	}
	f.early++
	f.last, f.ahead = heard, at.Sub(now)
	if f.isAhead() && heard.Sub(f.since) >= earlySpan {
		c.judge(source, f)
	}
}

// onTime hears that a feed's message was taken.
func (c *Clock) onTime(source string, at, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.feed(source)
	if at.Before(now.Add(-market.MaxFuture)) {
		return // what is old says nothing of a clock
	}
	f.seen = time.Now()
	f.onTime++
	if f.early > 0 && f.seen.Sub(f.last) > earlySpan {
		f.early = 0
		f.fault.Over()
		c.right()
	}
}

func (c *Clock) feed(source string) *feedClock {
	f := c.feeds[source]
	if f == nil {
		f = &feedClock{fault: c.metrics.Fault(c.log, source+": the clock of the feed runs ahead; what it sends is taken when its time has come")}
		c.feeds[source] = f
	}
	return f
}

// isAhead tells whether the feed's times lie ahead as a rule, which a message here and there does not make.
func (f *feedClock) isAhead() bool { return f.early >= earlyLeast && f.early > f.onTime }

// judge finds whose clock is wrong when that of a feed is ahead.
func (c *Clock) judge(source string, feed *feedClock) {
	var ahead []string
	agree := 0 // with this machine
	for name, f := range c.feeds {
		switch {
		case f.isAhead() && f.last.After(feed.since):
			ahead = append(ahead, name)
		case f.seen.After(feed.since):
			agree++
		}
	}
	for name, h := range c.hosts {
		switch {
		case h.heard.Before(feed.since):
		case h.ahead > dateSlack:
			ahead = append(ahead, name)
		case h.ahead > -dateSlack:
			agree++
		}
	}
	slices.Sort(ahead)
	err := fmt.Errorf("by %s it is %s behind", strings.Join(ahead, ", "), feed.ahead.Round(time.Second))
	if agree > len(ahead) {
		feed.fault.Failed(fmt.Errorf("%s ahead of this machine's clock, with which %d other feeds and hosts agree", feed.ahead.Round(time.Second), agree))
		return
	}
	c.wrong.Failed(err)
}

// right ends the fault of this machine's clock when nobody says any more that it is wrong.
func (c *Clock) right() {
	now := time.Now()
	for _, f := range c.feeds {
		if f.isAhead() && now.Sub(f.last) < lately {
			return
		}
	}
	if off, ok := c.offset(); ok && off.Abs() > market.MaxFuture {
		return
	}
	c.wrong.Over()
}

// date hears what time a host has.
func (c *Clock) date(host string, theirs, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[host] = hostClock{ahead: theirs.Sub(now), heard: time.Now()}
	switch off, _ := c.offset(); {
	case off > market.MaxFuture:
		c.wrong.Failed(fmt.Errorf("by %s it is %s behind", host, off.Round(time.Second)))
	case off < -market.MaxFuture:
		c.wrong.Failed(fmt.Errorf("by %s it is %s ahead", host, -off.Round(time.Second)))
	default:
		c.right()
	}
}

// Offset returns how much this machine's clock is behind those of the hosts asked lately (their median; negative: ahead of them), to
// about a second. ok is false where none told its time.
func (c *Clock) Offset() (behind time.Duration, ok bool) {
	if c == nil {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset()
}

func (c *Clock) offset() (time.Duration, bool) {
	var all []time.Duration
	for _, h := range c.hosts {
		if time.Since(h.heard) < lately {
			all = append(all, h.ahead)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	return all[len(all)/2], true
}

// Transport returns a transport that hears the Date of the answers that come through it; base nil means http.DefaultTransport.
func (c *Clock) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return transport{base, c}
}

type transport struct {
	http.RoundTripper
	clock *Clock
}

func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := time.Now()
	response, err := t.RoundTripper.RoundTrip(request)
	if err != nil {
		return response, err
	}
	now := time.Now()
	theirs, parseErr := http.ParseTime(response.Header.Get("Date"))
	if parseErr == nil && response.Header.Get("Age") == "" && now.Sub(sent) < dateSlack { // neither from a cache nor long under way
		t.clock.date(request.URL.Host, theirs, now)
	}
	return response, nil
}
