package feed

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Ladder tells how long to wait before each attempt in a row of failures. The zero value means [DefaultLadder].
type Ladder struct {
	// First is the wait after the first failure; zero means that the first attempt comes at once.
	First time.Duration
	// Step is added with each further failure. Zero means doubling instead.
	Step time.Duration
	// Max caps the wait.
	Max time.Duration
	// Exact waits as long as the ladder says, and up to a tenth more: for waits that the provider documents as minima. Otherwise
	// the wait is full jitter, anything between nothing and the rung, which spreads clients best.
	Exact bool
}

// DefaultLadder serves every feed that documents none of its own.
var DefaultLadder = Ladder{First: 500 * time.Millisecond, Max: time.Minute}

// Wait returns the wait before the attempt that follows n+1 failures in a row. random lies in [0, 1).
func (l Ladder) Wait(n int, random float64) time.Duration {
	if l == (Ladder{}) {
		l = DefaultLadder
	}
	rung := l.First
	for i := 0; i < n && rung < l.Max; i++ {
		if l.Step > 0 {
			rung += l.Step
		} else {
			rung *= 2
		}
		if rung <= 0 {
			break
		}
	}
	if l.Max > 0 {
		rung = min(rung, l.Max)
	}
	if l.Exact {
		return rung + time.Duration(random*float64(rung)/10)
	}
	return time.Duration(random * float64(rung))
}

// StatusError is an HTTP answer other than the one hoped for.
type StatusError struct {
	Code int
	// RetryAfter is how long the provider asks to stay away; zero when it said nothing.
	RetryAfter time.Duration
	// Header is the answer's header, for providers that say more there.
	Header http.Header
	// Body is the beginning of the answer.
	Body string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("HTTP %d %s: %.200q", e.Code, http.StatusText(e.Code), e.Body)
}

// retryAfter reads the Retry-After header: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

// laterError carries the wait that its cause asks for.
type laterError struct {
	error
	wait time.Duration
}

func (e laterError) Unwrap() error { return e.error }

// Later marks err as one after which the next session shall start no sooner than after wait.
func Later(err error, wait time.Duration) error { return laterError{err, wait} }

// Wait returns how long err asks to stay away: by [Later] or by the header of a [*StatusError]. Zero if it does not.
func Wait(err error) time.Duration {
	if later, ok := errors.AsType[laterError](err); ok {
		return later.wait
	}
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.RetryAfter
	}
	return 0
}

// fatalError marks an error after which trying again is of no use.
type fatalError struct{ error }

func (e fatalError) Unwrap() error { return e.error }

// Fatal marks err as one after which the source must end: credentials refused, a budget spent, a sink that is gone.
// Fatal(nil) is nil.
func Fatal(err error) error {
	if err == nil {
		return nil
	}
	return fatalError{err}
}

// IsFatal tells whether err was marked by [Fatal].
func IsFatal(err error) bool {
	_, ok := errors.AsType[fatalError](err)
	return ok
}
