package store

import (
	"context"
	"encoding/binary"
	"io"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// New rows go to the database by COPY, in its binary form (copyfromparse.c): a header; of each row the number of its fields, and each field's
// length, -1 for NULL, and bytes; and -1. It is read row by row as the database takes it, and costs the database much less than an INSERT of
// arrays that looks for conflicts, which COPY cannot: of rows that may be there already it stores none.

// field is a column of rows that are copied: it appends that of a row with its length, or nothing for NULL.
type field struct {
	name   string
	append func(buf []byte, row int) []byte
}

// fieldOf makes a field of a list of its values.
func fieldOf[T any](name string, values []T, appendValue func([]byte, T) []byte) field {
	return field{name, func(buf []byte, row int) []byte { return appendValue(buf, values[row]) }}
}

// copyRows adds so many rows to a table. If one of them is there already, the error is one that [isThere] knows.
func (s *Store) copyRows(ctx context.Context, tx pgx.Tx, table string, rows int, fields []field) error {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	_, err := tx.Conn().PgConn().CopyFrom(ctx, &rowReader{fields: fields, rows: rows},
		"COPY "+table+" ("+strings.Join(names, ", ")+") FROM STDIN (FORMAT binary)")
	if hasCode(err, codeReadOnly) { // which nobody traces here, as renewer does elsewhere
		s.pool.Reset()
	}
	return err
}

// isThere tells that rows could not be copied for one that is there already, or comes twice.
func isThere(err error) bool { return hasCode(err, codeUnique) }

// rowReader reads rows in COPY's binary form.
type rowReader struct {
	fields []field
	rows   int
	next   int    // row; beyond rows: the end was written
	buf    []byte // what is written and not read yet, from start
	start  int
}

// copyChunk is how many bytes are written at a time.
const copyChunk = 60_000

// Read implements [io.Reader].
func (r *rowReader) Read(p []byte) (int, error) {
	if r.start == len(r.buf) {
		r.write()
	}
	n := copy(p, r.buf[r.start:])
	r.start += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *rowReader) write() {
	r.start = 0
	if r.buf == nil {
		r.buf = append(make([]byte, 0, copyChunk+copyChunk/8), "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	} else {
		r.buf = r.buf[:0]
	}
	for ; r.next < r.rows && len(r.buf) < copyChunk; r.next++ {
		r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(len(r.fields)))
		for _, f := range r.fields {
			at := len(r.buf)
			if r.buf = f.append(r.buf, r.next); len(r.buf) == at {
				r.buf = append(r.buf, null...)
			}
		}
	}
	if r.next == r.rows && len(r.buf) < copyChunk {
		r.buf = append(r.buf, 0xff, 0xff)
		r.next++
	}
}

// again remembers whether rows of a table come that are there already: as one of them spoils a batch for COPY, and when an archive is read
// again, all of them come. The next batch is then taken by the way that looks for them, until one has none.
type again struct{ coming atomic.Bool }

// store calls add with whether to copy, and once more without if a row turns out to be there.
func (a *again) store(add func(fresh bool) (duplicates int64, err error)) error {
	if !a.coming.Load() {
		_, err := add(true)
		if !isThere(err) {
			return err
		}
	}
	duplicates, err := add(false)
	if err == nil {
		a.coming.Store(duplicates > 0)
	}
	return err
}
