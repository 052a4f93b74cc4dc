package api

import (
	"slices"
	"time"

	"rcas/dataset"
)

// finals passes rows on, and counts those that say of themselves that they are final.
type finals struct {
	dataset.Sink
	column      int // of "final"; -1: there is none
	rows, final int
}

// Columns implements [dataset.Sink].
func (f *finals) Columns(columns []dataset.Column) error {
	f.column = slices.IndexFunc(columns, func(c dataset.Column) bool { return c.Name == "final" })
	return f.Sink.Columns(columns)
}

// Row implements [dataset.Sink].
func (f *finals) Row(values []any) error {
	f.rows++
	if f.column >= 0 && values[f.column] == true {
		f.final++
	}
	return f.Sink.Row(values)
}

// settled is how old a time must be before which nothing new is expected: as old as what docs/sql.md calls final.
const settled = 7 * 24 * time.Hour

// fixed tells whether the question means the same buckets whenever it is asked, and none of them is young: times written out, not counted from now.
func (q *question) fixed(now time.Time) bool {
	old := false
	for i := range q.entry.Arguments {
		a := &q.entry.Arguments[i]
		if !a.Time() {
			continue
		}
		for _, text := range a.Given(q.values) {
			t, ok := writtenOut(text)
			if !ok {
				return false
			}
			old = old || a.Name == "to" && now.Sub(t) > settled || a.Name == "as_of" && t.Before(now)
		}
	}
	return old
}

func writtenOut(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
