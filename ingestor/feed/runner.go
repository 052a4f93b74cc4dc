package feed

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"rcas/ingestor"
)

// Why a session was ended from outside; context.Cause of the session's context tells.
var (
	// ErrIdle means that bytes may have come, but no data.
	ErrIdle = errors.New("no data within the idle limit")
	// ErrSilent means that nothing came at all, not even a heartbeat.
	ErrSilent = errors.New("no sign of life within the silence limit")
	// ErrReplaced means that a successor has taken over.
	ErrReplaced = errors.New("a newer connection has taken over")
	// ErrAgain is for sessions that end of their own will, to begin anew with something changed: that is no fault.
	ErrAgain = errors.New("connecting anew")
)

// Runner runs the sessions of one source, one after another, until its context ends.
type Runner struct {
	// Name is the source's name, for counters and log lines.
	Name string
	Sink ingestor.Sink
	// Log may be nil.
	Log *slog.Logger
	// State is told how the sessions go; nil means one of the runner's own, for the log.
	State *State
	// Silence ends a session that received nothing at all for so long. Zero means never.
	Silence time.Duration
	// Idle ends a session that received no data for so long. Zero means never.
	Idle time.Duration
	// Lifetime hands a session over to a successor when it is so old: for providers that cut connections at a known age.
	// Zero means never.
	Lifetime time.Duration
	// Ladder chooses the back-off by what ended the session. Nil means [DefaultLadder] for everything. A row of failures
	// climbs one ladder; another ladder starts at its foot.
	Ladder func(err error) Ladder
}

// Run calls session until ctx ends (returns nil) or a session returns an error marked by [Fatal] (returns that).
func (r *Runner) Run(ctx context.Context, session func(context.Context, *Session) error) error {
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.State == nil {
		r.State = NewState(r.Name, r.Log, nil)
	}
	err := r.run(ctx, session)
	r.State.ended(err)
	return err
}

func (r *Runner) run(ctx context.Context, session func(context.Context, *Session) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	var climb climber
	var old *Session // the one that handed over, if one did
	for first := true; ctx.Err() == nil; first = false {
		if !first {
			r.Sink.Count(r.Name, "reconnect", 1)
		}
		s := r.start(ctx, &running, session, old)
		select {
		case <-s.handover:
			r.Sink.Count(r.Name, "handover", 1)
			old = s
			_ = Sleep(ctx, r.wait(&climb, s, ErrReplaced))
			continue
		case <-s.done:
		}
		if ctx.Err() != nil {
			return nil
		}
		if IsFatal(s.err) {
			return s.err
		}
		wait := r.wait(&climb, s, s.err)
		if !old.reads() {
			r.State.waiting(s.err, s.delivered(), wait)
		}
		_ = Sleep(ctx, wait)
	}
	return nil
}

// start runs one session in a goroutine of its own, watched over.
func (r *Runner) start(
	ctx context.Context, running *sync.WaitGroup, session func(context.Context, *Session) error, old *Session,
) *Session {
	s := &Session{began: time.Now(), state: r.State, handover: make(chan struct{}), done: make(chan struct{})}
	if old != nil {
		s.endOld = old.end
	}
	if !old.reads() {
		r.State.connecting()
	}
	ctx, s.end = context.WithCancelCause(ctx)
	running.Go(func() {
		defer close(s.done)
		defer s.end(nil)
		s.err = session(ctx, s)
		if cause := context.Cause(ctx); cause != nil && (!IsFatal(s.err) || errors.Is(s.err, context.Canceled)) {
			s.err = cause
		}
	})
	running.Go(func() { r.watch(ctx, s) })
	return s
}

// watch ends a session that has fallen silent or brings no data, and starts the handover of one that is old.
func (r *Runner) watch(ctx context.Context, s *Session) {
	var lifetime <-chan time.Time
	every := time.Second
	if shortest := shortest(r.Silence, r.Idle); shortest > 0 {
		every = max(min(every, shortest/8), time.Millisecond)
	}
	check := time.NewTicker(every)
	defer check.Stop()
	if r.Lifetime > 0 {
		timer := time.NewTimer(r.Lifetime)
		defer timer.Stop()
		lifetime = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-lifetime:
			s.Handover()
		case <-check.C:
			r.State.tick()
			age := time.Since(s.began)
			switch {
			case r.Silence > 0 && age-time.Duration(s.lastSign.Load()) > r.Silence:
				r.Sink.Count(r.Name, "silent", 1)
				s.end(ErrSilent)
				return
			case r.Idle > 0 && age-time.Duration(s.lastData.Load()) > r.Idle:
				r.Sink.Count(r.Name, "idle", 1)
				s.end(ErrIdle)
				return
			}
		}
	}
}

func shortest(a, b time.Duration) time.Duration {
	if a > 0 && b > 0 {
		return min(a, b)
	}
	return max(a, b)
}

// wait returns how long the back-off says to wait after the session s, which why has ended or is about to end. The back-off starts
// anew only if the session delivered data: a provider that accepts and drops at once is a failing one.
func (r *Runner) wait(climb *climber, s *Session, why error) time.Duration {
	if s.delivered() {
		*climb = climber{}
	}
	ladder := DefaultLadder
	if r.Ladder != nil {
		ladder = r.Ladder(why)
	}
	wait := max(climb.next(ladder), Wait(why))
	r.Log.Debug("reconnecting", "source", r.Name, "why", why, "delivered", s.delivered(),
		"age", time.Since(s.began).Round(time.Millisecond), "wait", wait.Round(time.Millisecond))
	return wait
}

// climber counts the failures in a row on one ladder.
type climber struct {
	ladder Ladder
	n      int
}

func (c *climber) next(l Ladder) time.Duration {
	if l != c.ladder {
		*c = climber{ladder: l}
	}
	wait := l.Wait(c.n, rand.Float64())
	c.n++
	return wait
}

// Sleep waits for d or until ctx ends, and returns ctx's error.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// Session is one connection's life as the runner sees it. Its methods are safe for concurrent use.
type Session struct {
	began              time.Time
	state              *State
	lastSign, lastData atomic.Int64            // since began, nanoseconds
	endOld             context.CancelCauseFunc // ends the predecessor that still reads; nil where there is none
	handover           chan struct{}
	handoverOnce       sync.Once
	done               chan struct{} // closed when the session has ended; err may be read then
	err                error
	end                context.CancelCauseFunc
}

// Alive tells the runner that bytes of any kind came.
func (s *Session) Alive() { s.lastSign.Store(int64(time.Since(s.began))) }

// Data tells the runner that data came. The first data of a successor ends its predecessor, so that no message falls
// between the two.
func (s *Session) Data() {
	age := max(int64(time.Since(s.began)), 1)
	s.lastSign.Store(age)
	if s.lastData.Swap(age) > 0 {
		return
	}
	s.state.reading()
	if s.endOld != nil {
		s.endOld(ErrReplaced)
	}
}

// Handover asks for a successor now, while this session goes on reading until the successor has data.
func (s *Session) Handover() { s.handoverOnce.Do(func() { close(s.handover) }) }

func (s *Session) delivered() bool { return s.lastData.Load() > 0 }

// reads tells whether the session goes on; nil does not.
func (s *Session) reads() bool {
	if s == nil {
		return false
	}
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}
