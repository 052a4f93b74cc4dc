package market

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func defaultMatcher(t testing.TB) *Matcher {
	t.Helper()
	assets, err := DefaultAssets()
	require.NoError(t, err)
	return NewMatcher(assets)
}

func TestMatcherMatch(t *testing.T) {
	t.Parallel()
	m := defaultMatcher(t)
	for text, want := range map[string]string{
		// Nothing to find.
		"":                                             "",
		"good morning":                                 "",
		"$ # @ $$ ## $5 #1 $.x":                        "",
		"Ethan's methods are ethereal":                 "",
		"the solution is solid, solely sold":           "",
		"Ethernet cable, etherpad, teeth":              "",
		"ONE of the best days of my life":              "",
		"we need someone to link the dots":             "",
		"Link in bio, click the LINK":                  "",
		"CLICK THE LINK FOR FREE BITCOIN NOW":          "BTC",
		"The LINK below tells how to buy crypto coins": "",
		"draw a DOT NEAR the ATOM":                     "",
		"lunch near the uni, etc":                      "",
		"It is ADA compliant":                          "",
		"Ada wrote the price on the wall":              "",
		"dia de sol":                                   "",
		"OP is right about the price of Bitcoin":       "BTC",
		"we stayed at a bnb near the sea":              "",
		"solar, opera, arbor, aptly, filter":           "",

		// Tickers.
		"$BTC":                        "BTC",
		"$btc.x and $ETH.X":           "BTC ETH",
		"$BTCUSD $ethusdt":            "BTC ETH",
		"$BTC-USD, $ETH/USD":          "BTC ETH",
		"BTCUSD ETH/USDT xrp_usdt":    "BTC ETH XRP",
		"$one $link $dot $near $sol":  "DOT LINK NEAR SOL",
		"$ BTC and $ etc":             "BTC ETC",
		"bitcoin at 5 $ near the ATM": "BTC",
		"＄ETH ＃btc":                   "BTC ETH",
		"$BTCX $ETHAN":                "",
		"(btc)":                       "BTC",
		"10btc=1.5ETH":                "BTC ETH",
		"eth":                         "ETH",
		"Eth, lower case":             "ETH",
		"XBT/USD":                     "BTC",
		"the $LINK to the moon":       "LINK",
		"a $TON of it":                "TON",

		// Hashtags.
		"#btc":                       "BTC",
		"#BTC#ETH":                   "BTC ETH",
		"#LINK to the moon":          "LINK",
		"#SOL":                       "SOL",
		"#sol":                       "",
		"#link and #bitcoin":         "BTC LINK",
		"#BitcoinCash":               "BCH",
		"#Bitcoin Cash":              "BCH",
		"#ripple":                    "XRP",
		"#bitcoin_news":              "BTC",
		"#ONE_LINK":                  "",
		"#bitcoinist":                "",
		"#ethereumclassic #filecoin": "ETC FIL",

		"#ada gang strong":          "ADA",
		"#atom army, #dot gm, #ton": "ATOM DOT TON",
		"#sol y playa":              "",
		"#link in bio":              "",
		"#near me #uni #etc":        "",
		"the #hype, the #apt":       "",
		"#sol and #eth":             "ETH SOL",
		"#near staking":             "NEAR",

		// Tickers that are traded.
		"Just bought some LTC":               "LTC",
		"LTC up 5%":                          "LTC",
		"just bought 10 SOL":                 "SOL",
		"Bought some SOL, sold my ADA":       "ADA SOL",
		"ADA to the moon":                    "ADA",
		"DOGE to the moon":                   "DOGE",
		"long DOGE":                          "DOGE",
		"sell your SOL now":                  "SOL",
		"ATOM breakout, DOT down 3 percent":  "ATOM DOT",
		"you are SOL if you bought it there": "",
		"to link up 5 friends":               "",
		"Buy LINK: shop.example/1":           "",
		"BUY LINK BELOW GET FREE STUFF":      "",
		"so long, near the sea":              "",
		"stocks, bonds; buy, sell, ETC":      "",
		"I sell LTC insurance":               "",
		"Judges hold DOGE accountable":       "",

		// Words that are no coins in talk of coins.
		"our bnb price went up":                                 "",
		"Elon's DOGE department cuts jobs, crypto people cheer": "",
		"Avalanche win Stanley Cup token gesture":               "",
		"Stellar performance by bitcoin":                        "BTC",
		"Stellar earnings! crypto up":                           "",
		"Cosmos DB price on azure":                              "",
		"the HYPE around bitcoin":                               "BTC",
		"HYPE token lists on binance":                           "HYPE",
		"I live NEAR the coin shop":                             "",
		"Optimism about the coin market":                        "",

		// Names, plurals, possessives.
		"Bitcoin's price":        "BTC",
		"bitcoin’s price":        "BTC",
		"two bitcoins":           "BTC",
		"BITCOIN":                "BTC",
		"BİTCOİN":                "BTC",
		"bit coin":               "BTC",
		"bitcoin-backed loans":   "BTC",
		"non-bitcoin":            "BTC",
		"Bitcoin, cash or card?": "BTC",
		"Bitcoin Cash":           "BCH",
		"bitcoin and bitcoin cash, ethereum classic": "BCH BTC ETC",
		"Bitcoin Gold":                           "",
		"bitcoin, gold and shares":               "BTC",
		"Ripple is up":                           "XRP",
		"the ripple effect":                      "",
		"Ripple effect":                          "",
		"ripple effect of bitcoin":               "BTC",
		"bitcoin and ripple":                     "BTC XRP",
		"shiba coin":                             "SHIB",
		"the Colorado Avalanche beat bitcoin":    "BTC",
		"buy Avalanche tokens":                   "AVAX",
		"We speak AAVE at home":                  "",
		"lend on AAVE, the defi market":          "AAVE",
		"LTC va a 800":                           "",
		"BTC ETH LINK DOT ADA SOL":               "ADA BTC DOT ETH LINK SOL",
		"staking SOL is fun":                     "SOL",
		"my NEAR coins":                          "NEAR",
		"r/Bitcoin and u/bitcoin_fan":            "BTC",
		"bought ether at a good price":           "ETH",
		"ether was used in surgery":              "",
		"satoshi's bitcoin;ethereum|cardano":     "ADA BTC ETH",
		"Is it over?Bitcoin.It falls":            "BTC",
		"ETH Zürich is a school":                 "",
		"Bitcoin🚀🚀🚀":                             "BTC",
		"🚀btc❤️eth\u200d":                        "BTC ETH",
		"\ufe0fbitcoin\ufe0f":                    "BTC",
		"ビットコインBTCの価格":                           "BTC",
		"매수BTC는 좋다":                              "BTC",
		"наш btc, биткоин":                       "BTC",
		"bitcoincash bitcoinbtc":                 "",
		"cafébtc":                                "",
		"\xffbtc\xfe":                            "BTC",
		"a\x00btc\x00":                           "BTC",
		"Dogecoin and pepecoin":                  "DOGE PEPE",
		"https://bitcoin.org/en #eth":            "ETH",
		"http:// bitcoin.example/x-btc/ …":       "",
		"bitcoin.com and www.eth.net":            "",
		"http:// x.example/a-b itcoin-eth/ … up": "",
		"http:// x.example/ bitcoin up …":        "BTC",
		"buy-bitcoin.io/btc?eth":                 "",
		"mail bitcoin@example.com":               "",
		"@bitcoin says":                          "",
		"@eth.bsky.social (@btc)":                "",
		"price @BTC_news, .@ethereum":            "",
		"buy @ btc dip":                          "BTC",
		"https://t.co/abcビットコイン btc":             "BTC",
		"[bitcoin](https://x.org/eth) is good":   "BTC",
		"\"BTC\"":                                "BTC",
	} {
		require.Equal(t, want, strings.Join(m.Match(text), " "), "%q", text)
	}
}

// The file that RCAS ships has no coin ONE; a user's may.
func TestMatcherAmbiguousOnly(t *testing.T) {
	t.Parallel()
	assets, err := LoadAssets(strings.NewReader(`
assets:
  - {symbol: ONE, name: Harmony, ambiguous: [ONE, Harmony], context: [validators]}
  - {symbol: BTC, name: Bitcoin}
`))
	require.NoError(t, err)
	m := NewMatcher(assets)
	for text, want := range map[string]string{
		"ONE":                         "",
		"one bitcoin":                 "BTC",
		"ONE is as good as bitcoin":   "BTC ONE",
		"ONE GOOD REASON FOR BITCOIN": "BTC",
		"the validators of Harmony":   "ONE",
		"in Harmony":                  "",
		"$one":                        "ONE",
		"#ONE":                        "ONE",
		"btc":                         "",
		"$btc #btc":                   "BTC",
	} {
		require.Equal(t, want, strings.Join(m.Match(text), " "), "%q", text)
	}
}

func TestMatcherWithoutAssets(t *testing.T) {
	t.Parallel()
	require.Nil(t, NewMatcher(nil).Match("bitcoin $BTC #btc"))
}

// Whatever stands around it, a sure term between spaces is found, and nothing but known symbols comes out, sorted.
func TestMatcherFindsTermInAnyCompany(t *testing.T) {
	t.Parallel()
	m := defaultMatcher(t)
	seed := time.Now().UnixNano()
	random := rand.New(rand.NewSource(seed))
	pieces := []string{"a", "Bitcoin", " ", " ", ".", ",", "#", "$", "@", "http://", "x.com/", "é", "🚀", "ー", "\xff", "\n", "ONE", "LINK",
		"ripple", "effect", "cash", "_", "'s", "ビット", "1", "\u0301"}
	for range 20_000 {
		var text strings.Builder
		for range random.Intn(12) {
			text.WriteString(pieces[random.Intn(len(pieces))])
		}
		whole := text.String() + " | Litecoin | " + text.String()
		symbols := m.Match(whole)
		require.Contains(t, symbols, "LTC", "seed %d: %q", seed, whole)
		require.True(t, slices.IsSorted(symbols), "seed %d: %q", seed, whole)
		require.Equal(t, slices.Compact(slices.Clone(symbols)), symbols, "seed %d: %q", seed, whole)
	}
}

// Texts made to be slow must not be: a sixty-fourth of the text takes about a sixty-fourth of the time. The bound is far
// above what a slow machine needs for linear work and far below what quadratic work would take.
func TestMatcherIsLinear(t *testing.T) {
	t.Parallel()
	m := defaultMatcher(t)
	for _, unit := range []string{"a", "a.", "a-", "a@", "@", "$", "# ", "btc ", "LINK ", "link in ", "http://", "u/", "é", "ー", "\xff", "1",
		"the ", "bit ", "a_"} {
		text := strings.Repeat(unit, MaxTextBytes/len(unit))
		began := time.Now()
		m.Match(text)
		require.Less(t, time.Since(began), 5*time.Second, "%q", unit)
	}
}

func TestMentions(t *testing.T) {
	t.Parallel()
	m := defaultMatcher(t)
	for text, want := range map[string][]string{
		"":                                 nil,
		"nothing of the kind":              nil,
		"$BTC and $eth, #Bitcoin":          {"$BTC BTC", "$eth ETH", "#Bitcoin BTC"},
		"bitcoin cash is no bitcoin":       {"bitcoin cash BCH", "bitcoin BTC"},
		"＄btc, $ BTC and 10btc":            {"＄btc BTC", "$ BTC BTC", "10btc BTC"},
		"they link to a near thing":        nil,
		"LINK beats bitcoin":               {"LINK LINK", "bitcoin BTC"},
		"bought some SOL":                  {"SOL SOL"},
		"the ripple effect of ETHUSD 🚀eth": {"ETHUSD ETH", "eth ETH"},
	} {
		var got []string
		for _, mention := range m.Mentions(text) {
			got = append(got, text[mention.Start:mention.End]+" "+mention.Symbol)
		}
		require.Equal(t, want, got, "%q", text)
	}
}

func FuzzMatcher(f *testing.F) {
	m := defaultMatcher(f)
	for _, seed := range []string{"$BTC to the moon", "http:// x.com/btc @eth #sol", "the ripple effect 🚀bitcoin’s", "\xff\x00$", "＃btc"} {
		f.Add(seed)
	}
	known := map[string]bool{}
	for _, symbol := range m.symbols {
		known[symbol] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		symbols := m.Match(text)
		for _, symbol := range symbols {
			require.True(t, known[symbol])
		}
		require.True(t, slices.IsSorted(symbols))
		named := map[string]bool{}
		for i, mention := range m.Mentions(text) {
			require.True(t, 0 <= mention.Start && mention.Start < mention.End && mention.End <= len(text))
			require.True(t, i == 0 || m.Mentions(text)[i-1].Start <= mention.Start)
			named[mention.Symbol] = true
		}
		require.Equal(t, symbols, slices.Sorted(maps.Keys(named)), "each coin is named somewhere, and no other")
		s := wordScanner{text: text}
		for last := 0; s.next(); last = s.end {
			require.True(t, last <= s.start && s.start < s.end && s.end <= len(text))
			if utf8.ValidString(text) {
				require.True(t, utf8.ValidString(text[s.start:s.end]))
			}
		}
	})
}

func BenchmarkMatcher(b *testing.B) {
	m := defaultMatcher(b)
	texts := []string{
		"Why does everybody think that #bitcoin will go up for ever? It is a bubble https://example.com/a/b/c via @somebody",
		"$BTC $ETH $LTC sold everything at 13,400, waiting for the dip to buy back. Patience pays!",
		"good morning, what a day to be alive, my dog ate my homework and I could not be happier about it",
		"Bitcoin Cash jumps 12% in an hour while Ripple and Stellar fall; is this the start of something new? Thread below 🚀🚀",
	}
	b.ReportAllocs()
	for i := range b.N {
		m.Match(texts[i%len(texts)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "texts/s")
}

func BenchmarkMentions(b *testing.B) {
	m := defaultMatcher(b)
	text := "Bitcoin Cash jumps 12% in an hour while Ripple and $XLM fall; is this the start of something new? Thread below 🚀🚀"
	b.ReportAllocs()
	for range b.N {
		m.Mentions(text)
	}
}

func ExampleMatcher() {
	m := NewMatcher([]Asset{
		{Symbol: "BTC", Name: "Bitcoin", Keywords: []string{"btc"}},
		{Symbol: "XRP", Name: "Ripple", Exclusions: []string{"ripple effect"}},
	})
	fmt.Println(m.Match("the ripple effect of bitcoins"))
	// Output: [BTC]
}
