package market

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestLanguageDetectorDetect(t *testing.T) {
	t.Parallel()
	d := NewLanguageDetector()
	for text, want := range map[string]string{
		// English, with names, slang and foreign words in it.
		"I have no idea why it went up again":                               "en",
		"Bitcoin is a bubble and it will burst":                             "en",
		"when moon? lol":                                                    "en",
		"El Salvador and Los Angeles are where people buy coins these days": "en",
		"The café in San José will take your bitcoin, très chic":            "en",
		"omg ETH just hit 700 dollars!!!":                                   "en",
		"Price falls below $13,000":                                         "en",
		"C'mon, es la vida man, we will be rich":                            "en",

		// Nothing to tell from.
		"":                                  "",
		"BTC 13,442.10 +2.3%":               "",
		"#bitcoin #ethereum $LTC":           "",
		"@quelqu_un @otra_persona":          "",
		"https://example.com/por-que-no":    "",
		"http:// beispiel.de/das-ist-nicht": "",
		"🚀🚀🚀":                               "",
		"Litecoin":                          "",
		"\xff\xfe":                          "",

		// Others.
		"¿Por qué sube tanto el precio de esta moneda?":           "es",
		"nadie sabe nada de esto pero todos compran":              "es",
		"Não sei se vou comprar mais hoje":                        "pt",
		"vc acha que isso vai subir de novo?":                     "pt",
		"Je ne sais pas pourquoi le cours monte encore":           "fr",
		"Ich weiß nicht, warum der Kurs schon wieder steigt":      "de",
		"Non so perché il prezzo sale ancora":                     "it",
		"Ik weet niet waarom de koers weer stijgt":                "nl",
		"Neden bu kadar yükseldi, bilen var mı?":                  "tr",
		"bugun cok dustu ama yarin yine cikar bence":              "tr",
		"Saya tidak tahu kenapa harga ini naik lagi":              "id",
		"Nie wiem, dlaczego cena znowu jest wyższa":               "pl",
		"Jag vet inte varför priset går upp igen":                 "sv",
		"Jeg vet ikke hvorfor prisen stiger igjen, noen som vet":  "no",
		"En tiedä miksi hinta nousee, mutta se on hyvä":           "fi",
		"Nevím, proč cena zase roste, ale je to dobře":            "cs",
		"Nu știu de ce crește prețul, dar este bine":              "ro",
		"Nem tudom, hogy miért megy fel az ár":                    "hu",
		"Tôi không biết vì sao giá lại tăng":                      "vi",
		"Hindi ko alam kung bakit tumaas na naman ang presyo":     "tl",
		"Не понимаю, почему цена снова растёт":                    "ru",
		"Не розумію, чому ціна знову зростає":                     "uk",
		"Δεν ξέρω γιατί ανεβαίνει η τιμή":                         "el",
		"لا أعرف لماذا يرتفع السعر":                               "ar",
		"نمی\u200cدانم چرا قیمت بالا می\u200cرود":                 "fa",
		"אני לא יודע למה המחיר עולה":                              "he",
		"मुझे नहीं पता कि कीमत क्यों बढ़ रही है":                  "hi",
		"なぜビットコインの価格が上がるのか":                                       "ja",
		"不知道为什么价格又涨了 Bitcoin":                                     "zh",
		"왜 가격이 오르는지 모르겠다":                                         "ko",
		"ไม่รู้ว่าทำไมราคาขึ้น":                                   "th",
		"Bitcoin, Ethereum and Litecoin: что происходит с рынком": "ru",
	} {
		require.Equal(t, want, d.Detect(text), "%q", text)
	}
}

// One foreign word does not make an English post foreign, whatever the word.
func TestLanguageDetectorKeepsEnglish(t *testing.T) {
	t.Parallel()
	d := NewLanguageDetector()
	for _, l := range languageTable {
		for _, word := range strings.Fields(l.words) {
			text := "I think that the price of " + word + " will go up again this week"
			require.Equal(t, "en", d.Detect(text), text)
		}
	}
}

// Every word of the table can be found: it is one word to the scanner, in lower case.
func TestLanguageTable(t *testing.T) {
	t.Parallel()
	for _, l := range languageTable {
		require.Len(t, l.code, 2)
		for _, w := range strings.Fields(l.words) {
			require.Equal(t, strings.ToLower(w), w, l.code)
			require.Equal(t, []string{w}, termWords(w), l.code)
			require.LessOrEqual(t, len(w), maxWordBytes)
		}
	}
	require.Equal(t, "en", languageTable[0].code)
	require.LessOrEqual(t, len(languageTable), 32, "languages is a set of 32 bits")
	for _, w := range strings.Fields(rareEnglish) {
		require.LessOrEqual(t, len(w), maxRareEnglish)
	}
}

func TestLanguageDetectorIsBounded(t *testing.T) {
	t.Parallel()
	d := NewLanguageDetector()
	for _, unit := range []string{"a", "a.", "é", "ж", "http://", "the ", "\xff", "@a"} {
		began := time.Now()
		d.Detect(strings.Repeat(unit, 10<<20/len(unit)))
		require.Less(t, time.Since(began), 5*time.Second, "%q", unit)
	}
}

func FuzzLanguageDetector(f *testing.F) {
	d := NewLanguageDetector()
	for _, seed := range []string{"why is the price", "pourquoi ça monte", "なぜ価格が", "\xff é", "http:// a.b #c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code := d.Detect(text)
		require.True(t, code == "" || len(code) == 2 && utf8.ValidString(code), "%q", code)
	})
}

func BenchmarkLanguageDetector(b *testing.B) {
	d := NewLanguageDetector()
	texts := []string{
		"Why does everybody think that #bitcoin will go up for ever? It is a bubble https://example.com/a/b/c via @somebody",
		"¿Hasta cuándo va a subir el precio de esta moneda? Nadie lo sabe, pero todos compran https://example.com/x",
		"good morning, what a day to be alive, my dog ate my homework and I could not be happier about it",
		"今年はビットコインとリップルの年になりそう。 #bitcoin #ripple",
	}
	b.ReportAllocs()
	for i := range b.N {
		d.Detect(texts[i%len(texts)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
}

// TestLanguageOfTaggedTexts: a tag that the text plainly contradicts is not believed; any other is.
func TestLanguageOfTaggedTexts(t *testing.T) {
	t.Parallel()
	d := NewLanguageDetector()
	for _, c := range []struct{ tag, want, text string }{
		{"en", "fa", "قیمت بیت کوین امروز خیلی بد بود و من همه را فروختم #bitcoin"},
		{"no", "ja", "ビットコインは最高です、とても嬉しい bitcoin"},
		{"en", "ru", "Биткоин сегодня растёт, держим дальше"},
		{"ru", "ru", "Биткоин сегодня растёт, держим дальше"},
		{"bg", "bg", "Биткойн днес расте отново и това е добре"},
		{"pt", "en", "I absolutely love bitcoin, this is the best day of my life"},
		{"ja", "en", "I think this is the best time to buy bitcoin"},
		{"en", "es", "El precio de la moneda no va a subir mañana porque todos están vendiendo y no hay compradores"},
		{"es", "es", "El precio de la moneda no va a subir mañana porque todos están vendiendo y no hay compradores"},
		{"pt", "pt", "Eu acho que o preço não vai subir hoje porque todos estão vendendo"},
		{"gl", "gl", "O prezo de bitcoin non vai subir hoxe"},
		{"pt", "pt", "bitcoin to the moon"}, {"de", "de", "Bitcoin HODL"}, {"en", "en", "比特币 is what they call bitcoin over there, or so I am told by them"},
		{"hi", "hi", "bitcoin ka price aaj bahut badh gaya hai"},
		{"", "en", "I think this is the best time to buy bitcoin"}, {"", "fa", "قیمت بیت کوین امروز خیلی بد بود"},
	} {
		require.Equal(t, c.want, d.Language(c.text, c.tag), "%s: %s", c.tag, c.text)
	}
}

func TestEndingsAreOfLengthsThatAreLookedAt(t *testing.T) {
	t.Parallel()
	for _, l := range languageTable {
		for _, ending := range strings.Fields(l.endings) {
			require.True(t, shortEnding <= len(ending) && len(ending) <= longEnding, "%q of %s", ending, l.code)
		}
	}
}
