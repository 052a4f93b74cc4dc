package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"rcas/market"
)

// linesToKnow is how many lines that are nothing known may stand before the one that tells what the file is.
const linesToKnow = 20

// readText finds out what the lines are and reads them.
func (p *pass) readText(name string, in *bufio.Reader) error {
	p.tally.count(func(s *Stats) { s.Files++ })
	lines := newLineReader(in)
	var strange []numbered
	for len(strange) < linesToKnow {
		line, err := lines.next()
		switch trimmed := bytes.TrimSpace(line); {
		case errors.Is(err, errLineTooLong):
			strange = append(strange, numbered{number: lines.number, tooLong: true})
			continue
		case err == io.EOF:
			return notKnown(strange)
		case err != nil:
			return damaged(lines, err)
		case len(trimmed) == 0:
			continue
		case trimmed[0] == '{':
			p.dropStrange(name, p.cfg.Source, strange)
			return p.readPosts(name, lines, trimmed)
		}
		if t := tableOf(string(line)); t != nil {
			return p.readTable(name, lines, t, string(line), strange)
		}
		strange = append(strange, numbered{text: string(line[:min(len(line), 40)]), number: lines.number})
	}
	return notKnown(strange)
}

func notKnown(strange []numbered) error {
	if len(strange) == 0 {
		return errors.New("the file is empty")
	}
	return fmt.Errorf("it is no archive that RCAS reads (a JSON object a line, or CSV with a header or in Binance's form); "+
		"it begins with %.40q", strange[0].text)
}

// dropStrange counts the lines before the first known one.
func (p *pass) dropStrange(name, source string, strange []numbered) {
	for _, line := range strange {
		reason := reasonMalformed
		if line.tooLong {
			reason = reasonTooLong
		}
		p.tally.drop(source, name, line.number, &unreadable{reason, fmt.Errorf("%.40q", line.text)})
	}
}

// damaged says where a file could not be read further.
func damaged(lines *lineReader, err error) error {
	return fmt.Errorf("damaged after line %d, %d bytes in: %w; what comes behind is lost",
		lines.number-1, lines.offset, noEOF(err))
}

// readPosts reads a file of JSON objects, of which the first line is read already.
func (p *pass) readPosts(name string, lines *lineReader, line []byte) error {
	for {
		if len(line) > 0 {
			p.at = place{name, lines.number}
			err := decodeJSON(line, p.cfg.Source, p.emit)
			if isFatal(err) {
				return err
			}
			if err != nil {
				p.tally.drop(p.cfg.Source, name, lines.number, err)
			}
		}
		var err error
		line, err = lines.next()
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, errLineTooLong):
			p.tally.drop(p.cfg.Source, name, lines.number, &unreadable{reason: reasonTooLong})
		case err != nil:
			return damaged(lines, err)
		}
		line = bytes.TrimSpace(line)
	}
}

// readTable reads the records of a CSV file of which line told what it is; strange are those before it.
func (p *pass) readTable(name string, lines *lineReader, t *table, line string, strange []numbered) error {
	records := &csvReader{lines: lines, columns: t.width, quoted: t.kind == redditTable}
	if t.data {
		records.again = append(records.again, numbered{text: line, number: lines.number})
	}
	source, read, finish, err := p.recordReader(name, t)
	if err != nil {
		return err
	}
	p.dropStrange(name, source, strange)
	for {
		record, number, err := records.next()
		var u *unreadable
		if err == nil {
			p.at = place{name, number}
			if err = read(record, number); err == nil {
				continue
			}
		}
		switch {
		case isFatal(err):
			return err
		case err == io.EOF:
			return finish()
		case errors.As(err, &u):
			if !t.isHeader(line, record) {
				p.tally.drop(source, name, number, err)
			}
		default:
			return errors.Join(damaged(lines, err), finish())
		}
	}
}

// isHeader tells whether a record is the header once more, as where files were put together.
func (t *table) isHeader(line string, record []string) bool {
	if t.data || len(record) == 0 {
		return false
	}
	header, err := splitRecord(nil, line)
	if err != nil || len(header) != len(record) {
		return false
	}
	for i := range header {
		if header[i] != record[i] {
			return false
		}
	}
	return true
}

// recordReader returns what reads the records of a table, and the source under which its drops are counted.
func (p *pass) recordReader(name string, t *table) (
	source string, read func([]string, int) error, finish func() error, err error,
) {
	nothing := func() error { return nil }
	if t.kind == redditTable {
		return sourceReddit, func(record []string, _ int) error {
			tweet, err := t.parseReddit(record)
			if err != nil {
				return err
			}
			return p.emit(event{tweet: tweet})
		}, nothing, nil
	}
	symbol := symbolSource{venue: first(t.venue, p.cfg.Venue)}
	if !t.columns.has("symbol") {
		var ok bool
		if symbol.named, ok = marketInName(name); !ok {
			return "", nil, nil, errors.New(
				"neither a column nor the file's name tells the symbol: name it like BTCUSDT-1m-2024-01.csv")
		}
	}
	p.tally.venue(symbol.venue)
	if t.kind == tradeTable {
		r := &tradeReader{table: t, symbol: symbol, now: map[string]int{}}
		if !t.columns.has("amount") {
			p.tally.note(symbol.venue, noteNoVolume, name)
		}
		return symbol.venue, func(record []string, _ int) error {
			price, err := r.parse(record)
			if err != nil {
				return err
			}
			return p.emit(event{price: price})
		}, nothing, nil
	}
	bars, unmeasured := &barReplay{emit: p.emit}, false
	return symbol.venue, func(record []string, _ int) error {
		b, err := t.parseBar(record, symbol)
		if err != nil {
			return err
		}
		b.from = p.at
		p.tally.count(func(s *Stats) { s.Bars++ })
		if b.unmeasured && !unmeasured {
			unmeasured = true
			p.tally.note(symbol.venue, noteNoVolume, name)
		}
		return bars.add(b)
	}, bars.finish, nil
}

// parseReddit reads a record of a table of comments or submissions.
func (t *table) parseReddit(record []string) (*market.Tweet, error) {
	c := t.columns
	r := redditPost{
		name: c.field(record, "name"), id: c.field(record, "id"), author: c.text(record, "author"),
		created: flexible(c.text(record, "time")), crosspost: c.field(record, "crosspost") != "",
	}
	for _, column := range []struct {
		name  string
		value *count
	}{{"score", &r.score}, {"comments", &r.comments}} {
		if text := c.field(record, column.name); text != "" {
			n, err := parseCount(text)
			if err != nil {
				return nil, malformed(err)
			}
			*column.value = n
		}
	}
	body := c.text(record, "body")
	if !c.has("id") && !c.has("name") {
		r.id = r.hashID(body + c.text(record, "title"))
	}
	if c.has("body") {
		return r.comment(body)
	}
	return r.submission(c.text(record, "title"), c.text(record, "selftext"))
}
