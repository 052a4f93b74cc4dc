package scorer

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rcas/market"
	"rcas/market/lexicon"
)

//go:embed stopwords.txt
var stopWordsFile string

// maxTerms bounds the words counted of one post; a wall of text is no word cloud of its own.
const maxTerms = 64

// longestTerm is how many bytes a word may have that is counted.
const longestTerm = 40

// Terms finds the words of a post that are worth counting.
type Terms struct{ stop *lexicon.Lexicon }

// NewTerms returns a finder that leaves out the stop words of the commoner languages and the furniture of social media.
func NewTerms() *Terms {
	stop := lexicon.New()
	for line := range strings.Lines(stopWordsFile) {
		if word := strings.TrimSpace(line); word != "" && word[0] != '#' {
			stop.Set(word, 1)
		}
	}
	return &Terms{stop: stop}
}

// Of returns the words of a text, lower case, each once: letters with digits and inner apostrophes or hyphens, at least two
// letters; hashtags and cashtags without their sign; no links, no @names, no numbers, no stop words, and not the word that an archive cut
// off at the end ("purcha…"). They stand in space where it has room: whoever reads many posts need not allocate for each.
func (t *Terms) Of(text string, space []string) []string {
	text = withoutCutWord(text)
	terms := space[:0]
	for at := 0; at < len(text) && len(terms) < maxTerms; {
		if n, letters, seen := run(text[at:]); n > 0 && (at+n == len(text) || isSpace(text[at+n])) { // a word between spaces, as most are
			terms = t.add(terms, text[at:at+n], letters, seen)
			at += n
			continue
		}
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
	return terms
}

// nextField returns what text holds before its first space, whether that is ASCII alone, and whether it holds a slash.
func nextField(text string) (field string, ascii, slash bool) {
	ascii = true
	for at := 0; at < len(text); {
		switch class := classes[text[at]]; {
		case class&(space|slashed|beyondASCII) == 0:
			at++
		case class == slashed:
			slash = true
			at++
		case class == space:
			return text[:at], ascii, slash
		default:
			r, size := utf8.DecodeRuneInString(text[at:])
			if unicode.IsSpace(r) {
				return text[:at], ascii, slash
			}
			ascii = false
			at += size
		}
	}
	return text, ascii, slash
}

// ofASCII adds the words of a field of ASCII.
func (t *Terms) ofASCII(terms []string, field string) []string {
	for at := 0; at < len(field) && len(terms) < maxTerms; {
		n, letters, seen := run(field[at:])
		terms = t.add(terms, field[at:at+n], letters, seen)
		at += n + 1
	}
	return terms
}

// run returns how many ASCII characters of words text begins with, how many of these are letters, and all their classes.
func run(text string) (n, letters int, seen uint8) {
	for ; n < len(text); n++ {
		class := classes[text[n]]
		if class&(letter|digit|joint) == 0 {
			break
		}
		letters += int(class & letter)
		seen |= class
	}
	return n, letters, seen
}

// add adds a word of ASCII with so many letters, and of these classes, if it is worth it: in lower case, and without a copy where it is that.
func (t *Terms) add(terms []string, word string, letters int, seen uint8) []string {
	if letters < 2 {
		return terms
	}
	for classes[word[0]] == joint {
		word = word[1:]
	}
	for classes[word[len(word)-1]] == joint {
		word = word[:len(word)-1]
	}
	if n := len(word) - len("'s"); word[n] == '\'' && word[n+1]|0x20 == 's' {
		word, letters = word[:n], letters-1
	}
	if letters < 2 || len(word) > longestTerm {
		return terms
	}
	if seen&capital == 0 {
		if t.stop.Get([]byte(word)) == 0 && !has(terms, []byte(word)) {
			terms = append(terms, word)
		}
		return terms
	}
	var space [longestTerm]byte
	lower := space[:len(word)]
	for i := range lower {
		lower[i] = word[i] | classes[word[i]]&capital
	}
	if t.stop.Get(lower) == 0 && !has(terms, lower) {
		terms = append(terms, string(lower))
	}
	return terms
}

// has tells whether the word is among the terms; of so few, looking through them all is quicker than a map.
func has(terms []string, word []byte) bool {
	for _, term := range terms {
		if term[0] == word[0] && term == string(word) { // without a call for nearly all
			return true
		}
	}
	return false
}

// ofAny adds the words of any field.
func (t *Terms) ofAny(terms []string, field string) []string {
	for word := range strings.FieldsFuncSeq(strings.ToLower(field), notInWord) {
		word = strings.Trim(word, "'’-")
		word = strings.TrimSuffix(strings.TrimSuffix(word, "'s"), "’s")
		if len(word) > longestTerm || letters(word) < 2 || t.stop.Get([]byte(word)) != 0 || slices.Contains(terms, word) {
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
