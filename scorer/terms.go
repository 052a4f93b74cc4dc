package scorer

import (
	_ "embed"
	"hash/fnv"
	"strings"
	"unicode"

	"rcas/market"
)

//go:embed stopwords.txt
var stopWordsFile string

// maxTerms bounds the words counted of one post; a wall of text is no word cloud of its own.
const maxTerms = 64

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
	var terms []string
	seen := map[string]bool{}
	for field := range strings.FieldsSeq(withoutCutWord(text)) {
		if isLink(field) || field[0] == '@' {
			continue
		}
		for word := range strings.FieldsFuncSeq(strings.ToLower(field), notInWord) {
			word = strings.Trim(word, "'’-")
			word = strings.TrimSuffix(strings.TrimSuffix(word, "'s"), "’s")
			if len(word) > 40 || letters(word) < 2 || t.stop[word] || seen[word] {
				continue
			}
			seen[word] = true
			if terms = append(terms, word); len(terms) == maxTerms {
				return terms
			}
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
	author := t.Author
	if author == "" {
		author = "\x00" + t.ID
	}
	h := fnv.New32a()
	h.Write([]byte(t.Source + "\x00" + author))
	return int32(h.Sum32())
}
