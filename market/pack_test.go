package market

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wild is a text of what separates, opens, closes and escapes.
func wild(r *rand.Rand) string {
	pieces := []string{"}\n{", "}", "{", "\n", "\r\n", `\`, `"`, "}{", "[", "]", ",", "\x00", "\xff", "🚀", "\u2028", "BTC ", "}\r\n\r\n {", `\u007d`}
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

func TestPacksComeApartAsTheyWerePut(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		var whole []byte
		var want [][]byte
		for range 1 + r.IntN(9) {
			object := (&Tweet{Source: wild(r), ID: wild(r), Text: wild(r), Symbols: []string{wild(r)}}).AppendJSON(nil)
			want = append(want, object)
			whole = append(append(whole, object...), '\n')
		}
		require.Equal(t, want, Unpack(whole[:len(whole)-1]))
	}
	for range 1000 { // what others write: over several lines, with other space between, and after the last
		var whole []byte
		var want [][]byte
		for range 1 + r.IntN(5) {
			object, err := json.MarshalIndent([]any{map[string]any{wild(r): wild(r), "a": []any{map[string]any{}, map[string]any{"b": wild(r)}}}}[0], "", " ")
			require.NoError(t, err)
			want = append(want, object)
			whole = append(append(whole, object...), []string{"\n", "\r\n", "\n\n", " \n\t"}[r.IntN(4)]...)
		}
		got := Unpack(whole)
		require.Len(t, got, len(want))
		for i := range got {
			require.Equal(t, string(want[i]), strings.TrimRight(string(got[i]), space))
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, s := range []string{"", "\n", "{}", "{}\n{}", "{\n}\n\n{}\n", `{"a":"}\n{"}`, "{\"a\":\"}\n{\"}", "}\n{", "[{}\n,{}]", "{}{}", "\n\n{} \n \n{"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		objects := Unpack(data)
		require.NotEmpty(t, objects)
		rest := data
		for _, object := range objects { // nothing but space is lost, and nothing changes its place
			at := bytes.Index(rest, object)
			require.GreaterOrEqual(t, at, 0)
			require.Empty(t, bytes.Trim(rest[:at], space))
			rest = rest[at+len(object):]
		}
		require.Empty(t, bytes.Trim(rest, space))
		if json.Valid(data) {
			require.Equal(t, [][]byte{data}, objects, "one value is one message")
		}
	})
}

// Much space must not cost much time.
func TestUnpackTakesSpaceInOneGo(t *testing.T) {
	t.Parallel()
	space := bytes.Repeat([]byte("\n"), 1<<20)
	require.Len(t, Unpack(space), 1)
	require.Len(t, Unpack(append(append([]byte("{}"), space...), "{}"...)), 2)
}
