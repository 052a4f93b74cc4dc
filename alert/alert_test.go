package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func ptr[T any](x T) *T { return &x }

// TestTextSaysWhatAPersonNeeds reads a whole message.
func TestTextSaysWhatAPersonNeeds(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 3, 5, 6, 0, 0, 0, time.UTC)
	a := Alert{
		ID: 7, Symbol: "PEPE", Rule: "divergence", Kind: Divergence, Direction: "bullish", StartTime: at, FiredAt: at.Add(30 * time.Minute),
		EndTime: at.Add(45 * time.Minute), EndedAt: ptr(at.Add(75 * time.Minute)), Price: ptr(0.00000673), Value: 3.44, MoodZ: ptr(1.9), ReturnZ: ptr(-1.54), Posts: 77,
		Adverts: ptr(0.34), Bots: ptr(0.06), News: ptr(0.0), Repeated: ptr(0.21),
		Why: Why{
			Past: &Past{Days: 30, Firings: 14, Measured: 13, HitRate: ptr(0.54), UsualHitRate: ptr(0.51), MeanGain: ptr(0.0021), UsualGain: ptr(-0.0002),
				Note: "too few to say: 13 independent firings, 30 wanted"},
			Words: []RisingWord{{"listing", 23, 1.2}, {"airdrop", 9, 0.5}},
			Posts: []Post{
				{Time: at, Source: "bluesky", Text: "line\none\x1b[31m", Link: "https://bsky.app/profile/did:plc:a/post/b"},
				{Time: at, Source: "push", Text: strings.Repeat("ä", 500)},
			},
		},
	}
	a.Board = a.board("http://grafana.example/")
	require.Equal(t, `PEPE: mood is up while price falls (bullish divergence of 3.4 standard deviations since 5 Mar 06:00 UTC, 77 posts, price 0.00000673)
Mood +1.9, return -1.5 standard deviations from what is usual.
Fired 14 times in the 30 days before; four hours later the price had followed in 54 % (usually 51 %), by +0.21 % on average (usually -0.02 %): too few to say: 13 independent firings, 30 wanted.
Who spoke: 60 % people, 34 % adverts, 6 % bots, 0 % news; 21 % are repeats.
Words that rose: listing (23, expected 1.2), airdrop (9, expected 0.5).
“line one [31m” bluesky, 5 Mar 06:00 https://bsky.app/profile/did:plc:a/post/b
“`+strings.Repeat("ä", 179)+`…” push, 5 Mar 06:00
http://grafana.example/d/rcas-divergence?var-symbol=PEPE&from=1709596800000&to=1709642700000`, a.as(false).Text)
	require.Equal(t, `PEPE: over: mood is up while price falls (from 5 Mar 06:00 to 5 Mar 06:45 UTC)
http://grafana.example/d/rcas-divergence?var-symbol=PEPE&from=1709596800000&to=1709642700000`, a.as(true).Text)
}

func TestTitles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a    Alert
		want string
	}{
		{Alert{Kind: Divergence, Direction: "bearish", Value: -2}, "BTC: mood is down while price rises (bearish divergence of -2.0 standard deviations since"},
		{Alert{Kind: Mood, Direction: "up", Value: 3.2}, "BTC: mood has risen (+3.2 standard deviations from what is usual since"},
		{Alert{Kind: Mood, Direction: "down", Value: -3.2}, "BTC: mood has fallen (-3.2 standard deviations from what is usual since"},
		{Alert{Kind: Volume, Direction: "up", Value: 5.25}, "BTC: more posts than usual (5.2 times the usual since"},
		{Alert{Kind: Adverts, Direction: "up", Value: 0.62}, "BTC: adverts flood the posts (62 % of all that was written since"},
		{Alert{Kind: Word, Direction: "up", Value: 9, Word: "etf"}, "BTC: a new word, “etf” (9.0 standard deviations above what was expected since"},
	} {
		c.a.Symbol = "BTC"
		require.True(t, strings.HasPrefix(c.a.title(), c.want), c.a.title())
	}
	require.Empty(t, (&Alert{}).who(), "shares that nobody knows")
	require.Equal(t, "Never fired in the 30 days before.", Why{Past: &Past{Days: 30, Note: "never fired"}}.history())
}
