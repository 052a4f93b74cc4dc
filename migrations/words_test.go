package migrations_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store"
	"rcas/store/storetest"
)

// termCount says how many posts of five minutes hold a term.
type termCount struct {
	bucket time.Time
	term   string
	n      int32
}

func insertTerms(t *testing.T, s *store.Store, symbol string, counts []termCount) {
	t.Helper()
	bucket, term, n := make([]time.Time, len(counts)), make([]string, len(counts)), make([]int32, len(counts))
	for i, c := range counts {
		bucket[i], term[i], n[i] = c.bucket, c.term, c.n
	}
	storetest.Exec(t, s, `INSERT INTO sentiments (time, source, id, symbol, model, negative, neutral, positive, score, weight, reach, repeat,
			author_hash, text_hash, terms)
		SELECT a + i % 300 * INTERVAL '1 second', 'test', gen_random_uuid(), $4, 'test', 0.25, 0.25, 0.5, 0.25, 1, 1, false, 1, 1, b
		FROM unnest($1::timestamptz[], $2::text[], $3::integer[]) AS u (a, b, c), generate_series(1, c) AS i`, bucket, term, n, symbol)
}

func randomTerms(r *rand.Rand, rows int) []termCount {
	counts := make([]termCount, rows)
	for i := range counts {
		counts[i] = termCount{start.Add(time.Duration(r.IntN(576)) * 5 * time.Minute), fmt.Sprint("word", r.IntN(40)), 1 +
			r.Int32N(4)}
	}
	return counts
}

// countTerms adds up the rows of [from, to), from being the start of five minutes.
func countTerms(counts []termCount, from, to time.Time) (totals map[string]float64, all float64) {
	totals = map[string]float64{}
	for _, c := range counts {
		if !c.bucket.Before(from) && c.bucket.Before(to) {
			totals[c.term] += float64(c.n)
			all += float64(c.n)
		}
	}
	return totals, all
}

func TestTermsEqualTheirCounts(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC", "ETH"), newRand(t)
	counts := randomTerms(r, 4000)
	insertTerms(t, s, "BTC", counts[:3000])
	insertTerms(t, s, "ETH", randomTerms(r, 500))
	refresh(t, s, start.Add(30*time.Hour))
	insertTerms(t, s, "BTC", counts[3000:])
	refresh(t, s, start.Add(30*time.Hour))
	for range 20 {
		from := start.Add(time.Duration(240+r.IntN(200)) * 5 * time.Minute)
		to := from.Add(time.Duration(1+r.IntN(150)) * 5 * time.Minute)
		totals, all := countTerms(counts, from, to)
		var want [][]any
		for term, n := range totals {
			want = append(want, []any{term, int64(n), n / all})
		}
		slices.SortFunc(want, func(a, b []any) int {
			if a[1] != b[1] {
				return int(b[1].(int64) - a[1].(int64))
			}
			return slices.Compare([]rune(a[0].(string)), []rune(b[0].(string)))
		})
		want = want[:min(len(want), 30)]
		rows := storetest.Rows(t, s, `SELECT * FROM top_terms('BTC', $1, $2)`, from.Add(time.Minute), to)
		require.Len(t, rows, len(want), "%v to %v", from, to)
		for i := range want {
			requireRow(t, want[i], rows[i], "top")
		}
		requireTrending(t, s, counts, from, to)
	}
}

func requireTrending(t *testing.T, s *store.Store, counts []termCount, from, to time.Time) {
	t.Helper()
	now, total := countTerms(counts, from, to)
	before, totalBefore := countTerms(counts, from.Add(-6*time.Hour), from)
	want := map[string][]any{}
	for term, n := range now {
		expected := (before[term] + 0.5) * total / (totalBefore + 0.5)
		if n >= 5 && n > expected {
			want[term] = []any{term, int64(n), expected, n / expected, math.Sqrt(2 * (n*math.Log(n/expected) - n + expected))}
		}
	}
	rows := storetest.Rows(t, s, `SELECT * FROM trending_terms('BTC', $1, $2, '6 hours', 100)`, from, to)
	require.Len(t, rows, len(want))
	for i, row := range rows {
		requireRow(t, want[row[0].(string)], row, "trending")
		require.True(t, i == 0 || rows[i-1][4].(float64) >= row[4].(float64), "most surprising first")
	}
}

func TestTermsLeaveOutTheCoinsNames(t *testing.T) {
	t.Parallel()
	s := newDatabase(t, "BTC")
	storetest.Exec(t, s, `UPDATE assets SET name = 'Bitcoin', cashtags = '{BTC,XBT}', keywords = '{bitcoin,satoshi nakamoto}'`)
	var counts []termCount
	for i, term := range []string{"btc", "xbt", "bitcoin", "nakamoto", "moon", "crash"} {
		counts = append(counts, termCount{start, term, int32(60 - i)})
	}
	insertTerms(t, s, "BTC", counts)
	terms := func(sql string) (terms []string) {
		for _, row := range storetest.Rows(t, s, sql, start, start.Add(time.Hour)) {
			terms = append(terms, row[0].(string))
		}
		return terms
	}
	require.Equal(t, []string{"moon", "crash"}, terms(`SELECT term FROM top_terms('BTC', $1, $2)`))
	require.Equal(t, []string{"btc", "xbt", "bitcoin"}, terms(`SELECT term FROM top_terms('BTC', $1, $2, 3, own_names => true)`))
	require.Empty(t, terms(`SELECT term FROM trending_terms('BTC', $1, $2)`), "nothing to compare with")
	insertTerms(t, s, "BTC", []termCount{{start.Add(-time.Hour), "btc", 90}, {start.Add(-time.Hour), "moon", 90}})
	require.Equal(t, []string{"crash"}, terms(`SELECT term FROM trending_terms('BTC', $1, $2)`))
}

// TestNamesAreMadeOnce: they are asked for before the words, not for each of them.
func TestNamesAreMadeOnce(t *testing.T) {
	t.Parallel()
	s := newDatabase(t, "BTC")
	for _, function := range []string{"top_terms", "trending_terms"} {
		var plan strings.Builder
		for _, row := range storetest.Rows(t, s, `EXPLAIN (COSTS OFF) SELECT * FROM `+function+`('BTC', '2024-01-01', '2024-01-02')`) {
			fmt.Fprintln(&plan, row[0])
		}
		require.Contains(t, plan.String(), "<> ALL (", "%s", &plan)
		require.NotContains(t, plan.String(), "names(", "%s", &plan)
	}
}

func TestInfluenceRanksPostsByReachAndScore(t *testing.T) {
	t.Parallel()
	s, r := newDatabase(t, "BTC"), newRand(t)
	posts := randomPosts(r, "BTC", 300, span)
	insertPosts(t, s, posts)
	storetest.Exec(t, s, `INSERT INTO tweets (time, source, id, author, text, symbols, received_at)
		SELECT time, source, id, 'ann', 'text of ' || id, '{BTC}', time FROM sentiments`)
	posts = filter(posts, func(p post) bool {
		return p.judged && p.personal() && !p.repeat && p.at.Before(start.Add(48*time.Hour))
	})
	slices.SortFunc(posts, func(a, b post) int {
		if math.Abs(a.score()*a.reach) > math.Abs(b.score()*b.reach) {
			return -1
		}
		return 1
	})
	rows := storetest.Rows(t, s, `SELECT time, source, text, score::float8, reach, influence FROM influence('BTC', $1, $2, 50)`,
		start, start.Add(48*time.Hour))
	require.Len(t, rows, 50)
	for i, row := range rows {
		p := posts[i]
		requireRow(t, []any{p.at, p.source, "text of " + fmt.Sprint(p.at.UnixMicro()), p.score(), p.reach, p.score() * p.reach},
			row, "influence")
	}
}
