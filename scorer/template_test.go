package scorer

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
)

func testMatcher(t testing.TB) *market.Matcher {
	t.Helper()
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	return market.NewMatcher(assets)
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	matcher := testMatcher(t)
	hash := func(author, text string) int64 {
		return textHash(&market.Tweet{Source: "s", ID: text, Author: author, Text: text}, matcher.Mentions(text))
	}
	same := [][]string{
		{"Join our giveaway of 500 $BTC now, @alice! Follow and retweet https://a.example/1", "join our giveaway of 0.1 $ETH now @bob: follow and retweet http://b.example/2?x=y 🚀🚀",
			"RT @carol: JOIN OUR GIVEAWAY OF BITCOIN NOW, FOLLOW AND RETWEET!!!", "Join our giveaway of #Bitcoin now. Follow and retweet and tag your frie…"},
		{"Get free coins of bitcoin https://x.example/a", "get FREE coins of $SOL ➡ https://y.example/b"},
		{"The exchange says that withdrawals stay closed for the weekend", "The exchange says that withdrawals stay closed for the weekend, via @news #crypto #exchange",
			"The exchange says that withdrawals stay closed for the wee…"},
		{"Курс bitcoin растет, и никто не знает почему 5%", "курс ethereum растет и никто не знает, почему!"},
	}
	for _, texts := range same {
		for i, text := range texts {
			require.Equal(t, hash("a", texts[0]), hash(string(rune('a'+i)), text), "%q and %q", texts[0], text)
		}
	}
	different := []string{"Join our giveaway of 500 $BTC now, follow and like", "bitcoin will rise this week, I am sure of that", "bitcoin will fall this week, I am sure of that",
		"The exchange says that withdrawals open again", ""}
	for i, a := range different {
		for _, b := range different[:i] {
			require.NotEqual(t, hash("a", a), hash("a", b), "%q and %q", a, b)
		}
	}
	// What is short is said by many, and again only by the same.
	for _, text := range []string{"bitcoin to the moon", "hodl", "🚀🚀🚀", "$BTC 50,000", "is the future", "比特币"} {
		require.NotEqual(t, hash("a", text), hash("b", text), "%q", text)
		require.Equal(t, hash("a", text), hash("a", text))
	}
	require.Equal(t, hash("a", "$BTC 50,000"), hash("a", "$BTC 51,000"), "a ticker of prices")
	require.NotEqual(t, hash("", "hodl"), textHash(&market.Tweet{Source: "s", ID: "2", Text: "hodl"}, nil), "of two unknown authors")
}

// TestTemplateIgnoresWhatSendersFillIn puts other names, numbers, links, tickers, emoji and punctuation between the same words.
func TestTemplateIgnoresWhatSendersFillIn(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	matcher := testMatcher(t)
	words := []string{"everybody", "who", "follows", "gets", "some", "reward", "until", "tomorrow"}
	filled := []string{"@ann", "@bob_2", "$BTC", "$XYZ", "bitcoin", "ETHUSDT", "100", "3.5%", "10x", "https://a.example/q?z=1", "www.b.example", "🚀", "🔥🔥", "!!!", "—", "\n"}
	var want int64
	for i := range 200 {
		text := ""
		for _, word := range words {
			for range r.IntN(3) {
				text += filled[r.IntN(len(filled))] + " "
			}
			if r.IntN(2) == 0 {
				word = "#" + string(word[0]-'a'+'A') + word[1:]
			}
			text += word + " "
		}
		got := textHash(&market.Tweet{Source: "s", Author: "a", Text: text}, matcher.Mentions(text))
		if i == 0 {
			want = got
		}
		require.Equal(t, want, got, "%q", text)
	}
}

func FuzzTextHash(f *testing.F) {
	matcher := testMatcher(f)
	for _, seed := range []string{"", "@", "$", "x…", "\xff…", "RT @a: $btc …", "http:// a.b/c d …"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tweet := &market.Tweet{Source: "s", Author: "a", Text: text}
		require.Equal(t, textHash(tweet, matcher.Mentions(text)), textHash(tweet, matcher.Mentions(text)))
	})
}

func BenchmarkTextHash(b *testing.B) {
	matcher := testMatcher(b)
	tweet := &market.Tweet{Source: "s", Author: "a", Text: "Bitcoin Cash jumps 12% in an hour while Ripple and $XLM fall; is this the start of something new? https://a.example/b 🚀🚀"}
	coins := matcher.Mentions(tweet.Text)
	for range b.N {
		textHash(tweet, coins)
	}
}

func TestTermsLeaveOutWhatSaysNothing(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"halving", "soon"}, NewTerms().Of("the halving de la que soon and purcha…", nil))
	require.Equal(t, []string{"halving"}, NewTerms().Of("not the halving https://t.co/abc …", nil))
}
