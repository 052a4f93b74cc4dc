package bluesky

import (
	"encoding/json"
	"time"
)

// Position returns a cursor, as [ingestor.Cursors] keeps them, with which the source begins at a time, on a host by preference.
func Position(host string, at time.Time) string {
	text, _ := json.Marshal(position{URL: host, Time: at.UTC()}) // strings and times always marshal
	return string(text)
}

// PositionTime returns how far a saved cursor is; the zero time of what is none.
func PositionTime(cursor string) time.Time {
	var at position
	_ = json.Unmarshal([]byte(cursor), &at) // leaves the zero time
	return at.Time
}
