package tokenizer

import (
	"fmt"
	"hash/fnv"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

// TestUnicodeClasses compares, by a hash over all code points, what the reference thinks of every character. It fails where a
// newer Go brings newer tables: then the lists in unicode.go want an update.
func TestUnicodeClasses(t *testing.T) {
	t.Parallel()
	for _, class := range []struct {
		name  string
		is    func(r rune) bool
		count int
		hash  uint64
	}{
		{"control", isControl, 137681, 0xc6d9ac4182198c67},
		{"punctuation", isPunctuation, 726, 0x4a6e8a3a820f47ec},
		{"nonspacing mark", isNonspacingMark, 1567, 0x729e07d4052ac6c1},
		{"mark", isMark, 2097, 0x2cc86e209c30fbb6},
		{"letter", isLetter, 141028, 0xc05c164de2ebee39},
		{"number", isNumber, 1911, 0x58bc189f8fab12f5},
		{"numeric", isNumeric, 1924, 0xba216cd598b0bd78},
		{"word", isWord, 144667, 0x6fa1b1f3de702df7},
		{"space", unicode.IsSpace, 25, 0xfb719403c28f8cee},
	} {
		t.Run(class.name, func(t *testing.T) {
			t.Parallel()
			count, hash := 0, fnv.New64a()
			forEachRune(func(r rune) {
				if class.is(r) {
					count++
					_, _ = fmt.Fprintf(hash, "%X ", r)
				}
			})
			require.Equal(t, fmt.Sprintf("%d, %#x", class.count, class.hash), fmt.Sprintf("%d, %#x", count, hash.Sum64()))
		})
	}
}

// TestUnicodeMappings does the same for what becomes of each character.
func TestUnicodeMappings(t *testing.T) {
	t.Parallel()
	for _, mapping := range []struct {
		name string
		of   func(s string) string
		hash uint64
	}{
		{"lower", toLower, 0xdcd1e661348268cc},
		{"NFD", func(s string) string { return decompose(s, norm.NFD) }, 0x2d165bb5391680a1},
		{"NFKD", func(s string) string { return decompose(s, norm.NFKD) }, 0x46e757dfeea21cae},
		{"NFC", func(s string) string { return compose(s, norm.NFC, norm.NFD) }, 0x23fc43766d7c2eb9},
		{"NFKC", func(s string) string { return compose(s, norm.NFKC, norm.NFKD) }, 0x9d5b951dbc60f581},
		{"combining class", func(s string) string {
			r, _ := utf8.DecodeRuneInString(s)
			return fmt.Sprint(combiningClass(r))
		}, 0x49adaf651f3dd4f8},
	} {
		t.Run(mapping.name, func(t *testing.T) {
			t.Parallel()
			hash := fnv.New64a()
			forEachRune(func(r rune) {
				_, _ = hash.Write([]byte(mapping.of(string(r))))
			})
			require.Equal(t, fmt.Sprintf("%#x", mapping.hash), fmt.Sprintf("%#x", hash.Sum64()))
		})
	}
}

func forEachRune(do func(r rune)) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if utf8.ValidRune(r) {
			do(r)
		}
	}
}
