package market

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordScanner cuts a post into words and leaves out what is not the author's speech: addresses of web pages and mail,
// and the names of other users. A word is a run of letters, digits and combining marks of one script: where Latin letters
// touch Chinese, Japanese or Korean ones, which are written without spaces, a new word begins.
type wordScanner struct {
	text string
	at   int
	// lower holds the current word in lower case, cut at its capacity.
	lower [maxWordBytes]byte
}

// word is one word of a text.
type word struct {
	// start and end are byte offsets in the text, without the sigil.
	start, end int
	// lower is how many bytes of the scanner's buffer the word fills; 0 where it is longer than any known word.
	lower int
	// sigil is '$' or '#' where the word is a cashtag or hashtag, else 0.
	sigil byte
	// spaced tells that a space stands between sigil and word, as in scraped texts.
	spaced bool
	// hasUpper and hasLower tell of the letters' case.
	hasUpper, hasLower bool
}

const (
	// maxWordBytes bounds the words that a term can be made of.
	maxWordBytes = 64
	// maxTickerBytes leaves room for a quote currency behind a ticker.
	maxTickerBytes = maxWordBytes - 8
	// maxDomainBytes is the longest domain name (RFC 1035).
	maxDomainBytes = 253
)

// next returns the next word, or false at the end of the text.
func (s *wordScanner) next() (word, bool) {
	for s.at < len(s.text) {
		c := s.text[s.at]
		switch {
		case isAlnum(c):
			if w, ok := s.word(0, false); ok {
				return w, true
			}
		case c == '$' || c == '#':
			s.at++
			if w, ok := s.tag(c); ok {
				return w, true
			}
		case c == '@':
			s.at++
			s.skipHandle()
		case c < utf8.RuneSelf:
			s.at++
		default:
			if w, ok := s.nonASCII(); ok {
				return w, true
			}
		}
	}
	return word{}, false
}

// tag reads the word behind a sigil, or nothing where the sigil stands alone or before a compound like #btc_news, whose parts
// are then plain words.
func (s *wordScanner) tag(sigil byte) (word, bool) {
	from, spaced := s.at, false
	if from+1 < len(s.text) && s.text[from] == ' ' && isLetter(s.text[from+1]) && !s.amountBefore(from-1) {
		from, spaced = from+1, true
	}
	if from >= len(s.text) || s.text[from] < utf8.RuneSelf && !isAlnum(s.text[from]) {
		return word{}, false
	}
	if r, _ := utf8.DecodeRuneInString(s.text[from:]); scriptOf(r) == noScript {
		return word{}, false
	}
	s.at = from
	w, ok := s.word(sigil, spaced)
	if ok && s.at < len(s.text) && s.text[s.at] == '_' {
		w.sigil, w.spaced = 0, false
	}
	return w, ok
}

// amountBefore tells whether a number stands before the place: in "5 $ one day" the sigil belongs to it.
func (s *wordScanner) amountBefore(at int) bool {
	if at > 0 && s.text[at-1] == ' ' {
		at--
	}
	return at > 0 && s.text[at-1] >= '0' && s.text[at-1] <= '9'
}

// nonASCII handles a rune above 0x7F: the start of a word, a full-width sigil, or something between words.
func (s *wordScanner) nonASCII() (word, bool) {
	r, size := utf8.DecodeRuneInString(s.text[s.at:])
	switch {
	case r == '＄', r == '﹩':
		s.at += size
		return s.tag('$')
	case r == '＃', r == '﹟':
		s.at += size
		return s.tag('#')
	case scriptOf(r) != noScript:
		return s.word(0, false)
	}
	s.at += size
	return word{}, false
}

// word reads the word at the current place; false where it turns out to be (the start of) an address, which is skipped.
func (s *wordScanner) word(sigil byte, spaced bool) (word, bool) {
	w := word{start: s.at, sigil: sigil, spaced: spaced}
	n := 0
	var script script
	i := s.at
	for i < len(s.text) {
		c := s.text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s.text[i:])
			is := scriptOf(r)
			if is == noScript || script != noScript && is != anyScript && is != script {
				break
			}
			if is != anyScript {
				script = is
			}
			low := unicode.ToLower(r)
			w.hasUpper = w.hasUpper || low != r
			w.hasLower = w.hasLower || unicode.IsLower(r)
			if n <= maxWordBytes-utf8.UTFMax {
				n += utf8.EncodeRune(s.lower[n:], low)
			} else {
				n = maxWordBytes + 1
			}
			i += size
			continue
		}
		if !isAlnum(c) || script > alphabetic {
			break
		}
		script = alphabetic
		switch {
		case c >= 'a':
			w.hasLower = true
		case c >= 'A':
			w.hasUpper = true
			c |= 0x20
		}
		if n < maxWordBytes {
			s.lower[n] = c
			n++
		} else {
			n = maxWordBytes + 1
		}
		i++
	}
	w.end, s.at = i, i
	if n <= maxWordBytes {
		w.lower = n
	}
	return w, sigil != 0 || !s.skipAddress(w)
}

// skipAddress skips the rest of a web or mail address that begins with the word w, and tells whether it was one.
func (s *wordScanner) skipAddress(w word) bool {
	rest := s.text[w.end:]
	if rest == "" {
		return false
	}
	switch rest[0] {
	case ':':
		if len(rest) < 3 || rest[1] != '/' || rest[2] != '/' {
			return false
		}
		s.at += 3
		if s.at >= len(s.text) || s.text[s.at] != ' ' {
			s.skipChunk()
			return true
		}
		s.at++
		s.skipChunk()
		s.skipCutOff()
		return true
	case '.', '-', '@':
		if !isAddress(s.text[w.start:]) {
			return false
		}
		s.skipChunk()
		return true
	case '/':
		// Reddit's way of naming a user: u/name.
		if name := s.text[w.start:w.end]; name != "u" && name != "user" {
			return false
		}
		s.at++
		s.skipHandle()
		return true
	}
	return false
}

// skipChunk moves to the next space, quote, bracket or non-ASCII character, where an address ends.
func (s *wordScanner) skipChunk() {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c <= ' ', c >= utf8.RuneSelf, c == '"', c == '<', c == '>', c == '|':
			return
		}
		s.at++
	}
}

// skipCutOff moves over the end of a long address as scraped: "http:// example.com/the-begin ning …". Where no ellipsis
// follows, the next chunk is the author's again.
func (s *wordScanner) skipCutOff() {
	if s.at >= len(s.text) || s.text[s.at] != ' ' {
		return
	}
	before := s.at
	s.at++
	s.skipChunk()
	if !strings.HasPrefix(s.text[s.at:], " …") {
		s.at = before
	}
}

// skipHandle moves over a user's name: name, name_1, name.bsky.social, name@server.
func (s *wordScanner) skipHandle() {
	for s.at < len(s.text) {
		c := s.text[s.at]
		inner := (c == '.' || c == '-' || c == '@') && s.at+1 < len(s.text) && isAlnum(s.text[s.at+1])
		if !isAlnum(c) && c != '_' && !inner {
			return
		}
		s.at++
	}
}

// isAddress tells whether text begins with name@domain or a domain: labels with dots between whose last one is a common top
// level or is followed by a path. "Up.Bitcoin" is none.
func isAddress(text string) bool {
	i, label := 0, 0
	for i < len(text) && i < maxDomainBytes {
		c := text[i]
		inner := (c == '.' || c == '-' || c == '_') && i+1 < len(text) && isAlnum(text[i+1])
		if !isAlnum(c) && !inner {
			break
		}
		if c == '.' {
			label = i + 1
		}
		i++
	}
	if i+1 < len(text) && text[i] == '@' && isAlnum(text[i+1]) {
		return true
	}
	if label == 0 {
		return false
	}
	return i < len(text) && text[i] == '/' || isTopLevel(text[label:i])
}

// isTopLevel knows the top-level domains that stand in posts without a path behind them and are no English words.
func isTopLevel(label string) bool {
	switch label {
	case "com", "org", "net", "io", "co", "info", "biz", "xyz", "tv", "app", "dev", "gov", "edu", "eth", "ly", "gl",
		"uk", "de", "fr", "jp", "ru", "br", "es", "nl", "eu", "ca", "au", "ch", "social", "network", "exchange":
		return true
	}
	return false
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isAlnum(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }

// script groups runes for cutting words: a change from one to another ends a word.
type script uint8

const (
	noScript   script = iota // no part of a word
	anyScript                // combining marks: part of whatever word they follow
	alphabetic               // scripts that put spaces between words, and all digits
	han
	hiragana
	katakana
	hangul
)

func scriptOf(r rune) script {
	switch {
	case r < utf8.RuneSelf:
		if isAlnum(byte(r)) {
			return alphabetic
		}
		return noScript
	case r >= 0xFE00 && r <= 0xFE0F || r == 0x20E3: // variation selectors, keycap: parts of emoji
		return noScript
	case r == 'ー':
		return katakana
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r):
		return anyScript
	case !unicode.IsLetter(r) && !unicode.IsDigit(r):
		return noScript
	case r < 0x1100:
		return alphabetic
	case unicode.Is(unicode.Han, r):
		return han
	case unicode.Is(unicode.Hiragana, r):
		return hiragana
	case unicode.Is(unicode.Katakana, r):
		return katakana
	case unicode.Is(unicode.Hangul, r):
		return hangul
	}
	return alphabetic
}

// termWords cuts a term of the assets file into its words.
func termWords(term string) []string {
	var words []string
	s := wordScanner{text: term}
	for {
		w, ok := s.next()
		if !ok {
			return words
		}
		words = append(words, term[w.start:w.end])
	}
}

// wordSieve is a set of words that may take a word in that was never added, at a small cost in doubt and none in memory
// that matters: most words of a text are no known ones, and it says so faster than a map.
type wordSieve [1 << 8]uint64

func sieveBit[T string | []byte](w T) (index uint32, bit uint64) {
	h := uint32(w[0])*0x9E3779B1 ^ uint32(w[len(w)-1])*0x85EBCA6B ^ uint32(w[len(w)/2])*0xC2B2AE35 ^ uint32(len(w))*0x27D4EB2F
	return h >> 24, 1 << (h >> 18 & 63)
}

func (s *wordSieve) add(word string) {
	index, bit := sieveBit(word)
	s[index] |= bit
}

func (s *wordSieve) mayHold(word []byte) bool {
	index, bit := sieveBit(word)
	return s[index]&bit != 0
}
