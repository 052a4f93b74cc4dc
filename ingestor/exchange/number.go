package exchange

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"rcas/ingestor/feed"
)

// Number is a decimal of a venue's JSON, whether written as a number or as a string. It is the double nearest to the literal:
// read from its text in one step, so that every decimal of up to 15 significant digits survives unchanged.
type Number float64

// UnmarshalJSON reads a JSON number or a string that holds one.
func (n *Number) UnmarshalJSON(literal []byte) error {
	value, err := ParseNumber(strings.Trim(string(literal), `"`))
	*n = Number(value)
	return err
}

// ParseNumber reads a decimal. Unlike strconv it takes decimals only: no Inf, no NaN, no hexadecimal.
func ParseNumber(s string) (float64, error) {
	if s == "" || strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, fmt.Errorf("%w: %.40q is no decimal", feed.ErrMalformed, s)
	}
	value, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", feed.ErrMalformed, err)
	}
	return value, nil
}

// List is a JSON array whose unreadable entries cost only themselves.
type List[T any] []T

// UnmarshalJSON reads the array and leaves out what is not of the form of T.
func (l *List[T]) UnmarshalJSON(text []byte) error {
	var entries []json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return err
	}
	*l = (*l)[:0]
	for _, entry := range entries {
		var value T
		if json.Unmarshal(entry, &value) == nil {
			*l = append(*l, value)
		}
	}
	return nil
}
