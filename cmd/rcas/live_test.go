package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"rcas/ingestor/feed/feedtest"
)

// world is a Bluesky and a Coinbase on a local socket, that go on whether or not anybody listens.
type world struct {
	url string

	mu     sync.Mutex
	posts  []liveEvent
	trades []liveEvent
	grown  chan struct{}
	asked  []string // the queries with which connections to Bluesky were opened

	readers, most atomic.Int32 // of Bluesky: now, and at a time
}

// liveEvent is a post or a trade.
type liveEvent struct {
	id   int
	time time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{grown: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/subscribe", w.bluesky)
	mux.HandleFunc("/matches", w.coinbase)
	mux.HandleFunc("GET /products", func(out http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(out, `[{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","status":"online"}]`)
	})
	mux.HandleFunc("GET /products/BTC-USD/trades", w.history)
	w.url = feedtest.Serve(t, mux).URL
	return w
}

func (w *world) socket(path string) string { return "ws" + strings.TrimPrefix(w.url, "http") + path }

// happen adds n posts and n trades.
func (w *world) happen(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range n {
		now := time.Now().UTC().Truncate(time.Microsecond)
		w.posts = append(w.posts, liveEvent{len(w.posts) + 1, now})
		w.trades = append(w.trades, liveEvent{len(w.trades) + 1, now})
	}
	close(w.grown)
	w.grown = make(chan struct{})
}

func (w *world) now() (posts, trades []liveEvent, grown <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.posts), slices.Clone(w.trades), w.grown
}

// bluesky speaks version 1 of Jetstream: from the cursor on, or from now.
func (w *world) bluesky(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.asked = append(w.asked, r.URL.RawQuery)
	w.mu.Unlock()
	ws, err := websocket.Accept(out, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	defer w.readers.Add(-1)
	if now := w.readers.Add(1); now > w.most.Load() {
		w.most.Store(now)
	}
	from := time.Now()
	if cursor, err := strconv.ParseInt(r.URL.Query().Get("cursor"), 10, 64); err == nil {
		from = time.UnixMicro(cursor)
	}
	w.play(ws.CloseRead(r.Context()), func(posts, _ []liveEvent) []liveEvent {
		return slices.DeleteFunc(posts, func(p liveEvent) bool { return p.time.Before(from) })
	}, func(ctx context.Context, p liveEvent) error {
		return ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil,
			`{"did":"did:plc:a","time_us":%d,"kind":"commit","commit":{"rev":"3mptbypluud2a","operation":"create",`+
				`"collection":"app.bsky.feed.post","rkey":"post%d","record":{"text":"bitcoin is great, number %d",`+
				`"langs":["en"],"createdAt":%q}}}`,
			p.time.UnixMicro(), p.id, p.id, p.time.Format(time.RFC3339Nano)))
	})
}

// coinbase tells of trades from now on only; what was before is in its history.
func (w *world) coinbase(out http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(out, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	if _, subscription, err := ws.Read(r.Context()); err != nil || !bytes.Contains(subscription, []byte(`"BTC-USD"`)) {
		return
	}
	_, before, _ := w.now()
	w.play(ws.CloseRead(r.Context()), func(_, trades []liveEvent) []liveEvent {
		return trades[len(before):]
	}, func(ctx context.Context, trade liveEvent) error {
		return ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil,
			`{"type":"match","trade_id":%d,"product_id":"BTC-USD","side":"sell","size":"0.5","price":"60000.25","time":%q}`,
			trade.id, trade.time.Format("2006-01-02T15:04:05.000000Z")))
	})
}

// play sends what choose leaves of the world, as it grows.
func (w *world) play(
	ctx context.Context, choose func(posts, trades []liveEvent) []liveEvent, send func(context.Context, liveEvent) error,
) {
	for sent := 0; ; {
		posts, trades, grown := w.now()
		for _, e := range choose(posts, trades)[sent:] {
			if send(ctx, e) != nil {
				return
			}
			sent++
		}
		select {
		case <-ctx.Done():
			return
		case <-grown:
		}
	}
}

// history answers as GET /products/BTC-USD/trades does: the newest first, below the number after.
func (w *world) history(out http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	_, trades, _ := w.now()
	page := []map[string]any{}
	for _, t := range slices.Backward(trades) {
		if (after == 0 || t.id < after) && len(page) < limit {
			page = append(page, map[string]any{"trade_id": t.id, "size": "0.5", "price": "60000.25", "time": t.time})
		}
	}
	_ = json.NewEncoder(out).Encode(page)
}

// live is a running rcas up.
type live struct {
	cmd   *exec.Cmd
	where []string
	ended chan error // gets how the process ended, and what it said
}

func startLive(t *testing.T, w *world, config, dir string) *live {
	t.Helper()
	l := &live{where: []string{"--data-dir", dir}, ended: make(chan error, 1)}
	l.cmd = process(t, "up", "--source", "coinbase", "--source", "bluesky", "--source-url", "coinbase="+w.socket("/matches"),
		"--source-url", "bluesky="+w.socket("/subscribe"), "--config", config, "--data-dir", dir)
	var errOut bytes.Buffer
	l.cmd.Stderr = &errOut
	require.NoError(t, l.cmd.Start())
	go func() {
		err := l.cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, errOut.String())
		}
		l.ended <- err
	}()
	t.Cleanup(func() { _ = l.cmd.Process.Kill() })
	waitServing(t, dir, l.cmd.Process.Pid, l.ended)
	return l
}

// stop asks the process to end, as a service manager does, and wants it to end well.
func (l *live) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, l.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-l.ended)
}

// wait waits until the running instance answers the query with a row that says done.
func (l *live) wait(t *testing.T, query string, each func()) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(4 * time.Minute); ; {
		var rows []struct {
			Done bool `json:"done"`
		}
		out, err := rcas(t, append(append([]string{"sql", "--json"}, l.where...), query)...) // fails while it still starts
		if last = fmt.Sprint(out, err); err == nil && json.Unmarshal([]byte(out), &rows) == nil && len(rows) == 1 && rows[0].Done {
			return
		}
		require.True(t, time.Now().Before(deadline), "%s: %s", query, last)
		select {
		case err := <-l.ended:
			require.Fail(t, "rcas up ended by itself", "%v", err)
		default:
		}
		each()
	}
}

// The whole of it as a user starts it: live feeds, mood beside price, stop, and on from where it stopped.
func TestLiveFeedsFromStartToResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := dataDir(t)
	config := filepath.Join(t.TempDir(), "rcas.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "sources: {coinbase: {rest_url: %q}}\n", w.url), 0o600))

	l := startLive(t, w, config, dir)
	l.wait(t, `SELECT count(*) FILTER (WHERE posts > 0 AND mood > 0 AND trades > 0 AND close = 60000.25) > 0 AS done
		FROM mood_price('BTC', now() - INTERVAL '10 minutes', now() + INTERVAL '1 minute', '10 minutes')`, func() { w.happen(5) })
	l.wait(t, `SELECT count(*) = 2 AS done FROM cursors WHERE source IN ('bluesky', 'coinbase')`, func() { w.happen(1) })
	l.stop(t)

	w.happen(20) // while nobody listens
	w.mu.Lock()
	missed, connections := len(w.trades), len(w.asked)
	w.mu.Unlock()
	l = startLive(t, w, config, dir)
	// A trade after the restart shows the gap before it; the posts come from the cursor on.
	l.wait(t, fmt.Sprintf(`SELECT max(trade_id::bigint) > %d AS done FROM prices`, missed), func() { w.happen(1) })
	posts, trades, _ := w.now()
	l.wait(t, fmt.Sprintf(`WITH first AS (
			SELECT (SELECT min(trade_id::bigint) FROM prices) AS trade, min(substring(id FROM '[0-9]+$')::bigint) AS post FROM tweets)
		SELECT (SELECT count(*) FROM prices) = %d - trade + 1 AND (SELECT count(*) FROM tweets) = %d - post + 1
			AND (SELECT count(*) FROM sentiments) = %[2]d - post + 1 AS done FROM first`, len(trades), len(posts)), func() {})
	l.stop(t)
	w.mu.Lock()
	require.Contains(t, w.asked[connections], "cursor=")
	w.mu.Unlock()

	twice := sqlRows(t, l.where, `SELECT (SELECT count(*) - count(DISTINCT id) FROM tweets) AS posts,
		(SELECT count(*) - count(DISTINCT id) FROM sentiments) AS sentiments,
		(SELECT count(*) - count(DISTINCT trade_id) FROM prices) AS trades`)
	require.Equal(t, map[string]any{"posts": 0.0, "sentiments": 0.0, "trades": 0.0}, twice[0])
}
