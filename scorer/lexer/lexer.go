// Package lexer splits a post into the words that the bundled model reads.
//
// It writes them in one canonical form: HTML entities unescaped, lower case, letters repeated three times and more squeezed
// to two, an emoji one word, and placeholders for links, users, cashtags, emoticons and classes of numbers. A hashtag is
// a word with and without its sign. The coin that a post is asked about is one word, whatever its name, and every other coin is
// another. A word that a negation reaches ends in a tilde: "not good" is "not good~"; and so does what bears do, who gain by what is bad for the
// coin: "bears won" is "bears won~". Training and scoring use this same code.
package lexer

import (
	"html"
	"slices"
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
	Asked   = "<coin>"  // the coin asked about
	Other   = "<other>" // a coin that was not asked about
)

// Words about the post as a whole, which stand at its end: who speaks shows in them.
const (
	Title = "<title>" // its words begin with capitals, as a headline's
	Caps  = "<caps>"  // it is written in capitals
	Reply = "<reply>" // it begins with a user's name
	Tags  = "<tags>"  // it has three hashtags and more
	Heap  = "<heap>"  // it has seven hashtags and more
	Links = "<links>" // it has two links and more
	Ends  = "<ends>"  // it ends with a link
	Calls = "<calls>" // it names three users and more
	Faces = "<faces>" // it has four emoji and more
	Sums  = "<sums>"  // it has four numbers and more
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

// Coin is a place in a text that names a coin, the sign of a tag included: the bytes from Start to before End.
type Coin struct {
	Start, End int
	Asked      bool // the coin that the text is asked about
}

// Words holds the words of one post. The zero value is ready; a Words may be used again and again, by one goroutine at a
// time, and then allocates next to nothing.
type Words struct {
	buffer []byte
	ends   []int

	text  string
	coins []Coin // those ahead
	at    int
	limit int
	scope int // words that the last negation still reaches
	shape shape
}

// shape counts what the words of a post look like; of words, those of four letters and more.
type shape struct{ capitalised, shouted, all, tags, links, users, emoji, numbers int }

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

// Append appends the words to line, joined by single spaces; no word holds one.
func (w *Words) Append(line []byte) []byte {
	line = slices.Grow(line, len(w.buffer)+len(w.ends))
	for i := range w.ends {
		if i > 0 {
			line = append(line, ' ')
		}
		line = append(line, w.At(i)...)
	}
	return line
}

// String is what [Words.Append] appends.
func (w *Words) String() string { return string(w.Append(nil)) }

// Split reads at most limit words of text, and no more of the text than it needs for them; the words about the post as a whole come on
// top. Invalid UTF-8 separates words. The coins are the places that name one, in their order.
func (w *Words) Split(text string, limit int, coins ...Coin) {
	if strings.IndexByte(text, '&') >= 0 {
		text, coins = unescape(text[:min(len(text), limit*maxWordBytes)], coins)
	}
	*w = Words{buffer: w.buffer[:0], ends: w.ends[:0], text: text, limit: limit, coins: coins}
	for w.at < len(w.text) && len(w.ends) < limit {
		for len(w.coins) > 0 && w.coins[0].Start < w.at { // inside of a link, or named by the same word as the coin before
			w.coins = w.coins[1:]
		}
		if len(w.coins) > 0 && w.coins[0].Start == w.at {
			w.coin(w.coins[0])
		} else {
			w.next()
		}
	}
	if len(w.ends) > 0 {
		w.whole()
	}
	w.text, w.coins = "", nil
}

// whole adds the words about the post as a whole.
func (w *Words) whole() {
	s, last := w.shape, string(w.At(w.Len()-1))
	for _, word := range [...]struct {
		text string
		fits bool
	}{
		{Caps, s.all >= 3 && 2*s.shouted > s.all},
		{Title, s.all >= 3 && 2*s.shouted <= s.all && 10*s.capitalised > 7*s.all},
		{Reply, w.text[0] == '@'},
		{Tags, s.tags >= 3},
		{Heap, s.tags >= 7},
		{Links, s.links >= 2},
		{Ends, last == URL},
		{Calls, s.users >= 3},
		{Faces, s.emoji >= 4},
		{Sums, s.numbers >= 4},
	} {
		if word.fits {
			w.add(word.text)
		}
	}
}

// look counts a word of the text that was just read.
func (s *shape) look(word string) {
	if len(word) < 4 || !isLetter(word[0]) {
		return
	}
	s.all++
	if word[0] <= 'Z' && word[1] <= 'Z' && word[2] <= 'Z' {
		s.shouted++
	} else if word[0] <= 'Z' {
		s.capitalised++
	}
}

// unescape replaces HTML entities, and returns the coins at their new places.
func unescape(text string, coins []Coin) (string, []Coin) {
	var plain strings.Builder
	moved := make([]Coin, 0, len(coins))
	at := 0
	for _, c := range coins {
		if c.Start < at || c.End > len(text) {
			continue
		}
		plain.WriteString(html.UnescapeString(text[at:c.Start]))
		start := plain.Len()
		plain.WriteString(text[c.Start:c.End])
		moved = append(moved, Coin{start, plain.Len(), c.Asked})
		at = c.End
	}
	plain.WriteString(html.UnescapeString(text[at:]))
	return plain.String(), moved
}

// coin reads the name of a coin, its possessive "'s" included. A hashtag keeps its sign.
func (w *Words) coin(c Coin) {
	if w.text[w.at] == '#' {
		w.buffer = append(w.buffer, '#')
		w.shape.tags++
	}
	w.at = min(c.End, len(w.text))
	for _, possessive := range [...]string{"'s", "’s"} {
		if rest := w.text[w.at:]; strings.HasPrefix(rest, possessive) && !isLetter(w.peek(len(possessive))) {
			w.at += len(possessive)
			break
		}
	}
	if c.Asked {
		w.add(Asked)
	} else {
		w.add(Other)
	}
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
		w.shape.users++
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
	start, begin := len(w.buffer), w.at
	w.letters()
	w.shape.look(w.text[begin:w.at])
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
	for size := 1; size > 0; w.at += size {
		w.run(start)
		size = w.joint(start)
	}
	w.trim(start)
}

// run appends the ASCII letters and digits ahead to the word that began at start, of a longer run of one of them two.
func (w *Words) run(start int) {
	buffer, rest := w.buffer, w.text[w.at:]
	i := 0
	for ; i < len(rest); i++ {
		c := lowered[rest[i]]
		if c == 0 {
			break
		}
		n := len(buffer)
		if n-start < maxWordBytes && (n-start < 2 || buffer[n-1] != c || buffer[n-2] != c) {
			buffer = append(buffer, c)
		}
	}
	w.buffer, w.at = buffer, w.at+i
}

// joint appends what else may follow in the word that began at start, an inner apostrophe or a letter outside of ASCII, and returns its size in
// the text; zero where the word ends.
func (w *Words) joint(start int) int {
	c := w.peek(0)
	if c == '\'' && isLetter(w.peek(1)) {
		w.room(start, append(w.buffer, c))
		return 1
	}
	if c < utf8.RuneSelf {
		return 0
	}
	r, size := utf8.DecodeRuneInString(w.text[w.at:])
	switch {
	case r == '’' && isLetter(w.peek(size)):
		w.room(start, append(w.buffer, '\''))
	case isWordRune(r):
		w.room(start, utf8.AppendRune(w.buffer, unicode.ToLower(r)))
	default:
		return 0
	}
	return size
}

// trim takes the possessive "'s" off the word that began at start.
func (w *Words) trim(start int) {
	n := len(w.buffer)
	if n-start > 3 && w.buffer[n-1] == 's' && w.buffer[n-2] == '\'' {
		w.buffer = w.buffer[:n-2]
	}
}

// room takes the longer buffer, unless the word that began at start has become too long.
func (w *Words) room(start int, longer []byte) {
	if len(longer)-start <= maxWordBytes {
		w.buffer = longer
	}
}

// hashtag reads #word as two words, with the sign and without.
func (w *Words) hashtag() {
	w.shape.tags++
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
	if c := rest[0] | 0x20; c != 'h' && c != 'w' { // as nearly always
		return false
	}
	if !hasPrefixFold(rest, "http://") && !hasPrefixFold(rest, "https://") && !hasPrefixFold(rest, "www.") {
		return false
	}
	w.skip(isLinkByte)
	w.shape.links++
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
	w.shape.numbers++
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
	w.shape.emoji++
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
