package archive

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on every machine
)

// errNoTime is returned for text that is no time.
var errNoTime = errors.New("not a time")

// moment is a time as a file gives it.
type moment struct {
	time.Time
	// sure tells that the text itself tells the zone, or counts seconds. Another was taken for a time of the configured zone.
	sure bool
	// day tells that it is a date without a time of day.
	day bool
}

// layouts are the forms of dates in archives without a zone, beside RFC 3339, which time.Parse reads faster than any other. A fraction of a
// second may follow the seconds of each.
var layouts = [...]string{
	"2006-01-02 15:04:05",
	"2006-01-02T15:04:05",
	"2006-01-02D15:04:05", // BitMEX
	"2006-01-02 15:04",
	"2006-01-02T15:04",
	"2006-01-02 03-PM", // CryptoDataDownload
	"2006-01-02 3:04:05 PM",
	"2006-01-02 3:04 PM",
	"2006/01/02 15:04:05",
	"2006/01/02 15:04",
	"2006.01.02 15:04:05", // MetaTrader
	"2006.01.02 15:04",
	"02.01.2006 15:04:05",
	"02.01.2006 15:04",
	"Mon, 02 Jan 2006 15:04:05", // RFC 1123
	"02 Jan 2006 15:04:05",
	"Mon Jan 02 15:04:05 2006",
	"Mon Jan 02 2006 15:04:05", // JavaScript
	"Jan 2, 2006 15:04:05",
	"Jan 2, 2006 3:04:05 PM",
	"Jan 2, 2006 3:04 PM",
	"January 2, 2006 3:04 PM",
	"3:04 PM · Jan 2, 2006", // as X shows it
}

// dayLayouts are those of dates without a time of day. 05/10/2021 is none: it is two days.
var dayLayouts = [...]string{
	time.DateOnly, "2006/01/02", "2006.01.02", "02.01.2006", "Jan 2, 2006", "Jan 02, 2006", "January 2, 2006", "02 Jan 2006", "02-Jan-2006",
}

// parseMoment reads a date, or a number since 1970 whose unit its size tells: seconds up to 10^11 (the year 5138), milliseconds up to 10^14,
// microseconds up to 10^17, then nanoseconds. A date without a zone is one of the given zone.
func parseMoment(s string, zone *time.Location) (moment, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return moment{}, fmt.Errorf("%w: it is empty", errNoTime)
	}
	s = dashed(s)
	if c := s[len(s)-1]; c >= '0' && c <= '9' && !strings.ContainsAny(s[1:], "-: /") {
		if strings.Count(s, ".") < 2 {
			t, err := parseEpoch(s)
			return moment{Time: t, sure: true}, err
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return moment{Time: t.UTC(), sure: true}, nil
	}
	if t, err := time.Parse(time.RubyDate, s); err == nil { // Twitter v1.1
		return moment{Time: t.UTC(), sure: true}, nil
	}
	text, at, named, err := cutZone(s)
	if err != nil {
		return moment{}, fmt.Errorf("%w: %.60q: %w", errNoTime, s, err)
	}
	if named {
		zone = at
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return moment{Time: t.UTC(), sure: named}, nil
		}
	}
	for _, layout := range dayLayouts {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return moment{Time: t.UTC(), sure: named, day: true}, nil
		}
	}
	if slashed.MatchString(text) {
		return moment{}, fmt.Errorf("%w: %.40q may be a day of either of two months: write it like 2021-05-10", errNoTime, s)
	}
	return moment{}, fmt.Errorf("%w: %.40q", errNoTime, s)
}

// slashed is a date of which day and month can't be told apart.
var slashed = regexp.MustCompile(`^\d\d?[/-]\d\d?[/-]\d{4}\b`)

// compact is a date without dashes, with a time of day behind it: 20210510080233, 202105100802, 20210510 080233. As counts since 1970 these would
// be of 1976, and of the years after 2600.
var compact = regexp.MustCompile(`^(\d{8})[ T_]?([01]\d|2[0-3])([0-5]\d)(?:([0-5]\d)(\d{3})?)?$`)

// dashed writes a compact date, and a day without dashes before a time of day, as others are.
func dashed(s string) string {
	if m := compact.FindStringSubmatch(s); m != nil && isDay(m[1]) {
		day := m[1][:4] + "-" + m[1][4:6] + "-" + m[1][6:]
		return day + " " + m[2] + ":" + m[3] + ":" + first(m[4], "00") + "." + first(m[5], "000")
	}
	if (len(s) == 8 || len(s) > 8 && s[8] == ' ') && isDay(s[:8]) {
		return s[:4] + "-" + s[4:6] + "-" + s[6:]
	}
	return s
}

func isDay(s string) bool {
	t, err := time.Parse("20060102", s)
	return err == nil && t.Year() >= 1990 && t.Year() < 2100
}

// zones are the offsets from UTC, in minutes, of names that stand for one zone only. The others, as CST (Chicago, Havana, Shanghai) and IST
// (Israel, India, Ireland), are refused.
var zones = map[string]int{
	"UTC": 0, "GMT": 0, "UCT": 0, "Z": 0, "WET": 0, "WEST": 60, "CET": 60, "CEST": 120, "MEZ": 60, "MESZ": 120, "EET": 120, "EEST": 180,
	"MSK": 180, "TRT": 180, "PKT": 300, "WIB": 420, "ICT": 420, "HKT": 480, "SGT": 480, "PHT": 480, "AWST": 480, "JST": 540, "KST": 540,
	"ACST": 570, "ACDT": 630, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780, "SAST": 120, "CAT": 120, "EAT": 180, "WAT": 60,
	"EST": -300, "EDT": -240, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600,
	"NST": -210, "NDT": -150, "BRT": -180, "ART": -180, "CLT": -240, "COT": -300, "PET": -300,
}

var (
	// offsetBehind is an offset at the end of a date that has a time of day: +02, -0330, +05:30, GMT+3, UTC-03:00; behind it may stand the
	// zone's name in brackets, which adds nothing.
	offsetBehind = regexp.MustCompile(`^(.*\d\d:\d\d.*?) ?(?:UTC|GMT|Z)? ?([+-])(\d{1,2}):?(\d\d)?(?: \([^)]*\))?$`)
	// zoneBehind is a zone by name, and zoneWithin one before the year, as Unix's date writes it.
	zoneBehind = regexp.MustCompile(`^(.*\d) ([A-Za-z][A-Za-z_]*(?:/[A-Za-z_/+-]+\d*)?|)$`)
	zoneWithin = regexp.MustCompile(`^(\w{3} \w{3} +\d\d? \d\d:\d\d:\d\d) ([A-Z]{2,5}|[+-]\d{4}) (\d{4})$`)
)

// cutZone takes the zone off the end of a date.
func cutZone(s string) (date string, zone *time.Location, named bool, err error) {
	if m := zoneWithin.FindStringSubmatch(s); m != nil {
		s = m[1] + " " + m[3] + " " + m[2]
	}
	if m := offsetBehind.FindStringSubmatch(s); m != nil && !strings.HasPrefix(s, m[2]) {
		hours, _ := strconv.Atoi(m[3])
		minutes, _ := strconv.Atoi(m[4])
		if hours > 14 || minutes > 59 {
			return "", nil, false, errors.New("no zone has that offset")
		}
		offset := hours*3600 + minutes*60
		if m[2] == "-" {
			offset = -offset
		}
		return m[1], time.FixedZone("", offset), true, nil
	}
	m := zoneBehind.FindStringSubmatch(s)
	if m != nil && m[2] != "" && offsetBehind.MatchString(m[1]) {
		return cutZone(m[1]) // 2021-05-10 08:02:33 +0200 CEST
	}
	if m == nil || m[2] == "" || m[2] == "AM" || m[2] == "PM" || m[2] == "am" || m[2] == "pm" {
		return s, nil, false, nil
	}
	zone, err = zoneOf(m[2])
	return m[1], zone, err == nil, err
}

// zoneOf returns the zone of a name.
func zoneOf(name string) (*time.Location, error) {
	if minutes, ok := zones[strings.ToUpper(name)]; ok {
		return time.FixedZone(name, minutes*60), nil
	}
	if strings.Contains(name, "/") {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("%q names no zone, or more than one: write the offset, as +02:00", name)
}

// Zone reads what --timezone may say: a name of the IANA database (Europe/Berlin), a short one that only one zone has (CET), or an offset
// (+02:00).
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if _, zone, named, err := cutZone("2000-01-01 00:00:00" + name); err == nil && named {
		return zone, nil
	}
	return zoneOf(name)
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

// exponent is a number that some spreadsheet has written as 1.5148E+09.
var exponent = regexp.MustCompile(`^[+-]?(\d)(?:\.(\d+))?[eE][+]?(\d+)$`)

// digitsToTrust is how many digits of a time in exponent form must be there: with eight, the last one stands for 100 seconds, and what
// is missing is zero as a rule. A spreadsheet shows six, and has rounded.
const digitsToTrust = 8

func parseExponent(s string) (time.Time, error) {
	m := exponent.FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, fmt.Errorf("%w: %.40q", errNoTime, s)
	}
	if 1+len(m[2]) < digitsToTrust {
		return time.Time{}, fmt.Errorf("%w: of %.40q a spreadsheet has rounded the last digits away", errNoTime, s)
	}
	f, err := parseDecimal(s)
	if err != nil || !(f > -1e18 && f < 1e18) {
		return time.Time{}, fmt.Errorf("%w: %.40q", errNoTime, s)
	}
	return parseEpoch(strconv.FormatInt(int64(f), 10))
}
