package dataset

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrTooMany is what Give returns where an answer has more rows than allowed.
type ErrTooMany struct{ Most int }

func (e *ErrTooMany) Error() string {
	return fmt.Sprintf("the answer has more than %d rows: ask for a shorter time, for wider buckets, or set a limit", e.Most)
}

// Give gives the rows of any answer to the sink, and returns how many there were: at most so many, else the error is an *[ErrTooMany].
func Give(rows pgx.Rows, most int, sink Sink) (n int, err error) {
	defer rows.Close()
	r := &reader{sink: sink}
	if err := r.begin(rows.FieldDescriptions()); err != nil {
		return 0, err
	}
	for ; rows.Next(); n++ {
		if n == most {
			return n, &ErrTooMany{most}
		}
		values, err := rows.Values()
		if err != nil {
			return n, err
		}
		for i := range values {
			values[i] = plain(values[i])
		}
		if err := sink.Row(values); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}

// jsonWriter writes one array of objects.
type jsonWriter struct {
	out   io.Writer
	lines bytes.Buffer
	rows  *ndjsonWriter // to lines
	begun bool
}

func newJSONWriter(w io.Writer) *jsonWriter {
	j := &jsonWriter{out: w}
	j.rows = &ndjsonWriter{out: &j.lines}
	return j
}

func (j *jsonWriter) Columns(columns []Column) error { return j.rows.Columns(columns) }

func (j *jsonWriter) Row(values []any) error {
	if err := j.rows.Row(values); err != nil {
		return err
	}
	if err := j.rows.flush(); err != nil {
		return err
	}
	object := bytes.TrimSuffix(j.lines.Bytes(), []byte("\n"))
	lead := ",\n"
	if !j.begun {
		lead, j.begun = "[\n", true
	}
	if _, err := io.WriteString(j.out, lead); err != nil {
		return err
	}
	_, err := j.out.Write(object)
	j.lines.Reset()
	return err
}

func (j *jsonWriter) Pause(time.Time) error { return nil }

func (j *jsonWriter) Close() error {
	end := "\n]\n"
	if !j.begun {
		end = "[]\n"
	}
	_, err := io.WriteString(j.out, end)
	return err
}
