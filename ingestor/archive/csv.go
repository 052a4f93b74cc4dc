package archive

import (
	"errors"
	"fmt"
	"regexp"
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
	// columns is how many a record must have.
	columns int
	// quoted tells that records may span lines; numbers never do.
	quoted bool
	fields []string
}

// numbered is a line with its number. Of one that is too long, only that is known.
type numbered struct {
	text    string
	number  int
	tooLong bool
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
	c.fields, err = splitRecord(c.fields[:0], c.join(first.text, used))
	if err == nil && len(c.fields) == c.columns {
		c.again = c.again[used:]
		return c.fields, first.number, nil
	}
	if used > 0 { // a stray quote, then: the first line alone is at fault
		if c.fields, err = splitRecord(c.fields[:0], first.text); err == nil && len(c.fields) == c.columns {
			return c.fields, first.number, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("%d columns where the header has %d", len(c.fields), c.columns)
	}
	return nil, first.number, malformed(err)
}

func oddQuotes(s string) bool { return strings.Count(s, `"`)%2 != 0 }

// join puts the next lines behind the first one.
func (c *csvReader) join(first string, lines int) string {
	if lines == 0 {
		return first
	}
	var b strings.Builder
	b.WriteString(first)
	for _, line := range c.again[:lines] {
		b.WriteByte('\n')
		b.WriteString(line.text)
	}
	return b.String()
}

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
			c.again = append(c.again, numbered{text: string(line), number: c.lines.number})
		}
	}
	return c.again[i], nil
}

// splitRecord appends the fields of a record to fields. Blanks before a quoted field are not a part of it.
func splitRecord(fields []string, record string) ([]string, error) {
	for {
		if quoted := strings.TrimLeft(record, " \t"); strings.HasPrefix(quoted, `"`) {
			record = quoted
		}
		if !strings.HasPrefix(record, `"`) {
			field, rest, more := strings.Cut(record, ",")
			if strings.IndexByte(field, '"') >= 0 {
				return fields, fmt.Errorf("a quote inside the unquoted field %.40q", field)
			}
			fields = append(fields, field)
			if !more {
				return fields, nil
			}
			record = rest
			continue
		}
		field, rest, err := quotedField(record)
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

// quotedField reads the field at the start of the record, which begins with a quote. The rest is empty or begins with a comma.
func quotedField(record string) (field, rest string, err error) {
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
		if rest != "" && rest[0] != ',' {
			return "", "", fmt.Errorf("%.20q follows the end of a quoted field", rest)
		}
		return strings.ReplaceAll(record[1:at], `""`, `"`), rest, nil
	}
}

// columnNames are the names by which headers call what the decoders want, in lower case. Where several of a line stand in one
// header, the first in the list wins.
var columnNames = map[string][]string{
	"time": {"time", "created_utc", "timestamp", "open_time", "open time", "opentime", "transact_time", "unix", "datetime",
		"date"},
	"end":    {"close_time", "close time", "closetime"},
	"symbol": {"symbol", "pair", "product", "product_id", "market", "instrument", "ticker"},
	"venue":  {"venue", "exchange"},
	"open":   {"open"},
	"high":   {"high"},
	"low":    {"low"},
	"close":  {"close"},
	"volume": {"volume", "base_volume", "volumefrom", "volume from"},
	"price":  {"price"},
	"amount": {"amount", "qty", "quantity", "size", "base_qty", "volume"},
	"side":   {"side", "is_buyer_maker"},
	"id":     {"id", "trade_id", "tradeid"},

	"aggregate": {"agg_trade_id"},

	"author":    {"author", "username"},
	"body":      {"body"},
	"title":     {"title"},
	"selftext":  {"selftext"},
	"score":     {"score"},
	"comments":  {"num_comments"},
	"name":      {"name", "fullname"},
	"crosspost": {"crosspost_parent"},
}

// columns says in which column each thing stands; -1 for nowhere.
type columns map[string]int

// readHeader returns the columns of a header.
func readHeader(fields []string) columns {
	at := map[string]int{}
	for i, field := range fields {
		name := strings.ToLower(strings.TrimSpace(field))
		if _, taken := at[name]; !taken {
			at[name] = i
		}
	}
	found := columns{}
	for what, names := range columnNames {
		found[what] = -1
		for _, name := range names {
			if i, ok := at[name]; ok {
				found[what] = i
				break
			}
		}
	}
	return found
}

// volumeIn is a column that names the unit of the volume in it: "Volume BTC", "Volume_(BTC)".
var volumeIn = regexp.MustCompile(`^VOLUME[ _]*\(?([A-Z0-9]+)\)?$`)

// volumeOfCoin returns the first column with a volume in another unit than dollars, and the unit; -1 where there is none.
func volumeOfCoin(fields []string) (at int, unit string) {
	for i, field := range fields {
		m := volumeIn.FindStringSubmatch(strings.ToUpper(strings.TrimSpace(field)))
		if m != nil && !isDollar(m[1]) {
			return i, alias(m[1])
		}
	}
	return -1, ""
}

// has tells whether all the things have a column.
func (c columns) has(what ...string) bool {
	for _, name := range what {
		if c[name] < 0 {
			return false
		}
	}
	return true
}

// field returns the field of a thing without the blanks around it, or "" where it has no column.
func (c columns) field(record []string, what string) string {
	return strings.TrimSpace(c.text(record, what))
}

// text returns the field as it is: of what people wrote, blanks are a part.
func (c columns) text(record []string, what string) string {
	if at := c[what]; at >= 0 {
		return record[at]
	}
	return ""
}
