package archive

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	pq "github.com/parquet-go/parquet-go/format"
)

// pageBytes returns what the largest page of a column's part takes in memory while it is read, with its dictionary. It reads the heads of
// the pages only.
func pageBytes(in io.ReaderAt, size int64, m *pq.ColumnMetaData, optional bool) (need int64, err error) {
	at := m.DataPageOffset
	if m.DictionaryPageOffset > 0 && m.DictionaryPageOffset < at {
		at = m.DictionaryPageOffset
	}
	end := at + m.TotalCompressedSize
	if at < 4 || end < at || end > size {
		return 0, damagedParquet(errors.New("a column stands outside of the file"))
	}
	var dictionary, largest, values int64
	for at < end && values < m.NumValues {
		header, length, err := pageHeader(in, at, end)
		if err != nil {
			return 0, err
		}
		// Packed, unpacked, and as values.
		one := int64(header.CompressedPageSize) + 2*int64(header.UncompressedPageSize)
		n, encoding := pageValues(header)
		switch {
		case header.CompressedPageSize < 0 || header.UncompressedPageSize < 0 || n < 0:
			return 0, damagedParquet(errors.New("a page has a negative size"))
		case header.Type == pq.DictionaryPage:
			dictionary = max(dictionary, one)
		case encoding == pq.DeltaByteArray:
			return 0, refuse("its strings are packed as DELTA_BYTE_ARRAY, which may unpack to any size: write it anew as pandas and most others do")
		//lint:ignore SA1019 files of older writers say it
		case encoding == pq.PlainDictionary || encoding == pq.RLEDictionary:
			one += 4 * n
		case encoding != pq.Plain:
			one += 8 * n
		}
		if optional {
			one += n
		}
		values += n
		largest = max(largest, one)
		at += length + int64(header.CompressedPageSize)
	}
	return dictionary + largest, nil
}

// pageValues returns how many values a page of data has, and how they are packed.
func pageValues(h *pq.PageHeader) (int64, pq.Encoding) {
	switch {
	case h.Type == pq.DataPage && h.DataPageHeader.Valid:
		return int64(h.DataPageHeader.V.NumValues), h.DataPageHeader.V.Encoding
	case h.Type == pq.DataPageV2 && h.DataPageHeaderV2.Valid:
		return int64(h.DataPageHeaderV2.V.NumValues), h.DataPageHeaderV2.V.Encoding
	}
	return 0, pq.Plain
}

// pageHeader reads the head of a page, and returns how long it is.
func pageHeader(in io.ReaderAt, at, end int64) (*pq.PageHeader, int64, error) {
	// The head holds the least and the greatest value, which are short as a rule.
	for length := int64(512); ; length *= 16 {
		b := make([]byte, min(length, end-at))
		if _, err := in.ReadAt(b, at); err != nil {
			return nil, 0, fmt.Errorf("it can't be read: %w", noEOF(err))
		}
		n, err := thriftSize(b)
		if err != nil {
			if int64(len(b)) < end-at && length < maxFooter && errors.Is(err, io.ErrUnexpectedEOF) {
				continue
			}
			return nil, 0, err
		}
		h := &pq.PageHeader{}
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), b[:n], h); err != nil {
			return nil, 0, damagedParquet(err)
		}
		return h, int64(n), nil
	}
}

// Types of the compact protocol of Thrift.
const (
	thriftTrue = iota + 1
	thriftFalse
	thriftByte
	thriftInt16
	thriftInt32
	thriftInt64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

// thriftSize returns how long the structure is that b begins with, and an error where it claims to hold more than there is: whoever decodes
// it would make room for that.
func thriftSize(b []byte) (int, error) {
	w := &thriftWalk{b: b}
	w.structure(0)
	if w.err != nil {
		return 0, damagedParquet(w.err)
	}
	return w.at, nil
}

// thriftWalk walks over a structure in the compact protocol
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).
type thriftWalk struct {
	b   []byte
	at  int
	err error
}

func (w *thriftWalk) skip(n int) {
	if n < 0 || n > len(w.b)-w.at {
		w.err, w.at = io.ErrUnexpectedEOF, len(w.b)
		return
	}
	w.at += n
}

func (w *thriftWalk) byte() byte {
	if w.skip(1); w.err != nil {
		return 0
	}
	return w.b[w.at-1]
}

// length reads a number that what follows has as many bytes, or elements of at least one byte, as it says.
func (w *thriftWalk) length() int {
	n := 0
	for shift := 0; ; shift += 7 {
		c := w.byte()
		if n |= int(c&0x7F) << shift; c < 0x80 || shift > 28 || w.err != nil {
			break
		}
	}
	if n > len(w.b)-w.at {
		w.err = io.ErrUnexpectedEOF
		return 0
	}
	return n
}

func (w *thriftWalk) number() {
	for w.byte() >= 0x80 && w.err == nil {
	}
}

func (w *thriftWalk) structure(depth int) {
	if depth > 32 {
		w.err = errDeep
	}
	for w.err == nil {
		head := w.byte()
		if head == 0 {
			return
		}
		if head>>4 == 0 {
			w.number()
		}
		if kind := head & 0xF; kind != thriftTrue && kind != thriftFalse { // whose value is the type
			w.value(kind, depth)
		}
	}
}

func (w *thriftWalk) value(kind byte, depth int) {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		w.skip(1)
	case thriftInt16, thriftInt32, thriftInt64:
		w.number()
	case thriftDouble:
		w.skip(8)
	case thriftBinary:
		w.skip(w.length())
	case thriftList, thriftSet:
		head := w.byte()
		n := int(head >> 4)
		if n == 0xF {
			n = w.length()
		}
		for ; n > 0 && w.err == nil; n-- {
			w.value(head&0xF, depth+1)
		}
	case thriftMap:
		n := w.length()
		if n == 0 {
			return
		}
		kinds := w.byte()
		for ; n > 0 && w.err == nil; n-- {
			w.value(kinds>>4, depth+1)
			w.value(kinds&0xF, depth+1)
		}
	case thriftStruct:
		w.structure(depth + 1)
	default:
		w.err = errors.New("a field of no type that there is")
	}
}
