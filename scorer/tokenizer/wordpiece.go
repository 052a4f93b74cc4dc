package tokenizer

import "unicode/utf8"

// wordPiece takes the longest piece that a word begins with, then the longest that goes on with it, and so forth; a word
// that comes out uneven is the unknown token as a whole (BERT).
type wordPiece struct {
	vocabulary
	inner    int32 // the trie's node after the prefix of a piece inside a word ("##"); -1 for none
	unknown  int64
	maxChars int // longer words are unknown
}

func (m *wordPiece) tokenize(ids []int64, word string) []int64 {
	if len(word) > m.maxChars && utf8.RuneCountInString(word) > m.maxChars {
		return append(ids, m.unknown)
	}
	before := len(ids)
	node := int32(0)
	for start := 0; start < len(word); {
		length := 0
		if node >= 0 {
			var id int32
			id, length = m.longestFrom(node, word[start:])
			ids = append(ids, int64(id))
		}
		if length == 0 {
			return append(ids[:before], m.unknown)
		}
		start += length
		node = m.inner
	}
	return ids
}
