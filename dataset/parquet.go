package dataset

import (
	"io"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
)

const (
	// groupRows and groupBytes bound a group of rows, which is held until it is written. Readers hold a page of it.
	groupRows, groupBytes = 100_000, 32 << 20
	// columnBytes is about what a value takes beside its text.
	columnBytes = 8
)

// parquetWriter writes Parquet, compressed by zstd, in groups of rows of bounded size: times as timestamps in UTC, lists as lists.
type parquetWriter struct {
	out     io.Writer
	columns []Column
	w       *parquet.GenericWriter[any]
	row     parquet.Row
	// rows and bytes are those of the group at hand.
	rows, bytes int
}

func (p *parquetWriter) Columns(columns []Column) error {
	p.columns = columns
	fields := parquet.Group{}
	for _, c := range columns {
		fields[c.Name] = nodeOf(c.Kind)
	}
	// The library would sort the columns by their names.
	root := &ordered{Group: fields, fields: fields.Fields()}
	at := func(name string) int { return slices.IndexFunc(columns, func(c Column) bool { return c.Name == name }) }
	slices.SortFunc(root.fields, func(a, b parquet.Field) int { return at(a.Name()) - at(b.Name()) })
	p.w = parquet.NewGenericWriter[any](p.out, parquet.NewSchema("rcas", root), parquet.Compression(&parquet.Zstd))
	return nil
}

// ordered is a group whose fields have an order.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

// Fields returns them in their order.
func (o *ordered) Fields() []parquet.Field { return o.fields }

func nodeOf(kind Kind) parquet.Node {
	switch kind {
	case Time:
		return parquet.Optional(parquet.Timestamp(parquet.Microsecond))
	case Double:
		return parquet.Optional(parquet.Leaf(parquet.DoubleType))
	case Single:
		return parquet.Optional(parquet.Leaf(parquet.FloatType))
	case Integer:
		return parquet.Optional(parquet.Int(64))
	case Truth:
		return parquet.Optional(parquet.Leaf(parquet.BooleanType))
	case List:
		return parquet.Optional(parquet.List(parquet.String()))
	}
	return parquet.Optional(parquet.Encoded(parquet.String(), &parquet.Plain))
}

func (p *parquetWriter) Row(values []any) error {
	p.row = p.row[:0]
	for i, value := range values {
		p.bytes += columnBytes
		switch v := value.(type) {
		case nil:
			p.row = append(p.row, parquet.NullValue().Level(0, 0, i))
		case []string:
			p.list(v, i)
		case string:
			p.bytes += len(v)
			p.row = append(p.row, parquet.ByteArrayValue([]byte(v)).Level(0, 1, i))
		case time.Time:
			p.row = append(p.row, parquet.Int64Value(v.UnixMicro()).Level(0, 1, i))
		default:
			p.row = append(p.row, parquet.ValueOf(v).Level(0, 1, i))
		}
	}
	if _, err := p.w.WriteRows([]parquet.Row{p.row}); err != nil {
		return err
	}
	if p.rows++; p.rows < groupRows && p.bytes < groupBytes {
		return nil
	}
	p.rows, p.bytes = 0, 0
	return p.w.Flush()
}

// list appends the elements of a list. The first begins the row, the others repeat within it.
func (p *parquetWriter) list(v []string, column int) {
	if len(v) == 0 {
		p.row = append(p.row, parquet.NullValue().Level(0, 1, column))
	}
	for i, s := range v {
		p.bytes += len(s)
		p.row = append(p.row, parquet.ByteArrayValue([]byte(s)).Level(min(i, 1), 2, column))
	}
}

func (p *parquetWriter) Pause(time.Time) error { return nil }

func (p *parquetWriter) Close() error {
	if p.w == nil {
		return nil
	}
	return p.w.Close()
}
