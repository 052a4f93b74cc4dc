package archive

import (
	"strings"
)

// sample is the first records of a table whose columns have no names. Their number and nature tell what they are.
type sample struct {
	width, bools int
	records      [][]string
	// json tells that the records are arrays of JSON.
	json bool
}

// newSample looks at the fields of the first record; nil where they are not numbers, with truths behind.
func newSample(fields []string) *sample {
	s := &sample{width: len(fields), records: [][]string{fields}}
	for s.bools < len(fields) && isBool(fields[len(fields)-1-s.bools]) {
		s.bools++
	}
	for _, field := range fields[:len(fields)-s.bools] {
		if field = strings.TrimSpace(field); !isNumber(field) && field != "" {
			return nil
		}
	}
	if s.width < 3 || !isNumber(strings.TrimSpace(fields[0])) {
		return nil
	}
	return s
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
		if p[1] < max(p[0], p[3]) || p[2] > min(p[0], p[3]) {
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

// epoch tells whether the first column counts seconds or parts of them, in this century.
func (s *sample) epoch() bool {
	for _, record := range s.records {
		t, err := parseEpoch(strings.TrimSpace(record[0]))
		if err != nil || t.Year() < 2009 || t.Year() > 2099 {
			return false
		}
	}
	return true
}

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
