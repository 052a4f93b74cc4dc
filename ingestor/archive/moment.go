package archive

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// errNoTime is returned for text that is no time.
var errNoTime = errors.New("not a time")

// layouts are the forms of dates in archives, beside RFC 3339, which time.Parse reads faster than any other.
var layouts = [...]string{
	time.RubyDate, // Twitter v1.1
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05",
	"2006-01-02 15:04:05 MST",
	"2006-01-02 15:04",
	"2006-01-02T15:04:05",
	time.DateOnly,
}

// parseTime reads a date, or a number since 1970 whose unit its size tells: seconds up to 10^11 (the year 5138),
// milliseconds up to 10^14, microseconds up to 10^17, then nanoseconds.
func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, fmt.Errorf("%w: it is empty", errNoTime)
	}
	if c := s[len(s)-1]; c >= '0' && c <= '9' && !strings.ContainsAny(s[1:], "-:") {
		return parseEpoch(s)
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), nil
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: %.40q", errNoTime, s)
}

// parseEpoch reads a number since 1970 without going through floating point, which would cost the last digits.
func parseEpoch(s string) (time.Time, error) {
	if strings.ContainsAny(s, "eE") {
		return parseExponent(s)
	}
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %.40q", errNoTime, s)
	}
	switch {
	case n < 1e11 && n > -1e11:
		nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		if err != nil || nanos < 0 {
			return time.Time{}, fmt.Errorf("%w: %.40q", errNoTime, s)
		}
		return time.Unix(n, nanos).UTC(), nil
	case n < 1e14 && n > -1e14:
		return time.UnixMilli(n).UTC(), nil
	case n < 1e17 && n > -1e17:
		return time.UnixMicro(n).UTC(), nil
	}
	return time.Unix(0, n).UTC(), nil
}

// parseExponent reads a number that some spreadsheet has written as 1.5148E+09.
func parseExponent(s string) (time.Time, error) {
	f, err := parseDecimal(s)
	if err != nil || !(f > -1e18 && f < 1e18) {
		return time.Time{}, fmt.Errorf("%w: %.40q", errNoTime, s)
	}
	return parseEpoch(strconv.FormatInt(int64(f), 10))
}
