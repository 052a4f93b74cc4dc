package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// TestOneAuthorHasOneVoice: of an author's thousand posts of an hour, each another text, three count, whatever their order. So they move the
// mean of n others by at most 2 * 3 / (n + 3).
func TestOneAuthorHasOneVoice(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const others, loud = 50, 1000
	var posts []store.ScoredPost
	for i := range others + loud {
		p := scored(tweet(i, noon.Add(time.Duration(r.IntN(3600))*time.Second)))
		p.TextHash = int64(1000 + i)
		feel(&p, market.Sentiment{Neutral: 1, Kind: market.Person})
		if i >= others {
			p.AuthorHash = 1
			feel(&p, market.Sentiment{Positive: 1, Kind: market.Person})
		}
		posts = append(posts, p)
	}
	r.Shuffle(len(posts), func(i, j int) { posts[i], posts[j] = posts[j], posts[i] })
	for rest := posts; len(rest) > 0; {
		n := min(1+r.IntN(400), len(rest))
		_, err := s.InsertSentiments(t.Context(), "m", rest[:n])
		require.NoError(t, err)
		rest = rest[n:]
	}
	require.NoError(t, s.RefreshWindows(t.Context()))
	rows := storetest.Rows(t, s, `SELECT sum(posts)::bigint, sum(sum_score) / sum(judged) FROM mood_1h WHERE symbol = 'BTC' AND NOT repeat`)
	require.EqualValues(t, others+3, rows[0][0])
	require.InDelta(t, 3./(others+3), rows[0][1], 1e-6)
	require.LessOrEqual(t, rows[0][1], 2*3./(others+3))
}

// TestSetKinds fills in who speaks, and what repeats by the new templates, where a model judged without; a kind that is known stays.
func TestSetKinds(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	var posts []store.ScoredPost
	for i := range 4 {
		p := scored(tweet(i, noon.Add(time.Duration(i)*time.Minute)))
		p.TextHash = int64(i)
		posts = append(posts, p)
	}
	feel(&posts[2], market.Sentiment{Positive: 1, Kind: market.News})
	feel(&posts[3], market.Sentiment{Skipped: "language"})
	_, err := s.InsertSentiments(t.Context(), "m", posts)
	require.NoError(t, err)
	_, err = s.InsertTweets(t.Context(), []*market.Tweet{posts[0].Tweet, posts[1].Tweet, posts[2].Tweet, posts[3].Tweet})
	require.NoError(t, err)
	waiting, err := s.CountUnscored(t.Context(), "m", true, noon, noon.Add(time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 2, waiting)
	for i := range posts {
		feel(&posts[i], market.Sentiment{Positive: 1, Kind: market.Advert})
		posts[i].TextHash = 77
	}
	for _, want := range []int64{4, 0} { // two posts of two coins, once
		changed, err := s.SetKinds(t.Context(), "m", posts)
		require.NoError(t, err)
		require.Equal(t, want, changed)
	}
	var got []string
	for _, row := range storetest.Rows(t, s, `SELECT id, coalesce(kind, '-'), repeat FROM sentiments WHERE symbol = 'BTC' ORDER BY id`) {
		got = append(got, fmt.Sprintln(row...))
	}
	require.Equal(t, []string{"0 advert false\n", "1 advert true\n", "2 news false\n", "3 - false\n"}, got)
}
