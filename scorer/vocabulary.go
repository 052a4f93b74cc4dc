package scorer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"strings"

	"rcas/market/lexicon"
)

// The ids that every vocabulary begins with, as in scorer/training.
const (
	paddingID   = 0
	unknownID   = 1
	firstWordID = 2
)

const (
	wordsFile = "words.txt"
	pairsFile = "pairs.txt"
	// mostWordsKnown and mostPairs bound a vocabulary, and with it its memory. idBits hold any id then, and a pair of words' ids fits beside.
	mostWordsKnown = 1<<20 - firstWordID
	mostPairs      = 1 << 22
	idBits         = 24
)

// vocabulary knows the ids of words, from firstWordID on, and of pairs of neighbouring words, which follow. It is made to be asked
// twenty times a post: each answer costs one look into a table, and another into the text of the word, which for common words are near
// each other.
type vocabulary struct {
	text  string // the words, each with a newline after it
	words []wordSlot
	pairs []uint64 // the ids of two words and the pair's, in 64 bits
	// sizes count the ids of words, with padding and the unknown word, and those of pairs.
	wordIDs, pairIDs int
}

// wordSlot is a place of the table of words: where the hash of the word says or the next free one. Half of all and more have id zero and
// are free.
type wordSlot struct{ id, end uint32 }

// readVocabulary reads a model's words and pairs.
func readVocabulary(files fs.FS) (*vocabulary, error) {
	words, err := readLines(files, wordsFile)
	if err != nil {
		return nil, err
	}
	v := &vocabulary{text: words}
	n := strings.Count(words, "\n")
	if n > mostWordsKnown {
		return nil, fmt.Errorf("%s has %d words; at most %d can be used", wordsFile, n, mostWordsKnown)
	}
	v.words, v.wordIDs = make([]wordSlot, tableSize(n)), firstWordID
	for at := 0; at < len(words); v.wordIDs++ {
		end := at + strings.IndexByte(words[at:], '\n')
		slot := v.slot([]byte(words[at:end]))
		if at == end || strings.IndexByte(words[at:end], ' ') >= 0 || slot.id != 0 {
			return nil, fmt.Errorf("line %d of %s is %.40q; each line must be another word", v.wordIDs-firstWordID+1, wordsFile, words[at:end])
		}
		*slot = wordSlot{uint32(v.wordIDs), uint32(end)}
		at = end + 1
	}
	if err := v.readPairs(files); err != nil {
		return nil, err
	}
	return v, nil
}

// tableSize is a power of two above twice the number of entries.
func tableSize(entries int) int { return 1 << bits.Len(uint(2*entries)) }

func (v *vocabulary) readPairs(files fs.FS) error {
	text, err := readLines(files, pairsFile)
	if err != nil {
		return err
	}
	n := strings.Count(text, "\n")
	if n > mostPairs {
		return fmt.Errorf("%s has %d pairs; at most %d can be used", pairsFile, n, mostPairs)
	}
	v.pairs = make([]uint64, tableSize(n))
	for line := range strings.Lines(text) {
		a, b, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		first, second := v.slot([]byte(a)).id, v.slot([]byte(b)).id
		slot, key := v.pairSlot(int32(first), int32(second))
		if first == 0 || second == 0 || *slot != 0 {
			return fmt.Errorf("line %d of %s is %.80q; each line must be another two words of %s", v.pairIDs+1, pairsFile, line, wordsFile)
		}
		*slot = key<<idBits | uint64(v.wordIDs+v.pairIDs)
		v.pairIDs++
	}
	return nil
}

// readLines reads a file of lines, the last of which ends as well: what was cut off is no vocabulary.
func readLines(files fs.FS, name string) (string, error) {
	content, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("it holds no %s: a model of this form keeps its vocabulary in %s and %s, and not inside the graph as it once did; "+
			"export it again (make model)", name, wordsFile, pairsFile)
	}
	if err != nil {
		return "", fmt.Errorf("read its vocabulary: %w", err)
	}
	if len(content) > 0 && content[len(content)-1] != '\n' {
		return "", fmt.Errorf("%s does not end with a line: it is damaged", name)
	}
	return string(content), nil
}

// slot is where the word is, or would be.
func (v *vocabulary) slot(word []byte) *wordSlot {
	mask := uint64(len(v.words) - 1)
	for i := lexicon.Hash(word) & mask; ; i = (i + 1) & mask {
		if slot := &v.words[i]; slot.id == 0 || v.endsWith(int(slot.end), word) {
			return slot
		}
	}
}

// endsWith tells whether the word that ends there is this one.
func (v *vocabulary) endsWith(end int, word []byte) bool {
	start := end - len(word)
	return start >= 0 && v.text[start:end] == string(word) && (start == 0 || v.text[start-1] == '\n')
}

// id is the word's id. A negated form without one has its word's.
func (v *vocabulary) id(word []byte) int32 {
	if id := v.slot(word).id; id != 0 {
		return int32(id)
	}
	if plain, negated := bytes.CutSuffix(word, []byte{'~'}); negated {
		return v.id(plain)
	}
	return unknownID
}

// pairSlot is where the pair of these words is, or would be, and what tells it from others.
func (v *vocabulary) pairSlot(first, second int32) (slot *uint64, key uint64) {
	key = uint64(first)*uint64(v.wordIDs) + uint64(second)
	mask := uint64(len(v.pairs) - 1)
	for i := key * 0x9E3779B97F4A7C15 >> 32 & mask; ; i = (i + 1) & mask { // multiplied by the golden ratio, as Knuth has it
		if slot = &v.pairs[i]; *slot == 0 || *slot>>idBits == key {
			return slot, key
		}
	}
}

// pair is the id of a pair of neighbouring words, given their ids; zero: it has none.
func (v *vocabulary) pair(first, second int32) int32 {
	slot, _ := v.pairSlot(first, second)
	return int32(*slot & (1<<idBits - 1))
}
