package embedded

import (
	"fmt"
	"time"
)

const (
	// startTimeout bounds a start: replaying what was written since the last checkpoint takes seconds.
	startTimeout = 3 * time.Minute
	// maxFailures is how many starts in a row may fail before the server gives up.
	maxFailures = 5
	minBackoff  = 50 * time.Millisecond
	maxBackoff  = 5 * time.Second
	// steady is how long a process must have served for its crash not to count as one of a series.
	steady = time.Minute
)

// supervise keeps a process running until Close, and tells first how the first start went.
func (s *Server) supervise(first chan<- error) {
	defer close(s.done)
	for backoff, failures, starts := minBackoff, 0, 0; ; starts++ {
		p, err := s.serve()
		if err == nil {
			failures = 0
			if starts == 0 {
				first <- nil
			}
			s.config.Log.Info("embedded database is ready", "dir", s.dir, "pid", p.cmd.Process.Pid, "after", time.Since(p.born))
			err = s.watch(p)
			if time.Since(p.born) > steady {
				backoff = minBackoff
			}
		} else {
			failures++
		}
		if s.closing() {
			return
		}
		if failures >= maxFailures || failures > starts {
			s.err = err
			first <- err
			return
		}
		s.config.Log.Error("embedded database restarts", "dir", s.dir, "error", err, "after", backoff)
		s.pause(backoff)
		backoff = min(2*backoff, maxBackoff)
	}
}

// serve starts a process and waits until it serves clients.
func (s *Server) serve() (*process, error) {
	p, err := s.launch()
	if err != nil {
		return nil, err
	}
	select {
	case <-p.ready:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%w; if files in %s are damaged, put back a backup of the data directory", p.failure(), s.dir)
	case <-s.stopping:
		err = errStopped
	case <-time.After(startTimeout):
		err = fmt.Errorf("the database did not start within %s", startTimeout)
	}
	p.kill()
	return nil, err
}

// watch waits for the end of a process, and brings it about on Close or when a statement holds it for too long.
func (s *Server) watch(p *process) error {
	ticker := time.NewTicker(s.beatInterval())
	defer ticker.Stop()
	for {
		select {
		case <-p.done:
			return p.failure()
		case <-s.stopping:
			p.stop(stopTimeout)
			return errStopped
		case <-ticker.C:
			if silence := p.silence(); silence > s.config.Deadline {
				p.kill()
				return fmt.Errorf("a statement held the database for %s, longer than the deadline of %s",
					silence.Round(time.Millisecond), s.config.Deadline)
			}
		}
	}
}

// beatInterval is how often a process says that it is not within a statement.
func (s *Server) beatInterval() time.Duration {
	return min(max(s.config.Deadline/10, 10*time.Millisecond), time.Second)
}

func (s *Server) closing() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

func (s *Server) pause(d time.Duration) {
	select {
	case <-s.stopping:
	case <-time.After(d):
	}
}
