package lexer

import (
	"strings"
	"unicode"
)

// lowered has the letters of ASCII in lower case, its digits, and zero for every other byte.
var lowered = func() (lowered [256]byte) {
	for c := range lowered {
		switch c := byte(c); {
		case isLetter(c):
			lowered[c] = c | 0x20
		case isDigit(c):
			lowered[c] = c
		}
	}
	return lowered
}()

func isLetter(c byte) bool   { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool    { return c >= '0' && c <= '9' }
func isNameByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }
func isLinkByte(c byte) bool { return c > ' ' && c != '"' && c != '<' && c != '>' }

// isWordRune tells whether a character outside of ASCII belongs to words: letters and the marks that combine with them.
func isWordRune(r rune) bool {
	if r < 0x2000 || r >= 0x2C00 && r < 0x1F000 {
		return unicode.IsLetter(r) || unicode.Is(unicode.Mn, r) && (r < 0xFE00 || r > 0xFE0F)
	}
	return r >= 0x20000 && unicode.IsLetter(r)
}

// isEmoji tells whether a character is a pictograph, an arrow or another sign that is a word of its own.
func isEmoji(r rune) bool {
	return r >= 0x1F000 && r <= 0x1FAFF || r >= 0x2600 && r <= 0x27BF || r >= 0x2190 && r <= 0x21FF ||
		r >= 0x2300 && r <= 0x23FF || r >= 0x25A0 && r <= 0x25FF || r >= 0x2B00 && r <= 0x2BFF
}

// isNegation tells whether a word turns the meaning of the words after it.
func isNegation(word []byte) bool {
	n := len(word)
	if n < 2 || n > 9 {
		return false
	}
	if n > 3 && word[n-1] == 't' && word[n-2] == '\'' && word[n-3] == 'n' {
		return true
	}
	switch string(word) {
	case "no", "not", "never", "cannot", "nothing", "nobody", "none", "neither", "nor", "without", "hardly", "barely",
		"dont", "cant", "wont", "didnt", "doesnt", "isnt", "aint", "wasnt", "werent", "arent", "couldnt", "shouldnt",
		"wouldnt", "havent", "hasnt", "hadnt",
		"bears": // what they do is bad where it would be good of anybody else
		return true
	}
	return false
}

// emoticon reads a Western emoticon, if one is at hand.
func (w *Words) emoticon() bool {
	size, placeholder := 0, ""
	switch w.text[w.at] {
	case '<':
		if w.peek(1) == '3' {
			size, placeholder = 2, Heart
		}
	case '(':
		if (w.peek(1) == ':' || w.peek(1) == '=') && !isLetter(w.peek(2)) {
			size, placeholder = 2, Smile
		}
	case '^':
		if w.peek(1) == '^' {
			size, placeholder = 2, Smile
		} else if w.peek(1) == '_' && w.peek(2) == '^' {
			size, placeholder = 3, Smile
		}
	case '-':
		if (w.peek(1) == '_' || w.peek(1) == '.') && w.peek(2) == '-' {
			size, placeholder = 3, Skeptic
		}
	case ':', ';', '=':
		size, placeholder = w.face()
	}
	if size == 0 {
		return false
	}
	w.at += size
	w.add(placeholder)
	return true
}

// face reads eyes, perhaps a nose, and a mouth; its size is zero if there is none.
func (w *Words) face() (size int, placeholder string) {
	size = 1
	tear := w.peek(size) == '\''
	for size < 3 && strings.IndexByte("-'^", w.peek(size)) >= 0 {
		size++
	}
	mouth := w.peek(size)
	size++
	if isNameByte(mouth) && (isNameByte(w.peek(size)) || w.insideWord()) {
		return 0, ""
	}
	switch mouth {
	case ')', ']', '}':
		if tear { // tears of joy
			return size, Laugh
		}
		return size, Smile
	case 'D':
		return size, Laugh
	case 'p', 'P':
		return size, Tongue
	case '*', 'x', 'X':
		return size, Kiss
	case '(', '[', '{', '@', 'c', 'C':
		return size, Sad
	case '/', '\\', '|', 's', 'S':
		if mouth == '/' && w.peek(size) == '/' {
			return 0, ""
		}
		return size, Skeptic
	}
	return 0, ""
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && s[0]|0x20 == prefix[0] && strings.EqualFold(s[:len(prefix)], prefix)
}
