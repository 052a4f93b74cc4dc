package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxNesting bounds how deep a JSON value may be nested. The deepest post, a retweet of a quote with its media, is some ten deep.
const maxNesting = 1000

// listKeys are the keys under which exports hold the list that they are about, and what opens there: a chat of Telegram its messages, the
// whole account its chats, and those the list of them. The elements speak for themselves, or need no more than what stands before.
var listKeys = map[string]byte{"messages": '[', "statuses": '[', "posts": '[', "feed": '[', "chats": '{', "left_chats": '{', "list": '['}

var (
	errBroken = errors.New("it is cut off, or no JSON")
	errDeep   = fmt.Errorf("it is nested more than %d deep", maxNesting)
	// errLostInArray is the end of an array without line ends of which a value is broken: what follows can't be told from it.
	errLostInArray = errors.New("a broken value in an array without line ends")

	errUnclosed = errors.New("the array is not closed: the end is missing")
)

// What may be open around a value.
const (
	inArray  = ']' // an array whose elements are read one by one
	inObject = '}' // an object that such an array was found in: its rest is skipped
	atMember = ')' // the same, and the member to be read comes next
)

// valueReader splits a text into JSON values, however they stand in it: one a line, several a line, pretty over many lines, or as the
// elements of arrays, which may be as long as they like. Of an object that holds a long list ([listKeys]) the elements of the list are the
// values. Only the value at hand is held.
//
// A value that is cut off or broken costs the line that it begins in: reading goes on with the next one.
type valueReader struct {
	in  *bufio.Reader
	err error // what ended the input
	// data[start:] is what is held: the value at hand up to at, and what follows.
	data      []byte
	start, at int
	// line is that in which data[start] stands, from 1; offset counts the bytes before it.
	line   int
	offset int64
	// limit bounds one value, in bytes.
	limit int
	// open is what is open around the value at hand, and heads, for each, what stood before the list in its object, as an object.
	open  []byte
	heads [][]byte
	// stack is what is open within the value.
	stack []byte
}

// newValueReader reads a text of which the first line has the number.
func newValueReader(in *bufio.Reader, line int) *valueReader {
	return &valueReader{in: in, line: line, limit: maxLineBytes}
}

// next returns the next value, valid until the call after, and the line that it begins in. An *unreadable error is one value's, and reading
// goes on; io.EOF is the end, anything else damage.
func (v *valueReader) next() ([]byte, int, error) {
	for {
		v.skipTo(v.at)
		c, err := v.peek()
		if err != nil {
			if err == io.EOF && len(v.open) > 0 {
				err = errUnclosed
			}
			return nil, v.line, err
		}
		line := v.line
		switch top := v.top(); {
		case top == inObject:
			err = v.rest()
		case top == inArray && c == ']':
			v.leave()
			v.at = v.start + 1
		case c == ',':
			v.at = v.start + 1
		case c == '[' && v.opensList():
			v.enter(inArray, nil)
			v.at = v.start + 1
		case c != '{' && c != '[':
			err = errBroken
		default:
			if top == atMember {
				v.open[len(v.open)-1] = inObject
			}
			var entered bool
			v.stack = v.stack[:0]
			if entered, err = v.scan(wantValue); err == nil && !entered {
				if v.at-v.start <= v.limit {
					return v.data[v.start:v.at], line, nil
				}
				err = errLineTooLong
			}
		}
		if err != nil {
			return nil, line, v.recover(err)
		}
	}
}

func (v *valueReader) top() byte {
	if len(v.open) == 0 {
		return 0
	}
	return v.open[len(v.open)-1]
}

func (v *valueReader) enter(what byte, head []byte) {
	v.open, v.heads = append(v.open, what), append(v.heads, head)
}

func (v *valueReader) leave() {
	v.open, v.heads = v.open[:len(v.open)-1], v.heads[:len(v.heads)-1]
}

// head returns what stood before the innermost list in its object; nil for nothing.
func (v *valueReader) head() []byte {
	for i := len(v.heads) - 1; i >= 0; i-- {
		if v.heads[i] != nil {
			return v.heads[i]
		}
	}
	return nil
}

// rest skips what follows a list in its object, and leaves that, unless there is another list.
func (v *valueReader) rest() error {
	v.stack = append(v.stack[:0], '{')
	v.at = v.start
	entered, err := v.scan(wantMore)
	if err == nil && !entered {
		v.leave()
	}
	return err
}

// skipTo makes what stands at the index the next to be read.
func (v *valueReader) skipTo(at int) {
	v.line += bytes.Count(v.data[v.start:at], []byte{'\n'})
	v.offset += int64(at - v.start)
	v.start, v.at = at, at
}

// fill reads more. False at the end of the input.
func (v *valueReader) fill() bool {
	if v.err != nil {
		return false
	}
	if v.start > 0 {
		n := copy(v.data, v.data[v.start:])
		v.data, v.at, v.start = v.data[:n], v.at-v.start, 0
		if cap(v.data) > 1<<20 && n < bufferBytes {
			v.data = append(make([]byte, 0, 2*bufferBytes), v.data...)
		}
	}
	if _, err := v.in.Peek(1); err != nil {
		v.err = err
		return false
	}
	chunk, _ := v.in.Peek(v.in.Buffered())
	v.data = append(v.data, chunk...)
	_, _ = v.in.Discard(len(chunk))
	return true
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// peek moves to the next byte that is no blank and returns it.
func (v *valueReader) peek() (byte, error) {
	for {
		for i, c := range v.data[v.start:] {
			if !isBlank(c) && c != 0xEF && c != 0xBB && c != 0xBF { // byte order marks, where files were put together
				v.skipTo(v.start + i)
				return c, nil
			}
		}
		v.skipTo(len(v.data))
		if !v.fill() {
			return 0, v.err
		}
	}
}

// opensList tells whether the array at hand holds values to be read one by one, and is not one itself, as a row of numbers is.
func (v *valueReader) opensList() bool {
	for i := 1; i < bufferBytes; i++ {
		if v.start+i >= len(v.data) && !v.fill() {
			return true
		}
		if c := v.data[v.start+i]; !isBlank(c) {
			return c == '{' || c == '[' || c == ']'
		}
	}
	return true
}

// recover goes on behind the line that the broken value begins in, or of one that is too long, behind that in which it is found out.
func (v *valueReader) recover(err error) error {
	if v.err != nil && v.err != io.EOF && v.at >= len(v.data) {
		v.skipTo(len(v.data))
		return v.err
	}
	reason := &unreadable{reasonMalformed, err}
	if errors.Is(err, errLineTooLong) {
		reason = &unreadable{reason: reasonTooLong}
		v.skipTo(v.at)
	}
	for from := v.offset; ; {
		if v.offset-from > int64(v.limit) {
			reason = &unreadable{reason: reasonTooLong}
		}
		if i := bytes.IndexByte(v.data[v.start:], '\n'); i >= 0 {
			v.skipTo(v.start + i + 1)
			return reason
		}
		v.skipTo(len(v.data))
		if !v.fill() {
			if len(v.open) > 0 && v.err == io.EOF {
				return fmt.Errorf("%w: %w", errLostInArray, err)
			}
			return reason
		}
	}
}

// What the scanner wants next.
const (
	wantValue = iota
	wantValueOrEnd
	wantKey
	wantKeyOrEnd
	wantColon
	wantMore // a comma, or the end of what is open
)

// scan moves at behind the value at hand. entered tells that at stands in a list found in it instead, whose elements come next. The error is
// errBroken, errDeep or errLineTooLong.
func (v *valueReader) scan(want int) (entered bool, err error) {
	var key [2]int           // the last key of the outermost object, counted from start
	rest := want == wantMore // of an object that is entered already
	for {
		c, err := v.current()
		if err != nil {
			return false, err
		}
		if isBlank(c) {
			v.at++
			continue
		}
		switch {
		case want == wantColon && c == ':':
			v.at++
			want = wantValue
			continue
		case want == wantMore && c == ',':
			v.at++
			if want = wantValue; v.stack[len(v.stack)-1] == '{' {
				want = wantKey
			}
			continue
		case c == '}' && (want == wantMore || want == wantKeyOrEnd) && v.stack[len(v.stack)-1] == '{',
			c == ']' && (want == wantMore || want == wantValueOrEnd) && v.stack[len(v.stack)-1] == '[':
			v.at++
			v.stack = v.stack[:len(v.stack)-1]
		case c == '"' && (want == wantKey || want == wantKeyOrEnd):
			from := v.at - v.start
			if err := v.text(); err != nil {
				return false, err
			}
			key = [2]int{from, v.at - v.start}
			want = wantColon
			continue
		case want != wantValue && want != wantValueOrEnd:
			return false, errBroken
		case c == '{' || c == '[':
			if len(v.stack) == 1 && v.stack[0] == '{' && v.holdsList(c, key, rest) {
				return true, nil
			}
			if len(v.stack) == maxNesting {
				return false, errDeep
			}
			v.stack = append(v.stack, c)
			v.at++
			if want = wantKeyOrEnd; c == '[' {
				want = wantValueOrEnd
			}
			continue
		case c == '"':
			if err := v.text(); err != nil {
				return false, err
			}
		default:
			if err := v.literal(); err != nil {
				return false, err
			}
		}
		if want = wantMore; len(v.stack) == 0 {
			return false, nil
		}
	}
}

// current returns the byte at at.
func (v *valueReader) current() (byte, error) {
	if v.at >= len(v.data) {
		if v.at-v.start > v.limit {
			return 0, errLineTooLong
		}
		if !v.fill() {
			return 0, errBroken
		}
	}
	return v.data[v.at], nil
}

// text moves behind the string that begins at at.
func (v *valueReader) text() error {
	v.at++
	escaped := false
	for {
		if _, err := v.current(); err != nil {
			return err
		}
		for i, c := range v.data[v.at:] {
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				v.at += i + 1
				return nil
			case c < ' ':
				return errBroken
			}
		}
		v.at = len(v.data)
	}
}

// literal moves behind a number or a word. Whoever decodes the value judges it.
func (v *valueReader) literal() error {
	for from := v.at - v.start; ; v.at++ {
		c, err := v.current()
		switch {
		case err != nil:
			return err
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '+', c == '.':
		case v.at-v.start == from:
			return errBroken
		default:
			return nil
		}
	}
}

// holdsList enters the member of an object that c opens, if it is known to hold the list that the object is about.
func (v *valueReader) holdsList(c byte, key [2]int, rest bool) bool {
	name := string(v.data[v.start+key[0]+1 : v.start+key[1]-1])
	if listKeys[name] != c || name == "list" && v.top() != inObject {
		return false
	}
	var head []byte
	if before := bytes.TrimRight(v.data[v.start:v.start+key[0]], ", \n\t\r"); len(before) > 1 && before[0] == '{' {
		head = append(bytes.Clone(before), '}')
	}
	if !rest {
		v.enter(inObject, head)
	}
	if c == '{' {
		v.open[len(v.open)-1] = atMember
		v.skipTo(v.at)
		return true
	}
	v.enter(inArray, nil)
	v.at++
	return true
}
