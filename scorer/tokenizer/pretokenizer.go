package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A preTokenizer splits a piece into smaller ones, at last words, and appends those that are not empty.
type preTokenizer interface {
	split(words []piece, p piece) []piece
}

// preTokenizers split one after the other: each all that the one before has left.
type preTokenizers []preTokenizer

func (s preTokenizers) split(words []piece, p piece) []piece {
	current := []piece{p}
	for _, step := range s {
		var next []piece
		for _, p := range current {
			next = step.split(next, p)
		}
		current = next
	}
	return append(words, current...)
}

// sub is the stretch of the piece between two bytes.
func (p piece) sub(from, to int) piece {
	return piece{text: p.text[from:to], first: p.first && from == 0}
}

// behaviour says what becomes of the delimiters that a piece is split at.
type behaviour string

const (
	removed            behaviour = "Removed"
	isolated           behaviour = "Isolated"
	contiguous         behaviour = "Contiguous" // like isolated, neighbours together
	mergedWithPrevious behaviour = "MergedWithPrevious"
	mergedWithNext     behaviour = "MergedWithNext"
)

// span is a stretch of a piece that either is a delimiter or lies between two.
type span struct {
	from, to  int
	delimiter bool
}

// cut appends the spans of a piece, which cover all of it, as the behaviour joins them.
func (p piece) cut(words []piece, spans []span, b behaviour) []piece {
	var joined []span
	for i, s := range spans {
		if b == removed && s.delimiter {
			continue
		}
		n := len(joined) - 1
		switch {
		case n < 0:
		case b == contiguous && s.delimiter == spans[i-1].delimiter,
			b == mergedWithPrevious && s.delimiter && !spans[i-1].delimiter,
			b == mergedWithNext && !s.delimiter && spans[i-1].delimiter:
			joined[n].to = s.to
			continue
		}
		joined = append(joined, s)
	}
	for _, s := range joined {
		if s.from < s.to {
			words = append(words, p.sub(s.from, s.to))
		}
	}
	return words
}

// splitAt splits at every character for which is holds.
type splitAt struct {
	is        func(r rune) bool
	behaviour behaviour
}

func (s splitAt) split(words []piece, p piece) []piece {
	var spans []span
	from := 0
	for i, r := range p.text {
		if !s.is(r) {
			continue
		}
		if from < i {
			spans = append(spans, span{from, i, false})
		}
		from = i + utf8.RuneLen(r)
		spans = append(spans, span{i, from, true})
	}
	if from < len(p.text) {
		spans = append(spans, span{from, len(p.text), false})
	}
	return p.cut(words, spans, s.behaviour)
}

// splitPattern splits at the matches of a regular expression or, inverted, between them.
type splitPattern struct {
	pattern   pattern
	behaviour behaviour
	invert    bool
}

func (s splitPattern) split(words []piece, p piece) []piece {
	var spans []span
	from := 0
	for {
		start, stop, found := s.pattern.next(p.text, from)
		if !found {
			break
		}
		if from < start {
			spans = append(spans, span{from, start, s.invert})
		}
		spans = append(spans, span{start, stop, !s.invert})
		from = stop
	}
	if from < len(p.text) {
		spans = append(spans, span{from, len(p.text), s.invert})
	}
	return p.cut(words, spans, s.behaviour)
}

// bertWords splits at white space, which it drops, and around every punctuation mark.
type bertWords struct{}

func (bertWords) split(words []piece, p piece) []piece {
	from := 0
	end := func(at int) {
		if from < at {
			words = append(words, p.sub(from, at))
		}
	}
	for i, r := range p.text {
		switch {
		case r != ' ' && !unicode.IsSpace(r) && !isPunctuation(r):
			continue
		case unicode.IsSpace(r):
			end(i)
			from = i + utf8.RuneLen(r)
		default:
			end(i)
			from = i + utf8.RuneLen(r)
			words = append(words, p.sub(i, from))
		}
	}
	end(len(p.text))
	return words
}

// wordRuns splits into runs of word characters and runs of others, and drops white space.
type wordRuns struct{}

func (wordRuns) split(words []piece, p piece) []piece {
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	from, run := 0, 0
	for i, r := range p.text {
		if k := kind(r); k != run {
			if run != 0 {
				words = append(words, p.sub(from, i))
			}
			from, run = i, k
		}
	}
	if run != 0 {
		words = append(words, p.sub(from, len(p.text)))
	}
	return words
}

// metaspace writes spaces as a mark (▁), puts one in front, and splits before every mark.
type metaspace struct {
	mark    string
	prepend string // always, first, never
	whole   bool   // do not split
}

func (m metaspace) split(words []piece, p piece) []piece {
	text := strings.ReplaceAll(p.text, " ", m.mark)
	if !strings.HasPrefix(text, m.mark) && (m.prepend == "always" || m.prepend == "first" && p.first) {
		text = m.mark + text
	}
	p.text = text
	if m.whole {
		return append(words, p)
	}
	from := 0
	for from < len(text) {
		next := strings.Index(text[from+1:], m.mark)
		if next < 0 {
			break
		}
		words = append(words, p.sub(from, from+1+next))
		from += 1 + next
	}
	return append(words, p.sub(from, len(text)))
}
