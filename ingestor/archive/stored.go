package archive

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rcas/store"
)

// Stored asks what is stored already of a market from one time to before another: the times of bars of another width than this one and, where
// the width is not 0, of trades. What a file says of these times would count a second time.
type Stored func(ctx context.Context, symbol, venue string, width time.Duration, from, until time.Time) ([]store.Span, error)

// barsToAsk is for how many bars it is asked at once, and stretchesToKnow how many stretches of a file in no order are remembered.
const barsToAsk, stretchesToKnow = 1024, 64

// storedTimes remembers what was asked of a market.
type storedTimes struct {
	p     *pass
	known map[stretch][]store.Span
}

// stretch is a part of time, of a length, that was asked for.
type stretch struct {
	symbol, venue string
	width         time.Duration
	from          int64
}

// check returns an error for a bar, or for a trade where width and until are zero, of whose time something else is stored.
func (s *storedTimes) check(symbol, venue string, width time.Duration, at, until time.Time) error {
	if s.p.cfg.Stored == nil || s.p.tally == nil {
		return nil
	}
	length := oneDay
	if width > 0 {
		length = barsToAsk * width
	} else {
		until = at.Add(1)
	}
	// A bar may reach into the next stretch, which is asked for with it.
	from := at.Truncate(length)
	key := stretch{symbol, venue, width, from.Unix()}
	spans, known := s.known[key]
	if !known {
		var err error
		if spans, err = s.p.cfg.Stored(s.p.ctx, symbol, venue, width, from, from.Add(length+width)); err != nil {
			return &fatal{fmt.Errorf("look up what is stored: %w", err)}
		}
		spans = joined(spans)
		if s.known == nil || len(s.known) >= stretchesToKnow {
			s.known = map[stretch][]store.Span{}
		}
		s.known[key] = spans
	}
	i, _ := slices.BinarySearchFunc(spans, at, func(s store.Span, at time.Time) int { // the first that ends behind
		if s.To.After(at) {
			return 1
		}
		return -1
	})
	if i < len(spans) && spans[i].From.Before(until) {
		return &unreadable{reasonStored, fmt.Errorf("the database has other bars, or trades, of %s at %s from %s on, and would count these a "+
			"second time: leave them out, or give them another --venue", symbol, venue, spans[i].From.UTC().Format(time.RFC3339))}
	}
	return nil
}

// joined puts spans in order, and those that overlap together.
func joined(spans []store.Span) (list []store.Span) {
	slices.SortFunc(spans, func(a, b store.Span) int { return a.From.Compare(b.From) })
	for _, s := range spans {
		if last := len(list) - 1; last >= 0 && !s.From.After(list[last].To) {
			if s.To.After(list[last].To) {
				list[last].To = s.To
			}
			continue
		}
		list = append(list, s)
	}
	return list
}
