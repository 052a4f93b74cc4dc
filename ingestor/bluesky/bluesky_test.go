package bluesky_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"rcas/ingestor/bluesky"
	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
)

// client is the source under test, on simulated hosts.
type client struct {
	t       *testing.T
	config  bluesky.Config
	sink    *feedtest.Sink
	cursors *feedtest.Cursors
	stop    func() error
}

func newClient(t *testing.T, urls ...string) *client {
	c := &client{t: t, sink: feedtest.NewSink(), cursors: &feedtest.Cursors{}}
	c.config = bluesky.Config{
		URLs: urls, Cursors: c.cursors, HTTP: &http.Client{Transport: &http.Transport{}},
		Rewind: 50 * time.Millisecond, HostRewind: 100 * time.Millisecond, Silence: 400 * time.Millisecond, Idle: 300 * time.Millisecond, Save: 10 * time.Millisecond,
		Ladder: feed.Ladder{First: 4 * time.Millisecond, Max: 30 * time.Millisecond},
	}
	return c
}

// start runs the source until stop is called.
func (c *client) start() {
	c.stop = feedtest.Run(c.t, func(ctx context.Context) error { return bluesky.New(c.config).Run(ctx, c.sink) })
}

// has tells whether the event has arrived.
func (c *client) has(p post) bool {
	if p.operation != "create" {
		return c.sink.Deleted(bluesky.Source, p.id())
	}
	return c.sink.HasTweet(bluesky.Source, p.id())
}

// TestMisbehavingHosts runs the client against three hosts, of either version or of both. The oracle: every post and every deletion from
// the first one seen to the end of the misfortunes has come, each with one content, over restarts and crashes.
func TestMisbehavingHosts(t *testing.T) {
	t.Parallel()
	v1, v2 := "/subscribe", xrpc+"subscribeEvents"
	for name, paths := range map[string][]string{"v1": {v1, v1, v1}, "v2": {v2, v2, v2}, "both": {v2, v1, v1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			feedtest.Seeds(t, func(t *testing.T, seed uint64) map[string]int64 { return misbehave(t, seed, paths) })
		})
	}
}

// TestFirstConnectionFails has hosts that are away when the source starts for the first time: what is said until they are there is read.
func TestFirstConnectionFails(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/subscribe", xrpc + "subscribeEvents"} {
		n := newNetwork(1)
		h := newHost(t, n, 0, 0)
		down := func(until time.Time) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.down = until
		}
		down(time.Now().Add(time.Hour))
		n.speak(t.Context(), 20)
		before, _ := n.from(0)
		c := newClient(t, h.url(path))
		c.start()
		require.Eventually(t, func() bool { return c.sink.Counter("reconnect") > 0 }, time.Minute, time.Millisecond)
		n.speak(t.Context(), 20)
		down(time.Time{})
		events, _ := n.from(len(before))
		require.Eventually(t, func() bool { return !slices.ContainsFunc(events, func(p post) bool { return !c.has(p) }) }, time.Minute, time.Millisecond, path)
		c.stop()
	}
}

func misbehave(t *testing.T, seed uint64, paths []string) map[string]int64 {
	n := newNetwork(seed)
	var hosts []*host
	var urls []string
	for i, path := range paths {
		hosts = append(hosts, newHost(t, n, i, 300*time.Millisecond))
		urls = append(urls, hosts[i].url(path))
	}
	c := newClient(t, urls...)
	troubles := &feedtest.Troubles{Restart: 0.15, Crash: 0.15, SlowClock: 0.15, Behind: time.Minute, Posts: 100, Away: 20, Late: 50}
	troubles.Clock(c.sink)
	if seed%4 == 0 {
		c.config.Plain = true
	}
	c.start()
	require.Eventually(t, func() bool { // a crash before the first save is a start without a position
		n.speak(t.Context(), 2)
		saved, _ := c.cursors.LoadCursor(t.Context(), bluesky.Source)
		return saved != "" && len(c.sink.Tweets()) > 0
	}, time.Minute, time.Millisecond)
	events, _ := n.from(0)
	// Posts are created once; of a deletion, an earlier one of the same post may be meant.
	first := slices.IndexFunc(events, func(p post) bool { return p.operation == "create" && c.has(p) })

	troubles.Befall(t, n.chaos, feedtest.Client{Start: c.start, Stop: func() error { return c.stop() }, Say: n.speak, Source: bluesky.Source, Cursors: c.cursors})
	events, _ = n.from(0)
	due := events[first:]
	complete := func() bool {
		n.speak(t.Context(), 1)
		return !slices.ContainsFunc(due, func(p post) bool { return !c.has(p) })
	}
	for until := time.Now().Add(time.Minute); !complete() && time.Now().Before(until); {
		_ = feed.Sleep(t.Context(), 5*time.Millisecond)
	}
	require.NoError(t, c.stop())
	for _, p := range due {
		require.True(t, c.has(p), "lost %+v; %s", p, feedtest.Line(c.sink.Counters()))
	}
	require.Empty(t, c.sink.Conflicts())
	require.Empty(t, n.faults)
	require.Zero(t, c.sink.Counter("gap"))
	check(t, c, due)
	figures := c.sink.Counters()
	figures["events"], figures["stored"] = int64(len(events)), int64(len(c.sink.Tweets()))
	for misfortune, count := range n.chaos.Tally() {
		figures["~"+misfortune] = int64(count)
	}
	return figures
}

// check compares the content of what was stored with what was said.
func check(t *testing.T, c *client, events []post) {
	stored := c.sink.Tweets()
	for _, p := range events {
		if p.operation != "create" {
			continue
		}
		got := stored[bluesky.Source+"/"+p.id()]
		require.Equal(t, p.text, got.Text)
		require.Equal(t, "en", got.Lang)
		require.Equal(t, p.did, got.Author)
		created, err := time.Parse(time.RFC3339Nano, p.createdAt)
		require.NoError(t, err)
		require.Equal(t, created.Truncate(time.Microsecond), got.Time)
	}
}

// TestOldCursors: a host that no longer has what came after the position costs a counted gap, not the source.
func TestOldCursors(t *testing.T) {
	t.Parallel()
	for version, path := range []string{"/subscribe", xrpc + "subscribeEvents"} {
		t.Run([]string{"v1", "v2"}[version], func(t *testing.T) {
			t.Parallel()
			n := newNetwork(1)
			h := newHost(t, n, 0, time.Second)
			c := newClient(t, h.url(path))
			c.start()
			require.Eventually(t, func() bool { n.speak(t.Context(), 5); return len(c.sink.Tweets()) > 0 }, time.Minute, time.Millisecond)
			require.NoError(t, c.stop())
			n.speak(t.Context(), 10)
			h.forget()
			if version == 0 { // version 1 is silent about it: the client notices by the time
				n.mu.Lock()
				for i := range n.events {
					n.events[i].at = n.events[i].at.Add(-time.Hour)
				}
				n.mu.Unlock()
				require.NoError(t, c.cursors.SaveCursor(t.Context(), bluesky.Source,
					`{"url":"elsewhere","time":"`+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339Nano)+`"}`))
			}
			c.start()
			defer func() { c.stop() }()
			before := len(c.sink.Tweets())
			require.Eventually(t, func() bool {
				n.speak(t.Context(), 5)
				return len(c.sink.Tweets()) > before && c.sink.Counter("gap") > 0
			}, time.Minute, time.Millisecond, "%s", feedtest.Line(c.sink.Counters()))
			require.EqualValues(t, 1, c.sink.Counter("gap"))
		})
	}
}

// TestHostCountsAnew: a host that was built anew has other numbers, and begins with the newest in silence where it is asked for one that it
// does not have yet. What was missed is asked for by time.
func TestHostCountsAnew(t *testing.T) {
	t.Parallel()
	n := newNetwork(1)
	h := newHost(t, n, 0, time.Second)
	c := newClient(t, h.url(xrpc+"subscribeEvents"))
	n.speak(t.Context(), 20)
	n.mu.Lock()
	for i := range n.events { // they were said two minutes ago, all but the last unread
		n.events[i].at = n.events[i].at.Add(-2 * time.Minute)
	}
	position := n.events[0].at.Format(time.RFC3339Nano)
	n.mu.Unlock()
	require.NoError(t, c.cursors.SaveCursor(t.Context(), bluesky.Source, `{"url":"`+h.url(xrpc+"subscribeEvents")+`","seq":900000,"time":"`+position+`"}`))
	c.start()
	defer func() { c.stop() }()
	missed, _ := n.from(0)
	require.Eventually(t, func() bool {
		n.speak(t.Context(), 5)
		return !slices.ContainsFunc(missed, func(p post) bool { return !c.has(p) })
	}, time.Minute, time.Millisecond, "%s", feedtest.Line(c.sink.Counters()))
	require.Zero(t, c.sink.Counter("gap"))
}

// TestImportedArchiveIsBounded: one post dated years ago is stored in its time, an archive of them is not, and holds up nothing.
func TestImportedArchiveIsBounded(t *testing.T) {
	t.Parallel()
	for weeks, want := range map[int]int{feed.PastWeeks: feed.PastWeeks, 0: 0, -1: 100} {
		n := newNetwork(1)
		c := newClient(t, newHost(t, n, 0, time.Second).url(xrpc+"subscribeEvents"))
		var log bytes.Buffer
		c.config.PastWeeks, c.config.Log = &weeks, slog.New(slog.NewTextHandler(&log, nil))
		c.start()
		require.Eventually(t, func() bool { n.speak(t.Context(), 2); return len(c.sink.Tweets()) > 0 }, time.Minute, time.Millisecond)
		n.mu.Lock()
		first := len(n.events)
		for i := range 100 {
			n.events = append(n.events, post{did: "did:plc:import", rkey: strconv.Itoa(i), operation: "create", text: "old #btc", at: time.Now().UTC(),
				createdAt: time.Date(2012, 1, 1+30*i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)})
		}
		n.mu.Unlock()
		n.speak(t.Context(), 50)
		events, _ := n.from(first)
		last := events[len(events)-1]
		require.Eventually(t, func() bool { n.speak(t.Context(), 1); return c.has(last) }, time.Minute, time.Millisecond)
		require.NoError(t, c.stop())
		old := 0
		for _, p := range c.sink.Tweets() {
			if p.Author == "did:plc:import" {
				require.Less(t, p.Time.Year(), 2024)
				old++
			}
		}
		require.Equal(t, want, old)
		require.EqualValues(t, 100-want, c.sink.Counters()["drop imported"])
		require.Equal(t, want < 100, strings.Contains(log.String(), "imports an archive"), log.String())
	}
}

// TestChangedFormatIsAnAlarm: records that no longer have a text, events of other kinds, and messages of another type.
func TestChangedFormatIsAnAlarm(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		`{"did":"did:plc:a","time_us":1783175888090631,"kind":"commit","commit":{"operation":"create","collection":"app.bsky.feed.post","rkey":"r1",` +
			`"record":{"createdAt":"2026-07-04T14:38:06.240Z","body":"$BTC"}}}`,
		`{"did":"did:plc:a","time_us":1783175888090631,"kind":"record","record":{}}`,
		`{"did":"did:plc:a","time_us":1783175888090631,"kind":"commit","commit":{"operation":"put","collection":"app.bsky.feed.post","rkey":"r1"}}`,
		`{"$type":"event","payload":{}}`,
	} {
		event, err := bluesky.Decode([]byte(message))
		require.True(t, event.Unknown || errors.Is(err, feed.ErrMalformed), message)
	}
}

// TestVersion1Compressed: with the dictionary at hand, version 1 is read compressed too.
func TestVersion1Compressed(t *testing.T) {
	t.Parallel()
	n := newNetwork(1)
	h := newHost(t, n, 0, time.Second)
	c := newClient(t, h.url("/subscribe"))
	c.config.Dictionary = h.dictionary
	c.start()
	require.Eventually(t, func() bool { n.speak(t.Context(), 5); return len(c.sink.Tweets()) > 10 }, time.Minute, time.Millisecond)
	require.NoError(t, c.stop())
	require.Zero(t, c.sink.Counters()["drop malformed"])
}

func TestBadURLIsAnError(t *testing.T) {
	t.Parallel()
	err := bluesky.New(bluesky.Config{URLs: []string{"nonsense"}}).Run(t.Context(), feedtest.NewSink())
	require.ErrorContains(t, err, "no WebSocket URL")
}

// TestReplay sends samples, and where RCAS_FEED_RECORDINGS names a directory with a recording of the real network that too,
// through the client.
func TestReplay(t *testing.T) {
	t.Parallel()
	var messages [][]byte
	for _, sample := range samples {
		messages = append(messages, []byte(sample))
	}
	if dir := os.Getenv("RCAS_FEED_RECORDINGS"); dir != "" {
		file, err := os.Open(filepath.Join(dir, "sample_bluesky_jetstream.jsonl"))
		require.NoError(t, err)
		defer file.Close()
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			messages = append(messages, slices.Clone(lines.Bytes()))
		}
		require.NoError(t, lines.Err())
	}
	var posts, deletes int
	for _, message := range messages {
		event, err := bluesky.Decode(message)
		if err == nil && event.Post != nil {
			posts++
		}
		if event.Deleted != "" {
			deletes++
		}
	}
	server := feedtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		for _, message := range messages {
			_ = ws.Write(r.Context(), websocket.MessageText, message)
		}
		<-ws.CloseRead(r.Context()).Done()
	}))
	c := newClient(t, "ws"+server.URL[len("http"):]+"/subscribe")
	c.config.Idle, c.config.Silence = time.Minute, time.Minute
	c.start()
	require.Eventually(t, func() bool { return len(c.sink.Tweets()) == posts }, time.Minute, time.Millisecond)
	require.NoError(t, c.stop())
	t.Logf("%d messages, %d posts, %d deletions: %s", len(messages), posts, deletes, feedtest.Line(c.sink.Counters()))
	require.GreaterOrEqual(t, posts, 3)
}

// TestStoppedBeforeItBegan: that is no error.
func TestStoppedBeforeItBegan(t *testing.T) {
	t.Parallel()
	c := newClient(t, "ws://127.0.0.1:1/subscribe")
	source := bluesky.New(c.config)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, source.Run(ctx, c.sink))
}
