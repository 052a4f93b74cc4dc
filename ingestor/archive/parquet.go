package archive

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
)

const (
	// parquetMagic begins and ends a Parquet file; parquetSecret ends one whose footer is encrypted.
	parquetMagic, parquetSecret = "PAR1", "PARE"
	// maxFooter bounds the footer, which describes each column of each group of rows.
	maxFooter = 8 << 20
	// maxPages bounds what the pages at hand take, one of each column that is read and its dictionary.
	maxPages = 128 << 20
	// maxSpool bounds the copy on disk of a file that can't be read from any place of it.
	maxSpool = 4 << 30
)

// readParquet reads a file of columns. What they are is told at its end: of a file within another, or from a pipe, a copy is made on disk.
func (p *pass) readParquet(name string, in io.Reader, depth int) error {
	p.begin(name)
	if depth == 0 && p.disk != nil {
		return p.readColumns(name, p.disk, p.size)
	}
	spool, err := os.CreateTemp("", "rcas-replay-*.parquet")
	if err != nil {
		return fmt.Errorf("a Parquet file from a pipe or within another file is copied to disk first: %w", err)
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	size, err := io.Copy(spool, io.LimitReader(in, maxSpool+1))
	switch {
	case err != nil:
		return fmt.Errorf("it could not be copied to disk, after %d bytes: %w", size, noEOF(err))
	case size > maxSpool:
		return fmt.Errorf("a Parquet file from a pipe or within another file is copied to disk first, and this one has more than %d GiB: "+
			"unpack it, and replay the file itself", maxSpool>>30)
	}
	return p.readColumns(name, spool, size)
}

func (p *pass) readColumns(name string, in io.ReaderAt, size int64) error {
	rows, err := openParquet(in, size)
	if err != nil {
		return err
	}
	defer rows.close()
	h := newHeader(rows.names())
	f, err := tableFormat(h)
	if err != nil {
		return err
	}
	if f == nil {
		return fmt.Errorf("it is a Parquet file with columns of none that RCAS knows (docs/archives.md lists them): %.200s",
			strings.Join(h.names, ", "))
	}
	rows.advance = p.advance
	rows.needs = func(bytes int64) { p.memory = max(p.memory, bytes) }
	return p.readRecords(name, f, h, rows, nil)
}

// parquetRows yields the rows of a Parquet file as records, a page of each column at a time.
type parquetRows struct {
	in   io.ReaderAt
	size int64
	file *parquet.File
	// columns are those that hold one value a row: fields of structures under their own name and that of the structure, lists left out.
	columns []*parquetColumn
	// group is the next group of rows, and left how many rows of the one at hand are to come.
	group int
	left  int64
	// record and number are the row at hand.
	record []string
	number int
	// advance, where set, is told of bytes that are done, and needs of how much memory the pages take.
	advance, needs func(int64)
}

// openParquet reads what the file says of its columns.
func openParquet(in io.ReaderAt, size int64) (rows *parquetRows, err error) {
	defer recovered(&err)
	if err := checkFooter(in, size); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(in, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(bufferBytes))
	if err != nil {
		return nil, damagedParquet(err)
	}
	rows = &parquetRows{in: in, size: size, file: file}
	var collect func(of *parquet.Column)
	collect = func(of *parquet.Column) {
		for _, c := range of.Columns() {
			switch {
			case c.MaxRepetitionLevel() > 0: // a list, or a part of one
			case c.Leaf():
				rows.columns = append(rows.columns, newParquetColumn(c))
			default:
				collect(c)
			}
		}
	}
	collect(file.Root())
	return rows, nil
}

// checkFooter refuses what the library would believe: sizes beyond the file.
func checkFooter(in io.ReaderAt, size int64) error {
	var tail [8]byte
	if size < 12 {
		return damagedParquet(io.ErrUnexpectedEOF)
	}
	if _, err := in.ReadAt(tail[:], size-8); err != nil {
		return fmt.Errorf("it can't be read: %w", noEOF(err))
	}
	switch string(tail[4:]) {
	case parquetMagic:
	case parquetSecret:
		return errors.New("it is an encrypted Parquet file: decrypt it first")
	default:
		return errors.New("damaged Parquet file: its end is missing, which tells where its columns stand")
	}
	footer := int64(tail[0]) | int64(tail[1])<<8 | int64(tail[2])<<16 | int64(tail[3])<<24
	if footer > size-12 || footer > maxFooter {
		return damagedParquet(fmt.Errorf("a footer of %d bytes", footer))
	}
	b := make([]byte, footer)
	if _, err := in.ReadAt(b, size-8-footer); err != nil {
		return fmt.Errorf("it can't be read: %w", noEOF(err))
	}
	_, err := thriftSize(b)
	return err
}

func damagedParquet(err error) error { return fmt.Errorf("damaged Parquet file: %w", noEOF(err)) }

// recovered makes an error of a panic: the library has some for damage that it doesn't foresee.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = damagedParquet(fmt.Errorf("%v", r))
	}
}

// indexColumn is what pandas calls an index without a name.
const indexColumn = "__index_level_0__"

// names returns what the columns are called. The index of a frame is its time where it has no other.
func (r *parquetRows) names() (names []string) {
	for _, c := range r.columns {
		names = append(names, strings.Join(c.Path(), "."))
	}
	if i := slices.Index(names, indexColumn); i >= 0 && r.columns[i].isTime && !newHeader(names).any(timeNames...) {
		names[i] = "time"
	}
	return names
}

// choose reads the columns marked only. It refuses a file whose pages would take too much memory.
func (r *parquetRows) choose(wanted map[int]bool) (err error) {
	defer recovered(&err)
	for i, c := range r.columns {
		c.wanted = len(wanted) == 0 || wanted[i]
	}
	var most int64
	for g, group := range r.file.Metadata().RowGroups {
		var need int64
		for _, c := range r.columns {
			if !c.wanted {
				continue
			}
			one, err := pageBytes(r.in, r.size, &group.Columns[c.Index()].MetaData, c.Optional())
			if err != nil {
				return fmt.Errorf("%s, group of rows %d: %w", strings.Join(c.Path(), "."), g+1, err)
			}
			need += one
		}
		if need > maxPages {
			return refuse("the pages of its group of rows %d take %d MiB of memory, and at most %d MiB are taken: write it anew with smaller ones, "+
				"as pandas does with df.to_parquet(FILE, row_group_size=100000)", g+1, need>>20, maxPages>>20)
		}
		most = max(most, need)
	}
	if r.needs != nil {
		r.needs(most)
	}
	return nil
}

func (r *parquetRows) next() (record []string, number int, err error) {
	defer recovered(&err)
	for r.left == 0 {
		groups := r.file.RowGroups()
		if r.group == len(groups) {
			return nil, r.number, io.EOF
		}
		if r.group > 0 && r.advance != nil {
			r.advance(r.size / int64(len(groups)))
		}
		group := groups[r.group]
		r.group++
		r.left = group.NumRows()
		for _, c := range r.columns {
			c.close()
			if c.wanted && r.left > 0 {
				c.pages = group.ColumnChunks()[c.Index()].Pages()
			}
		}
	}
	r.left--
	r.number++
	r.record = r.record[:0]
	for _, c := range r.columns {
		value := ""
		if c.wanted {
			if value, err = c.next(); err != nil {
				return nil, r.number, fmt.Errorf("column %s: %w", strings.Join(c.Path(), "."), noEOF(err))
			}
		}
		r.record = append(r.record, value)
	}
	return r.record, r.number, nil
}

// where returns about how many bytes were read.
func (r *parquetRows) where() int64 {
	if rows := r.file.NumRows(); rows > 0 {
		return int64(float64(r.size) * float64(r.number) / float64(rows))
	}
	return r.size
}

func (r *parquetRows) close() {
	for _, c := range r.columns {
		c.close()
	}
}
