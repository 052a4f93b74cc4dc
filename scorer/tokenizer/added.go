package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is found in the text before the model sees it, such as <mask>.
type addedToken struct {
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`

	id int64
}

// addedTokens finds added tokens in a text: the leftmost first and of those that begin there the longest.
type addedTokens struct {
	tokens []addedToken
	trie   trie
	starts [256]bool // the first bytes of all tokens
}

// insert adds a token under its pattern, which is its content or that content normalised. The first of two with the same
// pattern stays.
func (a *addedTokens) insert(pattern string, token addedToken) {
	if _, found := a.trie.find(pattern); found {
		return
	}
	a.trie.insert(pattern, int32(len(a.tokens)))
	a.tokens = append(a.tokens, token)
	a.starts[pattern[0]] = true
}

// split calls token for every added token in the text and rest for every stretch between them, in the order of the text.
func (a *addedTokens) split(text string, token func(id int64), rest func(from, to int)) {
	done := 0 // all before is handed out
	for at := 0; at < len(text) && len(a.tokens) > 0; {
		if !a.starts[text[at]] {
			at++
			continue
		}
		index, length := a.trie.longest(text[at:])
		if length == 0 {
			at++
			continue
		}
		start, stop := at, at+length
		at = stop
		t := a.tokens[index]
		if t.SingleWord && !standsAlone(text, start, stop) {
			continue
		}
		if t.LStrip {
			start = max(done, len(strings.TrimRightFunc(text[:start], unicode.IsSpace)))
		}
		if t.RStrip {
			stop = len(text) - len(strings.TrimLeftFunc(text[stop:], unicode.IsSpace))
		}
		if done < start {
			rest(done, start)
		}
		token(t.id)
		done = stop
	}
	if done < len(text) {
		rest(done, len(text))
	}
}

// standsAlone reports whether text[start:stop] has no word character right before or after it.
func standsAlone(text string, start, stop int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	after, _ := utf8.DecodeRuneInString(text[stop:])
	return (start == 0 || !isWord(before)) && (stop == len(text) || !isWord(after))
}
