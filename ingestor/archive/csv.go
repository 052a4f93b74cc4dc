package archive

import (
	"errors"
	"fmt"
	"strings"
)

// maxRecordBytes bounds a CSV record that spans lines. A Reddit submission has at most 40,000 characters.
const maxRecordBytes = 256 << 10

// csvReader reads CSV records (RFC 4180) from lines. A stray quote costs the one line that it stands in: where the lines up
// to the next quote don't make a record, the first is given up and the others are read anew.
type csvReader struct {
	lines *lineReader
	// again are lines to be read (anew), with their numbers. err is what ended the input.
	again []numbered
	err   error
	// columns is how many a record must have, and separator what stands between them.
	columns   int
	separator byte
	// quoted tells that records may span lines; numbers never do.
	quoted bool
	fields []string
}

// numbered is a line with its number. Of one that is too long, only that is known.
type numbered struct {
	text    string
	number  int
	tooLong bool
	// cr tells that it ended in CR LF.
	cr bool
}

// next returns the next record, valid until the call after, and the number of its first line. An unreadable record is an
// *unreadable error, after which reading goes on; any other error is the end.
func (c *csvReader) next() ([]string, int, error) {
	first, err := c.line(0)
	for err == nil && !first.tooLong && strings.TrimSpace(first.text) == "" {
		c.again = c.again[1:]
		first, err = c.line(0)
	}
	if err != nil {
		return nil, first.number, err
	}
	c.again = c.again[1:]
	if first.tooLong {
		return nil, first.number, &unreadable{reason: reasonTooLong}
	}
	used, size := 0, len(first.text)
	for open := c.quoted && oddQuotes(first.text); open && size <= maxRecordBytes; used++ {
		more, err := c.line(used)
		if err != nil || more.tooLong {
			break
		}
		open = open != oddQuotes(more.text)
		size += len(more.text)
	}
	c.fields, err = splitRecord(c.fields[:0], c.join(first, used), c.separator)
	if err == nil && len(c.fields) == c.columns+1 && c.fields[c.columns] == "" {
		c.fields = c.fields[:c.columns] // a separator at the end of each line but the first
	}
	if err == nil && len(c.fields) == c.columns {
		c.again = c.again[used:]
		return c.fields, first.number, nil
	}
	if used > 0 { // a stray quote, then: the first line alone is at fault
		if c.fields, err = splitRecord(c.fields[:0], first.text, c.separator); err == nil && len(c.fields) == c.columns {
			return c.fields, first.number, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%d columns where the header has %d", len(c.fields), c.columns)
	}
	return nil, first.number, malformed(err)
}

func oddQuotes(s string) bool { return strings.Count(s, `"`)%2 != 0 }

// join puts the next lines behind the first one. A carriage return before the end of a line is a part of the record where the record itself
// ends without: elsewhere it is the way in which the file ends its lines.
func (c *csvReader) join(first numbered, lines int) string {
	if lines == 0 {
		return first.text
	}
	var b strings.Builder
	b.WriteString(first.text)
	cr := first.cr
	for _, line := range c.again[:lines] {
		if cr && !c.again[lines-1].cr {
			b.WriteByte('\r')
		}
		b.WriteByte('\n')
		b.WriteString(line.text)
		cr = line.cr
	}
	return b.String()
}

func (c *csvReader) where() int64 { return c.lines.offset }

// line returns the i-th line ahead without taking it.
func (c *csvReader) line(i int) (numbered, error) {
	for len(c.again) <= i {
		if c.err != nil {
			return numbered{number: c.lines.number}, c.err
		}
		line, err := c.lines.next()
		switch {
		case errors.Is(err, errLineTooLong):
			c.again = append(c.again, numbered{number: c.lines.number, tooLong: true})
		case err != nil:
			c.err = err
		default:
			c.again = append(c.again, numbered{text: string(line), number: c.lines.number, cr: c.lines.cr})
		}
	}
	return c.again[i], nil
}

// splitRecord appends the fields of a record to fields. Blanks before a quoted field are not a part of it.
func splitRecord(fields []string, record string, separator byte) ([]string, error) {
	blanks := " \t"
	if separator == '\t' {
		blanks = " "
	}
	for {
		if quoted := strings.TrimLeft(record, blanks); strings.HasPrefix(quoted, `"`) {
			record = quoted
		}
		if !strings.HasPrefix(record, `"`) {
			field, rest, more := strings.Cut(record, string(separator))
			if strings.IndexByte(field, '"') >= 0 && strings.IndexByte(record, '\n') >= 0 {
				return fields, fmt.Errorf("a quote inside the unquoted field %.40q", field)
			}
			fields = append(fields, field)
			if !more {
				return fields, nil
			}
			record = rest
			continue
		}
		field, rest, err := quotedField(record, separator)
		if err != nil {
			return fields, err
		}
		fields = append(fields, field)
		if rest == "" {
			return fields, nil
		}
		record = rest[1:]
	}
}

// quotedField reads the field at the start of the record, which begins with a quote. The rest is empty or begins with the
// separator.
func quotedField(record string, separator byte) (field, rest string, err error) {
	from := 1
	for {
		at := strings.IndexByte(record[from:], '"')
		if at < 0 {
			return "", "", errors.New("a quote is not closed")
		}
		at += from
		if strings.HasPrefix(record[at+1:], `"`) {
			from = at + 2
			continue
		}
		rest = record[at+1:]
		if rest != "" && rest[0] != separator {
			return "", "", fmt.Errorf("%.20q follows the end of a quoted field", rest)
		}
		return strings.ReplaceAll(record[1:at], `""`, `"`), rest, nil
	}
}
