package dataset

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Stdout is the path that stands for the standard output.
const Stdout = "-"

// FormatOf tells the format, and the compression ("", "gz" or "zst"), by the name of a file. The format is "" where the name doesn't tell.
func FormatOf(path string) (format Format, compression string) {
	name := strings.ToLower(filepath.Base(path))
	for _, suffix := range []string{"gz", "zst"} {
		if rest, ok := strings.CutSuffix(name, "."+suffix); ok {
			name, compression = rest, suffix
		}
	}
	switch filepath.Ext(name) {
	case ".csv":
		format = CSV
	case ".ndjson", ".jsonl":
		format = NDJSON
	case ".parquet":
		format = Parquet
	}
	return format, compression
}

// Export writes the rows that answer a question to a file, and returns how many were written, those of an earlier try included.
//
// The file has its name once it is whole. Until then it is PATH.part; beside it, PATH.part.json says what is asked and how far the answer
// is on disk, and the same question goes on there. Parquet, whose end tells what the file is, begins anew.
type Export struct {
	Set      *Set
	Question Question
	Format   Format
	// Path is the file; its suffix tells the compression, which Parquet has within. [Stdout] is Out.
	Path string
	Out  io.Writer
	// MarkBytes is how much is written between two marks, which an interrupted export may write again. 0 means 8 MiB.
	MarkBytes int64
	// Progress, where set, is told how far the export is.
	Progress func(rows int64, next time.Time)
}

// mark is how far an export is on disk.
type mark struct {
	Set      string    `json:"set"`
	Question Question  `json:"question"`
	Format   Format    `json:"format"`
	Next     time.Time `json:"next"`
	Bytes    int64     `json:"bytes"`
	Rows     int64     `json:"rows"`
}

// markBytes is the default of [Export.MarkBytes].
const markBytes = 8 << 20

// Run writes the file.
func (e *Export) Run(ctx context.Context, db Querier) (rows int64, err error) {
	if err := e.Question.check(); err != nil {
		return 0, err
	}
	_, compression := FormatOf(e.Path)
	if e.Format == Parquet && compression != "" {
		return 0, fmt.Errorf("%s: Parquet is compressed within: leave .%s out of the name", e.Path, compression)
	}
	if e.Path == Stdout {
		t := &target{export: e, out: bufio.NewWriterSize(e.Out, 1<<16)}
		return t.run(ctx, db, mark{Next: e.Question.From})
	}
	if _, err := os.Stat(e.Path); err == nil {
		return 0, fmt.Errorf("%s is there already: remove it, or name another file", e.Path)
	}
	part, err := os.OpenFile(e.Path+".part", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 0, fmt.Errorf("write the export: %w", err)
	}
	defer part.Close()
	from := e.reached(part)
	if err := part.Truncate(from.Bytes); err != nil {
		return 0, fmt.Errorf("write the export: %w", err)
	}
	if _, err := part.Seek(from.Bytes, io.SeekStart); err != nil {
		return 0, fmt.Errorf("write the export: %w", err)
	}
	t := &target{export: e, part: part, compression: compression, out: bufio.NewWriterSize(part, 1<<16)}
	if rows, err = t.run(ctx, db, from); err != nil {
		return rows, err
	}
	if err := errors.Join(part.Sync(), part.Close()); err != nil {
		return rows, fmt.Errorf("write the export: %w", err)
	}
	if err := os.Rename(part.Name(), e.Path); err != nil {
		return rows, fmt.Errorf("name the finished export: %w", err)
	}
	_ = os.Remove(part.Name() + ".json") // a mark without its file is not read
	return rows, nil
}

// reached returns where an interrupted export of the same question goes on.
func (e *Export) reached(part *os.File) mark {
	begin := mark{Set: e.Set.Name, Question: e.Question, Format: e.Format, Next: e.Question.From}
	text, err := os.ReadFile(part.Name() + ".json")
	if err != nil {
		return begin
	}
	var m mark
	info, err := part.Stat()
	if json.Unmarshal(text, &m) != nil || err != nil || m.Bytes > info.Size() {
		return begin
	}
	if m.Set != begin.Set || m.Format != begin.Format || m.Question.Symbol != e.Question.Symbol || m.Question.Width != e.Question.Width ||
		!m.Question.From.Equal(e.Question.From) || m.Next.After(e.Question.To) {
		return begin
	}
	return m
}

// target is what an export is written to. It is the sink of the rows.
type target struct {
	export      *Export
	part        *os.File // nil for the standard output
	compression string
	out         *bufio.Writer
	packer      packer // nil for none
	writer      Writer
	at          mark
	// written are the bytes since the last mark, before compression.
	written int64
}

// packer compresses. After Close and Reset another member of the file follows.
type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

func (t *target) run(ctx context.Context, db Querier, from mark) (rows int64, err error) {
	t.at = from
	switch t.compression {
	case "gz":
		t.packer = gzip.NewWriter(t.out)
	case "zst":
		if t.packer, err = zstd.NewWriter(t.out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20)); err != nil {
			return 0, err
		}
	}
	if t.writer, err = NewWriter(t.export.Format, t, from.Bytes > 0); err != nil {
		return 0, err
	}
	q := t.export.Question
	if q.From = from.Next; q.From.Before(q.To) {
		err = t.export.Set.Read(ctx, db, q, t)
	}
	if err != nil {
		return t.at.Rows, err
	}
	if err := t.writer.Close(); err != nil {
		return t.at.Rows, fmt.Errorf("write the export: %w", err)
	}
	return t.at.Rows, t.flush()
}

// Write takes what the writer has made of rows.
func (t *target) Write(b []byte) (int, error) {
	t.written += int64(len(b))
	if t.packer != nil {
		return t.packer.Write(b)
	}
	return t.out.Write(b)
}

// Columns implements [Sink].
func (t *target) Columns(columns []Column) error { return t.writer.Columns(columns) }

// Row implements [Sink].
func (t *target) Row(values []any) error {
	t.at.Rows++
	if err := t.writer.Row(values); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// Pause implements [Sink]. Now and then it brings what was written to disk, and marks how far that goes.
func (t *target) Pause(next time.Time) error {
	if err := t.writer.Pause(next); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	if t.at.Next = next; t.export.Progress != nil {
		t.export.Progress(t.at.Rows, next)
	}
	if t.part == nil || t.export.Format == Parquet || t.written < cmp.Or(t.export.MarkBytes, markBytes) {
		return nil
	}
	t.written = 0
	if err := t.flush(); err != nil {
		return err
	}
	if t.packer != nil {
		t.packer.Reset(t.out)
	}
	return t.mark()
}

// flush ends the compressed member at hand and hands everything to the file.
func (t *target) flush() (err error) {
	if t.packer != nil {
		err = t.packer.Close()
	}
	if err = errors.Join(err, t.out.Flush()); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// mark says how far the file is.
func (t *target) mark() error {
	size, err := t.part.Seek(0, io.SeekCurrent)
	if err = errors.Join(err, t.part.Sync()); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	t.at.Bytes = size
	text, err := json.Marshal(t.at)
	if err != nil {
		return err
	}
	name := t.part.Name() + ".json"
	if err := errors.Join(os.WriteFile(name+".new", text, 0o600), os.Rename(name+".new", name)); err != nil {
		return fmt.Errorf("mark how far the export is: %w", err)
	}
	return nil
}
