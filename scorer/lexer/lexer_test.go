package lexer_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"rcas/scorer/lexer"
)

func split(text string) string {
	var words lexer.Words
	words.Split(text, 100)
	return words.String()
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "",
		" \t\n":                               "",
		"Buy the DIP now":                     "buy the dip now",
		"sooooo gooood":                       "soo good",
		"see https://example.org/a?b=c#d now": "see <url> now",
		"see https://example.org/a":           "see <url> <ends>",
		"http://a.io www.b.io x":              "<url> <url> x <links>",
		"hi @a @b @c":                         "hi <user> <user> <user> <calls>",
		"WWW.example.org":                     "<url> <ends>",
		"example.com/x and end.of line":       "<url> and end of line",
		"@someone hi":                         "<user> hi <reply>",
		"$BTC $eth.x $SHOP-T":                 "<cashtag> <cashtag> <cashtag> t",
		"$1,000.50 $-3 -$20 €5":               "<money> <-num> <-num> <money>",
		"1 2 3 4":                             "<num> <num> <num> <num> <sums>",
		"#a #b #c #d #e #f #g":                "#a a #b b #c c #d d #e e #f f #g g <tags> <heap>",
		"+3.2% -4% 5% 10x 100k 2017 42":       "<+%> <-%> <%> <times> <num> <year> <num> <sums>",
		"5-10 at 10:30":                       "<num> <num> at <num>",
		"1st 4chan":                           "1st 4chan",
		"#Bitcoin #to_the_moon # 1":           "#bitcoin bitcoin #tothemoon tothemoon <num>",
		"#100x":                               "#100x 100x",
		"@her see #a #b #c":                   "<user> see #a a #b b #c c <reply> <tags>",
		"BUY THIS COIN ABOUT NOW HERE":        "buy this coin about now here <caps>",
		"Regulator Delays Decision on Fund":   "regulator delays decision on fund <title>",
		"don't sell, hold":                    "don't sell~ hold",
		"not very good but fine":              "not very~ good~ but fine",
		"I’m here, Bitcoin’s here":            "i'm here bitcoin here",
		":) :-( ;D :'( <3 xD :/ (: ^_^ -_-":   "<smile> <sad> <laugh> <sad> <heart> <laugh> <skeptic> <smile> <smile> <skeptic>",
		"a:b 3:2 http:":                       "a b <num> http",
		"🚀🚀🚀🚀🚀 👍🏽 🇺🇸 ❤️":                   "🚀 🚀 🚀 👍 ❤ <faces>",
		"wow!!! what?! why?? ok.... fine…": "wow !! what ?! why ?? ok ... fine ...",
		"a &amp; b &lt;3 &#128640;":        "a b <heart> 🚀",
		"café ÀÉ naïve":                    "café àé naïve",
		"bad\xff\xfebytes":                 "bad bytes",
		"日本語 テスト":                          "日本語 テスト",
		"$ % & * + - . $- +- $.":           "%",
		strings.Repeat("ab", 60):           strings.Repeat("ab", 24),
	} {
		require.Equal(t, want, split(text), "text %q", text)
	}
}

func TestSplitWritesCoinsAsTheyAreAskedAbout(t *testing.T) {
	t.Parallel()
	var words lexer.Words
	for _, test := range []struct {
		text, want string
		coins      []lexer.Coin
	}{
		{"ETH flips bitcoin", "<coin> flips <other>", []lexer.Coin{{0, 3, true}, {10, 17, false}}},
		{"not $BTC's day", "not <coin> day~", []lexer.Coin{{4, 8, true}}},
		{"not a #btc thing", "not a~ #<coin> thing~", []lexer.Coin{{6, 10, true}}},
		{"a &amp; btc&gt;eth", "a <coin> <other>", []lexer.Coin{{8, 11, true}, {15, 18, false}}},
		{"see btc.com now", "see <url> now", nil},
		{"bitcoin cash", "<coin>", []lexer.Coin{{0, 12, true}, {0, 12, false}}},
		{"btc", "<coin>", []lexer.Coin{{0, 30, true}}},
	} {
		words.Split(test.text, 100, test.coins...)
		require.Equal(t, test.want, words.String(), test.text)
	}
}

func TestSplitStopsAtItsLimit(t *testing.T) {
	t.Parallel()
	var words lexer.Words
	words.Split(strings.Repeat("word #tag ", 50_000), 64)
	require.Equal(t, "<heap>", string(words.At(words.Len()-1)), "what the post looks like comes on top")
	require.Equal(t, 64+2, words.Len())
	words.Split("again", 64)
	require.Equal(t, 1, words.Len())
	require.Equal(t, "again", string(words.At(0)))
}

func FuzzSplit(f *testing.F) {
	for _, text := range []string{"", "a", "$", "#_", "-.5x", ":'(", "&#x1F680;&amp", "\xf0\x9f", "#é_", "'’'", "1'’s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var words lexer.Words
		var coins []lexer.Coin
		for at := 1; at+4 < len(text); at += 9 { // anywhere, even within a character
			coins = append(coins, lexer.Coin{Start: at, End: at + 4, Asked: at%2 == 0})
		}
		words.Split(text, 32, coins...)
		require.LessOrEqual(t, words.Len(), 32)
		for i := range words.Len() {
			word := words.At(i)
			require.NotEmpty(t, word)
			require.True(t, utf8.Valid(word), "word %q of %q", word, text)
			require.NotContains(t, string(word), " ")
		}
	})
}
