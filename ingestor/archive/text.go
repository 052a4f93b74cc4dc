package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// linesToKnow is how many lines that are nothing known may stand before the one that tells what the file is.
const linesToKnow = 20

// rowsToKnow is how many rows without names are looked at to tell what their columns are.
const rowsToKnow = 64

// plainText returns the text in UTF-8 with lines that end in a line feed: files of Windows may be in UTF-16, those of old Macs, and of Excel
// there, have only carriage returns.
func plainText(in *bufio.Reader) *bufio.Reader {
	head, _ := in.Peek(4096)
	order, known := unicode.LittleEndian, true
	switch {
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		order = unicode.BigEndian
	case len(head) >= 4 && head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0: // no mark, but every other byte is none
	case len(head) >= 4 && head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		order = unicode.BigEndian
	default:
		known = false
	}
	if known {
		decoder := unicode.UTF16(order, unicode.UseBOM).NewDecoder()
		in = bufio.NewReaderSize(transform.NewReader(in, decoder), bufferBytes)
	}
	if head, _ = in.Peek(3); string(head) == "\uFEFF" {
		_, _ = in.Discard(3)
	}
	if head, _ = in.Peek(bufferBytes); bytes.IndexByte(head, '\r') >= 0 && bytes.IndexByte(head, '\n') < 0 {
		in = bufio.NewReaderSize(&crReader{in}, bufferBytes)
	}
	return in
}

// crReader makes line feeds of carriage returns.
type crReader struct{ in io.Reader }

func (r *crReader) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	for i, c := range b[:n] {
		if c == '\r' {
			b[i] = '\n'
		}
	}
	return n, err
}

// readText finds out what the text is and reads it.
func (p *pass) readText(name string, in *bufio.Reader) error {
	p.begin(name)
	in = plainText(in)
	lines := newLineReader(in)
	var strange []numbered
	for len(strange) < linesToKnow {
		if beginsJSON(in) {
			p.dropStrange(name, p.cfg.source(), strange)
			return p.readJSON(name, in, lines.number+1)
		}
		line, err := lines.next()
		switch {
		case errors.Is(err, errLineTooLong):
			strange = append(strange, numbered{number: lines.number, tooLong: true})
			continue
		case err == io.EOF:
			return notKnown(strange)
		case err != nil:
			return damaged(lines.number-1, lines.offset, err)
		case len(bytes.TrimSpace(line)) == 0:
			continue
		}
		if h, separator := knownHeader(string(line)); h != nil {
			if h.rows != nil && slices.ContainsFunc(strange, func(s numbered) bool { return h.rows.begins(s.text, separator) }) {
				return notKnown(strange) // the rows have names, which say something else than the numbers seem to
			}
			return p.readLines(name, lines, numbered{text: string(line), number: lines.number}, h, separator, strange)
		}
		strange = append(strange, numbered{text: string(line[:min(len(line), 200)]), number: lines.number})
	}
	return notKnown(strange)
}

// beginsJSON tells whether the next line begins with an object or an array.
func beginsJSON(in *bufio.Reader) bool {
	for n := 1; n <= 256; n++ {
		head, err := in.Peek(n)
		if err != nil || head[n-1] == '\n' {
			return false
		}
		if c := head[n-1]; !isBlank(c) {
			return c == '{' || c == '['
		}
	}
	return false
}

// notKnown says why a text is nothing that can be read.
func notKnown(strange []numbered) error {
	if len(strange) == 0 {
		return errors.New("the file is empty")
	}
	begin := strange[0].text
	what := "it begins with"
	for _, separator := range []string{";", "\t", "|", ","} {
		if n := strings.Count(begin, separator); n >= 2 {
			what = fmt.Sprintf("it looks like a table separated by %q, with columns of none that RCAS knows;", separator)
			break
		}
	}
	return fmt.Errorf("it is no archive that RCAS reads (posts or prices as JSON or as a table with names of columns; docs/archives.md lists "+
		"them): %s %.60q", what, begin)
}

// separators are what may stand between the fields of a table.
var separators = [...]byte{',', ';', '\t', '|'}

// knownHeader tells whether a line begins a table: it holds names that some format knows, or numbers alone.
func knownHeader(line string) (*header, byte) {
	for _, separator := range separators {
		fields, err := splitRecord(nil, line, separator)
		if err != nil || len(fields) < 2 {
			continue
		}
		h := newHeader(fields)
		if slices.ContainsFunc(formats, func(f *format) bool { return f.table != nil && f.table(h) }) {
			return h, separator
		}
		if s := newSample(fields); s != nil {
			h.rows = s
			return h, separator
		}
	}
	return nil, 0
}

// dropStrange counts the lines before the first known one.
func (p *pass) dropStrange(name, source string, strange []numbered) {
	for _, line := range strange {
		reason := reasonMalformed
		if line.tooLong {
			reason = reasonTooLong
		}
		p.drop(source, name, line.number, &unreadable{reason, fmt.Errorf("%.40q", line.text)})
	}
}

// damaged says where a file could not be read further.
func damaged(line int, offset int64, err error) error {
	return fmt.Errorf("damaged after line %d, %d bytes in: %w; what comes behind is lost", line, offset, noEOF(err))
}

// readLines reads a table of lines, of which the first tells what it is; strange are those before it.
func (p *pass) readLines(name string, lines *lineReader, line numbered, h *header, separator byte, strange []numbered) error {
	records := &csvReader{lines: lines, columns: len(h.names), separator: separator}
	p.comma = p.commaOf(records)
	if h.rows != nil {
		records.again = slices.Insert(records.again, 0, line)
		for i := 1; i < rowsToKnow; i++ {
			more, err := records.line(i)
			if err != nil || more.tooLong {
				break
			}
			if fields, err := splitRecord(nil, more.text, separator); err == nil && len(fields) == h.rows.width && newSample(fields) != nil {
				h.rows.records = append(h.rows.records, fields)
			}
		}
	}
	f, err := tableFormat(h)
	if err != nil {
		return err
	}
	if f == nil {
		return notKnown([]numbered{line})
	}
	records.quoted = f.holds == "posts"
	return p.readRecords(name, f, h, records, func(source string) { p.dropStrange(name, source, strange) })
}

// commaOf looks at the first records for what a comma in a number is.
func (p *pass) commaOf(records *csvReader) comma {
	for i := range rowsToKnow {
		line, err := records.line(i)
		if err != nil || line.tooLong {
			break
		}
		fields, err := splitRecord(nil, line.text, records.separator)
		if err == nil && len(fields) == records.columns && slices.ContainsFunc(fields, func(f string) bool { return decimalComma(strings.TrimSpace(f)) }) {
			return commaIsPoint
		}
	}
	if records.separator == ',' {
		return commaIsGroup
	}
	return commaIsEither
}

// records yields the records of a table: those of a CSV file, arrays of JSON, or the rows of a file of columns.
type records interface {
	// next returns the next record, valid until the call after, and its line or row, from 1. An *unreadable error is one record's, and
	// reading goes on; io.EOF is the end, anything else damage.
	next() ([]string, int, error)
	// where returns how many bytes were read.
	where() int64
}

// columns are records of which single columns can be read.
type columns interface {
	records
	// choose reads the columns marked only, all where none is. The fields of the others are empty.
	choose(wanted map[int]bool) error
}

// readRecords reads a table by its format. begun, where set, is told the name to count drops under before the first record.
func (p *pass) readRecords(name string, f *format, h *header, in records, begun func(source string)) error {
	p.found(f)
	reader, err := f.open(p, h)
	if err != nil {
		return err
	}
	if c, ok := in.(columns); ok {
		if err := c.choose(h.used); err != nil {
			return err
		}
	}
	p.columns(reader.about())
	if begun != nil {
		begun(reader.source())
	}
	for {
		record, number, err := in.next()
		if err == nil {
			p.at = place{name, number}
			if err = reader.read(record); err == nil {
				continue
			}
		}
		u, unread := errors.AsType[*unreadable](err)
		switch {
		case isFatal(err) || isRefusal(err):
			return err
		case err == io.EOF:
			return reader.finish()
		case unread:
			if !h.again(record) {
				p.drop(reader.source(), name, number, u)
			}
		default:
			return errors.Join(damaged(number-1, in.where(), err), reader.finish())
		}
	}
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[*refusal](err)
	return ok
}

// again tells whether a record is the header once more, as where files were put together.
func (h *header) again(record []string) bool { return h.rows == nil && slices.Equal(h.names, record) }
