package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// byteLevel splits as GPT-2 did and writes every byte as a printable character, so that no text is unknown (RoBERTa).
type byteLevel struct {
	prefixSpace bool // a text that begins without a space gets one
	whole       bool // do not split
}

func (b byteLevel) split(words []piece, p piece) []piece {
	text := p.text
	if b.prefixSpace && !strings.HasPrefix(text, " ") {
		text = " " + text
	}
	if b.whole {
		return append(words, piece{text: toByteLevel(text), first: p.first})
	}
	before := len(words)
	size := 0
	for from := 0; from < len(text); {
		to := from + wordLength(text[from:])
		words = append(words, piece{text: text[from:to], first: p.first && from == 0})
		from = to
	}
	mapped := toByteLevel(text)
	for i := before; i < len(words); i++ {
		from := size
		for j := range len(words[i].text) {
			size += byteWidth(words[i].text[j])
		}
		words[i].text = mapped[from:size]
	}
	return words
}

// wordLength is the length of the first match of GPT-2's pattern, which matches any text that is not empty:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func wordLength(text string) int {
	if text[0] == '\'' {
		for _, ending := range [...]string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
			if strings.HasPrefix(text, ending) {
				return len(ending)
			}
		}
	}
	start := 0
	if text[0] == ' ' {
		start = 1
	}
	kind := byteLevelKind(text[start:])
	if kind != space && start < len(text) {
		return start + runLength(text[start:], kind)
	}
	spaces := runLength(text, space)
	if spaces == len(text) {
		return spaces
	}
	_, last := utf8.DecodeLastRuneInString(text[:spaces])
	if last < spaces {
		return spaces - last // the last space belongs to the word behind
	}
	return spaces
}

// Kinds of characters that make up a word together.
const (
	space = iota
	letter
	number
	other
)

func byteLevelKind(text string) int {
	r, _ := utf8.DecodeRuneInString(text)
	switch {
	case r < utf8.RuneSelf && ('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'):
		return letter
	case unicode.IsSpace(r):
		return space
	case isLetter(r):
		return letter
	case isNumber(r):
		return number
	}
	return other
}

func runLength(text string, kind int) int {
	length := 0
	for length < len(text) && byteLevelKind(text[length:]) == kind {
		_, width := utf8.DecodeRuneInString(text[length:])
		length += width
	}
	return length
}

// toByteLevel writes a text's bytes as characters: printable Latin-1 as itself, the others in order from U+0100.
func toByteLevel(text string) string {
	out := make([]byte, 0, 2*len(text))
	for i := range len(text) {
		out = utf8.AppendRune(out, byteLevelRune(text[i]))
	}
	return string(out)
}

func byteLevelRune(b byte) rune {
	switch {
	case b <= ' ':
		return 0x100 + rune(b)
	case b <= '~' || 0xA1 <= b && b != 0xAD:
		return rune(b)
	case b == 0xAD:
		return 0x143
	}
	return 0x121 + rune(b) - 0x7F
}

// byteWidth is the number of bytes of a byte's character.
func byteWidth(b byte) int {
	if '!' <= b && b <= '~' {
		return 1
	}
	return 2
}

// hasAllBytes reports whether no text can be unknown to a byte-level vocabulary.
func hasAllBytes(vocabulary map[string]int64) bool {
	for b := range 256 {
		if _, found := vocabulary[string(byteLevelRune(byte(b)))]; !found {
			return false
		}
	}
	return true
}
