package reddit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
	"rcas/ingestor/reddit"
)

const secret = "the-client-secret"

// said is a thing of the simulated Reddit.
type said struct {
	name, listing string
	at, visible   time.Time
	removed       bool
}

// site is the simulated Reddit.
type site struct {
	chaos *feedtest.Chaos

	mu     sync.Mutex
	things []said
	tokens map[string]time.Time // expiry by token
	left   int                  // requests left in the window
	absent map[string]int       // the status of subreddits that are not there
	faults []string
}

func newSite(seed uint64) *site {
	return &site{chaos: feedtest.NewChaos(seed), tokens: map[string]time.Time{}, left: 1000}
}

// say adds n things, a little apart. Some become visible late.
func (s *site) say(ctx context.Context, n int) {
	for i := range n {
		s.mu.Lock()
		thing := said{name: "t1_" + strconv.FormatInt(int64(1e9+len(s.things)), 36), listing: "comments", at: time.Now().UTC()}
		if s.chaos.Intn(4) == 0 {
			thing.name, thing.listing = "t3_"+thing.name[3:], "new"
		}
		thing.visible = thing.at
		if s.chaos.Strikes("late", 0.05) {
			thing.visible = thing.at.Add(60 * time.Millisecond)
		}
		thing.removed = s.chaos.Strikes("removed", 0.02)
		s.things = append(s.things, thing)
		s.mu.Unlock()
		if i%4 == 0 {
			_ = feed.Sleep(ctx, time.Millisecond)
		}
	}
}

func (s *site) all() []said {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.things)
}

func (s *site) blame(fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fault)
}

var userAgent = regexp.MustCompile(`^\w+:rcas:1\.2 \(by /u/somebody\)$`)

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !userAgent.MatchString(r.UserAgent()) {
		s.blame("user agent " + r.UserAgent())
	}
	if s.chaos.Refuse(w, r, 0.2) {
		return
	}
	if r.URL.Path == "/api/v1/access_token" {
		s.authorise(w, r)
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	expired := time.Now().After(s.tokens[token])
	s.left--
	left := s.left
	if left <= 0 {
		s.left = 30
	}
	s.mu.Unlock()
	w.Header().Set("X-Ratelimit-Remaining", fmt.Sprintf("%.1f", float64(max(left, 0))))
	w.Header().Set("X-Ratelimit-Reset", "0.01") // whole seconds, at the real one
	switch {
	case expired || s.chaos.Strikes("token revoked", 0.02):
		answer(w, http.StatusUnauthorized, map[string]any{"message": "Unauthorized", "error": 401})
	case left < 0:
		answer(w, http.StatusTooManyRequests, map[string]any{"message": "Too Many Requests", "error": 429})
	default:
		s.list(w, r)
	}
}

func (s *site) authorise(w http.ResponseWriter, r *http.Request) {
	id, password, _ := r.BasicAuth()
	if id != "the-app" || password != secret {
		answer(w, http.StatusUnauthorized, map[string]any{"message": "Unauthorized", "error": 401})
		return
	}
	if r.FormValue("grant_type") != "client_credentials" {
		s.blame("grant type " + r.FormValue("grant_type"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	token := fmt.Sprintf("token-%d", len(s.tokens))
	s.tokens[token] = time.Now().Add(200 * time.Millisecond)
	answer(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "bearer", "expires_in": 0.2, "scope": "*"})
}

// list answers with a page, newest first.
func (s *site) list(w http.ResponseWriter, r *http.Request) {
	name, listing, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/r/"), "/")
	s.mu.Lock()
	absent := maps.Clone(s.absent)
	s.mu.Unlock()
	for _, subreddit := range strings.Split(name, "+") {
		switch absent[subreddit] {
		case 0:
			continue
		case http.StatusFound:
			http.Redirect(w, r, "/subreddits/search?q="+subreddit, http.StatusFound)
		case http.StatusOK: // as if the redirection had been followed
			answer(w, http.StatusOK, map[string]any{"kind": "Listing", "data": map[string]any{"children": []any{map[string]any{"kind": "t5",
				"data": map[string]any{"name": "t5_2aaa", "title": "Bitcoin", "created_utc": 1284042626.0}}}}})
		default:
			answer(w, absent[subreddit], map[string]any{"message": "Forbidden", "reason": "private", "error": absent[subreddit]})
		}
		return
	}
	if len(absent) > 0 {
		s.serve(w, listing, r.URL.Query().Get("after"))
		return
	}
	if name != "Bitcoin+ethereum" || r.URL.Query().Get("limit") != "100" {
		s.blame("asked for " + r.URL.String())
	}
	s.serve(w, listing, r.URL.Query().Get("after"))
}

func (s *site) serve(w http.ResponseWriter, listing, after string) {
	passed := after == ""
	children := []any{}
	depth, last, more := 0, "", false
	for _, thing := range slices.Backward(s.all()) {
		if thing.listing != listing || thing.visible.After(time.Now()) {
			continue
		}
		if depth++; depth > 1000 {
			break
		}
		if passed {
			if more = len(children) == 100; more {
				break
			}
			children = append(children, thing.json())
			last = thing.name
			if s.chaos.Strikes("bad entry", 0.002) {
				children = append(children, map[string]any{"kind": "t1", "data": map[string]any{"name": 5}})
			}
		}
		passed = passed || thing.name == after
	}
	data := map[string]any{"children": children, "after": nil, "before": nil}
	if more {
		data["after"] = last
	}
	answer(w, http.StatusOK, map[string]any{"kind": "Listing", "data": data})
}

func (t said) text() string { return "to the moon & back, says " + t.name }

func (t said) json() any {
	data := map[string]any{
		"name": t.name, "id": t.name[3:], "author": "bob", "created_utc": float64(t.at.Unix()), "score": 7, "subreddit": "Bitcoin",
		"all_awardings": []any{},
	}
	text := t.text()
	if t.removed {
		text = "[removed]"
	}
	if t.listing == "comments" {
		data["body"] = text
	} else {
		data["title"], data["selftext"], data["num_comments"] = text, "", 3
	}
	return map[string]any{"kind": t.name[:2], "data": data}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// client is the source under test, on a simulated Reddit.
type client struct {
	t       *testing.T
	config  reddit.Config
	sink    *feedtest.Sink
	cursors *feedtest.Cursors
	log     *bytes.Buffer
	source  *reddit.Reddit
	stop    func() error
}

func newClient(t *testing.T, s *site) *client {
	c := &client{t: t, sink: feedtest.NewSink(), cursors: &feedtest.Cursors{}, log: new(bytes.Buffer)}
	c.config = reddit.Config{
		URL: feedtest.Serve(t, s).URL, ClientID: "the-app", ClientSecret: secret, Username: "somebody", Version: "1.2",
		Subreddits: []string{"Bitcoin", "ethereum"}, Cursors: c.cursors, HTTP: &http.Client{Transport: &http.Transport{}},
		Log:   slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Every: 5 * time.Millisecond, Overlap: time.Second, Silence: 2 * time.Second, Idle: 5 * time.Second, Requests: 1000,
		Ladder: feed.Ladder{First: 2 * time.Millisecond, Max: 20 * time.Millisecond}, Save: 10 * time.Millisecond,
	}
	return c
}

// start runs the source until stop is called.
func (c *client) start() {
	source, err := reddit.New(c.config)
	require.NoError(c.t, err)
	c.source = source
	c.stop = feedtest.Run(c.t, func(ctx context.Context) error { return source.Run(ctx, c.sink) })
}

func (c *client) has(t said) bool { return t.removed || c.sink.HasTweet(reddit.Source, t.name) }

// eventually talks on until the condition holds.
func (c *client) eventually(s *site, condition func() bool) bool {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); _ = feed.Sleep(c.t.Context(), 3*time.Millisecond) {
		s.say(c.t.Context(), 1)
		if condition() {
			return true
		}
	}
	return false
}

// TestMisbehavingSite runs the client against a simulated Reddit. The oracle: all that was said and not removed has come, over
// restarts and crashes; the listings are deep enough here for nothing to be lost.
func TestMisbehavingSite(t *testing.T) {
	t.Parallel()
	feedtest.Seeds(t, func(t *testing.T, seed uint64) map[string]int64 {
		s := newSite(seed)
		c := newClient(t, s)
		troubles := &feedtest.Troubles{Restart: 0.2, Crash: 0.2, SlowClock: 0.2, Behind: time.Minute, Posts: 120, Away: 30, Late: 30}
		troubles.Clock(c.sink)
		s.chaos.Begin()
		c.start()
		troubles.Befall(t, s.chaos, feedtest.Client{Start: c.start, Stop: func() error { return c.stop() }, Say: s.say, Source: reddit.Source, Cursors: c.cursors})
		due := s.all()
		complete := c.eventually(s, func() bool { return !slices.ContainsFunc(due, func(t said) bool { return !c.has(t) }) })
		require.NoError(t, c.stop())
		require.True(t, complete, "lost; %s\n%s", feedtest.Line(c.sink.Counters()), c.log)
		require.Zero(t, c.sink.Counter("gap"))
		require.Empty(t, c.sink.Conflicts())
		require.Empty(t, s.faults)
		require.NotContains(t, c.log.String(), secret)
		require.NotContains(t, c.log.String(), "token-")
		stored := c.sink.Tweets()
		for _, thing := range due {
			if got, ok := stored["reddit/"+thing.name]; ok {
				require.Equal(t, thing.text(), got.Text)
				require.Equal(t, thing.at.Truncate(time.Second), got.Time)
			}
		}
		figures := feedtest.Figures(c.sink, s.chaos)
		figures["things"], figures["stored"] = int64(len(s.all())), int64(len(stored))
		return figures
	})
}

// TestTooLongAbsence: what lies deeper than a listing reaches is lost, and counted.
func TestTooLongAbsence(t *testing.T) {
	t.Parallel()
	s := newSite(1)
	c := newClient(t, s)
	c.start()
	require.True(t, c.eventually(s, func() bool { return len(c.sink.Tweets()) > 10 && c.cursorSaved() }))
	require.NoError(t, c.stop())
	s.mu.Lock()
	for i := range 3000 { // in the seconds to come, as far as the listing knows
		s.things = append(s.things, said{
			name: "t1_z" + strconv.Itoa(i), listing: "comments", at: time.Now().Add(time.Duration(i) * time.Second).UTC(),
		})
	}
	s.mu.Unlock()
	c.start()
	require.True(t, c.eventually(s, func() bool { return c.sink.Counter("gap") > 0 }))
	require.NoError(t, c.stop())
	require.True(t, c.sink.HasTweet(reddit.Source, "t1_z2999"))
	require.False(t, c.sink.HasTweet(reddit.Source, "t1_z100"))
}

// TestAbsentSubreddits: a subreddit that is not there, whichever way Reddit says so, is named and left out; the others are read, no post
// is made of Reddit's suggestions, and it is read once it is there.
func TestAbsentSubreddits(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusFound, http.StatusOK, http.StatusNotFound, http.StatusForbidden} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			s := newSite(1)
			s.absent = map[string]int{"Bitconi": status}
			c := newClient(t, s)
			c.config.Subreddits, c.config.Retry = []string{"Bitcoin", "Bitconi"}, 20*time.Millisecond
			c.start()
			require.True(t, c.eventually(s, func() bool { return len(c.sink.Tweets()) > 10 }))
			require.Contains(t, c.source.Report().LeftOut, "r/Bitconi")
			s.mu.Lock()
			s.absent = map[string]int{"another": status}
			s.mu.Unlock()
			require.True(t, c.eventually(s, func() bool { return len(c.source.Report().LeftOut) == 0 }), "read once it is there")
			require.NoError(t, c.stop())
			require.Equal(t, 1, strings.Count(c.log.String(), "what=r/Bitconi why="), c.log)
			require.NotContains(t, c.log.String(), "r/Bitcoin ")
			require.False(t, c.sink.HasTweet(reddit.Source, "t5_2aaa"))
		})
	}
}

func (c *client) cursorSaved() bool {
	saved, _ := c.cursors.LoadCursor(c.t.Context(), reddit.Source)
	return strings.Contains(saved, "comments")
}

func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	c := newClient(t, newSite(1))
	c.config.ClientSecret = "wrong-secret"
	source, err := reddit.New(c.config)
	require.NoError(t, err)
	err = source.Run(t.Context(), c.sink)
	require.ErrorContains(t, err, "does not accept the client id and secret")
	require.NotContains(t, err.Error()+c.log.String(), "wrong-secret")

	for _, broken := range []reddit.Config{{}, {ClientID: "x", ClientSecret: "y"}} {
		_, err = reddit.New(broken)
		require.ErrorContains(t, err, "missing")
	}
}

var samples = []string{
	`{"kind":"Listing","data":{"after":"t1_b","children":[` +
		`{"kind":"t1","data":{"name":"t1_a","author":"bob","created_utc":1767323045.0,"score":-4,"body":"$BTC & co"}},` +
		`{"kind":"t1","data":{"name":"t1_b","author":"[deleted]","created_utc":1767323044,"score":2,"body":"[removed]"}},` +
		`{"kind":"t3","data":{"name":"t3_c","author":"eve","created_utc":1767323043,"score":9,"title":"Why?","selftext":"Because.",` +
		`"num_comments":12,"crosspost_parent":"t3_x"}},{"kind":"more","data":{}}]}}`,
}

func TestDecode(t *testing.T) {
	t.Parallel()
	var page reddit.Listing
	require.NoError(t, json.Unmarshal([]byte(samples[0]), &page))
	require.Equal(t, "t1_b", page.After)
	require.Len(t, page.Malformed, 1)
	require.Len(t, page.Things, 3)
	require.Equal(t, "$BTC & co", page.Things[0].Post.Text)
	require.Zero(t, page.Things[0].Post.FavoriteCount)
	require.Equal(t, time.Unix(1767323045, 0).UTC(), page.Things[0].Post.Time)
	require.Nil(t, page.Things[1].Post)
	require.Equal(t, "Why?\n\nBecause.", page.Things[2].Post.Text)
	require.True(t, page.Things[2].Post.Repost)
	require.EqualValues(t, 12, page.Things[2].Post.ReplyCount)
	require.Error(t, json.Unmarshal([]byte(`{"message":"Forbidden","error":403}`), &page))
}

func FuzzDecode(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte(sample))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var page reddit.Listing
		if json.Unmarshal(text, &page) != nil {
			return
		}
		for _, thing := range page.Things {
			require.NotEmpty(t, thing.Name)
			require.False(t, thing.Time.IsZero())
		}
	})
}
