// Package lexer splits a post into the words that the bundled model reads.
//
// It writes them in one canonical form: HTML entities unescaped, lower case, letters repeated three times and more squeezed
// to two, an emoji one word, and placeholders for links, users, cashtags, emoticons and classes of numbers. A hashtag is
// a word with and without its sign. A word that a negation reaches ends in a tilde: "not good" is "not good~". Training and scoring
// use this same code.
package lexer

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Placeholders: the words that stand for a class of things.
const (
	URL     = "<url>"
	User    = "<user>"
	Cashtag = "<cashtag>"
	Money   = "<money>"
	Number  = "<num>"
	Year    = "<year>"
	Times   = "<times>" // 10x
	Percent = "<%>"
	Smile   = "<smile>"
	Laugh   = "<laugh>"
	Tongue  = "<tongue>"
	Kiss    = "<kiss>"
	Sad     = "<sad>"
	Skeptic = "<skeptic>"
	Heart   = "<heart>"
)

// Signed numbers, with their sign inside the placeholder.
const (
	plusNumber   = "<+num>"
	minusNumber  = "<-num>"
	plusPercent  = "<+%>"
	minusPercent = "<-%>"
)

// maxWordBytes bounds one word; the rest of a longer run of letters is dropped.
const maxWordBytes = 48

// maxEmojiRun is how many of the same emoji in a row are kept.
const maxEmojiRun = 3

// negatedMark ends a word in the scope of a negation.
const negatedMark = '~'

// negationScope is how many words a negation reaches, unless punctuation or "but" ends it before.
const negationScope = 4

// Words holds the words of one post. The zero value is ready; a Words may be used again and again, by one goroutine at a
// time, and then allocates next to nothing.
type Words struct {
	buffer []byte
	ends   []int

	text  string
	at    int
	limit int
	scope int // words that the last negation still reaches
}

// Len is the number of words.
func (w *Words) Len() int { return len(w.ends) }

// At returns word i, valid until the next Split.
func (w *Words) At(i int) []byte {
	start := 0
	if i > 0 {
		start = w.ends[i-1]
	}
	return w.buffer[start:w.ends[i]]
}

// String joins the words by single spaces; no word holds one.
func (w *Words) String() string {
	var joined strings.Builder
	joined.Grow(len(w.buffer) + len(w.ends))
	for i := range w.ends {
		if i > 0 {
			joined.WriteByte(' ')
		}
		joined.Write(w.At(i))
	}
	return joined.String()
}

// Split reads at most limit words of text, and no more of the text than it needs for them. Invalid UTF-8 separates words.
func (w *Words) Split(text string, limit int) {
	if strings.IndexByte(text, '&') >= 0 {
		text = html.UnescapeString(text[:min(len(text), limit*maxWordBytes)])
	}
	*w = Words{buffer: w.buffer[:0], ends: w.ends[:0], text: text, limit: limit}
	for w.at < len(w.text) && len(w.ends) < limit {
		w.next()
	}
	w.text = ""
}

// next reads one word, or skips what is none. It always moves on.
func (w *Words) next() {
	c := w.text[w.at]
	switch {
	case isLetter(c):
		w.word()
	case isDigit(c):
		w.number()
	case c >= utf8.RuneSelf:
		w.beyondASCII()
	case c == ' ', c == '\n', c == '\t':
		w.at++
	default:
		w.sign(c)
	}
}

// sign reads what begins with a punctuation character.
func (w *Words) sign(c byte) {
	following := w.peek(1)
	switch {
	case c == '@' && isNameByte(following):
		w.at++
		w.skip(isNameByte)
		w.add(User)
	case c == '#' && (isLetter(following) || isDigit(following) || following >= utf8.RuneSelf):
		w.hashtag()
	case c == '$' && isLetter(following):
		w.cashtag()
	case c == '$' && (isDigit(following) || following == '.' || following == '-'):
		w.number()
	case (c == '+' || c == '-') && w.startsNumber() && !w.insideWord():
		w.number()
	case c == '!' || c == '?':
		w.exclamation()
	case w.emoticon():
	default:
		w.punctuation(c)
	}
}

// punctuation ends the scope of a negation and keeps the few signs that say something.
func (w *Words) punctuation(c byte) {
	start := w.at
	for w.at < len(w.text) && w.text[w.at] == c {
		w.at++
	}
	switch c {
	case '.', ',', ';', ':', '(', ')':
		w.scope = 0
		if c == '.' && w.at-start > 1 {
			w.add("...")
		}
	case '%':
		w.add("%")
	}
}

// exclamation reads a run of exclamation and question marks as "!", "!!", "?", "??" or "?!".
func (w *Words) exclamation() {
	exclamations, questions := 0, 0
	for ; w.at < len(w.text); w.at++ {
		if w.text[w.at] == '!' {
			exclamations++
		} else if w.text[w.at] == '?' {
			questions++
		} else {
			break
		}
	}
	w.scope = 0
	switch {
	case exclamations > 0 && questions > 0:
		w.add("?!")
	case exclamations > 1:
		w.add("!!")
	case exclamations == 1:
		w.add("!")
	case questions > 1:
		w.add("??")
	default:
		w.add("?")
	}
}

// word reads letters, with digits and apostrophes inside, or the link that begins with them.
func (w *Words) word() {
	if w.link() {
		return
	}
	start := len(w.buffer)
	w.letters()
	if len(w.buffer) == start { // an apostrophe or a modifier and nothing else
		return
	}
	if w.domain() {
		w.buffer = append(w.buffer[:start], URL...)
		w.end()
		return
	}
	switch string(w.buffer[start:]) {
	case "xd":
		w.buffer = append(w.buffer[:start], Laugh...)
		w.end()
		return
	case "but":
		w.scope = 0
	}
	negates := isNegation(w.buffer[start:])
	w.endWord()
	if negates {
		w.scope = negationScope
	}
}

// letters appends the canonical form of the word at hand.
func (w *Words) letters() {
	start := len(w.buffer)
	for w.at < len(w.text) {
		c := w.text[w.at]
		size := 1
		switch {
		case c >= 'a' && c <= 'z':
			w.squeeze(start, c)
		case c >= 'A' && c <= 'Z':
			w.squeeze(start, c+'a'-'A')
		case isDigit(c):
			w.squeeze(start, c)
		case c == '\'' && isLetter(w.peek(1)):
			w.squeeze(start, c)
		case c >= utf8.RuneSelf:
			r, width := utf8.DecodeRuneInString(w.text[w.at:])
			if r == '’' && isLetter(w.peek(width)) {
				w.squeeze(start, '\'')
			} else if isWordRune(r) {
				w.room(start, utf8.AppendRune(w.buffer, unicode.ToLower(r)))
			} else {
				w.trim(start)
				return
			}
			size = width
		default:
			w.trim(start)
			return
		}
		w.at += size
	}
	w.trim(start)
}

// trim takes the possessive "'s" off the word that began at start.
func (w *Words) trim(start int) {
	n := len(w.buffer)
	if n-start > 3 && w.buffer[n-1] == 's' && w.buffer[n-2] == '\'' {
		w.buffer = w.buffer[:n-2]
	}
}

// squeeze appends a byte of the word that began at start, unless the word already ends in two of it.
func (w *Words) squeeze(start int, c byte) {
	n := len(w.buffer)
	if n-start >= 2 && w.buffer[n-1] == c && w.buffer[n-2] == c {
		return
	}
	w.room(start, append(w.buffer, c))
}

// room takes the longer buffer, unless the word that began at start has become too long.
func (w *Words) room(start int, longer []byte) {
	if len(longer)-start <= maxWordBytes {
		w.buffer = longer
	}
}

// hashtag reads #word as two words, with the sign and without.
func (w *Words) hashtag() {
	w.at++
	start := len(w.buffer)
	w.buffer = append(w.buffer, '#')
	begin := w.at
	w.letters()
	for w.at < len(w.text) && w.text[w.at] == '_' {
		w.at++
		w.letters()
	}
	if w.at == begin {
		w.buffer = w.buffer[:start]
		return
	}
	stop := len(w.buffer)
	w.endWord()
	if len(w.ends) < w.limit {
		w.buffer = append(w.buffer, w.buffer[start+1:stop]...)
		w.endWord()
	}
}

// cashtag reads $BTC, $BTC.X and $btcusd.
func (w *Words) cashtag() {
	w.at++
	w.skip(isNameByte)
	if w.peek(0) == '.' && (isLetter(w.peek(1))) && !isLetter(w.peek(2)) {
		w.at += 2
	}
	w.add(Cashtag)
}

// link reads http://…, https://… and www.….
func (w *Words) link() bool {
	rest := w.text[w.at:]
	if !hasPrefixFold(rest, "http://") && !hasPrefixFold(rest, "https://") && !hasPrefixFold(rest, "www.") {
		return false
	}
	w.skip(isLinkByte)
	w.add(URL)
	return true
}

// domain tells whether the word just read is the beginning of a link without a scheme, such as bit.ly/x, and skips the rest.
func (w *Words) domain() bool {
	if w.peek(0) != '.' || !isLetter(w.peek(1)) {
		return false
	}
	end := w.at + 1
	for end < len(w.text) && end-w.at < 6 && isLetter(w.text[end]) {
		end++
	}
	switch strings.ToLower(w.text[w.at+1 : end]) {
	case "com", "net", "org", "ly", "io", "co", "me", "tv", "gl", "info", "biz", "finance", "xyz":
		if end < len(w.text) && (isLetter(w.text[end]) || isDigit(w.text[end])) {
			return false
		}
	default:
		return false
	}
	w.skip(isLinkByte)
	return true
}

// number reads a number with its sign, currency and unit as one placeholder.
func (w *Words) number() {
	var sign byte
	money := false
	for ; w.at < len(w.text) && !isDigit(w.text[w.at]); w.at++ {
		switch c := w.text[w.at]; c {
		case '+', '-':
			sign = c
		case '$':
			money = true
		case '.':
		default: // no number after all, such as "$-" alone
			return
		}
	}
	begin := w.at
	end := begin
	for ; w.at < len(w.text); w.at++ {
		if isDigit(w.text[w.at]) {
			end = w.at + 1
		} else if c := w.text[w.at]; c != '.' && c != ',' && c != ':' || !isDigit(w.peek(1)) {
			break
		}
	}
	if begin == end {
		return
	}
	if !money && w.ordinal(begin) {
		return
	}
	w.unit(w.text[begin:end], sign, money)
}

// ordinal reads a number that is the beginning of a word: 1st, 4chan, 2moro.
func (w *Words) ordinal(begin int) bool {
	if !isLetter(w.peek(0)) || !isLetter(w.peek(1)) || hasPrefixFold(w.text[w.at:], "usd") || hasPrefixFold(w.text[w.at:], "bn") {
		return false
	}
	w.at = begin
	start := len(w.buffer)
	w.letters()
	if len(w.buffer) == start {
		return false
	}
	w.endWord()
	return true
}

// unit reads what follows the digits and adds the placeholder of the whole.
func (w *Words) unit(digits string, sign byte, money bool) {
	placeholder := Number
	following := w.peek(0) | 0x20
	switch {
	case w.peek(0) == '%':
		w.at++
		w.add(signed(sign, Percent, plusPercent, minusPercent))
		return
	case following == 'x' && !isLetter(w.peek(1)):
		w.at++
		placeholder = Times
	case (following == 'k' || following == 'm' || following == 'b' || following == 't') && !isLetter(w.peek(1)):
		w.at++
	case len(digits) == 4 && (digits[:2] == "19" || digits[:2] == "20"):
		placeholder = Year
	}
	if money {
		placeholder = Money
	}
	if placeholder == Number || placeholder == Money && sign != 0 {
		placeholder = signed(sign, placeholder, plusNumber, minusNumber)
	}
	w.add(placeholder)
}

func signed(sign byte, none, plus, minus string) string {
	switch sign {
	case '+':
		return plus
	case '-':
		return minus
	}
	return none
}

// beyondASCII reads a word, an emoji or a sign that begins with a character outside of ASCII.
func (w *Words) beyondASCII() {
	r, size := utf8.DecodeRuneInString(w.text[w.at:])
	switch {
	case isWordRune(r):
		w.word()
	case isEmoji(r):
		w.emoji(r, size)
	case r == '€' || r == '£' || r == '¥':
		w.at += size
		if isDigit(w.peek(0)) {
			w.skip(func(c byte) bool { return isDigit(c) || c == '.' || c == ',' })
			w.add(Money)
		}
	case r == '…':
		w.at += size
		w.scope = 0
		w.add("...")
	default:
		w.at += size
	}
}

// emoji adds an emoji, without skin tone, unless it is one too many of the same.
func (w *Words) emoji(r rune, size int) {
	word := w.text[w.at : w.at+size]
	w.at += size
	if r >= 0x1F3FB && r <= 0x1F3FF || r >= 0x1F1E6 && r <= 0x1F1FF { // skin tones; letters of flags
		return
	}
	n := len(w.ends)
	for run := 0; run < maxEmojiRun; run++ {
		if n-run-1 < 0 || string(w.At(n-run-1)) != word {
			w.add(word)
			return
		}
	}
}

// add appends a placeholder, an emoji or a sign.
func (w *Words) add(word string) {
	w.buffer = append(w.buffer, word...)
	w.end()
}

// endWord makes a word of what was appended to the buffer since the last, and marks it where a negation reaches it.
func (w *Words) endWord() {
	if w.scope > 0 {
		w.buffer = append(w.buffer, negatedMark)
	}
	w.end()
}

// end makes a word, of which no negated form is told apart, of what was appended to the buffer since the last.
func (w *Words) end() {
	w.scope = max(w.scope-1, 0)
	w.ends = append(w.ends, len(w.buffer))
}

// peek returns the byte that many places ahead, zero beyond the end.
func (w *Words) peek(ahead int) byte {
	if w.at+ahead >= len(w.text) {
		return 0
	}
	return w.text[w.at+ahead]
}

func (w *Words) skip(while func(byte) bool) {
	for w.at < len(w.text) && while(w.text[w.at]) {
		w.at++
	}
}

// insideWord tells whether a letter or digit stands right before, as in "all-2" or "5-10".
func (w *Words) insideWord() bool {
	return w.at > 0 && isNameByte(w.text[w.at-1])
}

// startsNumber tells whether a sign is followed by digits, perhaps after a currency or a point.
func (w *Words) startsNumber() bool {
	following := w.peek(1)
	return isDigit(following) || (following == '.' || following == '$') && isDigit(w.peek(2))
}
