package demo

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// post is one line of the archive, as `rcas replay` reads normalised posts.
type post struct {
	Source    string    `json:"source"`
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Author    string    `json:"author"`
	Lang      string    `json:"lang,omitempty"`
	Text      string    `json:"text"`
	Followers int64     `json:"followers"`
	Likes     int64     `json:"like_count"`
	Retweets  int64     `json:"retweet_count"`
	Replies   int64     `json:"reply_count"`
}

type coin struct {
	symbol  string
	names   []string
	perDraw float64 // posts in a window, on average
}

var coins = []coin{
	{"BTC", []string{"$BTC", "#bitcoin", "bitcoin", "Bitcoin", "BTC"}, 32},
	{"ETH", []string{"$ETH", "#ethereum", "ethereum", "Ethereum", "ETH"}, 20},
}

// Sentences by class; %s is the coin. All invented.
var sentences = map[int][]string{
	+1: {
		"%s is looking really strong today", "so happy I bought more %s this week", "%s breaking out, this is beautiful",
		"love how %s bounces every single time", "%s to the moon, what a great rally", "huge gains on %s again, amazing",
		"feeling very bullish on %s right now", "%s chart looks fantastic, buyers everywhere", "best decision I ever made was holding %s",
		"another win for %s, adoption is growing fast", "%s recovering nicely, great support below", "congrats to everyone who kept their %s",
		"excited about where %s is going", "%s is winning and I am loving it", "added to my %s position, strong buy",
	},
	0: {
		"what time does the %s conference start", "reading a paper about %s transaction fees", "%s price at the top of the hour",
		"anyone here using %s for payments", "new article on how %s mining works", "the exchange lists %s pairs from Monday",
		"podcast on %s and custody is out", "how do I move %s between two wallets", "%s block times this week in one table",
		"interview with a %s developer at noon", "weekly %s volume by venue", "which wallet do you use for %s",
		"slides of my %s talk are online", "%s futures settle on Friday", "tutorial: reading the %s order book",
	},
	-1: {
		"%s is crashing, this is terrible", "lost so much money on %s today", "%s looks awful, sellers everywhere",
		"so disappointed with %s, selling everything", "%s is a bubble and it is bursting", "scared to open my %s wallet, what a bad day",
		"very bearish on %s, more pain coming", "%s dumping again, I hate this", "worst week ever for %s holders",
		"%s fees are ridiculous and the network is broken", "I regret buying %s at the top", "%s support failed, this is ugly",
		"another hack, another reason to fear %s", "sold my %s at a loss, feeling sick", "%s is dead money, what a disaster",
	},
}

var tails = []string{"", "", "", "", " honestly", " imo", " folks", " right now", " #crypto", " #trading", " as of this morning", " on every exchange",
	" and the volume says so", " since the weekend", " after the news from Seoul", " despite the holidays", " before the futures close", " lol"}

// What posts begin with, for people do not use each other's words: without, nearly all would be repeats.
var (
	whens = []string{"just now", "this morning", "over coffee", "on the train", "at my desk", "before lunch", "after work", "half asleep", "between meetings", "in the kitchen",
		"on the sofa", "waiting for the bus", "back from a run", "during the break", "with the kids", "on the balcony", "in the library", "at the gate"}
	places = []string{"Leeds", "Porto", "Austin", "Osaka", "Lagos", "Lyon", "Bergen", "Perth", "Quito", "Graz", "Tartu", "Izmir", "Bilbao", "Fresno", "Cork", "Pune",
		"Gdansk", "Hobart", "Bari", "Turku"}
)

var moods = map[int][]string{+1: {"", "", " 🚀", " 😀", " :)", "!!"}, 0: {"", "", "", "?"}, -1: {"", "", " 😡", " 😞", " :(", "…"}}

// A few posts are not in the model's language: kept, counted, not scored.
var foreign = []struct{ lang, text string }{
	{"es", "¿Cuándo vuelve a subir %s después de las fiestas?"}, {"de", "Was macht %s heute Abend an der Börse?"},
	{"fr", "Quel est le prix de %s ce matin chez vous ?"}, {"pt", "Alguém sabe o que aconteceu com %s hoje?"},
	{"", "%s の価格は今日どうなりますか"},
}

type generator struct {
	rng  *rand.Rand
	next int64
}

func newGenerator(seed uint64) *generator {
	return &generator{rng: rand.New(rand.NewPCG(seed, 0x5243_4153)), next: 945_000_000_000_000_000}
}

// window makes the posts of window number w in the order of time.
func (g *generator) window(w int, closes map[string][]float64) []post {
	start := Start.Add(time.Duration(w) * Window)
	var posts []post
	for _, c := range coins {
		mood := 0.7*drift(closes[c.symbol], w) + 0.1*g.rng.NormFloat64()
		for _, d := range Planted {
			if d.Symbol == c.symbol && !start.Before(d.From) && start.Before(d.To) {
				mood = d.conviction
			}
		}
		for range g.poisson(c.perDraw * daily(start)) {
			posts = append(posts, g.post(c, start, mood))
		}
	}
	slices.SortFunc(posts, func(a, b post) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return posts
}

// daily makes evenings in Europe and mornings in America busy, as they are.
func daily(t time.Time) float64 {
	hour := float64(t.Hour()) + float64(t.Minute())/60
	return 1 + 0.4*math.Cos((hour-17)/24*2*math.Pi)
}

func (g *generator) post(c coin, start time.Time, mood float64) post {
	g.next += 1 + g.rng.Int64N(1<<22)
	p := post{
		Source: "twitter", ID: fmt.Sprint(g.next), CreatedAt: start.Add(time.Duration(g.rng.Int64N(int64(Window)))).Truncate(time.Millisecond),
		Author: fmt.Sprintf("demo_%d", int(4000*math.Pow(g.rng.Float64(), 1.5))), Lang: "en", // some post more than others
		Followers: int64(math.Exp(4 + 1.8*g.rng.NormFloat64())),
	}
	if g.rng.IntN(4) == 0 {
		p.Source, p.ID, p.Followers, p.Lang = "reddit", "t1_demo"+p.ID, 0, ""
	}
	p.Likes = int64(g.rng.ExpFloat64() * math.Sqrt(float64(p.Followers)) / 10)
	p.Retweets, p.Replies = p.Likes/4, p.Likes/6
	name := c.names[g.rng.IntN(len(c.names))]
	if g.rng.IntN(33) == 0 {
		f := foreign[g.rng.IntN(len(foreign))]
		p.Lang, p.Text = f.lang, fmt.Sprintf(f.text, name)
		return p
	}
	class := g.class(mood)
	p.Text = pick(g.rng, whens) + " in " + pick(g.rng, places) + ": " + fmt.Sprintf(pick(g.rng, sentences[class]), name) + pick(g.rng, tails) + pick(g.rng, moods[class])
	if g.rng.IntN(20) == 0 {
		p.Text = "RT @demo_" + fmt.Sprint(g.rng.IntN(100)) + ": " + p.Text
	}
	p.Text = strings.ToUpper(p.Text[:1]) + p.Text[1:]
	return p
}

// class draws negative, neutral or positive so that the mean is the mood.
func (g *generator) class(mood float64) int {
	const opinionated = 0.6
	if g.rng.Float64() > max(opinionated, math.Abs(mood)) {
		return 0
	}
	if g.rng.Float64() < (1+mood)/2 {
		return +1
	}
	return -1
}

// poisson draws by Knuth's multiplication (The Art of Computer Programming, vol. 2, 3.4.1), fine for means below a few hundred.
func (g *generator) poisson(mean float64) int {
	limit, product, n := math.Exp(-mean), g.rng.Float64(), 0
	for product > limit {
		product *= g.rng.Float64()
		n++
	}
	return n
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
