package store

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Batches go to the database as one array for each column. pgx asks each element how it wants to be written, which costs an allocation and a
// look-up for each value of each row. For the types that batches are made of, arrayCodec writes them straight in PostgreSQL's binary form
// (array_send in its arrayfuncs.c): dimensions, whether there are NULLs, the type of the elements; length and lower bound of each dimension;
// and each element's length, -1 for NULL, and bytes.
type arrayCodec struct{ *pgtype.ArrayCodec }

// useArrayCodec has a connection write arrays by arrayCodec.
func useArrayCodec(_ context.Context, conn *pgx.Conn) error {
	types := conn.TypeMap()
	for _, oid := range []uint32{pgtype.TextArrayOID, pgtype.TimestamptzArrayOID, pgtype.BoolArrayOID, pgtype.Int4ArrayOID, pgtype.Int8ArrayOID,
		pgtype.Float4ArrayOID, pgtype.Float8ArrayOID} {
		if t, ok := types.TypeForOID(oid); ok {
			if codec, ok := t.Codec.(*pgtype.ArrayCodec); ok {
				types.RegisterType(&pgtype.Type{Name: t.Name, OID: oid, Codec: arrayCodec{codec}})
			}
		}
	}
	return nil
}

// PlanEncode implements [pgtype.Codec]. What is no list of such values is left to pgx.
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		if plan := planOf(c.ElementType.OID, value); plan != nil {
			return plan
		}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

func planOf(element uint32, value any) pgtype.EncodePlan {
	switch value.(type) {
	case []string:
		if element == pgtype.TextOID {
			return arrayPlan[string]{element, appendText}
		}
	case []*string:
		if element == pgtype.TextOID {
			return arrayPlan[*string]{element, nullable(appendText)}
		}
	case []time.Time:
		if element == pgtype.TimestamptzOID {
			return arrayPlan[time.Time]{element, appendMicros}
		}
	case []*time.Time:
		if element == pgtype.TimestamptzOID {
			return arrayPlan[*time.Time]{element, nullable(appendMicros)}
		}
	case []bool:
		if element == pgtype.BoolOID {
			return arrayPlan[bool]{element, appendBool}
		}
	case []int32:
		if element == pgtype.Int4OID {
			return arrayPlan[int32]{element, appendInt4}
		}
	case []int64:
		if element == pgtype.Int8OID {
			return arrayPlan[int64]{element, appendInt8}
		}
	case []float32:
		if element == pgtype.Float4OID {
			return arrayPlan[float32]{element, appendFloat4}
		}
	case []*float32:
		if element == pgtype.Float4OID {
			return arrayPlan[*float32]{element, nullable(appendFloat4)}
		}
	case []float64:
		if element == pgtype.Float8OID {
			return arrayPlan[float64]{element, appendFloat8}
		}
	}
	return nil
}

// arrayPlan writes a list of which each element is appended with its length.
type arrayPlan[T any] struct {
	element uint32
	append  func(buf []byte, v T) []byte
}

// Encode implements [pgtype.EncodePlan]. A nil list is NULL.
func (p arrayPlan[T]) Encode(value any, buf []byte) ([]byte, error) {
	list := value.([]T)
	if list == nil {
		return nil, nil
	}
	return p.appendList(buf, list), nil
}

func (p arrayPlan[T]) appendList(buf []byte, list []T) []byte {
	dimensions := uint32(1)
	if len(list) == 0 {
		dimensions = 0
	}
	buf = binary.BigEndian.AppendUint32(buf, dimensions)
	nulls := len(buf)
	buf = binary.BigEndian.AppendUint32(buf, 0)
	buf = binary.BigEndian.AppendUint32(buf, p.element)
	if len(list) == 0 {
		return buf
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(list)))
	buf = binary.BigEndian.AppendUint32(buf, 1)
	for _, v := range list {
		at := len(buf)
		buf = p.append(buf, v)
		if len(buf) == at {
			buf = append(buf, null...)
			buf[nulls+3] = 1
		}
	}
	return buf
}

// null is the length of an element that is NULL.
const null = "\xff\xff\xff\xff"

// nullable appends nothing for nil, which stands for NULL.
func nullable[T any](of func([]byte, T) []byte) func([]byte, *T) []byte {
	return func(buf []byte, v *T) []byte {
		if v == nil {
			return buf
		}
		return of(buf, *v)
	}
}

func append4(buf []byte, v uint32) []byte {
	return binary.BigEndian.AppendUint32(append(buf, 0, 0, 0, 4), v)
}

func append8(buf []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(buf, 0, 0, 0, 8), v)
}

func appendText(buf []byte, v string) []byte {
	return append(binary.BigEndian.AppendUint32(buf, uint32(len(v))), v...)
}

// appendTexts appends a list as one value.
func appendTexts(buf []byte, v []string) []byte {
	at := len(buf)
	buf = arrayPlan[string]{pgtype.TextOID, appendText}.appendList(append(buf, null...), v)
	binary.BigEndian.PutUint32(buf[at:], uint32(len(buf)-at-4))
	return buf
}

func appendBool(buf []byte, v bool) []byte {
	if v {
		return append(buf, 0, 0, 0, 1, 1)
	}
	return append(buf, 0, 0, 0, 1, 0)
}

func appendInt4(buf []byte, v int32) []byte { return append4(buf, uint32(v)) }

func appendInt8(buf []byte, v int64) []byte { return append8(buf, uint64(v)) }

func appendFloat8(buf []byte, v float64) []byte { return append8(buf, math.Float64bits(v)) }

func appendFloat4(buf []byte, v float32) []byte { return append4(buf, math.Float32bits(v)) }

// epoch is PostgreSQL's, in microseconds of Unix.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func appendMicros(buf []byte, v time.Time) []byte { return append8(buf, uint64(v.UnixMicro()-epoch)) }
