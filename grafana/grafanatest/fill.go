// Package grafanatest fills a database with a day and two hours of invented trades and posts, the same for every run, for tests of what
// Grafana shows.
package grafanatest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// Span is how much time [Fill] fills.
const Span = 26 * time.Hour

// Model is the active sentiment model of the filled database.
const Model = "rcas-small-en"

// Symbols are the coins that have data; the other coins of the assets file have none.
var symbols = []string{"BTC", "ETH", "SOL"}

// Fill stores what the day and two hours before anchor could have brought: trades at three venues, posts of three networks, sentiments, terms, and
// the counts of the pipeline, of BTC, ETH and SOL. Mood and price part ways three times: BTC six hours before anchor (bullish), ETH
// two hours before (bearish), and SOL in the last whole half hour before anchor (bullish).
func Fill(t testing.TB, s *store.Store, anchor time.Time) {
	t.Helper()
	ctx := context.Background()
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	require.NoError(t, s.SaveAssets(ctx, assets))
	require.NoError(t, s.UseModel(ctx, "vader", []string{"en"}, false))
	require.NoError(t, s.UseModel(ctx, Model, []string{"en"}, false))
	anchor = anchor.UTC()
	for i, symbol := range symbols {
		w := world{random: rand.New(rand.NewPCG(2, uint64(i))), symbol: symbol, anchor: anchor, price: []float64{64000, 3100, 145}[i]}
		w.event = []event{{6 * time.Hour, 1}, {2 * time.Hour, -1}, {30 * time.Minute, 1}}[i]
		w.run()
		for batch := range slices.Chunk(w.prices, 5000) {
			_, err := s.InsertPrices(ctx, batch)
			require.NoError(t, err)
		}
		for batch := range slices.Chunk(w.posts, 2000) {
			_, err := s.InsertTweets(ctx, tweets(batch))
			require.NoError(t, err)
			_, err = s.InsertSentiments(ctx, Model, batch)
			require.NoError(t, err)
		}
	}
	settle(t, s, anchor)
	require.NoError(t, s.RefreshWindows(ctx))
	storetest.Exec(t, s, `ANALYZE`) // as a native server does by itself in time
}

func tweets(posts []store.ScoredPost) []*market.Tweet {
	list := make([]*market.Tweet, len(posts))
	for i := range posts {
		list[i] = posts[i].Tweet
	}
	return list
}

// settle makes rows look as if they had been stored when they came, and spreads what the pipeline counted over that time.
func settle(t testing.TB, s *store.Store, anchor time.Time) {
	t.Helper()
	storetest.Exec(t, s, `UPDATE prices SET stored_at = received_at + INTERVAL '180 milliseconds'`)
	storetest.Exec(t, s, `UPDATE tweets SET stored_at = received_at + INTERVAL '240 milliseconds'`)
	storetest.Exec(t, s, `UPDATE sentiments SET scored_at = time + INTERVAL '1900 milliseconds'`)
	storetest.Exec(t, s, `DELETE FROM pipeline_counts`)
	storetest.Exec(t, s, `INSERT INTO pipeline_counts (time, component, source, event, n)
		SELECT g.at, c.component, c.source, c.event, c.n + extract(minute FROM g.at)::int % 7
		FROM generate_series($1::timestamptz - INTERVAL '26 hours', $1::timestamptz - INTERVAL '10 seconds', INTERVAL '1 minute') AS g (at),
		     (VALUES ('ingest', 'bluesky', 'read', 4100), ('ingest', 'bluesky', 'published', 55), ('ingest', 'bluesky', 'dropped:unmapped', 4040),
		             ('ingest', 'reddit', 'read', 260), ('ingest', 'reddit', 'published', 40), ('ingest', 'reddit', 'dropped:unmapped', 220),
		             ('ingest', 'coinbase', 'read', 900), ('ingest', 'coinbase', 'published', 900), ('ingest', 'kraken', 'read', 240),
		             ('ingest', 'kraken', 'published', 240), ('writer', 'bluesky', 'stored', 55), ('writer', 'reddit', 'stored', 40),
		             ('writer', 'coinbase', 'stored', 900), ('writer', 'kraken', 'stored', 240), ('writer', 'kraken', 'duplicate', 3),
		             ('scorer', 'bluesky', 'scored', 48), ('scorer', 'bluesky', 'skipped:language', 7), ('scorer', 'reddit', 'scored', 39),
		             ('scorer', 'reddit', 'skipped:no text', 1)) AS c (component, source, event, n)`, anchor)
	storetest.Exec(t, s, `INSERT INTO pipeline_counts (time, component, source, event, n)
		VALUES ($1::timestamptz - INTERVAL '9 hours', 'ingest', 'kraken', 'reconnect', 1), ($1::timestamptz - INTERVAL '5 minutes', 'writer', 'reddit', 'dead', 2),
		       ($1::timestamptz - INTERVAL '20 hours', 'writer', 'bluesky', 'dead', 1), ($1::timestamptz - INTERVAL '9 hours', 'ingest', 'kraken', 'gap', 1)`, anchor)
	for _, live := range []string{"bluesky", "coinbase", "kraken", "reddit"} {
		require.NoError(t, s.SaveFeedState(context.Background(), store.FeedState{Source: live, State: "reading", Since: anchor.Add(-Span)}))
	}
}

// event is a time when mood and price part ways.
type event struct {
	ago  time.Duration
	side float64 // 1: mood up and price down
}

// world invents what is said of a coin and paid for it, minute by minute.
type world struct {
	random *rand.Rand
	symbol string
	anchor time.Time
	price  float64
	mood   float64
	event  event

	prices []*market.Price
	posts  []store.ScoredPost
}

func (w *world) run() {
	for at := w.anchor.Add(-Span); at.Before(w.anchor); at = at.Add(time.Minute) {
		w.minute(at)
	}
}

func (w *world) minute(at time.Time) {
	drift, mood := 0.0, 0.0
	begin := w.anchor.Add(-w.event.ago).Truncate(15 * time.Minute)
	if !at.Before(begin.Add(-15*time.Minute)) && at.Before(begin.Add(30*time.Minute)) {
		drift, mood = -0.0009*w.event.side, 0.9*w.event.side
	}
	w.mood = 0.995*w.mood + 0.012*w.random.NormFloat64()
	w.price *= math.Exp(0.0006*w.random.NormFloat64() + 0.00004*w.mood + drift)
	for i, venue := range []string{"coinbase", "kraken", "binance"} {
		if i == 2 && w.symbol != "BTC" {
			continue
		}
		w.trade(at.Add(time.Duration(w.random.IntN(50_000))*time.Millisecond), venue)
	}
	hour := float64(at.Hour())
	for range 2 + w.random.IntN(3) + w.random.IntN(1+int(3*math.Abs(12-hour)/12)) {
		w.post(at.Add(time.Duration(w.random.IntN(50_000))*time.Millisecond), 0.12+w.mood+mood)
	}
}

func (w *world) trade(at time.Time, venue string) {
	price := w.price * math.Exp(0.0002*w.random.NormFloat64())
	w.prices = append(w.prices, &market.Price{
		Venue: venue, Symbol: w.symbol, TradeID: fmt.Sprint(len(w.prices)), Time: at, ReceivedAt: at.Add(70 * time.Millisecond),
		Price: math.Round(price*100) / 100, Volume: math.Round(1e4*w.random.ExpFloat64()*2000/w.price) / 1e4,
	})
}

var words = strings.Fields(`bullish bearish moon dump pump etf halving wallet fees staking support resistance breakout whale
	liquidated hodl chart volume rally dip buy sell long short exchange listing upgrade mainnet hack exploit airdrop regulation`)

func (w *world) post(at time.Time, mood float64) {
	score := math.Tanh(mood + 0.55*w.random.NormFloat64())
	positive, negative := (1+score)/2, (1-score)/2
	neutral := 0.7 * w.random.Float64()
	var terms []string
	for range 3 + w.random.IntN(4) {
		word := words[min(w.random.IntN(len(words)), w.random.IntN(len(words)))]
		if w.anchor.Sub(at) < 2*time.Hour && w.random.IntN(4) == 0 {
			word = "etf-approval"
		}
		if !slices.Contains(terms, word) {
			terms = append(terms, word)
		}
	}
	tweet := &market.Tweet{
		Source: []string{"bluesky", "bluesky", "reddit", "twitter"}[w.random.IntN(4)], ID: w.symbol + fmt.Sprint(len(w.posts)), Time: at,
		Author: fmt.Sprintf("trader%d", int(400*w.random.ExpFloat64())), Lang: "en", Text: w.symbol + " " + strings.Join(terms, " "),
		Symbols: []string{w.symbol}, Followers: int64(math.Exp(3 + 2*w.random.NormFloat64())), FavoriteCount: int64(3 * w.random.ExpFloat64()),
		RetweetCount: int64(w.random.ExpFloat64()), ReceivedAt: at.Add(900 * time.Millisecond),
	}
	post := store.ScoredPost{Tweet: tweet, AuthorHash: int32(hash(tweet.Author)), TextHash: int64(hash(tweet.Text)), Terms: terms}
	post.Sentiments = []market.Sentiment{{
		Positive: float32(positive * (1 - neutral)), Negative: float32(negative * (1 - neutral)), Neutral: float32(neutral),
	}}
	if w.random.IntN(25) == 0 {
		tweet.Lang, post.Sentiments[0].Skipped = "pt", "language"
	}
	w.posts = append(w.posts, post)
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}
