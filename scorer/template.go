package scorer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"rcas/market"
)

// What a text has to hold before its template tells it from others. docs/mood.md has the figures that they were chosen by.
const (
	// openingWords and openingBytes are how much of a template counts: whoever passes a text on adds a tail of tags and names to it.
	openingWords, openingBytes = 6, 32
	// sharedBytes is how long a template without a link must be before it is passed on and not said again: many say "to the moon".
	sharedBytes = 24
	// linkedBytes is the same of one with a link, which people hardly put behind the same words by chance.
	linkedBytes = 8
)

// templater finds the template of texts: what is left in lower case when all is taken out that senders of one text fill in anew, links,
// @names, numbers, cashtags, the names of coins, emoji, punctuation, and a last word that an archive cut ("…").
type templater struct {
	hash   fnv64
	before fnv64 // the hash without the word that is being read
	length int   // of that word
	number bool  // that word holds a digit
	words  int
	bytes  int
	linked bool
	full   bool // enough of the text has been seen
}

// fnv64 is the hash FNV-1a of the bytes added.
type fnv64 uint64

const (
	fnv64Start fnv64 = 14695981039346656037
	// fnv64OfRT is the hash of "rt", and of no other two bytes.
	fnv64OfRT fnv64 = 638455649033483667
)

func (h *fnv64) add(c byte) { *h = (*h ^ fnv64(c)) * 1099511628211 }

// textHash is the same for posts with the same template: for those that begin with the same words, as long as these are many enough to be
// somebody's own. A short text repeats only its author's.
func textHash(t *market.Tweet, coins []market.Mention) int64 {
	f := templater{hash: fnv64Start, before: fnv64Start}
	f.read(withoutCutWord(t.Text), coins)
	if f.bytes < linkedBytes || f.bytes < sharedBytes && !f.linked {
		for _, part := range [...]string{"\x00", t.Source, "\x00", authorOf(t)} {
			for i := range len(part) {
				f.hash.add(part[i])
			}
		}
	}
	return int64(f.hash)
}

// read takes in a text; coins are the places of the coins' names, in their order.
func (f *templater) read(text string, coins []market.Mention) {
	for at := 0; at < len(text) && !f.full; {
		for len(coins) > 0 && coins[0].End <= at {
			coins = coins[1:]
		}
		if len(coins) > 0 && at >= coins[0].Start {
			f.end()
			at = coins[0].End
			continue
		}
		if at == 0 || isSpace(text[at-1]) {
			if n := f.skip(text[at:]); n > 0 {
				at += n
				continue
			}
		}
		if c := text[at]; c < utf8.RuneSelf {
			f.ascii(c)
			at++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[at:])
		switch {
		case unicode.IsLetter(r) || unicode.Is(unicode.Mn, r):
			var word [utf8.UTFMax]byte
			for _, c := range word[:utf8.EncodeRune(word[:], unicode.ToLower(r))] {
				f.add(c)
			}
		case unicode.IsDigit(r):
			f.number = true
		case r == '’':
		default:
			f.end()
		}
		at += size
	}
	f.end()
}

// ascii takes in what most texts are made of.
func (f *templater) ascii(c byte) {
	switch class := classes[c]; {
	case class&letter != 0:
		f.add(c | class&capital)
	case class == digit:
		f.number = true
	case c == '\'':
	default:
		f.end()
	}
}

// skip returns the length of the field that text begins with where it is a link, a name or a cashtag, and 0 otherwise.
func (f *templater) skip(text string) int {
	end, seen := 0, uint8(0)
	for end < len(text) && !isSpace(text[end]) {
		seen |= classes[text[end]]
		end++
	}
	switch field := text[:end]; {
	case field == "":
		return 0
	case (seen&slashed != 0 || field[0] == 'w') && isLink(field):
		f.linked = true
	case field[0] != '@' && field[0] != '$':
		return 0
	}
	f.end()
	return end
}

func (f *templater) add(c byte) {
	f.hash.add(c)
	f.length++
}

// end takes in the word read so far, or gives it up. "rt" before all others is what a repost begins with.
func (f *templater) end() {
	if f.length > 0 && !f.number && !f.full && !(f.words == 0 && f.length == len("rt") && f.hash == fnv64OfRT) {
		f.hash.add(' ')
		f.before = f.hash
		f.words, f.bytes = f.words+1, f.bytes+f.length
		f.full = f.words >= openingWords && f.bytes >= openingBytes
	}
	f.hash, f.length, f.number = f.before, 0, false
}

// withoutCutWord leaves out the word that "…" cuts off at the end of a text.
func withoutCutWord(text string) string {
	trimmed := strings.TrimRightFunc(text, unicode.IsSpace)
	if whole, cut := strings.CutSuffix(trimmed, "…"); cut {
		return strings.TrimRightFunc(whole, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '\'' || r == '’' })
	}
	return text
}
