package scorer

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rcas/market"
)

//go:embed stopwords.txt
var stopWordsFile string

// maxTerms bounds the words counted of one post; a wall of text is no word cloud of its own.
const maxTerms = 64

// longestTerm is how many bytes a word may have that is counted.
const longestTerm = 40

// Terms finds the words of a post that are worth counting.
type Terms struct{ stop map[string]bool }

// NewTerms returns a finder that leaves out the stop words of the commoner languages and the furniture of social media.
func NewTerms() *Terms {
	stop := map[string]bool{}
	for line := range strings.Lines(stopWordsFile) {
		if word := strings.TrimSpace(line); word != "" && word[0] != '#' {
			stop[word] = true
		}
	}
	return &Terms{stop: stop}
}

// Of returns the words of a text, lower case, each once: letters with digits and inner apostrophes or hyphens, at least two
// letters; hashtags and cashtags without their sign; no links, no @names, no numbers, no stop words, and not the word that an archive cut
// off at the end ("purcha…").
func (t *Terms) Of(text string) []string {
	text = withoutCutWord(text)
	var space [maxTerms]string
	terms := space[:0]
	for at := 0; at < len(text) && len(terms) < maxTerms; {
		field, ascii, slash := nextField(text[at:])
		at += len(field)
		switch {
		case field == "":
			_, size := utf8.DecodeRuneInString(text[at:])
			at += size // a space
		case field[0] == '@' || (slash || field[0] == 'w') && isLink(field):
		case ascii:
			terms = t.ofASCII(terms, field)
		default:
			terms = t.ofAny(terms, field)
		}
	}
	if len(terms) == 0 {
		return nil
	}
	return slices.Clone(terms)
}

// nextField returns what text holds before its first space, whether that is ASCII alone, and whether it holds a slash.
func nextField(text string) (field string, ascii, slash bool) {
	ascii = true
	for at := 0; at < len(text); {
		c := text[at]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[at:])
			if unicode.IsSpace(r) {
				return text[:at], ascii, slash
			}
			ascii = false
			at += size
			continue
		}
		if isSpace(c) {
			return text[:at], ascii, slash
		}
		slash = slash || c == '/'
		at++
	}
	return text, ascii, slash
}

// ofASCII adds the words of a field of ASCII, which most are, without a copy of those in lower case.
func (t *Terms) ofASCII(terms []string, field string) []string {
	var lower [longestTerm + len("'s")]byte
	for at := 0; at < len(field) && len(terms) < maxTerms; {
		if !isTermByte(field[at]) {
			at++
			continue
		}
		start := at
		for at < len(field) && isTermByte(field[at]) {
			at++
		}
		word := strings.Trim(field[start:at], "'-")
		if len(word) > len(lower) {
			continue
		}
		letters, capitals := 0, 0
		for i := range len(word) {
			c := word[i]
			if c|0x20 >= 'a' && c|0x20 <= 'z' {
				letters++
				if c < 'a' {
					capitals++
					c |= 0x20
				}
			}
			lower[i] = c
		}
		if n := len(word) - len("'s"); n >= 0 && string(lower[n:len(word)]) == "'s" {
			if word[n+1] == 'S' {
				capitals--
			}
			word, letters = word[:n], letters-1
		}
		if len(word) > longestTerm || letters < 2 || t.stop[string(lower[:len(word)])] || has(terms, lower[:len(word)]) {
			continue
		}
		if capitals > 0 {
			word = string(lower[:len(word)])
		}
		terms = append(terms, word)
	}
	return terms
}

// has tells whether the word is among the terms; of so few, looking through them all is quicker than a map.
func has(terms []string, word []byte) bool {
	for _, term := range terms {
		if term == string(word) {
			return true
		}
	}
	return false
}

// isTermByte tells of the ASCII characters that words are made of.
func isTermByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '\'' || c == '-'
}

// ofAny adds the words of any field.
func (t *Terms) ofAny(terms []string, field string) []string {
	for word := range strings.FieldsFuncSeq(strings.ToLower(field), notInWord) {
		word = strings.Trim(word, "'’-")
		word = strings.TrimSuffix(strings.TrimSuffix(word, "'s"), "’s")
		if len(word) > longestTerm || letters(word) < 2 || t.stop[word] || slices.Contains(terms, word) {
			continue
		}
		if terms = append(terms, word); len(terms) == maxTerms {
			break
		}
	}
	return terms
}

func notInWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) && r != '\'' && r != '’' && r != '-'
}

func letters(word string) int {
	n := 0
	for _, r := range word {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// isLink also catches what scrapers leave of a link: "pic.twitter.com/…", "bit.ly/…".
func isLink(field string) bool {
	if strings.Contains(field, "://") || strings.HasPrefix(field, "www.") {
		return true
	}
	host, _, path := strings.Cut(field, "/")
	return path && strings.Contains(host, ".") && !strings.HasPrefix(host, ".")
}

// authorHash stands for the author; a post whose author is unknown counts as an author of its own.
func authorHash(t *market.Tweet) int32 {
	h := fnv32(2166136261)
	h.add(t.Source)
	h.add("\x00")
	h.add(authorOf(t))
	return int32(h)
}

// authorOf is a post's author; of one whose author nobody knows, somebody who wrote nothing else.
func authorOf(t *market.Tweet) string {
	if t.Author == "" {
		return "\x00" + t.ID
	}
	return t.Author
}

// fnv32 is the hash FNV-1a of what is added. That of the standard library costs an allocation for each text.
type fnv32 uint32

func (h *fnv32) add(s string) {
	for i := range len(s) {
		*h = (*h ^ fnv32(s[i])) * 16777619
	}
}
