package twitter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
	"rcas/ingestor/twitter"
	"rcas/market"
)

var coins = []market.Asset{{Symbol: "BTC", Name: "Bitcoin"}, {Symbol: "ETH", Name: "Ethereum"}}

// client is the source under test, on a simulated X.
type client struct {
	t       *testing.T
	config  twitter.Config
	sink    *feedtest.Sink
	cursors *feedtest.Cursors
	log     *locked
	stop    func() error
}

func newClient(t *testing.T, s *service) *client {
	c := &client{t: t, sink: feedtest.NewSink(), cursors: &feedtest.Cursors{}, log: new(locked)}
	c.config = twitter.Config{
		URL: feedtest.Serve(t, s).URL, Token: token, Assets: coins, Cursors: c.cursors, Limits: twitter.Limits{PerDay: -1, PerMonth: -1},
		HTTP: &http.Client{Transport: &http.Transport{}},
		Log:  slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Timing: twitter.Timing{
			Silence: 300 * time.Millisecond, Idle: 2 * time.Second,
			Network:     feed.Ladder{Step: time.Millisecond, Max: 10 * time.Millisecond, Exact: true},
			HTTP:        feed.Ladder{First: 3 * time.Millisecond, Max: 20 * time.Millisecond, Exact: true},
			RateLimit:   feed.Ladder{First: 5 * time.Millisecond, Max: 40 * time.Millisecond, Exact: true},
			SearchEvery: 40 * time.Millisecond, SearchLag: 20 * time.Millisecond, Overlap: 2 * time.Second,
			Requests: 1000, Connects: 1000, Quiet: 30 * time.Millisecond, Save: 10 * time.Millisecond,
		},
	}
	return c
}

// locked is a buffer that is safe for the log.
type locked struct {
	mu sync.Mutex
	w  bytes.Buffer
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.String()
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// start runs the source until stop is called.
func (c *client) start() {
	source, err := twitter.New(c.config)
	require.NoError(c.t, err)
	c.stop = feedtest.Run(c.t, func(ctx context.Context) error { return source.Run(ctx, c.sink) })
}

func (c *client) has(p tweet) bool { return p.coin == "DOGE" || c.sink.HasTweet(twitter.Source, p.id) }

// eventually writes posts until the condition holds.
func (c *client) eventually(s *service, condition func() bool) bool {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); _ = feed.Sleep(c.t.Context(), 3*time.Millisecond) {
		s.write(c.t.Context(), 1)
		if condition() {
			return true
		}
	}
	return false
}

// TestMisbehavingService runs the client against a simulated X. The oracle: every post about a wanted coin from the first one
// seen to the end of the misfortunes has come, by stream or search, over restarts.
func TestMisbehavingService(t *testing.T) {
	t.Parallel()
	feedtest.Seeds(t, func(t *testing.T, seed uint64) map[string]int64 {
		s := newService(seed)
		s.rules["0"] = rule{ID: "0", Value: "something old", Tag: "OLD"}
		s.noStream = seed%8 == 0 // the search alone
		c := newClient(t, s)
		troubles := &feedtest.Troubles{Restart: 0.2, SlowClock: 0.2, Behind: time.Minute, Posts: 80, Away: 10, Late: 30}
		troubles.Clock(c.sink)
		c.start()
		require.True(t, c.eventually(s, func() bool {
			saved, _ := c.cursors.LoadCursor(t.Context(), twitter.Source)
			return len(c.sink.Tweets()) > 0 && saved != ""
		}), "no posts")
		posts, _ := s.from(0)
		first := 0
		for !c.sink.HasTweet(twitter.Source, posts[first].id) {
			first++
		}
		troubles.Befall(t, s.chaos, feedtest.Client{Start: c.start, Stop: func() error { return c.stop() }, Say: s.write, Source: twitter.Source, Cursors: c.cursors})
		posts, _ = s.from(0)
		due := posts[first:]
		absent := func() (list []tweet) {
			for _, p := range due {
				if !c.has(p) {
					list = append(list, p)
				}
			}
			return list
		}
		complete := c.eventually(s, func() bool { return len(absent()) == 0 })
		require.NoError(t, c.stop())
		require.True(t, complete, "%d lost, first %v; %s\n%s", len(absent()), absent()[:min(3, len(absent()))],
			feedtest.Line(c.sink.Counters()), c.log)
		s.mu.Lock() // its last requests may still be under way
		defer s.mu.Unlock()
		require.Empty(t, c.sink.Conflicts())
		require.Empty(t, s.faults)
		require.NotContains(t, c.log.String(), token)
		checkContent(t, c, due)
		figures := feedtest.Figures(c.sink, s.chaos)
		figures["posts"], figures["stored"], figures["searches"] = int64(len(posts)), int64(len(c.sink.Tweets())), int64(s.searches)
		return figures
	})
}

func checkContent(t *testing.T, c *client, posts []tweet) {
	stored := c.sink.Tweets()
	for _, p := range posts {
		if p.coin == "DOGE" {
			require.NotContains(t, stored, "twitter/"+p.id)
			continue
		}
		got := stored["twitter/"+p.id]
		require.Equal(t, fmt.Sprintf("$%s & co", p.coin), got.Text[:len(p.coin)+6])
		require.Equal(t, p.at, got.Time)
		require.Equal(t, "alice", got.Author)
		require.EqualValues(t, 1000, got.Followers)
		require.EqualValues(t, 3, got.FavoriteCount)
	}
}

// TestRulesAreKept: what is missing is added, what is not wanted goes, the rest stays untouched.
func TestRulesAreKept(t *testing.T) {
	t.Parallel()
	s := newService(1)
	wanted, err := twitter.Rules(coins, "", 1024)
	require.NoError(t, err)
	s.rules["kept"] = rule{ID: "kept", Value: wanted[0].Value, Tag: wanted[0].Tag}
	s.rules["twice"] = rule{ID: "twice", Value: wanted[0].Value, Tag: wanted[0].Tag}
	s.rules["old"] = rule{ID: "old", Value: "$XRP ", Tag: "XRP"}
	c := newClient(t, s)
	c.start()
	require.True(t, c.eventually(s, func() bool { return len(c.sink.Tweets()) > 0 }))
	require.NoError(t, c.stop())
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Len(t, s.rules, 2)
	require.NotContains(t, s.rules, "old")
	var tags []string
	for _, r := range s.rules {
		tags = append(tags, r.Tag)
	}
	require.ElementsMatch(t, []string{"BTC", "ETH"}, tags)
}

// TestBudgetStopsReading: no post more than the budget is read, over a restart, and the log says why.
func TestBudgetStopsReading(t *testing.T) {
	t.Parallel()
	s := newService(1)
	c := newClient(t, s)
	c.config.PerDay = 20
	c.start()
	require.True(t, c.eventually(s, func() bool { return strings.Contains(c.log.String(), "the budget of 20 posts a day is spent") }))
	require.Positive(t, c.sink.Counter("budget"))
	require.NoError(t, c.stop())
	require.EqualValues(t, 20, c.sink.Counters()["taken"])

	c.start()
	require.True(t, c.eventually(s, func() bool { return c.sink.Counter("budget") > 1 }))
	require.NoError(t, c.stop())
	require.EqualValues(t, 20, c.sink.Counters()["taken"], "a restart does not renew the budget")
}

// TestBudgetOfAKilledProcess: whenever a post is handed on, the saved count knows of it already, and of few that never came.
func TestBudgetOfAKilledProcess(t *testing.T) {
	t.Parallel()
	s := newService(1)
	c := newClient(t, s)
	c.config.Save = time.Hour
	saved := func() int64 {
		var counts struct {
			ThisMonth int64 `json:"this_month"`
		}
		text, _ := c.cursors.LoadCursor(t.Context(), twitter.Source+"/budget")
		_ = json.Unmarshal([]byte(text), &counts)
		return counts.ThisMonth
	}
	var read, forgotten, most atomic.Int64
	c.sink.Pause = func() {
		n, known := read.Add(1), saved()
		if n > known {
			forgotten.Add(1)
		}
		most.Store(max(most.Load(), known-n))
	}
	c.start()
	require.True(t, c.eventually(s, func() bool { return read.Load() > 60 }))
	require.NoError(t, c.stop())
	require.Zero(t, forgotten.Load())
	require.LessOrEqual(t, most.Load(), int64(25+100), "a claim, and a page of a search")
	require.Less(t, saved()-read.Load(), int64(20), "after a stop no claim stays")
}

func TestRefusedToken(t *testing.T) {
	t.Parallel()
	c := newClient(t, newService(1))
	c.config.Token = "wrong"
	source, err := twitter.New(c.config)
	require.NoError(t, err)
	err = source.Run(t.Context(), c.sink)
	require.ErrorContains(t, err, "does not accept the bearer token")
	require.NotContains(t, err.Error()+c.log.String(), "wrong")

	c.config.Token = ""
	_, err = twitter.New(c.config)
	require.ErrorContains(t, err, "bearer token")
}

// TestRefusedSearch: a query that X does not understand costs its own coin only, and is told of once.
func TestRefusedSearch(t *testing.T) {
	t.Parallel()
	s := newService(1)
	s.noStream, s.refused = true, "BTC"
	c := newClient(t, s)
	c.start()
	require.True(t, c.eventually(s, func() bool {
		return c.sink.Counter("refused") > 20 && slices.ContainsFunc(slices.Collect(maps.Values(c.sink.Tweets())),
			func(p market.Tweet) bool { return strings.HasPrefix(p.Text, "$ETH") })
	}))
	require.NoError(t, c.stop())
	require.Equal(t, 1, strings.Count(c.log.String(), "search for BTC"))
}

// TestFastClock: where this machine's clock is fast, X refuses the end of a search. No coin is passed over or blamed for it.
func TestFastClock(t *testing.T) {
	t.Parallel()
	s := newService(1)
	s.noStream, s.behind = true, 1500*time.Millisecond
	c := newClient(t, s)
	c.start()
	require.True(t, c.eventually(s, func() bool {
		coins := map[string]bool{}
		for _, p := range c.sink.Tweets() {
			coins[p.Text[:4]] = true
		}
		return coins["$BTC"] && coins["$ETH"]
	}), c.log)
	require.NoError(t, c.stop())
	require.Contains(t, c.log.String(), "this machine's clock is fast")
	require.NotContains(t, c.log.String(), "search for")
}

// TestRefusedRules: a rule that X refuses costs its own coin only, however X refuses; the reason is told whole, once, and the rule is
// tried again.
func TestRefusedRules(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(*service){
		"that one": func(*service) {}, "all for one": func(s *service) { s.whole = true },
		"all without saying why": func(s *service) { s.whole, s.vague = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(1)
			s.illegal = "$BTC"
			refuse(s)
			c := newClient(t, s)
			c.config.Rules = 20 * time.Millisecond
			c.start()
			require.True(t, c.eventually(s, func() bool { return c.sink.Counter("refused") > 2 && len(c.sink.Tweets()) > 2 }), c.log)
			require.Equal(t, 1, strings.Count(c.log.String(), "stream of BTC"), c.log)
			require.Contains(t, c.log.String(), "ot in this plan.")
			require.NotContains(t, c.log.String(), "stream of ETH")
			s.mu.Lock()
			s.illegal = ""
			s.mu.Unlock()
			require.True(t, c.eventually(s, func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return len(s.rules) == 2
			}), "taken later")
			require.NoError(t, c.stop())
		})
	}
}

// TestAllRulesRefused: a stream without rules is no stream; the source says why, and goes on trying.
func TestAllRulesRefused(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		s := newService(1)
		s.illegal, s.whole = " OR ", whole
		c := newClient(t, s)
		c.config.Rules = 20 * time.Millisecond
		c.start()
		require.True(t, c.eventually(s, func() bool { return c.sink.Counter("refused") > 5 }), c.log)
		require.Contains(t, c.log.String(), "x refuses the rules of all coins")
		require.Contains(t, c.log.String(), "Not in this plan.")
		s.mu.Lock()
		s.illegal = ""
		s.mu.Unlock()
		require.True(t, c.eventually(s, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.streams > 0
		}), c.log)
		require.NoError(t, c.stop())
	}
}

// TestCap: that the cap of X's product is reached is said in words, and waited for in hours.
func TestCap(t *testing.T) {
	t.Parallel()
	s := newService(1)
	s.capped = true
	c := newClient(t, s)
	c.start()
	require.True(t, c.eventually(s, func() bool {
		return strings.Contains(c.log.String(), "monthly cap of the X product is reached") && strings.Contains(c.log.String(), "wait=3h0m0s")
	}), c.log)
	require.NoError(t, c.stop())
}

// TestWhatIsAskedFor: users and reposts are asked for only where they are wanted, since X bills them.
func TestWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter  string
		noUsers bool
		want    string
	}{
		{"lang:en", false, "referenced_tweets.id,author_id"}, {"lang:en", true, "referenced_tweets.id"},
		{"-is:retweet lang:en", false, "author_id"}, {"lang:en -is:retweet", true, ""},
	} {
		s := newService(1)
		client := newClient(t, s)
		client.config.Filter, client.config.NoUsers = c.filter, c.noUsers
		client.start()
		require.True(t, client.eventually(s, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.asked != nil
		}))
		require.NoError(t, client.stop())
		require.Equal(t, c.want, s.asked.Get("expansions"))
		require.Equal(t, !c.noUsers, s.asked.Has("user.fields"))
	}
}

// TestReach: after a long absence only the last stretch is searched, and the rest counted.
func TestReach(t *testing.T) {
	t.Parallel()
	s := newService(1)
	c := newClient(t, s)
	c.config.Reach = time.Minute
	now := time.Now().UTC().Truncate(time.Second)
	s.posts = []tweet{
		{id: "1", coin: "BTC", text: "$BTC &amp; co", at: now.Add(-10 * time.Minute)},
		{id: "2", coin: "BTC", text: "$BTC &amp; co", at: now.Add(-30 * time.Second)},
	}
	require.NoError(t, c.cursors.SaveCursor(t.Context(), twitter.Source, `{"until":"`+now.Add(-time.Hour).Format(time.RFC3339)+`"}`))
	c.start()
	require.True(t, c.eventually(s, func() bool { return c.sink.HasTweet(twitter.Source, "2") }))
	require.NoError(t, c.stop())
	require.False(t, c.sink.HasTweet(twitter.Source, "1"))
	require.EqualValues(t, 1, c.sink.Counter("out of reach"))
}
