package tokenizer

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unknownPenalty lies between the least probable piece and an unknown character (SentencePiece).
const unknownPenalty = 10

// unigram takes the pieces whose log-probabilities sum up to the most (SentencePiece's unigram model; XLM-R).
type unigram struct {
	vocabulary
	scores       []float64
	unknown      int64
	unknownScore float64
	byteFallback bool
}

// ending is the best way to cut up a word as far as some byte: its score and its last piece.
type ending struct {
	score float64
	start int32
	id    int32
}

func (m *unigram) tokenize(ids []int64, word string) []int64 {
	var buffer [64]ending
	best := buffer[:0]
	for range len(word) + 1 {
		best = append(best, ending{start: -1})
	}
	for start := 0; start < len(word); {
		_, width := utf8.DecodeRuneInString(word[start:])
		m.extend(best, word, start, width)
		start += width
	}
	before := len(ids)
	for end := len(word); end > 0; {
		last := best[end]
		start := int(last.start)
		id := int64(last.id)
		if id == m.unknown {
			for start > 0 && int64(best[start].id) == m.unknown { // a run of unknown characters is one
				start = int(best[start].start)
			}
			ids = m.spell(ids, word[start:end])
		} else {
			ids = append(ids, id)
		}
		end = start
	}
	slices.Reverse(ids[before:])
	return ids
}

// extend improves the endings of all pieces that begin at start.
func (m *unigram) extend(best []ending, word string, start, width int) {
	so := best[start].score
	improve := func(end int, score float64, id int32) {
		if b := &best[end]; b.start < 0 || so+score > b.score {
			*b = ending{score: so + score, start: int32(start), id: id}
		}
	}
	known, node := false, int32(0)
	for i := start; i < len(word); i++ {
		if node = m.step(node, word[i]); node < 0 {
			break
		}
		if id := m.values[node] - 1; id >= 0 {
			improve(i+1, m.scores[id], id)
			known = known || i+1 == start+width
		}
	}
	if !known {
		improve(start+width, m.unknownScore, int32(m.unknown))
	}
}

// spell appends, last first, what stands for characters that no piece covers.
func (m *unigram) spell(ids []int64, text string) []int64 {
	if id, found := m.find(text); found {
		return append(ids, int64(id))
	}
	before := len(ids)
	if m.byteFallback && addBytes(&m.trie, text, func(id int64) { ids = append(ids, id) }) {
		slices.Reverse(ids[before:])
		return ids
	}
	return append(ids, m.unknown)
}

// parseScore reads a number as the reference's JSON library does: all digits as one integer, then a single multiplication or
// division by a power of ten. That can miss the nearest float by a bit, and such a bit decides between two equally good ways
// to cut up a word.
func parseScore(number string) (float64, error) {
	digits, exponent := uint64(0), 0
	mantissa, power, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(number, "-")), "e")
	if power != "" {
		e, err := strconv.Atoi(power)
		if err != nil {
			return 0, err
		}
		exponent = max(-1000, min(e, 1000))
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole == "" {
		return 0, strconv.ErrSyntax
	}
	for i, c := range []byte(whole + fraction) {
		if c < '0' || c > '9' {
			return 0, strconv.ErrSyntax
		}
		if digits > (math.MaxUint64-uint64(c-'0'))/10 { // no further digit has room
			if i < len(whole) {
				return strconv.ParseFloat(number, 64)
			}
			break
		}
		digits = digits*10 + uint64(c-'0')
		if i >= len(whole) {
			exponent--
		}
	}
	score := float64(digits)
	for ; exponent < -308; exponent += 308 {
		score /= 1e308
	}
	if exponent < 0 {
		score /= math.Pow10(-exponent)
	} else {
		score *= math.Pow10(exponent)
	}
	if math.IsInf(score, 0) {
		return 0, strconv.ErrRange
	}
	if number[0] == '-' {
		score = -score
	}
	return score, nil
}
