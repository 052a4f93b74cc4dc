package dataset

import (
	"io"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowRows is how many rows a batch holds: readers see them together.
const arrowRows = 10_000

// arrowWriter writes the stream format of Apache Arrow, in batches: times as timestamps in UTC, to the microsecond, lists as lists.
type arrowWriter struct {
	out     io.Writer
	w       *ipc.Writer
	builder *array.RecordBuilder
	rows    int
}

func (a *arrowWriter) Columns(columns []Column) error {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.Name, Type: arrowType(c.Kind), Nullable: true}
	}
	schema := arrow.NewSchema(fields, nil)
	a.builder = array.NewRecordBuilder(memory.DefaultAllocator, schema)
	a.w = ipc.NewWriter(a.out, ipc.WithSchema(schema))
	return nil
}

func arrowType(kind Kind) arrow.DataType {
	switch kind {
	case Time:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case Double:
		return arrow.PrimitiveTypes.Float64
	case Single:
		return arrow.PrimitiveTypes.Float32
	case Integer:
		return arrow.PrimitiveTypes.Int64
	case Truth:
		return arrow.FixedWidthTypes.Boolean
	case List:
		return arrow.ListOf(arrow.BinaryTypes.String)
	}
	return arrow.BinaryTypes.String
}

func (a *arrowWriter) Row(values []any) error {
	for i, value := range values {
		switch b := a.builder.Field(i).(type) {
		case *array.TimestampBuilder:
			appendValue(value, b.AppendNull, func(v time.Time) { b.Append(arrow.Timestamp(v.UnixMicro())) })
		case *array.Float64Builder:
			appendValue(value, b.AppendNull, b.Append)
		case *array.Float32Builder:
			appendValue(value, b.AppendNull, b.Append)
		case *array.Int64Builder:
			appendValue(value, b.AppendNull, b.Append)
		case *array.BooleanBuilder:
			appendValue(value, b.AppendNull, b.Append)
		case *array.StringBuilder:
			appendValue(value, b.AppendNull, b.Append)
		case *array.ListBuilder:
			appendValue(value, b.AppendNull, func(v []string) {
				b.Append(true)
				for _, s := range v {
					b.ValueBuilder().(*array.StringBuilder).Append(s)
				}
			})
		}
	}
	if a.rows++; a.rows < arrowRows {
		return nil
	}
	return a.flush()
}

func appendValue[T any](value any, null func(), add func(T)) {
	if v, ok := value.(T); ok {
		add(v)
	} else {
		null()
	}
}

func (a *arrowWriter) flush() error {
	if a.rows == 0 {
		return nil
	}
	a.rows = 0
	batch := a.builder.NewRecordBatch()
	defer batch.Release()
	return a.w.Write(batch)
}

func (a *arrowWriter) Pause(time.Time) error { return nil }

func (a *arrowWriter) Close() error {
	if a.w == nil {
		return nil
	}
	defer a.builder.Release()
	if err := a.flush(); err != nil {
		return err
	}
	return a.w.Close()
}
