package tokenizer

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// precompiled is SentencePiece's normaliser: a double array (Darts) that leads from a text's bytes to offsets of what they
// are replaced with, each ended by a zero byte.
type precompiled struct {
	units        []uint32
	replacements string
}

// shortGrapheme is the length in bytes below which a grapheme is looked up as a whole, before its characters are.
const shortGrapheme = 6

// parsePrecompiled reads the charsmap: the size of the double array in bytes, the array, the replacements; little-endian.
func parsePrecompiled(charsmap []byte) (*precompiled, error) {
	if len(charsmap) < 4 {
		return nil, errors.New("precompiled_charsmap is too short")
	}
	size := uint64(binary.LittleEndian.Uint32(charsmap)) / 4
	charsmap = charsmap[4:]
	if size == 0 || size*4 > uint64(len(charsmap)) {
		return nil, errors.New("precompiled_charsmap is shorter than it says")
	}
	p := &precompiled{units: make([]uint32, size), replacements: string(charsmap[size*4:])}
	for i := range p.units {
		p.units[i] = binary.LittleEndian.Uint32(charsmap[4*i:])
	}
	if !utf8.ValidString(p.replacements) {
		return nil, errors.New("precompiled_charsmap holds invalid UTF-8")
	}
	return p, nil
}

func (n *precompiled) normalize(p piece) piece {
	var out strings.Builder
	out.Grow(len(p.text) + 8)
	for rest := p.text; rest != ""; {
		grapheme := nextGrapheme(rest)
		rest = rest[len(grapheme):]
		if len(grapheme) < shortGrapheme {
			if replacement, found := n.lookup(grapheme); found {
				out.WriteString(replacement)
				continue
			}
		}
		for grapheme != "" {
			_, width := utf8.DecodeRuneInString(grapheme)
			character := grapheme[:width]
			grapheme = grapheme[width:]
			if replacement, found := n.lookup(character); found {
				character = replacement
			}
			out.WriteString(character)
		}
	}
	p.text = out.String()
	return p
}

// nextGrapheme is the grapheme (user-perceived character) that the text begins with.
func nextGrapheme(text string) string {
	if text[0] < utf8.RuneSelf && text[0] != '\r' && (len(text) == 1 || text[1] < utf8.RuneSelf) {
		return text[:1]
	}
	grapheme, _, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
	return grapheme
}

// lookup returns the replacement of the shortest entry that the text begins with. The shortest, not the longest, and for all
// of the text: that is what the reference does.
func (n *precompiled) lookup(text string) (string, bool) {
	node := offset(n.units[0])
	for i := range len(text) {
		node ^= uint32(text[i])
		if text[i] == 0 || int(node) >= len(n.units) {
			return "", false
		}
		unit := n.units[node]
		if unit&(1<<31|0xFF) != uint32(text[i]) {
			return "", false
		}
		node ^= offset(unit)
		if unit>>8&1 == 1 && int(node) < len(n.units) {
			return n.replacement(n.units[node] &^ (1 << 31))
		}
	}
	return "", false
}

func (n *precompiled) replacement(at uint32) (string, bool) {
	if int(at) > len(n.replacements) {
		return "", false
	}
	text, _, _ := strings.Cut(n.replacements[at:], "\x00")
	return text, true
}

// offset is where a unit's children lie, to be combined with the byte by exclusive or.
func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
