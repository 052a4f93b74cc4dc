package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxTables is how many tables of different columns the flat objects of a file may make.
const maxTables = 16

// jsonFile reads the values of a text of JSON: posts and prices as objects of their formats, bars and trades as flat objects, which are the
// records of a table, or as arrays, which are records without names.
type jsonFile struct {
	p      *pass
	name   string
	values *valueReader
	// tables read flat objects, by the names of their columns.
	tables map[string]*objectTable
	// known counts the values that some format took.
	known int64
	// unknown is the first object that none took.
	unknown string
}

// objectTable is a table whose records are objects.
type objectTable struct {
	names  []string
	reader recordReader
	// refused is why its records are none.
	refused error
}

// readJSON reads a text of JSON, of which the next line has the number.
func (p *pass) readJSON(name string, in *bufio.Reader, line int) error {
	f := &jsonFile{p: p, name: name, values: newValueReader(in, line), tables: map[string]*objectTable{}}
	err := f.read()
	if isFatal(err) || isRefusal(err) {
		return err
	}
	for _, t := range f.tables {
		if t.reader != nil {
			err = errors.Join(err, t.reader.finish())
		}
	}
	if err == nil && f.known == 0 && f.unknown != "" {
		return fmt.Errorf("none of its objects is a post or a price that RCAS knows (docs/archives.md lists them): %.120s", f.unknown)
	}
	return err
}

func (f *jsonFile) read() error {
	for {
		raw, line, err := f.values.next()
		if err == nil {
			f.p.at = place{f.name, line}
			if raw[0] == '[' {
				if rows := newArrayRows(f, raw, line); rows != nil {
					return f.readRows(rows)
				}
				err = malformed(errors.New("an array of something else than posts or numbers"))
			} else {
				err = f.object(raw)
			}
		}
		if err == nil {
			continue
		}
		switch {
		case isFatal(err) || isRefusal(err):
			return err
		case err == io.EOF:
			return nil
		case isUnreadable(err):
			f.p.drop(f.p.cfg.source(), f.name, line, err)
		default:
			return damaged(line-1, f.values.offset, err)
		}
	}
}

// isUnreadable tells whether err, or all that is joined in it, is of values.
func isUnreadable(err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			if !isUnreadable(one) {
				return false
			}
		}
		return true
	}
	_, ok := errors.AsType[*unreadable](err)
	return ok
}

// object reads an object by its format, or as the record of a table.
func (f *jsonFile) object(raw []byte) error {
	format, err := decodeJSON(raw, f.values.head(), f.p.cfg, f.p, f.emit)
	if format != nil {
		f.known++
		f.p.found(format)
		return err
	}
	u, ok := errors.AsType[*unreadable](err)
	if !ok || u.reason != reasonNoPost {
		return err
	}
	table, values, tableErr := f.table(raw)
	switch {
	case tableErr != nil:
		return tableErr
	case table == nil:
		if f.unknown == "" {
			f.unknown = string(raw[:min(len(raw), 120)])
		}
		return err
	}
	f.known++
	err = table.reader.read(values)
	if u, ok := errors.AsType[*unreadable](err); ok {
		f.p.drop(table.reader.source(), f.name, f.p.at.line, u)
		return nil
	}
	return err
}

// emit passes on what an object says.
func (f *jsonFile) emit(e event) error {
	if e.price != nil {
		f.p.price(e.price)
	}
	return f.p.emit(e)
}

// table returns the table that a flat object is a record of, and the record; nil for none.
func (f *jsonFile) table(raw []byte) (*objectTable, []string, error) {
	var names, values []string
	members(raw, func(key, value []byte) {
		if value[0] != '{' && value[0] != '[' {
			names, values = append(names, string(key)), append(values, plainField(value))
		}
	})
	key := strings.Join(names, "\x00")
	table, known := f.tables[key]
	if known && table.refused != nil {
		return nil, nil, &unreadable{reasonNoPost, table.refused}
	}
	if !known && len(f.tables) < maxTables {
		table = &objectTable{names: names}
		h := newHeader(names)
		format, err := tableFormat(h)
		if err != nil {
			return nil, nil, err
		}
		if format != nil {
			f.p.found(format)
			if table.reader, err = format.open(f.p, h); err != nil {
				if isRefusal(err) && f.known > 0 { // beside objects that are read
					err = errors.New(err.Error()) // no longer the file's
					f.tables[key] = &objectTable{refused: err}
					err = &unreadable{reasonNoPost, err}
				}
				return nil, nil, err
			}
			f.p.columns(table.reader.about())
		}
		f.tables[key] = table
	}
	if table == nil || table.reader == nil {
		return nil, nil, nil
	}
	return table, values, nil
}

// readRows reads the arrays of the text as the records of a table without names.
func (f *jsonFile) readRows(rows *arrayRows) error {
	h := newHeader(nil)
	h.rows = rows.sample
	format, err := tableFormat(h)
	if err != nil {
		return err
	}
	if format == nil {
		return fmt.Errorf("its arrays are no bars that RCAS knows (docs/archives.md lists them): %.120q", strings.Join(rows.sample.records[0], ","))
	}
	f.known++
	return f.p.readRecords(f.name, format, h, rows, nil)
}

// arrayRows yields the arrays of a text of JSON as records.
type arrayRows struct {
	file   *jsonFile
	sample *sample
	// ahead are records that were read to know what they are, with their lines.
	ahead [][]string
	lines []int
	err   error
}

// newArrayRows looks at the first arrays; nil where they are no rows of numbers.
func newArrayRows(f *jsonFile, raw []byte, line int) *arrayRows {
	record := rowOf(raw)
	if record == nil {
		return nil
	}
	r := &arrayRows{file: f, sample: newSample(record)}
	if r.sample == nil {
		return nil
	}
	r.sample.json = true
	r.ahead, r.lines = [][]string{record}, []int{line}
	for len(r.ahead) < rowsToKnow && r.err == nil {
		var record []string
		if record, line, r.err = r.read(); r.err == nil {
			r.ahead, r.lines = append(r.ahead, record), append(r.lines, line)
		} else if isUnreadable(r.err) {
			f.p.drop(f.p.cfg.source(), f.name, line, r.err)
			r.err = nil
		}
	}
	r.sample.records = append(r.sample.records[:0], r.ahead...)
	return r
}

func (r *arrayRows) read() ([]string, int, error) {
	raw, line, err := r.file.values.next()
	if err != nil {
		return nil, line, err
	}
	record := rowOf(raw)
	if len(record) != r.sample.width {
		return nil, line, malformed(fmt.Errorf("%d numbers where the first row has %d", len(record), r.sample.width))
	}
	return record, line, nil
}

func (r *arrayRows) next() ([]string, int, error) {
	if len(r.ahead) > 0 {
		record, line := r.ahead[0], r.lines[0]
		r.ahead, r.lines = r.ahead[1:], r.lines[1:]
		return record, line, nil
	}
	if r.err != nil {
		return nil, r.file.values.line, r.err
	}
	return r.read()
}

func (r *arrayRows) where() int64 { return r.file.values.offset }
