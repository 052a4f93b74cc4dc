package twitter

import (
	"encoding/json"
	"sync"
	"time"
)

// coverage knows up to which time every post has been read: by the stream while it lives, by search where it did not. Safe for
// concurrent use.
type coverage struct {
	mu    sync.Mutex
	until time.Time // all before is read; zero: nothing is owed yet
	since time.Time // when the stream was connected; zero while it is not
	ahead time.Time // when a post was last refused for lying ahead of this machine's clock; zero once all of them are owed to a search
	quiet time.Duration
}

// begin owes all posts from now on, where nothing is owed yet.
func (c *coverage) begin(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until.IsZero() {
		c.until = now
	}
}

// connected notes that the stream delivers from now on.
func (c *coverage) connected(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = now
	if c.until.IsZero() {
		c.until = now
	}
}

// delivered notes a post that the stream brought. Only posts move the coverage on, by the time of their creation: a keep-alive
// or our own clock would not tell how far behind the present a slow reader is. Where there are no posts, a longer search later
// costs nothing either. Where posts were refused before, and for a while no more, they are told to be searched for: the stream should be
// connected anew.
func (c *coverage) delivered(created, now time.Time) (search bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ahead.IsZero() {
		if now.Sub(c.ahead) < c.quiet {
			return false
		}
		c.ahead = time.Time{}
		return true
	}
	whole := !c.since.IsZero() && !c.until.Before(c.since) // nothing before the connection is still sought
	if whole && created.After(c.until) && created.Before(time.Now().Add(time.Minute)) {
		c.until = created
	}
	return false
}

// early notes a post that was refused for that, and is owed.
func (c *coverage) early(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = now
}

// disconnected notes that the stream is gone.
func (c *coverage) disconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = time.Time{}
}

// forgive gives up what was missed: where the budget is spent, nothing more may be read of it.
func (c *coverage) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
}

// gap returns the time to search, if there is any: from the last covered moment to the stream's connection, or, while there is
// no stream, to now.
func (c *coverage) gap(now time.Time) (from, to time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to = c.since
	if to.IsZero() {
		to = now
	}
	return c.until, to, !c.until.IsZero() && c.until.Before(to)
}

// searched notes that a search has covered all up to then.
func (c *coverage) searched(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.until.IsZero() && until.After(c.until) {
		c.until = until
	}
}

// saved is the cursor's form.
type saved struct {
	Until time.Time `json:"until"`
}

func (c *coverage) cursor() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until.IsZero() {
		return ""
	}
	text, _ := json.Marshal(saved{c.until.UTC()}) // a time always marshals
	return string(text)
}

func (c *coverage) resume(s saved) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = s.Until
}
