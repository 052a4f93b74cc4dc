package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// bpe joins a word's characters pair by pair in the order in which training did: of all neighbours that have a merge the
// earliest learnt, and of equals the leftmost, goes first.
type bpe struct {
	vocabulary
	merges       table[merge] // by pairOf
	results      []int32      // by rank: the token that the merge makes
	unknown      int64        // -1: unknown characters vanish
	prefix       string       // of characters inside a word
	suffix       string       // of a word's last character
	fuseUnknown  bool         // a run of unknown characters is one unknown token
	byteFallback bool         // an unknown character is the tokens <0x..> of its bytes, where all exist
	wholeWords   bool         // a word that is in the vocabulary is not split at all
}

type merge struct{ rank, result int32 }

// pairOf is the key of two tokens side by side.
func pairOf(left, right int32) uint64 { return uint64(left)<<32 | uint64(right) }

// symbol is a part of a word, in a linked list; the id of a part that was joined to its left neighbour is -1.
type symbol struct{ id, previous, next int32 }

func (m *bpe) tokenize(ids []int64, word string) []int64 {
	if m.wholeWords {
		if id, found := m.find(word); found {
			return append(ids, int64(id))
		}
	}
	var buffer [64]symbol
	symbols := m.symbols(buffer[:0], word)
	m.join(symbols)
	for _, s := range symbols {
		if s.id >= 0 {
			ids = append(ids, int64(s.id))
		}
	}
	return ids
}

// symbols appends the word's characters.
func (m *bpe) symbols(symbols []symbol, word string) []symbol {
	add := func(id int64) {
		n := int32(len(symbols))
		symbols = append(symbols, symbol{id: int32(id), previous: n - 1, next: n + 1})
	}
	pending := false // an unknown token that is not added yet, for the next may be fused with it
	for start := 0; start < len(word); {
		_, width := utf8.DecodeRuneInString(word[start:])
		character := word[start : start+width]
		if start > 0 && m.prefix != "" {
			character = m.prefix + character
		}
		if start += width; start == len(word) && m.suffix != "" {
			character += m.suffix
		}
		if id, found := m.find(character); found {
			if pending {
				add(m.unknown)
				pending = false
			}
			add(int64(id))
			continue
		}
		if m.byteFallback && addBytes(&m.trie, character, add) || m.unknown < 0 {
			continue
		}
		if pending && !m.fuseUnknown {
			add(m.unknown)
		}
		pending = true
	}
	if pending {
		add(m.unknown)
	}
	if len(symbols) > 0 {
		symbols[len(symbols)-1].next = -1
	}
	return symbols
}

// join merges neighbours in place until no pair has a merge.
func (m *bpe) join(symbols []symbol) {
	var buffer [64]uint64
	queue := queue(buffer[:0])
	offer := func(left, right int32) {
		if pair, found := m.merges.get(pairOf(symbols[left].id, symbols[right].id)); found {
			queue.push(uint64(pair.rank)<<32 | uint64(left))
		}
	}
	for i := 1; i < len(symbols); i++ {
		offer(int32(i-1), int32(i))
	}
	for len(queue) > 0 {
		top := queue.pop()
		position := int32(top & (1<<32 - 1))
		left := &symbols[position]
		if left.id < 0 || left.next < 0 {
			continue
		}
		right := &symbols[left.next]
		pair, found := m.merges.get(pairOf(left.id, right.id))
		if !found || pair.result != m.results[top>>32] {
			continue // the pair was broken up by an earlier merge
		}
		left.id, left.next, right.id = pair.result, right.next, -1
		if left.next >= 0 {
			symbols[left.next].previous = position
			offer(position, left.next)
		}
		if left.previous >= 0 {
			offer(left.previous, position)
		}
	}
}

// addBytes adds the tokens <0x00> to <0xFF> of the text's bytes, if the vocabulary has them all.
func addBytes(vocabulary *trie, text string, add func(int64)) bool {
	ids := make([]int64, len(text))
	for i := range len(text) {
		id, found := vocabulary.find(fmt.Sprintf("<0x%02X>", text[i]))
		if !found {
			return false
		}
		ids[i] = int64(id)
	}
	for _, id := range ids {
		add(id)
	}
	return true
}

// queue is a binary heap with the least number on top.
type queue []uint64

func (q *queue) push(value uint64) {
	heap := append(*q, value)
	child := len(heap) - 1
	for child > 0 {
		parent := (child - 1) / 2
		if heap[parent] <= value {
			break
		}
		heap[child] = heap[parent]
		child = parent
	}
	heap[child] = value
	*q = heap
}

func (q *queue) pop() uint64 {
	heap := *q
	top, last := heap[0], heap[len(heap)-1]
	heap = heap[:len(heap)-1]
	*q = heap
	for parent := 0; parent < len(heap); {
		child := 2*parent + 1
		if child+1 < len(heap) && heap[child+1] < heap[child] {
			child++
		}
		if child >= len(heap) || last <= heap[child] {
			heap[parent] = last
			break
		}
		heap[parent] = heap[child]
		parent = child
	}
	return top
}
