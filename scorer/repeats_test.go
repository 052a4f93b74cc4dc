package scorer_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rcas/market"
	"rcas/scorer"
	"rcas/store"
	"rcas/store/storetest"
)

// wordKey names a word in the posts about a coin on a network in five minutes, or in an hour on all networks.
func wordKey(at time.Time, symbol, source, term string) string {
	return strings.Join([]string{at.UTC().Format(time.RFC3339), symbol, source, term}, " ")
}

// crowd is a day's third of posts: texts that are passed on with other names, numbers and tails, at once or hours later, by few authors of
// whom some post much, about one coin or two.
func crowd(r *rand.Rand, n int) []*market.Tweet {
	openings := []string{"bitcoin is going to the moon they said when it fell", "my grandmother asked me about ethereum at dinner today", "to the moon",
		"nobody knows why bitcoin dropped this morning but everybody has a reason", "i sold everything and bought a small farm with chickens"}
	started := noon.Truncate(24*time.Hour).AddDate(0, 0, -3)
	tweets := make([]*market.Tweet, n)
	for i := range tweets {
		text := openings[r.IntN(len(openings))]
		if r.IntN(3) > 0 {
			text = fmt.Sprintf("%s thinks of %s with %s and hopes for %s", word(r), word(r), word(r), word(r))
		}
		tweets[i] = &market.Tweet{Source: []string{"one", "two"}[r.IntN(2)], ID: fmt.Sprint(i), Time: started.Add(time.Duration(r.IntN(8*3600)) * time.Second),
			Author: fmt.Sprint("author", r.IntN(n/6)), Lang: []string{"en", "en", "en", "tr"}[r.IntN(4)], Repost: r.IntN(12) == 0,
			Text:    fmt.Sprintf("@friend%d %s %d #%s", r.IntN(9), text, r.IntN(100), word(r)),
			Symbols: [][]string{{"BTC"}, {"ETH"}, {"BTC", "ETH"}}[r.IntN(3)], ReceivedAt: noon}
	}
	return tweets
}

func word(r *rand.Rand) string {
	return []string{"lantern", "harbour", "kettle", "meadow", "copper", "violin", "anchor", "thunder", "pebble", "willow"}[r.IntN(10)]
}

// countWords counts the words of each post that is no repeat, in hours and five minutes, by comparing every two posts.
func countWords(posts []store.ScoredPost) (fives, hours map[string]int64) {
	before := func(a, b *market.Tweet) bool {
		if !a.Time.Equal(b.Time) {
			return a.Time.Before(b.Time)
		}
		return a.Source < b.Source || a.Source == b.Source && a.ID < b.ID
	}
	fives, hours = map[string]int64{}, map[string]int64{}
	for _, p := range posts {
		for _, symbol := range p.Tweet.Symbols {
			repeat, place := p.Tweet.Repost, 1
			for _, o := range posts {
				if !before(o.Tweet, p.Tweet) {
					continue
				}
				repeat = repeat || o.TextHash == p.TextHash && p.Tweet.Time.Sub(o.Tweet.Time) < time.Hour
				if o.AuthorHash == p.AuthorHash && o.Tweet.Time.Truncate(time.Hour).Equal(p.Tweet.Time.Truncate(time.Hour)) &&
					strings.Contains(strings.Join(o.Tweet.Symbols, " "), symbol) {
					place++
				}
			}
			if repeat || place > 3 {
				continue
			}
			for _, term := range p.Terms {
				fives[wordKey(p.Tweet.Time.Truncate(5*time.Minute), symbol, p.Tweet.Source, term)]++
				hours[wordKey(p.Tweet.Time.Truncate(time.Hour), symbol, "", term)]++
			}
		}
	}
	return fives, hours
}

// TestWordsDoNotDependOnTheOrder stores the same posts in orders and batches of chance, by two scorers at once, some again, and some after
// the chunks of the others were compressed. The words are always those of the posts that are no repeats.
func TestWordsDoNotDependOnTheOrder(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	model, err := scorer.Bundled(t.Context(), scorer.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, model.Close()) })
	reader := scorer.Reader{Model: model, Matcher: market.NewMatcher(nil), Terms: scorer.NewTerms()}
	tweets := crowd(r, 250)
	posts, err := reader.Read(t.Context(), tweets)
	require.NoError(t, err)
	fives, hours := countWords(posts)
	for round := range 3 {
		r := rand.New(rand.NewPCG(seed, uint64(1+round)))
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			s := storetest.New(t)
			require.NoError(t, s.UseModel(t.Context(), model.Name(), nil, false))
			order := make([]store.ScoredPost, len(posts))
			for to, from := range r.Perm(len(posts)) {
				order[to] = posts[from]
			}
			half := len(order) / 2
			storeAtOnce(t, s, r, model.Name(), order[:half])
			if round%2 == 1 {
				storetest.Exec(t, s, `SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('sentiments') AS c`)
			}
			storeAtOnce(t, s, r, model.Name(), order[half-20:])
			require.Equal(t, fives, words(t, s, `SELECT bucket, symbol, source, term, sum(n)::bigint FROM term_counts GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0`))
			storetest.Exec(t, s, `CALL refresh_continuous_aggregate('term_windows_15m', NULL, $1::timestamptz)`, noon)
			require.Equal(t, hours, words(t, s, `SELECT bucket, symbol, '', term, n::bigint FROM term_counts_1h`))
		})
	}
}

// storeAtOnce stores posts in batches of chance, by two writers at once.
func storeAtOnce(t *testing.T, s *store.Store, r *rand.Rand, model string, posts []store.ScoredPost) {
	t.Helper()
	var batches [][]store.ScoredPost
	for largest := 20 + r.IntN(100); len(posts) > 0; {
		n := min(1+r.IntN(largest), len(posts))
		batches, posts = append(batches, posts[:n]), posts[n:]
	}
	var group errgroup.Group
	var taking sync.Mutex
	for range 2 {
		group.Go(func() error {
			for {
				taking.Lock()
				if len(batches) == 0 {
					taking.Unlock()
					return nil
				}
				batch := batches[0]
				batches = batches[1:]
				taking.Unlock()
				if _, err := s.InsertSentiments(t.Context(), model, batch); err != nil {
					return err
				}
			}
		})
	}
	require.NoError(t, group.Wait())
}

func words(t *testing.T, s *store.Store, sql string) map[string]int64 {
	t.Helper()
	counts := map[string]int64{}
	for _, row := range storetest.Rows(t, s, sql) {
		counts[wordKey(row[0].(time.Time), row[1].(string), row[2].(string), row[3].(string))] = row[4].(int64)
	}
	return counts
}
