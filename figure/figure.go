// Package figure writes numbers as people read them, alike in alerts, reports, the demo and the terminal.
package figure

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Unknown stands where there is no number.
const Unknown = "–"

// Of writes a number that may be missing.
func Of(x *float64, write func(float64) string) string {
	if x == nil {
		return Unknown
	}
	return write(*x)
}

// Price writes a price in US dollars, without the sign: five digits at least, two to eight of them after the point, so that
// 67,123.44, 0.53124 and 0.00000673 all tell something.
func Price(x float64) string {
	digits := 2
	if size := math.Abs(x); size > 0 && size < 1000 {
		digits = min(8, max(2, 4-int(math.Floor(math.Log10(size)))))
	}
	return grouped(strconv.FormatFloat(x, 'f', digits, 64))
}

// Count writes a whole number: 1,234,567.
func Count(n int64) string { return grouped(strconv.FormatInt(n, 10)) }

// Percent writes a share, 1 being the whole: 26 %.
func Percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 0, 64) + " %" }

// Change writes by what share something grew or shrank: +1.25 %.
func Change(share float64) string { return Signed(100*share) + " %" }

// Signed writes a number about zero, such as a mood or a correlation: +0.25.
func Signed(x float64) string { return fmt.Sprintf("%+.2f", x) }

// P writes the p-value of a test.
func P(p *float64) string {
	switch {
	case p == nil:
		return "unknown"
	case *p < 0.0001:
		return "< 0.0001"
	}
	return strconv.FormatFloat(*p, 'f', 4, 64)
}

// grouped puts commas between the thousands of a number, behind its sign.
func grouped(text string) string {
	whole, rest := text, ""
	if point := strings.IndexByte(text, '.'); point >= 0 {
		whole, rest = text[:point], text[point:]
	}
	sign := whole[:len(whole)-len(strings.TrimLeft(whole, "+-"))]
	whole = whole[len(sign):]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return sign + whole + rest
}
