package twitter_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/feed"
	"rcas/ingestor/twitter"
	"rcas/market"
)

func TestRules(t *testing.T) {
	t.Parallel()
	asset := market.Asset{
		Symbol: "DOT", Name: "Polkadot", Cashtags: []string{"XDOT"}, Hashtags: []string{"dotsama"},
		Keywords: []string{"polka dot chain"}, Ambiguous: []string{"dot"}, Exclusions: []string{"dot com", "polkadot dress"},
	}
	rules, err := twitter.Rules([]market.Asset{asset}, "-is:retweet", 1024)
	require.NoError(t, err)
	require.Equal(t, []twitter.Rule{{Tag: "DOT", Value: `($DOT OR #DOT OR $XDOT OR #XDOT OR "Polkadot" OR "polka dot chain" OR ` +
		`#dotsama OR #Polkadot) -"polkadot dress" -is:retweet`}}, rules)

	for i := range 200 {
		asset.Keywords = append(asset.Keywords, fmt.Sprintf("keyword number %d", i))
	}
	rules, err = twitter.Rules([]market.Asset{asset}, "lang:en", 512)
	require.NoError(t, err)
	require.Greater(t, len(rules), 5)
	all := ""
	for _, rule := range rules {
		require.LessOrEqual(t, len(rule.Value), 512)
		require.True(t, strings.HasSuffix(rule.Value, ` -"polkadot dress" lang:en`))
		require.Equal(t, "DOT", rule.Tag)
		all += rule.Value
	}
	for i := range 200 {
		require.Contains(t, all, fmt.Sprintf(`"keyword number %d"`, i))
	}
	_, err = twitter.Rules([]market.Asset{asset}, strings.Repeat("x", 600), 512)
	require.ErrorContains(t, err, "exceeds 512 bytes")
}

// TestRulesAskForWhatCounts: a hashtag that the matcher does not count by itself, in the lower case that X takes for the same, is
// asked for in company only. X bills the others.
func TestRulesAskForWhatCounts(t *testing.T) {
	t.Parallel()
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	matcher := market.NewMatcher(assets)
	rules, err := twitter.Rules(assets, "", 1024)
	require.NoError(t, err)
	alone, beside := map[string]bool{}, map[string]bool{}
	for _, rule := range rules {
		for _, tag := range regexp.MustCompile(`#(\S+?)( \(|\b)`).FindAllStringSubmatch(rule.Value, -1) {
			if company := tag[2] != ""; company {
				beside[tag[1]] = true
				require.Contains(t, matcher.Match("#"+strings.ToLower(tag[1])+" coins"), rule.Tag)
			} else {
				alone[tag[1]] = true
				require.Equal(t, []string{rule.Tag}, matcher.Match("#"+strings.ToLower(tag[1])), tag[1])
			}
		}
	}
	for _, tag := range []string{"LINK", "NEAR", "UNI", "ETC", "HYPE", "APT", "SOL"} {
		require.True(t, beside[tag] && !alone[tag], tag)
	}
	for _, tag := range []string{"BTC", "ADA", "DOT", "DOGE", "Solana"} {
		require.True(t, alone[tag], tag)
	}
}

// TestDefaultAssetsFit: the coins that RCAS ships make valid rules.
func TestDefaultAssetsFit(t *testing.T) {
	t.Parallel()
	assets, err := market.DefaultAssets()
	require.NoError(t, err)
	for _, limit := range []int{512, 1024} {
		rules, err := twitter.Rules(assets, "lang:en -is:retweet", limit)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(rules), len(assets))
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 30, 23, 0, 0, 0, time.UTC)
	limits := twitter.Limits{PerDay: 10, PerMonth: 25}
	posts := func(n int) twitter.Bill { return twitter.Bill{Posts: n} }
	b := twitter.NewBudget(limits, posts(1), func() time.Time { return now })
	b.Spend(posts(7))
	left, _, word := b.Left()
	require.EqualValues(t, 3, left)
	require.Empty(t, word)
	b.Spend(posts(4))
	left, until, word := b.Left()
	require.Zero(t, left)
	require.Equal(t, time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), until)
	require.Contains(t, word, "11 read on 2026-01-30")

	again := twitter.NewBudget(limits, posts(1), func() time.Time { return now })
	require.NoError(t, again.Load(b.Saved()))
	left, _, _ = again.Left()
	require.Zero(t, left)

	now = now.Add(2 * time.Hour)
	left, _, _ = again.Left()
	require.EqualValues(t, 10, left, "a new day")
	again.Spend(posts(14))
	left, until, word = again.Left()
	require.Zero(t, left)
	require.Equal(t, time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), until)
	require.Contains(t, word, "a month")
	now = now.Add(24 * time.Hour)
	left, _, _ = again.Left()
	require.EqualValues(t, 10, left, "a new month")
	require.ErrorContains(t, again.Load("{"), "not readable")

	free := twitter.NewBudget(twitter.Limits{PerDay: -1, PerMonth: -1}, posts(1), time.Now)
	free.Spend(posts(1e6))
	left, _, _ = free.Left()
	require.Positive(t, left)
}

// TestBudgetOfUsers: X bills users too, at twice the price of a post, and the posts referred to.
func TestBudgetOfUsers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 30, 23, 0, 0, 0, time.UTC)
	most := twitter.Bill{Posts: 2, Users: 1}
	b := twitter.NewBudget(twitter.Limits{}, most, func() time.Time { return now })
	left, _, _ := b.Left()
	require.EqualValues(t, 500, left, "$10 at $0.02 for a post, one referred to, and its author")
	b.Spend(twitter.Bill{Posts: 600, Users: 600})
	left, _, _ = b.Left()
	require.EqualValues(t, 50, left, "$9 are spent")

	again := twitter.NewBudget(twitter.Limits{DollarsPerDay: 18, PostPrice: 0.01, UserPrice: 0.02}, most, func() time.Time { return now })
	require.NoError(t, again.Load(b.Saved()))
	left, _, word := again.Left()
	require.Zero(t, left)
	require.Contains(t, word, "the budget of $18.00 a day is spent ($18.00 for 600 posts and 600 users read on 2026-01-30)")

	before := twitter.NewBudget(twitter.Limits{DollarsPerDay: 10}, most, func() time.Time { return now })
	require.NoError(t, before.Load(`{"day":"2026-01-30","this_day":1000,"month":"2026-01","this_month":1000}`))
	left, _, _ = before.Left()
	require.EqualValues(t, 250, left, "counts of a version that knew no users")
}

// samples are lines of a stream, made up.
var samples = []string{
	`{"data":{"id":"1","text":"cut…","note_tweet":{"text":"$BTC &lt;3 the whole"},"created_at":"2026-01-02T03:04:05.000Z",` +
		`"lang":"und","author_id":"9","referenced_tweets":[{"type":"retweeted","id":"5"}],` +
		`"public_metrics":{"retweet_count":1,"reply_count":2,"like_count":3,"quote_count":4,"impression_count":5}},` +
		`"includes":{"users":[{"id":"9","username":"bob","public_metrics":{"followers_count":12}}]},` +
		`"matching_rules":[{"id":"4","tag":"BTC"}],"errors":[{"title":"Not Found Error"}]}`,
	`{"errors":[{"title":"operational-disconnect","disconnect_type":"OperationalDisconnect","detail":"bye"}]}`,
	`{"title":"ConnectionException","detail":"too many","connection_issue":"TooManyConnections","type":"https://x"}`,
}

func TestDecode(t *testing.T) {
	t.Parallel()
	p, bill, err := twitter.Decode([]byte(samples[0]))
	require.NoError(t, err)
	require.Equal(t, twitter.Bill{Posts: 1, Users: 1}, bill)
	require.Equal(t, &market.Tweet{
		Source: "twitter", ID: "1", Author: "bob", Text: "$BTC <3 the whole", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Followers: 12, RetweetCount: 1, ReplyCount: 2, FavoriteCount: 3, QuoteCount: 4, Repost: true,
	}, p.Tweet)
	var last *twitter.StreamError
	_, _, err = twitter.Decode([]byte(samples[1]))
	require.ErrorAs(t, err, &last)
	require.False(t, last.Connections)
	_, _, err = twitter.Decode([]byte(samples[2]))
	require.ErrorAs(t, err, &last)
	require.True(t, last.Connections)
	for _, text := range []string{"", "{}", `{"data":{}}`, `{"data":[]}`, `{"data":{"id":"1"}}`, "[]"} {
		_, _, err := twitter.Decode([]byte(text))
		require.ErrorIs(t, err, feed.ErrMalformed, text)
	}
}

// TestDecodeReposts: the text of a repost is that of the original, all of it; a quote keeps its own.
func TestDecodeReposts(t *testing.T) {
	t.Parallel()
	original := `{"id":"5","text":"long &amp; …","note_tweet":{"text":"long &amp; with bitcoin at its end"}}`
	for _, c := range []struct{ reference, includes, text string }{
		{"retweeted", original, "long & with bitcoin at its end"},
		{"retweeted", `{"id":"5","text":"the original"}`, "the original"},
		{"retweeted", `{"id":"6","text":"another"}`, "RT @bob: long…"},
		{"quoted", original, "RT @bob: long…"},
	} {
		p, bill, err := twitter.Decode(fmt.Appendf(nil, `{"data":{"id":"7","text":"RT @bob: long…","created_at":"2026-01-02T03:04:05.000Z",`+
			`"referenced_tweets":[{"type":%q,"id":"5"}]},"includes":{"tweets":[%s]}}`, c.reference, c.includes))
		require.NoError(t, err)
		require.Equal(t, c.text, p.Text)
		require.Equal(t, c.reference == "retweeted", p.Repost)
		require.Equal(t, twitter.Bill{Posts: 2}, bill)
	}
}

// TestDecodeEdits: an edit is the post that it changes, at that one's time.
func TestDecodeEdits(t *testing.T) {
	t.Parallel()
	id := func(at time.Time) string { return fmt.Sprint((at.UnixMilli()-1_288_834_974_657)<<22 | 12345) }
	first := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	edited := first.Add(20 * time.Minute)
	for root, at := range map[string]time.Time{id(first): first.Truncate(time.Second), "1002": edited.Truncate(time.Second)} {
		p, _, err := twitter.Decode(fmt.Appendf(nil, `{"data":{"id":%q,"text":"$BTC","created_at":%q,"edit_history_tweet_ids":[%q,%q]}}`,
			id(edited), edited.Truncate(time.Second).Format(time.RFC3339), root, id(edited)))
		require.NoError(t, err)
		require.True(t, p.Edit)
		require.Equal(t, root, p.ID)
		require.Equal(t, at, p.Time)
	}
	p, _, err := twitter.Decode([]byte(`{"data":{"id":"9","text":"$BTC","created_at":"2026-01-02T03:04:05.000Z","edit_history_tweet_ids":["9","10"]}}`))
	require.NoError(t, err)
	require.False(t, p.Edit)
}

func FuzzDecode(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte(sample))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, _, err := twitter.Decode(text)
		if err == nil {
			require.NotEmpty(t, p.ID)
			require.False(t, p.Time.IsZero())
			require.True(t, json.Valid(text))
		}
	})
}
