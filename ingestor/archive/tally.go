package archive

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"rcas/ingestor"
)

// Stats is what a replay has read so far.
type Stats struct {
	// Files opened, those inside of zip and tar files included.
	Files int64 `json:"files"`
	// Tweets, Prices read and handed to the sink; four of the prices stand for each of Bars.
	Tweets int64 `json:"tweets"`
	Prices int64 `json:"prices"`
	Bars   int64 `json:"bars"`
	// Venues are the names under which the drops of prices, and the lines around them, are counted; all others are of posts.
	Venues []string `json:"venues,omitempty"`
	// Drops are the lines that became neither, by reason.
	Drops map[string]Drop `json:"drops,omitempty"`
	// Refused are the places (file:line) of the first post or trade that the sink dropped, by its reasons. It counts them itself.
	Refused map[string]string `json:"refused,omitempty"`
	// Doubts are what was decided about files although they don't tell it beyond doubt, at most [MaxErrors] of them; DoubtCount counts all.
	Doubts     []string `json:"doubts,omitempty"`
	DoubtCount int64    `json:"doubt_count,omitempty"`
	// Errors are the files that could not be read, or not to their end, at most [MaxErrors] of them; ErrorCount counts all.
	Errors     []string `json:"errors,omitempty"`
	ErrorCount int64    `json:"error_count,omitempty"`
}

// Drop counts the lines dropped for one reason.
type Drop struct {
	Count int64 `json:"count"`
	// First is the first case: file:line: what is wrong.
	First string `json:"first"`
}

// MaxErrors is how many damaged files are named.
const MaxErrors = 100

// tally gathers the Stats. Safe for concurrent use. A nil tally counts nothing: the first of two passes has none.
type tally struct {
	sink ingestor.Sink
	log  *slog.Logger

	mu    sync.Mutex
	stats Stats
}

func newTally(log *slog.Logger) *tally {
	return &tally{log: log, stats: Stats{Drops: map[string]Drop{}, Refused: map[string]string{}}}
}

func (t *tally) snapshot() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	stats := t.stats
	stats.Drops, stats.Refused = maps.Clone(stats.Drops), maps.Clone(stats.Refused)
	stats.Errors, stats.Doubts = slices.Clone(stats.Errors), slices.Clone(stats.Doubts)
	stats.Venues = slices.Clone(stats.Venues)
	return stats
}

// count changes the figures.
func (t *tally) count(change func(s *Stats)) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.stats)
}

// refuse notes where the first was that the sink dropped for the reason.
func (t *tally) refuse(reason string, at place) {
	t.count(func(s *Stats) {
		if _, known := s.Refused[reason]; !known {
			s.Refused[reason] = at.String()
		}
	})
}

// venue notes that what is counted under the name is of prices.
func (t *tally) venue(name string) {
	t.count(func(s *Stats) {
		if !slices.Contains(s.Venues, name) {
			s.Venues = append(s.Venues, name)
		}
	})
}

// drop counts a line, or the parts of a line, by the reasons in err.
func (t *tally) drop(source, file string, line int, err error) {
	if t == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			t.drop(source, file, line, one)
		}
		return
	}
	reason := reasonOf(err)
	t.mu.Lock()
	d := t.stats.Drops[reason]
	if d.Count++; d.Count == 1 {
		d.First = fmt.Sprintf("%s:%d: %s", file, line, err)
	}
	t.stats.Drops[reason] = d
	t.mu.Unlock()
	if d.Count == 1 && reason != reasonDelete {
		t.log.Warn("line dropped; more of the kind are only counted", "at", d.First)
	}
	if t.sink != nil {
		t.sink.Drop(source, reason)
	}
}

// noteNoVolume is counted once for a file whose prices have no volume: its windows will show none, and no average price.
const noteNoVolume = "file without volume"

// note counts what the reader of the report should know of a file although nothing is dropped.
func (t *tally) note(source, what, file string) {
	if t == nil {
		return
	}
	t.log.Warn(what, "file", file)
	if t.sink != nil {
		t.sink.Count(source, what, 1)
	}
}

// doubt counts what was decided about a file although it doesn't tell it.
func (t *tally) doubt(file, what string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stats.DoubtCount++; len(t.stats.Doubts) < MaxErrors {
		t.stats.Doubts = append(t.stats.Doubts, file+": "+what)
	}
}

// fail notes a file that could not be read (to its end).
func (t *tally) fail(file string, err error) {
	if t == nil {
		return
	}
	text := file + ": " + err.Error()
	t.mu.Lock()
	if t.stats.ErrorCount++; len(t.stats.Errors) < MaxErrors {
		t.stats.Errors = append(t.stats.Errors, text)
	}
	t.mu.Unlock()
	t.log.Error("archive file", "error", text)
}
