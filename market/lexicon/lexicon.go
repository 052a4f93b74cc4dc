// Package lexicon looks words up. Posts are made of them, and most are in no list, which a map takes several times as long to tell.
package lexicon

import (
	"encoding/binary"
	"math/bits"
)

// Lexicon gives words a value, zero to those that it does not hold. Any number of goroutines may ask while none sets.
type Lexicon struct {
	// marks and entries are a power of two, half of them free and more. A word is where its hash says or in the next free place. A mark is
	// zero where the place is free, and else of the hash: a byte, so that nearly all words that are not held are told in the fastest memory.
	marks   []uint8
	entries []entry
	held    int
}

type entry struct {
	word  string
	value uint32
}

// New returns a lexicon of no words.
func New() *Lexicon { return &Lexicon{marks: make([]uint8, 2), entries: make([]entry, 2)} }

// Get returns the word's value.
func (l *Lexicon) Get(word []byte) uint32 {
	at := l.place(word)
	if l.marks[at] == 0 { // as most often
		return 0
	}
	return l.entries[at].value
}

// Set gives the word a value.
func (l *Lexicon) Set(word string, value uint32) {
	at := l.place([]byte(word))
	if l.marks[at] == 0 {
		if l.held++; 2*l.held > len(l.marks) {
			l.grow()
			at = l.place([]byte(word))
		}
		l.marks[at] = mark(Hash([]byte(word)))
	}
	l.entries[at] = entry{word, value}
}

func (l *Lexicon) grow() {
	old := *l
	l.marks, l.entries = make([]uint8, 2*len(old.marks)), make([]entry, 2*len(old.marks))
	for i, e := range old.entries {
		if old.marks[i] != 0 {
			at := l.place([]byte(e.word))
			l.marks[at], l.entries[at] = old.marks[i], e
		}
	}
}

// place is where the word is, or would be.
func (l *Lexicon) place(word []byte) int {
	hash := Hash(word)
	for at := int(hash) & (len(l.marks) - 1); ; at = (at + 1) & (len(l.marks) - 1) {
		if found := l.marks[at]; found == 0 || found == mark(hash) && l.entries[at].word == string(word) {
			return at
		}
	}
}

func mark(hash uint64) uint8 { return uint8(hash>>56) | 1 }

// Hash is a hash of a word's length, of its first eight bytes and of its last: all of most words.
func Hash(word []byte) uint64 {
	var first, last uint64
	switch n := len(word); {
	case n >= 8:
		first, last = binary.LittleEndian.Uint64(word), binary.LittleEndian.Uint64(word[n-8:])
	case n >= 4:
		first, last = uint64(binary.LittleEndian.Uint32(word)), uint64(binary.LittleEndian.Uint32(word[n-4:]))
	case n > 0:
		first, last = uint64(word[0])|uint64(word[n/2])<<8, uint64(word[n-1])
	}
	// Odd numbers with as many ones as zeros, as wyhash has them.
	high, low := bits.Mul64(first^0xa0761d6478bd642f, last^0xe7037ed1a0b428db^uint64(len(word))<<56)
	return high ^ low
}
