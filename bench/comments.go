package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// SeedComments is how many Reddit comments the student system of 2020 was measured on; it took 96 seconds on 72 cores.
const SeedComments = 612_288

// comment is a Reddit comment as the Pushshift archives have it.
type comment struct {
	ID        string `json:"id"`
	Author    string `json:"author"`
	Body      string `json:"body"`
	CreatedAt int64  `json:"created_utc"`
	Score     int    `json:"score"`
	Subreddit string `json:"subreddit"`
}

// commentsStart is the time of the first comment; they span a day.
var commentsStart = time.Date(2020, 5, 11, 0, 0, 0, 0, time.UTC)

// WriteComments writes n invented comments about coins, one JSON object a line, of 150 characters on average and with words as
// unevenly distributed as in a language. The same seed writes the same comments.
func WriteComments(out io.Writer, n int, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0xc0113))
	words := vocabulary(rng)
	zipf := rand.NewZipf(rng, 1.1, 4, uint64(len(words)-1))
	buffered := bufio.NewWriterSize(out, 1<<20)
	encoder := json.NewEncoder(buffered)
	for i := range n {
		c := comment{
			ID: fmt.Sprintf("c%07d", i), Author: fmt.Sprintf("user%d", int(math.Exp(rng.Float64()*math.Log(60_000)))),
			Body: body(rng, words, zipf), CreatedAt: commentsStart.Unix() + int64(i)*86_400/int64(n), Score: rng.IntN(50) - 3, Subreddit: "CryptoCurrency",
		}
		if err := encoder.Encode(c); err != nil {
			return fmt.Errorf("write comment %d: %w", i, err)
		}
	}
	return buffered.Flush()
}

// common words that carry the sentences; the rest of the vocabulary is made of syllables.
const common = `the to a and i it of is that you in for on this they be not have but are with if just my at so what do was or can like all will
more about as your people price one buy up think would now market out good when no money get from how time don't sell than know even
some over by coin there only then because going really hodl dip gains moon scam bullish bearish loss profit great bad love hate happy
terrible amazing crash pump dump fees wallet exchange long short term support resistance chart volume news bank cash value fear greed`

func vocabulary(rng *rand.Rand) []string {
	words := strings.Fields(common)
	syllables := strings.Fields("ba con di er fo ga hel in ju ka lo mi no ope pra qui ro sta tru ul ven wi xe yo zan")
	for len(words) < 20_000 {
		var w strings.Builder
		for range 2 + rng.IntN(3) {
			w.WriteString(syllables[rng.IntN(len(syllables))])
		}
		words = append(words, w.String())
	}
	return words
}

var coinNames = []string{"bitcoin", "BTC", "$BTC", "ethereum", "ETH", "$ETH", "bitcoin", "dogecoin", "litecoin", "$XRP", "monero", "cardano"}

// body has one coin in it, a tenth of the time two; its length is log-normal around 150 characters.
func body(rng *rand.Rand, words []string, zipf *rand.Zipf) string {
	length := int(math.Exp(4.83 + 0.6*rng.NormFloat64()))
	length = min(max(length, 15), 2000)
	var b strings.Builder
	coinAt := rng.IntN(length)
	coins := 1
	if rng.IntN(10) == 0 {
		coins = 2
	}
	for b.Len() < length || coins > 0 {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if coins > 0 && b.Len() >= coinAt {
			b.WriteString(coinNames[rng.IntN(len(coinNames))])
			coins--
			continue
		}
		b.WriteString(words[zipf.Uint64()])
		if rng.IntN(12) == 0 {
			b.WriteByte(".,!?"[rng.IntN(4)])
		}
	}
	return b.String()
}
