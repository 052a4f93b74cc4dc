package dataset

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Format is how rows are written.
type Format string

// The formats.
const (
	CSV     Format = "csv"
	NDJSON  Format = "ndjson"
	Parquet Format = "parquet"
	// JSON is one array of objects, for answers; files are NDJSON.
	JSON Format = "json"
	// Arrow is the stream format of Apache Arrow, for answers; files are Parquet.
	Arrow Format = "arrow"
)

// Formats lists them.
var Formats = []Format{Parquet, CSV, NDJSON}

// Writer writes rows in a format. Pause makes what was written something that more can follow on, by this writer or, but for Parquet, by
// another one.
type Writer interface {
	Sink
	// Close ends the file, and leaves open what it was written to.
	Close() error
}

// NewWriter writes to w. begun tells that the names of the columns stand in the file already.
func NewWriter(format Format, w io.Writer, begun bool) (Writer, error) {
	switch format {
	case CSV:
		return &csvWriter{out: csv.NewWriter(w), begun: begun}, nil
	case NDJSON:
		return &ndjsonWriter{out: w}, nil
	case Parquet:
		return &parquetWriter{out: w}, nil
	case Arrow:
		return &arrowWriter{out: w}, nil
	case JSON:
		return newJSONWriter(w), nil
	}
	return nil, fmt.Errorf("there is no format %q: there are %v", format, Formats)
}

// timeLayout is RFC 3339 to the microsecond, which is what the database keeps.
const timeLayout = "2006-01-02T15:04:05.999999Z07:00"

// csvWriter writes comma-separated values with a line of names (RFC 4180, lines end in LF). NULL is an empty field, the elements of a list
// have blanks between them.
type csvWriter struct {
	out    *csv.Writer
	begun  bool
	record []string
}

func (c *csvWriter) Columns(columns []Column) error {
	if c.begun {
		return nil
	}
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = column.Name
	}
	return c.out.Write(names)
}

func (c *csvWriter) Row(values []any) error {
	c.record = c.record[:0]
	for _, value := range values {
		c.record = append(c.record, field(value))
	}
	return c.out.Write(c.record)
}

func (c *csvWriter) Pause(time.Time) error {
	c.out.Flush()
	return c.out.Error()
}

func (c *csvWriter) Close() error { return c.Pause(time.Time{}) }

func field(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case time.Time:
		return v.Format(timeLayout)
	case float64:
		return number(v, 64)
	case float32:
		return number(float64(v), 32)
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case []string:
		return strings.Join(v, " ")
	}
	return ""
}

// number writes a number with as many digits as it takes to read it back, and without an exponent unless it is very small or large: not
// every program reads one.
func number(x float64, bits int) string {
	format := byte('f')
	if size := math.Abs(x); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.FormatFloat(x, format, -1, bits)
}

// ndjsonWriter writes a JSON object a line.
type ndjsonWriter struct {
	out   io.Writer
	names [][]byte
	line  bytes.Buffer
	text  *json.Encoder
}

func (n *ndjsonWriter) Columns(columns []Column) error {
	for _, column := range columns {
		name, err := json.Marshal(column.Name)
		if err != nil {
			return err
		}
		n.names = append(n.names, name)
	}
	n.text = json.NewEncoder(&n.line)
	n.text.SetEscapeHTML(false)
	return nil
}

func (n *ndjsonWriter) Row(values []any) error {
	n.line.WriteByte('{')
	for i, value := range values {
		if i > 0 {
			n.line.WriteByte(',')
		}
		n.line.Write(n.names[i])
		n.line.WriteByte(':')
		if err := n.value(value); err != nil {
			return err
		}
	}
	n.line.WriteString("}\n")
	if n.line.Len() < 64<<10 {
		return nil
	}
	return n.flush()
}

func (n *ndjsonWriter) value(value any) error {
	switch v := value.(type) {
	case string, []string:
		if err := n.text.Encode(v); err != nil {
			return err
		}
		n.line.Truncate(n.line.Len() - 1) // the encoder ends its values with a line feed
		return nil
	case time.Time:
		n.line.WriteString(`"` + v.Format(timeLayout) + `"`)
		return nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) { // which JSON doesn't know
			value = nil
		}
	}
	if value == nil {
		n.line.WriteString("null")
		return nil
	}
	n.line.WriteString(field(value))
	return nil
}

func (n *ndjsonWriter) flush() error {
	_, err := n.out.Write(n.line.Bytes())
	n.line.Reset()
	return err
}

func (n *ndjsonWriter) Pause(time.Time) error { return n.flush() }

func (n *ndjsonWriter) Close() error { return n.flush() }
