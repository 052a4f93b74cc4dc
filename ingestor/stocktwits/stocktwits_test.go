package stocktwits_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
	"rcas/ingestor/stocktwits"
)

// said is a message of the simulated StockTwits. Its number is its place in the list, from 1.
type said struct {
	coins []string
	at    time.Time
}

// site is the simulated StockTwits.
type site struct {
	chaos *feedtest.Chaos

	mu       sync.Mutex
	messages []said
	absent   map[string]bool
	asked    map[string]int
	faults   []string
}

var coins = []string{"BTC", "ETH", "SOL"}

func newSite(seed uint64) *site {
	return &site{chaos: feedtest.NewChaos(seed), absent: map[string]bool{}, asked: map[string]int{}}
}

func (s *site) say(ctx context.Context, n int) {
	for i := range n {
		s.mu.Lock()
		m := said{coins: []string{coins[s.chaos.Intn(3)]}, at: time.Now().UTC().Truncate(time.Second)}
		if other := coins[s.chaos.Intn(3)]; other != m.coins[0] && s.chaos.Intn(2) == 0 {
			m.coins = append(m.coins, other)
		}
		s.messages = append(s.messages, m)
		s.mu.Unlock()
		if i%4 == 0 {
			_ = feed.Sleep(ctx, time.Millisecond)
		}
	}
}

func (s *site) all() []said {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

func text(number int, m said) string {
	return fmt.Sprintf("$%s.X it's message %d & \"more\"", strings.Join(m.coins, ".X $"), number)
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/2/streams/symbol/"), ".X.json")
	s.mu.Lock()
	if !ok || !strings.HasPrefix(r.UserAgent(), "rcas/") {
		s.faults = append(s.faults, r.URL.String())
	}
	absent := s.absent[name]
	s.asked[name]++
	s.mu.Unlock()
	switch {
	case s.chaos.Strikes("firewall", 0.05):
		http.Error(w, "<html>Just a moment...</html>", http.StatusForbidden)
		return
	case s.chaos.Refuse(w, r, 0.2):
		return
	case absent:
		answer(w, http.StatusNotFound, map[string]any{"response": map[string]any{"status": 404}, "errors": []any{map[string]any{"message": "Symbol not found"}}})
		return
	}
	since, _ := strconv.Atoi(r.URL.Query().Get("since"))
	most, err := strconv.Atoi(r.URL.Query().Get("max"))
	list, more, oldest := []any{}, false, 0
	for i, m := range slices.Backward(s.all()) {
		number := i + 1
		if !slices.Contains(m.coins, name) || number <= since || err == nil && number > most {
			continue
		}
		if more = len(list) == 30; more {
			break
		}
		list, oldest = append(list, toJSON(number, m)), number
		if s.chaos.Strikes("bad message", 0.002) {
			list = append(list, map[string]any{"id": "x"})
		}
	}
	answer(w, http.StatusOK, map[string]any{
		"response": map[string]any{"status": 200}, "cursor": map[string]any{"more": more, "max": oldest}, "messages": list,
	})
}

func toJSON(number int, m said) any {
	return map[string]any{
		"id": number, "body": strings.NewReplacer("'", "&#39;", "&", "&amp;").Replace(text(number, m)), "created_at": m.at.Format("2006-01-02T15:04:05Z"),
		"user": map[string]any{"id": 1, "username": "ann", "followers": 7}, "entities": map[string]any{"sentiment": nil}, "likes": map[string]any{"total": 2},
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// client is the source under test, on a simulated StockTwits.
type client struct {
	t       *testing.T
	config  stocktwits.Config
	sink    *feedtest.Sink
	cursors *feedtest.Cursors
	log     *bytes.Buffer
	source  *stocktwits.StockTwits
	stop    func() error
}

func newClient(t *testing.T, s *site) *client {
	c := &client{t: t, sink: feedtest.NewSink(), cursors: &feedtest.Cursors{}, log: new(bytes.Buffer)}
	c.config = stocktwits.Config{
		URL: feedtest.Serve(t, s).URL, Symbols: coins, PerHour: 1_500_000, Cursors: c.cursors, HTTP: &http.Client{Transport: &http.Transport{}},
		Log: slog.New(slog.NewTextHandler(c.log, nil)), Ladder: feed.Ladder{First: 2 * time.Millisecond, Max: 20 * time.Millisecond},
		Save: 10 * time.Millisecond,
	}
	return c
}

// start runs the source until stop is called.
func (c *client) start() {
	c.source = stocktwits.NewAt(c.config)
	c.stop = feedtest.Run(c.t, func(ctx context.Context) error { return c.source.Run(ctx, c.sink) })
}

func (c *client) has(number int) bool {
	return c.sink.HasTweet(stocktwits.Source, strconv.Itoa(number))
}

// eventually talks on until the condition holds.
func (c *client) eventually(s *site, condition func() bool) bool {
	for until := time.Now().Add(time.Minute); time.Now().Before(until); _ = feed.Sleep(c.t.Context(), 5*time.Millisecond) {
		s.say(c.t.Context(), 1)
		if condition() {
			return true
		}
	}
	return false
}

// TestMisbehavingSite runs the client against a simulated StockTwits. The oracle: every message has come, each with one content, over
// restarts, crashes and a clock that was slow for a while. So much is said as is read back for.
func TestMisbehavingSite(t *testing.T) {
	t.Parallel()
	feedtest.Seeds(t, func(t *testing.T, seed uint64) map[string]int64 {
		s := newSite(seed)
		c := newClient(t, s)
		troubles := &feedtest.Troubles{Restart: 0.2, Crash: 0.2, SlowClock: 0.3, Behind: time.Hour, Posts: 30, Away: 10, Late: 10}
		troubles.Clock(c.sink)
		s.say(t.Context(), 5)
		c.start()
		require.Eventually(t, func() bool { // the first page of each coin
			saved, _ := c.cursors.LoadCursor(t.Context(), stocktwits.Source)
			return strings.Count(saved, ":") == 3
		}, time.Minute, time.Millisecond)
		troubles.Befall(t, s.chaos, feedtest.Client{Start: c.start, Stop: func() error { return c.stop() }, Say: s.say, Source: stocktwits.Source, Cursors: c.cursors})
		due := s.all()
		missing := func() (numbers []int) {
			for i := range due {
				if !c.has(i + 1) {
					numbers = append(numbers, i+1)
				}
			}
			return numbers
		}
		complete := c.eventually(s, func() bool { return len(missing()) == 0 })
		require.NoError(t, c.stop())
		require.True(t, complete, "lost %v; %s", missing(), feedtest.Line(c.sink.Counters()))
		require.Zero(t, c.sink.Counter("gap"))
		require.Empty(t, c.sink.Conflicts())
		require.Empty(t, s.faults)
		stored := c.sink.Tweets()
		for i, m := range due {
			got := stored["stocktwits/"+strconv.Itoa(i+1)]
			require.Equal(t, text(i+1, m), got.Text)
			require.Equal(t, m.at, got.Time)
			require.EqualValues(t, 7, got.Followers)
		}
		figures := feedtest.Figures(c.sink, s.chaos)
		figures["messages"], figures["stored"] = int64(len(s.all())), int64(len(stored))
		return figures
	})
}

// TestUnknownCoin: one that StockTwits does not know costs itself only, is named once, and is read once it is there. What lies deeper than
// is read back for is lost, and counted.
func TestUnknownCoin(t *testing.T) {
	t.Parallel()
	s := newSite(1)
	s.absent["ETH"] = true
	c := newClient(t, s)
	c.config.Retry = 20 * time.Millisecond
	c.start()
	require.True(t, c.eventually(s, func() bool { return len(c.sink.Tweets()) > 5 && len(c.source.Report().LeftOut) == 1 }))
	s.mu.Lock()
	s.absent["ETH"] = false
	s.mu.Unlock()
	require.True(t, c.eventually(s, func() bool { return len(c.source.Report().LeftOut) == 0 }))
	require.NoError(t, c.stop())
	require.Equal(t, 1, strings.Count(c.log.String(), "what=ETH why="), c.log)
	s.mu.Lock()
	for range 500 {
		s.messages = append(s.messages, said{coins: []string{"BTC"}, at: time.Now().UTC()})
	}
	s.mu.Unlock()
	c.start()
	require.True(t, c.eventually(s, func() bool { return c.sink.Counter("gap") > 0 }))
	require.NoError(t, c.stop())
}

// TestRate: an hour has no more requests than are allowed, and those go to the coins about which much is said.
func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC))) // a bubble's clock begins before Bitcoin
		s := newSite(1)
		source, err := stocktwits.New(stocktwits.Config{Symbols: coins, HTTP: &http.Client{Transport: direct{s}}})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- source.Run(ctx, feedtest.NewSink()) }()
		for ctx.Err() == nil { // twice a minute about bitcoin, now and then about another
			s.mu.Lock()
			s.messages = append(s.messages, said{coins: []string{"BTC"}, at: time.Now().UTC()})
			if s.chaos.Intn(20) == 0 {
				s.messages = append(s.messages, said{coins: []string{"SOL"}, at: time.Now().UTC()})
			}
			s.mu.Unlock()
			_ = feed.Sleep(ctx, 30*time.Second)
		}
		require.NoError(t, <-done)
		require.LessOrEqual(t, s.asked["BTC"]+s.asked["ETH"]+s.asked["SOL"], 3*180+3)
		require.Greater(t, s.asked["BTC"], 2*s.asked["SOL"])
		require.Greater(t, s.asked["SOL"], s.asked["ETH"])
		require.Greater(t, s.asked["ETH"], 2)
	})
	for want, cfg := range map[string]stocktwits.Config{"no coins": {}, "per_hour": {Symbols: coins, PerHour: 500}} {
		_, err := stocktwits.New(cfg)
		require.ErrorContains(t, err, want)
	}
}

// direct asks a handler without a connection.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	d.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: &w.body, Request: r}, nil
}

type recorder struct {
	header http.Header
	status int
	body   closable
}

type closable struct{ bytes.Buffer }

func (*closable) Close() error { return nil }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// TestStoppedBeforeItBegan: that is no error.
func TestStoppedBeforeItBegan(t *testing.T) {
	t.Parallel()
	c := newClient(t, newSite(1))
	source := stocktwits.NewAt(c.config)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, source.Run(ctx, c.sink))
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"cursor":{"more":true,"max":5},"messages":[{"id":7,"body":"$BTC.X","created_at":"2026-01-01T00:00:00Z"},{"id":"x"},null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var page stocktwits.Page
		if json.Unmarshal(text, &page) != nil {
			return
		}
		for _, m := range page.Messages {
			require.NotEmpty(t, m.ID)
			require.False(t, m.Time.IsZero())
		}
	})
}
