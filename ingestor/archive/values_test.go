package archive

import (
	"bufio"
	"errors"
	"io"
	"math/rand"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// valuesOf reads a text to its end: its values, how many were unreadable, and what ended it.
func valuesOf(in io.Reader) (values []string, bad int, err error) {
	v := newValueReader(bufio.NewReaderSize(in, 16), 1)
	for {
		raw, _, err := v.next()
		if _, ok := errors.AsType[*unreadable](err); ok {
			bad++
			continue
		}
		if err != nil {
			return values, bad, err
		}
		values = append(values, string(raw))
	}
}

// However values are put together, they come out as they went in; a broken line between them costs itself.
func TestValues(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	random := rand.New(rand.NewSource(seed))
	pool := []string{`{"a":1}`, `{"b":"x \" } ] {"}`, `{}`, `{"c":{"d":[1,{"e":null}]}}`, "{\n \"f\": [\n  1,\n  2 ]\n}", `{"g":-1.5e+7,"h":true}`}
	broken := []string{`{"id":"1","te`, `{"id":"1",`, `{"id":`, `{"a"}`, `nonsense`, `{"a":1,]`}
	for range 300 {
		var want []string
		var text strings.Builder
		bad, array := 0, random.Intn(2) == 0
		if array {
			text.WriteString("[\n")
		}
		for i := range random.Intn(8) {
			if random.Intn(4) == 0 && !array {
				text.WriteString("\n" + broken[random.Intn(len(broken))] + "\n")
				bad++
				continue
			}
			if array && i > 0 {
				text.WriteString(",")
			}
			value := pool[random.Intn(len(pool))]
			want = append(want, value)
			text.WriteString(value + []string{"", "\n", " \r\n"}[random.Intn(3)])
		}
		if array {
			text.WriteString("]")
		}
		text.WriteString("\n")
		got, unread, err := valuesOf(iotest.HalfReader(strings.NewReader(text.String())))
		require.ErrorIs(t, err, io.EOF, "seed %d: %q", seed, text.String())
		require.Equal(t, want, got, "seed %d: %q", seed, text.String())
		require.Equal(t, bad, unread, "seed %d: %q", seed, text.String())
	}
	_, _, err := valuesOf(strings.NewReader(`[{"a":1}`))
	require.ErrorIs(t, err, errUnclosed)
	_, _, err = valuesOf(strings.NewReader(`[{"a":1},{"b":},{"c":1}]`))
	require.ErrorIs(t, err, errLostInArray)
}

func FuzzValues(f *testing.F) {
	for _, seed := range []string{"{\"a\":1}\n[{}]\n", `{"messages":[{"a":1}],"b":2}`, `{"chats":{"list":[{"messages":[]}]}}`, "[[1,2],[3]]", "{\"a\":\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, _, err := valuesOf(strings.NewReader(text))
		require.Error(t, err)
		for _, value := range values {
			members([]byte(value), func(key, value []byte) { require.NotEmpty(t, value) })
		}
	})
}
