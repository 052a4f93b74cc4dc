package archive

import (
	"bytes"
	"encoding/json"
	"strings"
)

// keySet is a set of the keys of a JSON object that some format is known by.
type keySet uint64

// keyBits numbers those keys.
var keyBits = map[string]keySet{}

// keys returns the set of the names. It is called while the package's variables are made.
func keys(names ...string) (set keySet) {
	for _, name := range names {
		if keyBits[name] == 0 {
			if len(keyBits) == 64 {
				panic("archive: more than 64 keys to know formats by")
			}
			keyBits[name] = 1 << len(keyBits)
		}
		set |= keyBits[name]
	}
	return set
}

// all tells whether all of the keys are there, any whether one of them is.
func (k keySet) all(of keySet) bool { return k&of == of }

func (k keySet) any(of keySet) bool { return k&of != 0 }

// object is a JSON object to be decoded.
type object struct {
	raw  []byte
	keys keySet
	// head is what stood before the list in the object that the list, and so this one, stands in.
	head []byte
	cfg  *Config
	// pass reads the file that the object is from; nil where it is from a stream.
	pass *pass
	// depth counts the pages around it.
	depth int
}

// newObject looks at the keys of an object, null values left out. raw is one JSON value, whose brackets match.
func newObject(raw, head []byte, cfg *Config, p *pass) *object {
	o := &object{raw: raw, head: head, cfg: cfg, pass: p}
	members(raw, func(key, value []byte) {
		if value[0] != 'n' {
			o.keys |= keyBits[string(key)]
		}
	})
	return o
}

// members calls visit for every member of the object in raw, with the key as it stands between its quotes and the value as it stands.
func members(raw []byte, visit func(key, value []byte)) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	at := 1
	for {
		from := bytes.IndexByte(raw[at:], '"')
		if from < 0 {
			return
		}
		from += at
		to := endOfText(raw, from)
		key := raw[from+1 : max(to-1, from+1)]
		colon := bytes.IndexByte(raw[to:], ':')
		if colon < 0 {
			return
		}
		begin := to + colon + 1
		for begin < len(raw) && isBlank(raw[begin]) {
			begin++
		}
		end := endOfValue(raw, begin)
		if end <= begin {
			return
		}
		visit(key, raw[begin:end])
		at = end
	}
}

// endOfText returns where the string ends that begins at from.
func endOfText(raw []byte, from int) int {
	for i := from + 1; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// endOfValue returns where the value ends that begins at from.
func endOfValue(raw []byte, from int) int {
	depth := 0
	for i := from; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			if i = endOfText(raw, i) - 1; depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
	}
	return len(raw)
}

// plainField is a member's value as the field of a record: a string without its quotes, null as nothing, all else as it stands.
func plainField(value []byte) string {
	switch {
	case value[0] == '"':
		var s string
		if bytes.IndexByte(value, '\\') < 0 {
			return string(value[1 : len(value)-1])
		}
		if json.Unmarshal(value, &s) == nil {
			return s
		}
	case string(value) == "null" || string(value) == "NaN":
		return ""
	}
	return string(value)
}

// isMongo tells of the extended JSON that MongoDB's tools write: {"$numberLong":"5"} for 5.
func isMongo(raw []byte) bool {
	for {
		at := bytes.Index(raw, []byte(`"$`))
		if at < 0 {
			return false
		}
		raw = raw[at+2:]
		for _, name := range []string{`number`, `date"`, `oid"`} {
			if bytes.HasPrefix(raw, []byte(name)) {
				return true
			}
		}
	}
}

// plainMongo writes the value in plain JSON.
func plainMongo(raw []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, malformed(err)
	}
	out, err := json.Marshal(plain(value))
	if err != nil {
		return nil, malformed(err)
	}
	return out, nil
}

func plain(value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		if len(v) == 1 {
			for key, inner := range v {
				if s, ok := inner.(string); ok && strings.HasPrefix(key, "$number") {
					if s == "NaN" || strings.HasSuffix(s, "Infinity") {
						return nil
					}
					return json.Number(s)
				}
				if key == "$date" || key == "$oid" || strings.HasPrefix(key, "$number") {
					return plain(inner)
				}
			}
		}
		for key, inner := range v {
			v[key] = plain(inner)
		}
	}
	return value
}
