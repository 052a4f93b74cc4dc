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
	// word is the current one.
	word
	// lower holds the current word in lower case, cut at its capacity.
	lower [maxWordBytes]byte
}

// word is one word of a text.
type word struct {
	// start and end are byte offsets in the text, without the sigil.
	start, end int
	// filled is how many bytes of the scanner's buffer the word fills; 0 where it is longer than any known word.
	filled int
	// sigil is '$' or '#' where the word is a cashtag or hashtag, else 0.
	sigil byte
	// spaced tells that a space stands between sigil and word, as in scraped texts.
	spaced bool
	// hasUpper and hasLower tell of the letters' case, and hasRunes of characters above 0x7F.
	hasUpper, hasLower, hasRunes bool
}

const (
	// maxWordBytes bounds the words that a term can be made of.
	maxWordBytes = 64
	// maxTickerBytes leaves room for a quote currency behind a ticker.
	maxTickerBytes = maxWordBytes - 8
	// maxDomainBytes is the longest domain name (RFC 1035).
	maxDomainBytes = 253
)

// next moves to the next word, and tells whether there is one.
func (s *wordScanner) next() bool {
	for s.at < len(s.text) {
		c := s.text[s.at]
		switch class := classes[c]; {
		case class == 0:
			s.at++
		case class&alnum != 0:
			if s.read(0, false) {
				return true
			}
		case class == beyondASCII:
			if s.nonASCII() {
				return true
			}
		case c == '@':
			s.at++
			s.skipHandle()
		default:
			s.at++
			if s.tag(c) {
				return true
			}
		}
	}
	return false
}

// tag reads the word behind a sigil, or nothing where the sigil stands alone or before a compound like #btc_news, whose parts
// are then plain words.
func (s *wordScanner) tag(sigil byte) bool {
	from, spaced := s.at, false
	if from+1 < len(s.text) && s.text[from] == ' ' && isLetter(s.text[from+1]) && !s.amountBefore(from-1) {
		from, spaced = from+1, true
	}
	if from >= len(s.text) || s.text[from] < utf8.RuneSelf && !isAlnum(s.text[from]) {
		return false
	}
	if r, _ := utf8.DecodeRuneInString(s.text[from:]); scriptOf(r) == noScript {
		return false
	}
	s.at = from
	if !s.read(sigil, spaced) {
		return false
	}
	if s.at < len(s.text) && s.text[s.at] == '_' {
		s.sigil, s.spaced = 0, false
	}
	return true
}

// amountBefore tells whether a number stands before the place: in "5 $ one day" the sigil belongs to it.
func (s *wordScanner) amountBefore(at int) bool {
	if at > 0 && s.text[at-1] == ' ' {
		at--
	}
	return at > 0 && s.text[at-1] >= '0' && s.text[at-1] <= '9'
}

// nonASCII handles a rune above 0x7F: the start of a word, a full-width sigil, or something between words.
func (s *wordScanner) nonASCII() bool {
	r, size := utf8.DecodeRuneInString(s.text[s.at:])
	switch {
	case r == '＄', r == '﹩':
		s.at += size
		return s.tag('$')
	case r == '＃', r == '﹟':
		s.at += size
		return s.tag('#')
	case scriptOf(r) != noScript:
		return s.read(0, false)
	}
	s.at += size
	return false
}

// read reads the word at the current place; false where it turns out to be (the start of) an address, which is skipped.
func (s *wordScanner) read(sigil byte, spaced bool) bool {
	s.word = word{start: s.at, sigil: sigil, spaced: spaced}
	s.readASCII()
	if s.at < len(s.text) && s.text[s.at] >= utf8.RuneSelf {
		s.readRunes()
	}
	s.end = s.at
	if s.filled > maxWordBytes {
		s.filled = 0
	}
	return sigil != 0 || !s.skipAddress()
}

// readASCII reads the ASCII letters and digits ahead.
func (s *wordScanner) readASCII() {
	text, filled, seen := s.text[s.at:], s.filled, uint8(0)
	i := 0
	for ; i < len(text); i++ {
		class := classes[text[i]]
		if class&alnum == 0 {
			break
		}
		seen |= class
		if filled < maxWordBytes {
			s.lower[filled] = text[i] | class&capital
		}
		filled++
	}
	s.at, s.filled = s.at+i, filled
	s.hasUpper = s.hasUpper || seen&capital != 0
	s.hasLower = s.hasLower || seen&small != 0
}

// readRunes reads the rest of a word from its first rune above 0x7F on.
func (s *wordScanner) readRunes() {
	var script script
	if s.at > s.start {
		script = alphabetic
	}
	for s.at < len(s.text) {
		if s.text[s.at] < utf8.RuneSelf {
			from := s.at
			if script <= alphabetic {
				s.readASCII()
			}
			if s.at == from {
				return
			}
			script = alphabetic
			continue
		}
		r, size := utf8.DecodeRuneInString(s.text[s.at:])
		is := scriptOf(r)
		if is == noScript || script != noScript && is != anyScript && is != script {
			return
		}
		if is != anyScript {
			script = is
		}
		s.readRune(r)
		s.at += size
	}
}

func (s *wordScanner) readRune(r rune) {
	low := unicode.ToLower(r)
	s.hasRunes = true
	s.hasUpper = s.hasUpper || low != r
	s.hasLower = s.hasLower || unicode.IsLower(r)
	if s.filled <= maxWordBytes-utf8.UTFMax {
		s.filled += utf8.EncodeRune(s.lower[s.filled:], low)
	} else {
		s.filled = maxWordBytes + 1
	}
}

// skipAddress skips the rest of a web or mail address that begins with the current word, and tells whether it was one.
func (s *wordScanner) skipAddress() bool {
	rest := s.text[s.end:]
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
		if !isAddress(s.text[s.start:]) {
			return false
		}
		s.skipChunk()
		return true
	case '/':
		// Reddit's way of naming a user: u/name.
		if name := s.text[s.start:s.end]; name != "u" && name != "user" {
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

// What a byte can be in a text; anything else, as spaces and most punctuation, is zero.
const (
	digit = 1 << iota
	sign  // of a tag or a user
	beyondASCII
	small
	_
	capital // which is also what makes the byte a small letter
	alnum   = digit | small | capital
)

var classes = func() (classes [256]uint8) {
	for c := range classes {
		switch {
		case c >= '0' && c <= '9':
			classes[c] = digit
		case c >= 'a' && c <= 'z':
			classes[c] = small
		case c >= 'A' && c <= 'Z':
			classes[c] = capital
		case c == '$' || c == '#' || c == '@':
			classes[c] = sign
		case c >= utf8.RuneSelf:
			classes[c] = beyondASCII
		}
	}
	return classes
}()

func isLetter(c byte) bool { return classes[c]&(small|capital) != 0 }

func isAlnum(c byte) bool { return classes[c]&alnum != 0 }

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
	for s.next() {
		words = append(words, term[s.start:s.end])
	}
	return words
}
