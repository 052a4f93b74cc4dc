package market

import "bytes"

// Unpack cuts a message of the stream into its posts or trades: JSON objects, one after the other, with a line break between them. One alone is
// the usual case. A line break between } and { is always between two objects: within one, a comma stands there, and a string
// holds no line break unescaped. So nothing has to be parsed, and an object that is written over several lines stays whole. What is not such
// a message comes back as it is.
func Unpack(data []byte) [][]byte {
	objects := make([][]byte, 0, 1+bytes.Count(data, []byte("}\n{")))
	for from, at := 0, 0; ; {
		line := bytes.IndexByte(data[at:], '\n')
		if line < 0 {
			return append(objects, data[from:])
		}
		before, after := bytes.TrimRight(data[from:at+line], space), bytes.TrimLeft(data[at+line:], space)
		at = len(data) - len(after)
		if bytes.HasSuffix(before, []byte("}")) && bytes.HasPrefix(after, []byte("{")) {
			objects = append(objects, before)
			from = at
		}
	}
}

// space is what JSON has between values.
const space = " \t\r\n"
