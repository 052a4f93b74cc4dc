package feedtest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Run starts a client and returns what ends it and waits for that, a minute at most.
func Run(t *testing.T, client func(ctx context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- client(ctx) }()
	return func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Minute):
			return errors.New("the source did not end with its context")
		}
	}
}

// Troubles befall the machine of a client, beside what its host does to it: it is restarted, it crashes and forgets where it was, and its
// clock is slow for a while. The simulated hosts of posts go through the same, each with chances and numbers of its own.
type Troubles struct {
	// Restart, Crash and SlowClock are the chances of each in one of four rounds.
	Restart, Crash, SlowClock float64
	// Behind is how slow the clock is then.
	Behind time.Duration
	// Posts are said in a round, Away while the client is, Late while its clock is slow.
	Posts, Away, Late int

	slow atomic.Int64 // nanoseconds that the clock is behind now
}

// Clock gives the sink the clock that is slow at times; the client must not run yet.
func (x *Troubles) Clock(sink *Sink) {
	sink.Clock = func() time.Time { return time.Now().Add(-time.Duration(x.slow.Load())) }
}

// Client is what troubles befall: a client that runs, the host's say, and where the client keeps its position.
type Client struct {
	Start   func()
	Stop    func() error
	Say     func(ctx context.Context, posts int)
	Source  string
	Cursors *Cursors
}

// Befall lets four rounds of troubles go over a client that runs, from the chaos that begins to the calm after it.
func (x *Troubles) Befall(t *testing.T, chaos *Chaos, c Client) {
	t.Helper()
	chaos.Begin()
	defer chaos.Calm()
	for range 4 {
		c.Say(t.Context(), x.Posts)
		switch {
		case chaos.Strikes("restart", x.Restart):
			require.NoError(t, c.Stop())
			c.Say(t.Context(), x.Away)
			c.Start()
		case chaos.Strikes("crash", x.Crash):
			saved, _ := c.Cursors.LoadCursor(t.Context(), c.Source)
			require.NoError(t, c.Stop())
			require.NoError(t, c.Cursors.SaveCursor(t.Context(), c.Source, saved))
			c.Say(t.Context(), x.Away)
			c.Start()
		case chaos.Strikes("clock behind", x.SlowClock):
			x.slow.Store(int64(x.Behind))
			c.Say(t.Context(), x.Late)
			x.slow.Store(0)
		}
	}
}

// Figures are the counters of a sink, and how often each misfortune struck.
func Figures(sink *Sink, chaos *Chaos) map[string]int64 {
	figures := sink.Counters()
	for misfortune, n := range chaos.Tally() {
		figures["~"+misfortune] = int64(n)
	}
	return figures
}
