// Package tokenizer turns text into the token ids that a Hugging Face text classifier was trained on. It reads what such a
// model is published with (tokenizer.json, or vocab.txt, or vocab.json with merges.txt) and gives the same ids as the Rust
// library "tokenizers" for WordPiece (BERT), byte-level BPE (RoBERTa) and Unigram (XLM-R). What it does not know, it refuses
// at load: a token that is almost right would spoil every score without a sign.
package tokenizer

import (
	"slices"
	"strings"
)

// Tokenizer turns text into token ids. It is made by Load and is safe for concurrent use.
type Tokenizer struct {
	verbatim   addedTokens // added tokens sought in the text as it came
	normalizer normalizer
	normalized addedTokens // added tokens sought in the normalised text
	words      preTokenizer
	model      model
	prefix     []int64
	suffix     []int64

	vocabularySize int64
	padID          int64
	padLeft        bool
	maxLength      int
	truncateLeft   bool
}

// A piece is a stretch of text on its way to the model: first the whole text, at last one word.
type piece struct {
	text string
	// first is set where the piece begins with the first character of the whole text: Metaspace may treat it otherwise.
	first bool
}

// A model splits one word into the ids of its vocabulary.
type model interface {
	tokenize(ids []int64, word string) []int64
	// id finds the id of a whole token.
	id(token string) (int64, bool)
	// size is the number of tokens, and greatest the greatest id; they differ where ids are left out.
	size() int64
	greatest() int64
}

// vocabulary are a model's tokens and their ids.
type vocabulary struct {
	trie
	tokens int
}

func (v *vocabulary) id(token string) (int64, bool) {
	id, found := v.find(token)
	return int64(id), found
}

func (v *vocabulary) size() int64 { return int64(v.tokens) }

func (v *vocabulary) greatest() int64 { return int64(slices.Max(v.values)) - 1 }

// Encode returns the ids of the text between the model's special tokens, cut so that all together are at most maxLength
// (zero or less: not cut). Invalid UTF-8 is read as U+FFFD.
func (t *Tokenizer) Encode(text string, maxLength int) []int64 {
	limit := -1
	if maxLength > 0 {
		limit = max(0, maxLength-len(t.prefix)-len(t.suffix))
	}
	e := encoder{Tokenizer: t, ids: make([]int64, 0, len(t.prefix)+len(t.suffix)+len(text)/3+8), limit: limit}
	e.ids = append(e.ids, t.prefix...)
	e.encode(strings.ToValidUTF8(text, "\uFFFD"))
	return append(e.cut(), t.suffix...)
}

// PadID is the id that fills a batch's shorter texts, and whether the tokenizer's files name one.
func (t *Tokenizer) PadID() (id int64, known bool) { return t.padID, t.padID >= 0 }

// PadLeft reports whether shorter texts are filled up on their left, as the tokenizer's files say. The right is usual.
func (t *Tokenizer) PadLeft() bool { return t.padLeft }

// MaxLength is the greatest number of tokens, special ones included, that the tokenizer's files allow; zero where they do
// not say.
func (t *Tokenizer) MaxLength() int { return t.maxLength }

// VocabularySize is the greatest id that Encode may return, plus one.
func (t *Tokenizer) VocabularySize() int64 { return t.vocabularySize }

// encoder is the state of one call of Encode.
type encoder struct {
	*Tokenizer
	ids   []int64
	limit int // ids between prefix and suffix; below zero for any number
	words []piece
}

func (e *encoder) encode(text string) {
	e.verbatim.split(text, e.add, func(from, to int) {
		if e.full() {
			return
		}
		p := piece{text: text[from:to], first: from == 0}
		if e.normalizer != nil {
			p = e.normalizer.normalize(p)
		}
		e.normalized.split(p.text, e.add, func(from, to int) {
			e.model(piece{text: p.text[from:to], first: p.first && from == 0})
		})
	})
}

func (e *encoder) add(id int64) { e.ids = append(e.ids, id) }

// model splits a piece into words and the words into ids.
func (e *encoder) model(p piece) {
	if p.text == "" || e.full() {
		return
	}
	if e.Tokenizer.words == nil {
		e.ids = e.Tokenizer.model.tokenize(e.ids, p.text)
		return
	}
	e.words = e.Tokenizer.words.split(e.words[:0], p)
	for _, word := range e.words {
		if e.full() {
			return
		}
		e.ids = e.Tokenizer.model.tokenize(e.ids, word.text)
	}
}

// full reports that more ids would only be cut off again.
func (e *encoder) full() bool {
	return e.limit >= 0 && !e.truncateLeft && len(e.ids) >= len(e.prefix)+e.limit
}

func (e *encoder) cut() []int64 {
	excess := len(e.ids) - len(e.prefix) - e.limit
	if e.limit < 0 || excess <= 0 {
		return e.ids
	}
	if e.truncateLeft {
		return append(e.ids[:len(e.prefix)], e.ids[len(e.prefix)+excess:]...)
	}
	return e.ids[:len(e.prefix)+e.limit]
}
