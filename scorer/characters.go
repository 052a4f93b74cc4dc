package scorer

import "unicode/utf8"

// What a byte can be in a text; most punctuation is zero. It is asked of every byte of every post, several times.
const (
	letter = 1 << iota
	digit
	joint // between letters of one word: "don't", "all-time"
	space
	slashed
	capital // of letters, and what makes them small ones
	beyondASCII
)

var classes = func() (classes [256]uint8) {
	for c := range classes {
		switch {
		case 'a' <= c && c <= 'z':
			classes[c] = letter
		case 'A' <= c && c <= 'Z':
			classes[c] = letter | capital
		case '0' <= c && c <= '9':
			classes[c] = digit
		case c == '\'' || c == '-':
			classes[c] = joint
		case c == ' ' || '\t' <= c && c <= '\r':
			classes[c] = space
		case c == '/':
			classes[c] = slashed
		case c >= utf8.RuneSelf:
			classes[c] = beyondASCII
		}
	}
	return classes
}()

func isSpace(c byte) bool { return classes[c] == space }
