package archive

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLineBytes bounds what is held of one line of a file. Longer lines are passed over.
const maxLineBytes = 16 << 20

// bufferBytes is the size of the buffers around files and decompressors.
const bufferBytes = 64 << 10

// errLineTooLong is returned for a line beyond the limit; the next call goes on behind it.
var errLineTooLong = errors.New("the line is too long")

// lineReader reads lines and knows where it is.
type lineReader struct {
	in *bufio.Reader
	// limit bounds what is held of one line, in bytes.
	limit int
	// number is that of the line returned last, from 1. offset counts the bytes read.
	number int
	offset int64
	// cr tells that the line returned last ended in CR LF.
	cr   bool
	long []byte
}

func newLineReader(in *bufio.Reader) *lineReader { return &lineReader{in: in, limit: maxLineBytes} }

// next returns the next line without its end, valid until the call after. At the end of the input the error is io.EOF; any other
// but errLineTooLong is damage, and what there was of the last line is not returned.
func (l *lineReader) next() ([]byte, error) {
	l.number++
	chunk, err := l.in.ReadSlice('\n')
	l.offset += int64(len(chunk))
	if err == nil {
		return l.trim(chunk), nil
	}
	if cap(l.long) > 1<<20 {
		l.long = nil
	}
	l.long = append(l.long[:0], chunk...)
	tooLong := false
	for errors.Is(err, bufio.ErrBufferFull) {
		chunk, err = l.in.ReadSlice('\n')
		l.offset += int64(len(chunk))
		if tooLong = tooLong || len(l.long)+len(chunk) > l.limit; tooLong {
			l.long = nil
		} else {
			l.long = append(l.long, chunk...)
		}
	}
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case tooLong:
		return nil, errLineTooLong
	case err == io.EOF && len(l.long) == 0:
		return nil, io.EOF
	}
	return l.trim(l.long), nil
}

// trim takes the end of the line off, and a byte order mark from the first one.
func (l *lineReader) trim(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	line, l.cr = bytes.CutSuffix(line, []byte{'\r'})
	return bytes.TrimPrefix(line, []byte("\uFEFF")) // of each file, where several were put together
}
