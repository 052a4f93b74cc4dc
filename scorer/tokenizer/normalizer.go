package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalizer rewrites a piece before it is split into words.
type normalizer interface {
	normalize(p piece) piece
}

// normalizers run one after the other.
type normalizers []normalizer

func (n normalizers) normalize(p piece) piece {
	for _, step := range n {
		p = step.normalize(p)
	}
	return p
}

// rewrite is a normalizer that keeps at least the first character's place.
type rewrite func(text string) string

func (r rewrite) normalize(p piece) piece { return piece{text: r(p.text), first: p.first} }

// removal is a normalizer that leaves out the characters for which it is true.
type removal func(r rune) bool

func (drop removal) normalize(p piece) piece {
	first, _ := utf8.DecodeRuneInString(p.text)
	p.first = p.first && !drop(first)
	p.text = strings.Map(func(r rune) rune {
		if drop(r) {
			return -1
		}
		return r
	}, p.text)
	return p
}

// bertNormalizer is what BERT was trained with, in this order: control characters removed and all white space made a space,
// spaces around Chinese characters, accents removed, lower case.
type bertNormalizer struct {
	clean, chinese, stripAccents, lower bool
}

func (n bertNormalizer) normalize(p piece) piece {
	if isASCII(p.text) {
		return n.normalizeASCII(p)
	}
	if n.clean {
		p = removal(isControl).normalize(p)
		p.text = strings.Map(spaceOut, p.text)
	}
	if n.chinese && strings.ContainsFunc(p.text, isChinese) {
		p.text = surroundChinese(p.text)
	}
	if n.stripAccents {
		p.text = decompose(p.text, norm.NFD)
		p = removal(isNonspacingMark).normalize(p)
	}
	if n.lower {
		p.text = toLower(p.text)
	}
	return p
}

// normalizeASCII is the common case in one pass.
func (n bertNormalizer) normalizeASCII(p piece) piece {
	change := func(b byte) bool { return n.clean && (b < ' ' || b == 0x7F) || n.lower && 'A' <= b && b <= 'Z' }
	at := 0
	for at < len(p.text) && !change(p.text[at]) {
		at++
	}
	if at == len(p.text) {
		return p
	}
	out := append(make([]byte, 0, len(p.text)), p.text[:at]...)
	for ; at < len(p.text); at++ {
		b := p.text[at]
		switch {
		case !change(b):
			out = append(out, b)
		case 'A' <= b && b <= 'Z':
			out = append(out, b+'a'-'A')
		case b == '\t' || b == '\n' || b == '\r':
			out = append(out, ' ')
		default:
			p.first = p.first && at > 0
		}
	}
	return piece{text: string(out), first: p.first}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func spaceOut(r rune) rune {
	if unicode.IsSpace(r) {
		return ' '
	}
	return r
}

func surroundChinese(text string) string {
	var b strings.Builder
	for _, r := range text {
		if isChinese(r) {
			b.WriteString(" " + string(r) + " ")
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// toLower lowers every character by itself; a final sigma is like any other.
func toLower(text string) string {
	text = strings.Map(lowerRune, text)
	return strings.ReplaceAll(text, "İ", "i̇")
}

// strip removes white space at the ends.
type strip struct{ left, right bool }

func (s strip) normalize(p piece) piece {
	if s.left {
		trimmed := strings.TrimLeftFunc(p.text, unicode.IsSpace)
		p = piece{text: trimmed, first: p.first && len(trimmed) == len(p.text)}
	}
	if s.right {
		p.text = strings.TrimRightFunc(p.text, unicode.IsSpace)
	}
	return p
}

// replace puts content where the pattern is.
type replace struct {
	pattern pattern
	content string
}

func (r replace) normalize(p piece) piece {
	var out strings.Builder
	from := 0
	for {
		start, stop, found := r.pattern.next(p.text, from)
		if !found {
			break
		}
		if start == 0 && (r.content == "" || utf8.RuneCountInString(p.text[:stop]) > 1) {
			p.first = false // the reference gives what replaces a match the place of the match's last character
		}
		out.WriteString(p.text[from:start] + r.content)
		from = stop
	}
	if from > 0 {
		p.text = out.String() + p.text[from:]
	}
	return p
}

// nmt is SentencePiece's cleaning for machine translation, without its normalisation.
func nmt(p piece) piece {
	p = removal(func(r rune) bool {
		return 1 <= r && r <= 8 || r == 0xB || 0xE <= r && r <= 0x1F || r == 0x7F || r == 0x8F || r == 0x9F
	}).normalize(p)
	p.text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\f', r == '\r', r == 0x1680, 0x200B <= r && r <= 0x200F,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xFEFF, r == 0xFFFD:
			return ' '
		}
		return r
	}, p.text)
	return p
}

// normalizerFunc makes a normalizer of a function.
type normalizerFunc func(p piece) piece

func (f normalizerFunc) normalize(p piece) piece { return f(p) }
