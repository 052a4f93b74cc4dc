package archive

import (
	"encoding/hex"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	pq "github.com/parquet-go/parquet-go/format"
)

// parquetColumn reads the values of a column as the fields of a table.
type parquetColumn struct {
	*parquet.Column
	// text writes a value that is not null; isTime tells that it writes times.
	text   func(parquet.Value) string
	isTime bool
	wanted bool

	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buffer [128]parquet.Value
	// have are the values in the buffer that are to come. They point into the page.
	have []parquet.Value
}

func newParquetColumn(c *parquet.Column) *parquetColumn {
	column := &parquetColumn{Column: c}
	column.text, column.isTime = fieldOf(c)
	return column
}

// next returns the value of the next row, "" for null.
func (c *parquetColumn) next() (string, error) {
	for len(c.have) == 0 {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err != nil {
				return "", err
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buffer[:])
		c.have = c.buffer[:n]
		if n > 0 {
			break
		}
		if err != nil && err != io.EOF {
			return "", err
		}
		c.release()
	}
	v := c.have[0]
	c.have = c.have[1:]
	if v.IsNull() {
		return "", nil
	}
	return c.text(v), nil
}

func (c *parquetColumn) release() {
	if c.page != nil {
		parquet.Release(c.page)
	}
	c.page, c.values, c.have = nil, nil, nil
}

func (c *parquetColumn) close() {
	c.release()
	if c.pages != nil {
		_ = c.pages.Close() // only what was read counts
		c.pages = nil
	}
}

// fieldOf returns how a column's values are written as fields, and whether they are times.
func fieldOf(c *parquet.Column) (text func(parquet.Value) string, isTime bool) {
	kind := c.Type().Kind()
	var logical pq.LogicalTypeValue
	if l := c.Type().LogicalType(); l != nil {
		logical = l.Value
	}
	switch l := logical.(type) {
	case *pq.TimestampType:
		layout := "2006-01-02T15:04:05.999999999"
		if l.IsAdjustedToUTC {
			layout += "Z"
		}
		unit := l.Unit.Value.Duration()
		day := !l.IsAdjustedToUTC && plainName(c.Name()) == "date"
		return func(v parquet.Value) string { return timeText(atUnit(v.Int64(), unit), layout, day) }, true
	case *pq.DateType:
		return func(v parquet.Value) string { return time.Unix(int64(v.Int32())*86400, 0).UTC().Format(time.DateOnly) }, true
	case *pq.TimeType:
		unit := l.Unit.Value.Duration()
		return func(v parquet.Value) string {
			n := v.Int64()
			if kind == parquet.Int32 {
				n = int64(v.Int32())
			}
			return atUnit(n, unit).Format("15:04:05.999999999")
		}, false
	case *pq.DecimalType:
		return func(v parquet.Value) string { return decimalText(v, kind, int(l.Scale)) }, false
	case *pq.IntType:
		if !l.IsSigned {
			return func(v parquet.Value) string {
				if kind == parquet.Int32 {
					return strconv.FormatUint(uint64(v.Uint32()), 10)
				}
				return strconv.FormatUint(v.Uint64(), 10)
			}, false
		}
	case *pq.UUIDType:
		return func(v parquet.Value) string { return hex.EncodeToString(v.ByteArray()) }, false
	}
	switch kind {
	case parquet.Boolean:
		return func(v parquet.Value) string { return strconv.FormatBool(v.Boolean()) }, false
	case parquet.Int32:
		return func(v parquet.Value) string { return strconv.FormatInt(int64(v.Int32()), 10) }, false
	case parquet.Int64:
		return func(v parquet.Value) string { return strconv.FormatInt(v.Int64(), 10) }, false
	case parquet.Int96: // a time: nanoseconds of the day, and the Julian day
		return func(v parquet.Value) string {
			n := v.Int96()
			at := time.Unix((int64(n[2])-unixJulian)*86400, int64(uint64(n[1])<<32|uint64(n[0]))).UTC()
			return at.Format("2006-01-02T15:04:05.999999999")
		}, true
	case parquet.Float:
		return func(v parquet.Value) string { return floatText(float64(v.Float()), 32) }, false
	case parquet.Double:
		return func(v parquet.Value) string { return floatText(v.Double(), 64) }, false
	}
	return func(v parquet.Value) string { return string(v.ByteArray()) }, false
}

// unixJulian is the Julian day of 1970-01-01.
const unixJulian = 2440588

// atUnit is the time so many units after 1970.
func atUnit(n int64, unit time.Duration) time.Time {
	each := int64(time.Second / unit)
	return time.Unix(n/each, n%each*int64(unit)).UTC()
}

// timeText writes a time. Of a column of dates, as pandas keeps them, midnight is the day, as it is where pandas writes CSV.
func timeText(t time.Time, layout string, day bool) string {
	if day && t.Equal(t.Truncate(oneDay)) {
		layout = time.DateOnly
	}
	return t.Format(layout)
}

// floatText writes a number so that what has lost its last digits shows it: ids beyond 2^53 are in exponent form. What is no number is
// what pandas has for none.
func floatText(f float64, bits int) string {
	exact := float64(1 << 53)
	if bits == 32 {
		exact = 1 << 24
	}
	switch {
	case math.IsNaN(f):
		return ""
	case math.Abs(f) < exact:
		return strconv.FormatFloat(f, 'f', -1, bits)
	}
	return strconv.FormatFloat(f, 'e', -1, bits)
}

// decimalText writes a number of so many digits behind the point.
func decimalText(v parquet.Value, kind parquet.Kind, scale int) string {
	var n *big.Int
	switch kind {
	case parquet.Int32:
		n = big.NewInt(int64(v.Int32()))
	case parquet.Int64:
		n = big.NewInt(v.Int64())
	default: // two's complement, the highest byte first
		b := v.ByteArray()
		n = new(big.Int).SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
	}
	digits := new(big.Int).Abs(n).String()
	if scale <= 0 || scale > 100 {
		return n.String()
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}
