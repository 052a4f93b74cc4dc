package market

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"rcas/market/lexicon"
)

// Matcher tells which coins a text speaks of. It is read-only once made and safe for concurrent use.
//
// It takes one pass over the words of a text. At each word the longest known phrase that begins there wins, and the next
// search begins behind it: so "bitcoin cash" is one coin and not two, and "ripple effect" is none. Addresses of web pages
// and the names of users do not count.
type Matcher struct {
	symbols []string
	// words numbers the words of all terms, in lower case, from 1. vocabulary is indexed by that number.
	words      *lexicon.Lexicon
	vocabulary []vocable
	// number stands for every number that is no term's own.
	number int32
	// edges is a trie over words: node and word to next node. Node 0 is the root, whose edges are in roots, by word. nodes
	// holds what ends there.
	edges map[edge]int32
	roots []int32
	nodes []node
}

// vocable is what a word means as a tag; -1 is nothing.
type vocable struct{ cashtag, hashtag int32 }

type edge struct{ node, word int32 }

// node says what the phrase that ends here means.
type node struct {
	terms []term
	// contexts are the assets whose ambiguous words this phrase decides.
	contexts []int32
}

// term is a keyword or ambiguous word of one asset, or an exclusion.
type term struct {
	asset     int32
	ambiguous bool
	// traded tells that the phrase is company enough: "bought some SOL".
	traded bool
	// exact holds the words as they must be written, "" for any case; nil where that is all of them.
	exact []string
}

// excluded stands for the asset of a phrase that speaks of none.
const excluded int32 = -1

// quotes are the currencies that stand behind a ticker in the name of a pair: BTCUSD.
var quotes = [...]string{"usd", "usdt", "usdc", "eur", "btc"}

// What is said of a ticker, before and behind it, that is hardly ever said of the word that it also is. "0" is any number.
var (
	tradeVerbs = [...]string{"buy", "buying", "bought", "sell", "selling", "sold", "hold", "holding", "accumulating", "long", "longing",
		"short", "shorting"}
	tradeObjects = [...]string{"", "some", "more", "my", "your", "0"}
	tradeEnds    = [...]string{"to the moon", "breakout", "up 0", "down 0"}
)

// NewMatcher prepares a matcher. Terms that [ValidateAssets] would refuse may match nothing, but harm nothing.
func NewMatcher(assets []Asset) *Matcher {
	assets = slices.Clone(assets)
	slices.SortStableFunc(assets, func(a, b Asset) int { return strings.Compare(a.Symbol, b.Symbol) })
	m := &Matcher{words: lexicon.New(), vocabulary: []vocable{{-1, -1}}, edges: map[edge]int32{}, nodes: make([]node, 1)}
	m.number = m.word("0")
	for i := range assets {
		m.symbols = append(m.symbols, assets[i].Symbol)
		m.addTags(int32(i), &assets[i])
		m.addTerms(int32(i), &assets[i])
	}
	m.roots = make([]int32, len(m.vocabulary))
	for e, next := range m.edges {
		if e.node == 0 {
			m.roots[e.word] = next
		}
	}
	return m
}

func (m *Matcher) addTags(asset int32, a *Asset) {
	ambiguous := func(s string) bool {
		return slices.ContainsFunc(a.Ambiguous, func(t string) bool { return strings.EqualFold(t, s) })
	}
	for _, ticker := range append([]string{a.Symbol}, a.Cashtags...) {
		m.vocabulary[m.word(ticker)].cashtag = asset
		if !ambiguous(ticker) {
			m.vocabulary[m.word(ticker)].hashtag = asset
		}
		for _, quote := range quotes {
			if strings.EqualFold(ticker, quote) {
				continue
			}
			pair := strings.ToLower(ticker) + quote
			m.vocabulary[m.word(pair)].cashtag = asset
			m.addTerm(pair, term{asset: asset})
		}
	}
	for _, tag := range a.Hashtags {
		m.vocabulary[m.word(tag)].hashtag = asset
	}
	for _, phrase := range append([]string{a.Name}, a.Keywords...) {
		if !ambiguous(phrase) {
			m.vocabulary[m.word(strings.Join(termWords(phrase), ""))].hashtag = asset
		}
	}
}

func (m *Matcher) addTerms(asset int32, a *Asset) {
	keywords := a.Keywords
	if !slices.ContainsFunc(a.Ambiguous, func(t string) bool { return strings.EqualFold(t, a.Name) }) {
		keywords = append([]string{strings.ToLower(a.Name)}, keywords...)
	}
	for _, keyword := range keywords {
		m.addTerm(keyword, term{asset: asset})
		if keyword == strings.ToLower(keyword) {
			m.addTerm(keyword+"s", term{asset: asset})
		}
	}
	for _, keyword := range a.Ambiguous {
		m.addTerm(keyword, term{asset: asset, ambiguous: true})
		if strings.EqualFold(keyword, a.Symbol) {
			m.addTrades(asset, keyword)
		}
	}
	for _, phrase := range a.Context {
		if at := m.node(termWords(phrase)); at != 0 {
			m.nodes[at].contexts = append(m.nodes[at].contexts, asset)
		}
	}
	for _, phrase := range a.Exclusions {
		m.addTerm(phrase, term{asset: excluded})
	}
}

// addTrades adds the phrases in which an ambiguous ticker is traded.
func (m *Matcher) addTrades(asset int32, ticker string) {
	add := func(before, after string) {
		words := slices.Concat(termWords(before), []string{ticker}, termWords(after))
		t := term{asset: asset, ambiguous: true, traded: true}
		if ticker != strings.ToLower(ticker) {
			t.exact = make([]string, len(words))
			t.exact[slices.Index(words, ticker)] = ticker
		}
		if at := m.node(words); at != 0 {
			m.nodes[at].terms = append(m.nodes[at].terms, t)
		}
	}
	for _, verb := range tradeVerbs {
		for _, object := range tradeObjects {
			add(verb+" "+object, "")
		}
	}
	for _, end := range tradeEnds {
		add("", end)
	}
}

func (m *Matcher) addTerm(phrase string, t term) {
	words := termWords(phrase)
	if phrase != strings.ToLower(phrase) {
		t.exact = words
	}
	if at := m.node(words); at != 0 {
		m.nodes[at].terms = append(m.nodes[at].terms, t)
	}
}

// word returns the number of a word, which it makes known. Words too long to be found are all number 0.
func (m *Matcher) word(s string) int32 {
	w := wordScanner{text: s}
	if !w.next() || w.filled == 0 || w.end-w.start != len(s) {
		return 0
	}
	lower := w.lower[:w.filled]
	id := int32(m.words.Get(lower))
	if id == 0 {
		id = int32(len(m.vocabulary))
		m.words.Set(string(lower), uint32(id))
		m.vocabulary = append(m.vocabulary, vocable{-1, -1})
	}
	return id
}

// node returns the place of a phrase in the trie, which it makes; the root for no words.
func (m *Matcher) node(words []string) int32 {
	at := int32(0)
	for _, w := range words {
		e := edge{at, m.word(w)}
		next, known := m.edges[e]
		if !known {
			next = int32(len(m.nodes))
			m.edges[e] = next
			m.nodes = append(m.nodes, node{})
		}
		at = next
	}
	return at
}

// token is a word of a text as the matcher needs it.
type token struct {
	start, end int32
	word       int32
	sigil      byte
	spaced     bool
	// joined tells that only spaces, hyphens and the like stand between this word and the one before: a phrase goes on.
	joined bool
}

// reading gathers what the words of one text say.
type reading struct {
	tokens                       []token
	certain, ambiguous, contexts []int32
	// upper and lower count unknown words by the case of their letters.
	upper, lower int
	// spans are the places that name coins, where places is set.
	places bool
	spans  []span
}

// span is a place that names a coin; term is what company has to decide there, nil for nothing.
type span struct {
	start, end int
	asset      int32
	term       *term
}

// Mention is a place in a text that names a coin: the bytes from Start to before End, the sign of a cashtag or hashtag included.
type Mention struct {
	Start, End int
	Symbol     string
}

// readings are used again: to make one takes as long as a short text.
var readings = sync.Pool{New: func() any { return new(reading) }}

// Match returns the symbols of the coins that text speaks of, sorted; nil for none.
func (m *Matcher) Match(text string) []string {
	r := m.readAll(text, false)
	defer readings.Put(r)
	return m.conclude(r)
}

// Mentions returns the places where the text names the coins of [Matcher.Match], in their order; nil for none. Where one word names two
// coins, both have it.
func (m *Matcher) Mentions(text string) []Mention {
	r := m.readAll(text, true)
	defer readings.Put(r)
	company := len(r.certain) > 0
	var mentions []Mention
	for _, s := range r.spans {
		if s.term == nil || r.decides(s.term, company) {
			if mentions == nil {
				mentions = make([]Mention, 0, len(r.spans))
			}
			mentions = append(mentions, Mention{s.start, s.end, m.symbols[s.asset]})
		}
	}
	return mentions
}

func (m *Matcher) readAll(text string, places bool) *reading {
	r := readings.Get().(*reading)
	*r = reading{tokens: r.tokens[:0], certain: r.certain[:0], ambiguous: r.ambiguous[:0], contexts: r.contexts[:0],
		places: places, spans: r.spans[:0]}
	m.cut(text, r)
	for i := 0; i < len(r.tokens); {
		i += m.read(text, r.tokens[i:], r)
	}
	return r
}

// ticker is the part of a phrase that names the coin: all of it, but where the coin is traded ("bought some SOL") the ticker alone.
func (m *Matcher) ticker(text string, phrase []token, t *term) []token {
	for i, w := range phrase {
		if t.traded && strings.EqualFold(text[w.start:w.end], m.symbols[t.asset]) {
			return phrase[i : i+1]
		}
	}
	return phrase
}

// note keeps the place of tokens that name a coin.
func (r *reading) note(text string, tokens []token, asset int32, undecided *term) {
	if !r.places {
		return
	}
	start := int(tokens[0].start)
	if tokens[0].sigil != 0 {
		_, size := utf8.DecodeLastRuneInString(strings.TrimRight(text[:start], " "))
		start = len(strings.TrimRight(text[:start], " ")) - size
	}
	r.spans = append(r.spans, span{start, int(tokens[len(tokens)-1].end), asset, undecided})
}

// cut cuts the text into tokens and looks its words up.
func (m *Matcher) cut(text string, r *reading) {
	s, end := wordScanner{text: text}, -1
	for s.next() {
		id := m.lookup(s.lower[:s.filled])
		if id == 0 && s.end-s.start > 1 {
			switch {
			case s.hasLower:
				r.lower++
			case s.hasUpper:
				r.upper++
			}
		}
		r.tokens = append(r.tokens, token{
			start: int32(s.start), end: int32(s.end), word: id, sigil: s.sigil, spaced: s.spaced,
			joined: id != 0 && end >= 0 && isJoint(text[end:s.start]),
		})
		end = s.end
	}
}

// isJoint tells whether the text between two words leaves them one phrase.
func isJoint(gap string) bool {
	for i := range len(gap) {
		switch gap[i] {
		case ' ', '-', '_', '\t', '\'':
		default:
			return false
		}
	}
	return true
}

// lookup returns a word's number; 0 for an unknown one. A number before a word ("10btc") is passed over.
func (m *Matcher) lookup(lower []byte) int32 {
	if len(lower) == 0 {
		return 0
	}
	if id := m.words.Get(lower); id != 0 {
		return int32(id)
	}
	if lower[0] > '9' {
		return 0
	}
	digits := 1
	for digits < len(lower) && lower[digits] <= '9' {
		digits++
	}
	if digits == len(lower) {
		return m.number
	}
	return m.lookup(lower[digits:])
}

// read takes in the phrase at the first token and returns how many tokens it used.
func (m *Matcher) read(text string, tokens []token, r *reading) int {
	first := &tokens[0]
	if first.word == 0 {
		return 1
	}
	at, length := m.longest(text, tokens)
	if length < 2 && first.sigil != 0 && m.readTag(text, tokens[:1], r) {
		return 1
	}
	if length == 0 {
		return 1
	}
	n := &m.nodes[at]
	for _, asset := range n.contexts {
		r.contexts = add(r.contexts, asset)
	}
	for i := range n.terms {
		t := &n.terms[i]
		switch written := t.written(text, tokens); {
		case t.asset == excluded || t.traded && n.excludes() || !written && !(t.ambiguous && first.sigil != 0):
		case written && (!t.ambiguous || first.sigil == '#' && !first.spaced || first.sigil == '$'):
			r.certain = add(r.certain, t.asset)
			r.note(text, tokens[:length], t.asset, nil)
		default:
			r.ambiguous = append(r.ambiguous, at, int32(i))
			r.note(text, m.ticker(text, tokens[:length], t), t.asset, t)
		}
	}
	return length
}

// readTag takes in a cashtag or hashtag and tells whether it is known as such. An ambiguous ticker behind a lone dollar sign
// ("$ one") is as ambiguous as without.
func (m *Matcher) readTag(text string, tokens []token, r *reading) bool {
	t := &tokens[0]
	v := m.vocabulary[t.word]
	asset := v.hashtag
	if t.sigil == '$' && !t.spaced {
		asset = v.cashtag
	}
	if asset < 0 {
		return false
	}
	r.certain = add(r.certain, asset)
	r.note(text, tokens, asset, nil)
	return true
}

// longest follows the trie from the first token and returns the longest phrase that means something.
func (m *Matcher) longest(text string, tokens []token) (at int32, length int) {
	current := m.roots[tokens[0].word]
	if current == 0 {
		return 0, 0
	}
	at, length = current, 1
	for i := 1; i < min(len(tokens), maxTermWords) && tokens[i].joined; i++ {
		next, ok := m.edges[edge{current, tokens[i].word}]
		if !ok {
			break
		}
		if m.nodes[next].means(text, tokens) {
			at, length = next, i+1
		}
		current = next
	}
	return at, length
}

// means tells whether the phrase says anything as it is written here. No exclusion takes the meaning from a tag.
func (n *node) means(text string, tokens []token) bool {
	for i := range n.terms {
		if (n.terms[i].asset != excluded || tokens[0].sigil == 0) && n.terms[i].written(text, tokens) {
			return true
		}
	}
	return len(n.contexts) > 0
}

// excludes tells whether the phrase is an exclusion, which also takes the meaning from one of trade: "buy link".
func (n *node) excludes() bool {
	return slices.ContainsFunc(n.terms, func(t term) bool { return t.asset == excluded })
}

// written tells whether the tokens are written as the term wants.
func (t *term) written(text string, tokens []token) bool {
	for i, w := range t.exact {
		if got := text[tokens[i].start:tokens[i].end]; w != "" && got != w && strings.TrimLeft(got, "0123456789") != w {
			return false
		}
	}
	return true
}

// conclude decides the ambiguous words and names the coins.
func (m *Matcher) conclude(r *reading) []string {
	company := len(r.certain) > 0
	for i := 0; i < len(r.ambiguous); i += 2 {
		t := &m.nodes[r.ambiguous[i]].terms[r.ambiguous[i+1]]
		if r.decides(t, company) {
			r.certain = add(r.certain, t.asset)
		}
	}
	if len(r.certain) == 0 {
		return nil
	}
	slices.Sort(r.certain)
	symbols := make([]string, len(r.certain))
	for i, asset := range r.certain {
		symbols[i] = m.symbols[asset]
	}
	return symbols
}

// decides tells whether an ambiguous term names its coin; company tells that a coin is named for certain.
func (r *reading) decides(t *term, company bool) bool {
	shouted := t.exact != nil && r.upper > r.lower && t.exact[0] == strings.ToUpper(t.exact[0])
	return !shouted && (company || t.traded || slices.Contains(r.contexts, t.asset))
}

// add appends an asset that is not yet there.
func add(assets []int32, asset int32) []int32 {
	if slices.Contains(assets, asset) {
		return assets
	}
	return append(assets, asset)
}
