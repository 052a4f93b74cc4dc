package archive

import (
	"math"
	"slices"
	"strings"
	"time"
)

// sample is the first records of a table whose columns have no names. Their number and nature tell what they are.
type sample struct {
	width, bools int
	records      [][]string
	// json tells that the records are arrays of JSON.
	json bool
}

// newSample looks at the fields of the first record; nil where they are not a time and numbers, with truths behind.
func newSample(fields []string) *sample {
	s := &sample{width: len(fields), records: [][]string{fields}}
	for s.bools < len(fields) && isBool(fields[len(fields)-1-s.bools]) {
		s.bools++
	}
	for i, field := range fields[:len(fields)-s.bools] {
		switch field = strings.TrimSpace(field); {
		case isNumber(field), i > 0 && field == "":
		case i == 0 && isDate(field), i == 1 && clockTime.MatchString(field):
		default:
			return nil
		}
	}
	if s.width < 3 {
		return nil
	}
	return s
}

// isDate tells whether a field is a date, or a time by one.
func isDate(field string) bool {
	m, err := parseMoment(field, time.UTC)
	return err == nil && (m.Year() >= 2009 && m.Year() <= 2099)
}

// begins tells whether a record, or the names of the columns, may belong to a table of rows like this one.
func (s *sample) begins(line string, separator byte) bool {
	fields, err := splitRecord(nil, line, separator)
	return err == nil && len(fields) == s.width && !slices.ContainsFunc(fields, func(f string) bool { return isNumber(strings.TrimSpace(f)) })
}

// shaped tells whether a table has no names, so many columns, and so many truths at their end.
func (h *header) shaped(width, bools int) bool {
	return h.rows != nil && h.rows.width == width && h.rows.bools == bools && !h.rows.json
}

// named returns the header with the names that the form gives to the columns.
func (h *header) named(names string) *header {
	named := newHeader(strings.Split(names, ","))
	named.rows = h.rows
	return named
}

// maxRange is how many times its low the high of a bar may be. What differs by more are numbers of different things.
const maxRange = 20

// ordered tells whether the first records are bars with their prices in the columns given: the high is the highest, the low the lowest.
func (s *sample) ordered(open, high, low, close int) bool {
	for _, record := range s.records {
		var p [4]float64
		for i, column := range [...]int{open, high, low, close} {
			var err error
			if p[i], err = parseNumber(strings.TrimSpace(record[column])); err != nil {
				return false
			}
		}
		if p[1] < max(p[0], p[3]) || p[2] > min(p[0], p[3]) || p[1] > maxRange*p[2] {
			return false
		}
	}
	return true
}

// same tells whether the two orders of columns read the same in all of the first records.
func (s *sample) same(a, b []int) bool {
	for _, record := range s.records {
		for i := range a {
			if record[a[i]] != record[b[i]] {
				return false
			}
		}
	}
	return true
}

// timed tells whether the first column is a time of this century.
func (s *sample) timed() bool {
	for _, record := range s.records {
		if !isDate(strings.TrimSpace(record[0])) {
			return false
		}
	}
	return true
}

// seconds tells whether the first column counts whole seconds.
func (s *sample) seconds() bool {
	return s.each(func(record []string) bool { return isWhole(strings.TrimSpace(record[0])) && len(record[0]) <= 10 })
}

func (s *sample) each(holds func(record []string) bool) bool {
	return !slices.ContainsFunc(s.records, func(record []string) bool { return !holds(record) })
}

// number is the number in a column; NaN where there is none.
func number(record []string, column int) float64 {
	f, err := parseNumber(field(record, column))
	if err != nil {
		return math.NaN()
	}
	return f
}

// paid tells whether what is in one column was paid for the coins in another, at the prices of a bar: the one divided by the other lies between
// low and high. So do all rows that have volumes, and one at least has.
func (s *sample) paid(value, coins, low, high int) bool {
	if s.width <= max(value, coins) {
		return false
	}
	const slack = 1.01
	traded := false
	return s.each(func(record []string) bool {
		v, c := number(record, value), number(record, coins)
		if v == 0 && c == 0 {
			return true
		}
		traded = true
		return v/c >= number(record, low)/slack && v/c <= number(record, high)*slack
	}) && traded
}

// spread is how many times the least number of a column the greatest is.
func (s *sample) spread(column int) float64 {
	least, greatest := math.Inf(1), 0.
	for _, record := range s.records {
		n := math.Abs(number(record, column))
		least, greatest = min(least, n), max(greatest, n)
	}
	return greatest / least
}

func isWhole(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isNumber(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return false
		}
	}
	return true
}

func isBool(s string) bool {
	s = strings.TrimSpace(s)
	return strings.EqualFold(s, "true") || strings.EqualFold(s, "false")
}
