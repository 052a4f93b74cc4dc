package backfill

import (
	"context"
	"slices"
	"time"

	"rcas/ingestor"
)

// Span is a stretch of time, From included, To not.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Length of the span; not above zero where it is empty.
func (s Span) Length() time.Duration { return s.To.Sub(s.From) }

// cut returns the part of the span that lies within another.
func (s Span) cut(by Span) Span {
	if s.From.Before(by.From) {
		s.From = by.From
	}
	if s.To.After(by.To) {
		s.To = by.To
	}
	return s
}

// spans are disjoint, not empty, ascending, and do not touch.
type spans []Span

// add returns the spans with one more.
func (all spans) add(s Span) spans {
	if s.Length() <= 0 {
		return all
	}
	var apart spans
	for _, t := range all {
		if t.To.Before(s.From) || t.From.After(s.To) {
			apart = append(apart, t)
			continue
		}
		if t.From.Before(s.From) {
			s.From = t.From
		}
		if t.To.After(s.To) {
			s.To = t.To
		}
	}
	apart = append(apart, s)
	slices.SortFunc(apart, func(a, b Span) int { return a.From.Compare(b.From) })
	return apart
}

// Join returns spans of which none overlap or touch, the newest first, that cover the same.
func Join(all []Span) []Span {
	var joined spans
	for _, s := range all {
		joined = joined.add(s)
	}
	slices.Reverse(joined)
	return joined
}

// missing returns what of s none of the spans covers.
func (all spans) missing(s Span) spans {
	var left spans
	for _, t := range all {
		if t = t.cut(s); t.Length() <= 0 {
			continue
		}
		if t.From.After(s.From) {
			left = append(left, Span{s.From, t.From})
		}
		s.From = t.To
	}
	if s.Length() > 0 {
		left = append(left, s)
	}
	return left
}

// length of all spans together.
func (all spans) length() (sum time.Duration) {
	for _, s := range all {
		sum += s.Length()
	}
	return sum
}

// Source brings the past of a feed.
type Source interface {
	// Name is the value of the posts' source or the trades' venue.
	Name() string
	// Run brings a span of time, and returns when all of it was handed to the sink, ctx ends (then with its error, or nil), or the feed does
	// not answer. What was done in an earlier run is not done again.
	Run(ctx context.Context, sink ingestor.Sink, want Span) error
}

var _, _, _ Source = (*Prices)(nil), (*Posts)(nil), (*Listings)(nil)
