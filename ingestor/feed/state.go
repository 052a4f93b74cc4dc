package feed

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"rcas/ingestor"
	"rcas/store"
	"rcas/telemetry"
)

// What a feed is doing, the values of [store.FeedState.State].
const (
	Connecting = "connecting" // no data yet
	Reading    = "reading"
	Waiting    = "waiting"    // refused or cut off; it tries again
	Unreadable = "unreadable" // connected, and what comes is not of a known form
	Ended      = "ended"      // for good, or told to
)

// State is how a feed is doing, kept by its source for people. What changes for the worse is a line in the log, and one more when it
// is over, however often it is tried in between; rcas status shows the whole ([State.Report]). Safe for concurrent use.
type State struct {
	name    string
	log     *slog.Logger
	metrics *telemetry.Metrics

	mu      sync.Mutex
	now     store.FeedState
	faults  map[string]*telemetry.Fault
	legible legibility
	losses  map[string]*loss // by what the log says of them
}

var _ ingestor.Reporter = (*State)(nil)

// NewState returns the state of a feed that has not begun. log and metrics may be nil.
func NewState(name string, log *slog.Logger, metrics *telemetry.Metrics) *State {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &State{
		name: name, log: log.With("source", name), metrics: metrics, faults: map[string]*telemetry.Fault{}, losses: map[string]*loss{},
		now: store.FeedState{
			Source: name, State: Connecting, Since: time.Now(), LeftOut: map[string]string{}, Newest: map[string]time.Time{},
		},
	}
}

// Report returns the state of now.
func (s *State) Report() store.FeedState {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := s.now
	report.LeftOut, report.Newest = maps.Clone(s.now.LeftOut), maps.Clone(s.now.Newest)
	return report
}

// Fault notes that something of the feed fails: what says what, and tells it from other faults. See [telemetry.Fault].
func (s *State) Fault(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault(s.log, what, err)
}

func (s *State) fault(log *slog.Logger, what string, err error) {
	s.now.Error, s.now.ErrorAt = err.Error(), time.Now()
	f := s.faults[what]
	if f == nil {
		f = s.metrics.Fault(log, s.name+": "+what)
		s.faults[what] = f
	}
	f.Failed(err)
}

// Over notes that it works. It costs next to nothing where nothing had failed.
func (s *State) Over(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over(what)
}

func (s *State) over(what string) {
	if f := s.faults[what]; f != nil {
		f.Over()
	}
}

// LeaveOut books that something (a coin, a rule, a subreddit) is not read, and why. Where it had not been left out, the log says so.
func (s *State) LeaveOut(what, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.now.LeftOut[what]; !known {
		s.log.Warn("left out, and tried again now and then; the others are read", "what", what, "why", why)
	}
	s.now.LeftOut[what] = why
}

// Omit is LeaveOut without a line in the log.
func (s *State) Omit(what, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.LeftOut[what] = why
}

// TakeIn books that something left out is read from now on, or no longer wanted. The log says so where it had said the contrary.
func (s *State) TakeIn(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if why, known := s.now.LeftOut[what]; known {
		delete(s.now.LeftOut, what)
		s.log.Warn("no longer left out", "what", what, "was", why)
	}
}

// lossEvery is the least time between two lines about losses.
const lossEvery = 10 * time.Minute

// loss is how much was lost that is not yet in the log, and when that last said so.
type loss struct {
	n    int64
	said time.Time
}

// Lost says that n things will never be read, by a message of their kind. The first loss of a kind is a line at once; those of the next ten
// minutes become one.
func (s *State) Lost(n int64, message string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.losses[message]
	if l == nil {
		l = new(loss)
		s.losses[message] = l
	}
	l.n += n
	if !l.said.IsZero() && time.Since(l.said) < lossEvery {
		return
	}
	s.log.Warn(message, append([]any{"n", l.n}, args...)...)
	l.n, l.said = 0, time.Now()
}

// Gaps books how many gaps are open, and how many things they lack.
func (s *State) Gaps(open int, missing int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Gaps, s.now.Missing = open, missing
}

// Fresh books the time of something read about a coin; "" for what is not about a single coin.
func (s *State) Fresh(symbol string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.After(s.now.Newest[symbol]) {
		s.now.Newest[symbol] = at
	}
}

// become changes what the feed is doing.
func (s *State) become(state string) {
	if s.now.State != state {
		s.now.State, s.now.Since = state, time.Now()
	}
	s.now.NextTry = time.Time{}
}

// noData is the fault of a feed that brings nothing.
const noData = "the feed brings nothing; trying again"

// longWait is how long a wait may be without a line in the log.
const longWait = time.Minute

// waiting books that a session ended and when the next one starts. One that had delivered is worth a line only if the wait is long.
func (s *State) waiting(err error, delivered bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = errors.New("the connection ended")
	}
	s.now.Error, s.now.ErrorAt = err.Error(), time.Now()
	malformed := errors.Is(err, ErrMalformed)
	if malformed { // a feed that is asked again and again shows a changed form by its answers
		s.illegible([]byte(err.Error()))
	}
	if !malformed || !s.legible.alarmed {
		s.become(Waiting)
	}
	s.now.NextTry = time.Now().Add(wait)
	if !errors.Is(err, ErrAgain) && (!delivered || wait >= longWait) {
		s.fault(s.log, noData, err)
	}
}

// connecting books that a session begins.
func (s *State) connecting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.State != Waiting && s.now.State != Unreadable { // until data come, it is still out of order
		s.become(Connecting)
	}
	s.now.NextTry = time.Time{}
}

// reading books that data came.
func (s *State) reading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.legible.alarmed {
		s.become(Reading)
	}
	s.over(noData)
}

// Listening books that a source which is sent to, and has no sessions, takes what comes.
func (s *State) Listening() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.become(Reading)
}

// ended books that the source ended.
func (s *State) ended(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.now.Error, s.now.ErrorAt = err.Error(), time.Now()
	}
	s.become(Ended)
}

// legibility compares what could be read with what could not.
type legibility struct {
	since        time.Time // of the counts
	read, unread int
	first        []byte // the first of those unread
	alarmed      bool
}

// Times and counts by which a feed is judged unreadable: within a stretch of so long, at least so many messages could not be read,
// and fewer could.
const (
	legibleStretch = 10 * time.Second
	legibleLeast   = 3
)

// illegible is the alarm of a feed whose messages cannot be read any more.
const illegible = "what the feed sends can no longer be read: its format may have changed"

// Legible books that n messages held data that could be read.
func (s *State) Legible(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.legible.read += n
	s.judge()
}

// Illegible books a message that is malformed or of a kind unknown. When such messages outweigh the legible ones, which takes between
// ten and twenty seconds, that is an alarm: a line at the level of errors with one of them, and the state [Unreadable].
func (s *State) Illegible(message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.illegible(message)
}

func (s *State) illegible(message []byte) {
	if s.legible.first == nil {
		s.legible.first = slices.Clone(message[:min(len(message), 500)])
	}
	s.legible.unread++
	s.judge()
}

// tick judges what came in a burst, too.
func (s *State) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judge()
}

// judge weighs the last stretch when it is over.
func (s *State) judge() {
	l := &s.legible
	if l.since.IsZero() {
		l.since = time.Now()
	}
	if time.Since(l.since) < legibleStretch || l.read+l.unread == 0 {
		return
	}
	switch {
	case l.unread >= legibleLeast && l.unread > l.read:
		s.fault(slog.New(slog.DiscardHandler), illegible, fmt.Errorf("%d of %d messages, the first: %s", l.unread, l.read+l.unread, l.first))
		if !l.alarmed {
			s.log.Error(illegible, "unreadable", l.unread, "of", l.read+l.unread, "message", string(l.first))
		}
		l.alarmed = true
		s.become(Unreadable)
	case l.unread >= l.read && !l.alarmed:
		return // too few to tell
	case l.alarmed && l.read > l.unread:
		l.alarmed = false
		s.over(illegible)
		s.log.Warn("what the feed sends can be read again")
		s.become(Reading)
	}
	l.read, l.unread, l.since, l.first = 0, 0, time.Now(), nil
}
