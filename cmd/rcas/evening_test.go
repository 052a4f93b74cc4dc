package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"rcas/ingestor/feed/feedtest"
	"rcas/market"
)

// dusk is a Coinbase and a Bluesky with a past: a trade a minute of each coin, posts at an even rate. They keep to the limits that the real
// ones have: ten requests a second and 300 candles, 5,000 events a second and connection.
type dusk struct {
	coins    []string
	perHour  int // posts, of which one in fifty speaks of a coin
	requests *rate.Limiter
	refused  atomic.Int64
	began    time.Time
}

func (d *dusk) serve(t *testing.T) string {
	mux := http.NewServeMux()
	mux.HandleFunc("/subscribe", d.posts)
	mux.HandleFunc("/ws", d.matches)
	limited := func(handle http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !d.requests.Allow() {
				d.refused.Add(1)
				w.Header().Set("Retry-After", "1")
				http.Error(w, `{"message":"Public rate limit exceeded"}`, http.StatusTooManyRequests)
				return
			}
			handle(w, r)
		}
	}
	mux.HandleFunc("GET /products", limited(func(w http.ResponseWriter, _ *http.Request) {
		var list []map[string]string
		for _, coin := range d.coins {
			list = append(list, map[string]string{"id": coin + "-USD", "base_currency": coin, "quote_currency": "USD", "status": "online"})
		}
		_ = json.NewEncoder(w).Encode(list)
	}))
	mux.HandleFunc("GET /products/{product}/candles", limited(d.candles))
	mux.HandleFunc("GET /products/{product}/trades", limited(d.trades))
	return feedtest.Serve(t, mux).URL
}

// Every coin is traded once in the thirtieth second of each minute, for 100 dollars and the minute's number of cents. The number of the
// trade is the minute's.
func (d *dusk) trade(minute int64) (at time.Time, price float64) {
	return time.Unix(minute*60+30, 0).UTC(), 100 + float64(minute%60)/100
}

func (d *dusk) candles(w http.ResponseWriter, r *http.Request) {
	from, err := time.Parse(time.RFC3339, r.URL.Query().Get("start"))
	to, err2 := time.Parse(time.RFC3339, r.URL.Query().Get("end"))
	if err != nil || err2 != nil || to.Sub(from) >= 300*time.Minute {
		http.Error(w, `{"message":"granularity too small for the requested time range"}`, http.StatusBadRequest)
		return
	}
	rows := [][]float64{}
	for at := to.Unix() / 60; at >= from.Unix()/60; at-- {
		_, price := d.trade(at)
		rows = append(rows, []float64{float64(at * 60), price, price, price, price, 1})
	}
	_ = json.NewEncoder(w).Encode(rows)
}

func (d *dusk) trades(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	limit, _ := strconv.ParseInt(r.URL.Query().Get("limit"), 10, 64)
	rows := []map[string]any{}
	for id := after - 1; id >= after-limit && id > 0; id-- {
		at, price := d.trade(id)
		if at.Before(time.Now()) {
			rows = append(rows, map[string]any{"trade_id": id, "side": "buy", "size": "1", "price": fmt.Sprint(price), "time": at.Format("2006-01-02T15:04:05.000000Z")})
		}
	}
	_ = json.NewEncoder(w).Encode(rows)
}

// matches tells of the last trade at first, as Coinbase does, and of each new one.
func (d *dusk) matches(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	if _, _, err := ws.Read(r.Context()); err != nil {
		return
	}
	ctx := ws.CloseRead(r.Context())
	told := (time.Now().Unix()-30)/60 - 1
	for ctx.Err() == nil {
		kind := "last_match"
		for ; told < (time.Now().Unix()-30)/60; told++ {
			at, price := d.trade(told + 1)
			for _, coin := range d.coins {
				_ = ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":%q,"trade_id":%d,"product_id":"%s-USD","side":"sell","size":"1","price":"%g","time":%q}`,
					kind, told+1, coin, price, at.Format("2006-01-02T15:04:05.000000Z")))
			}
			kind = "match"
		}
		_ = ws.Write(ctx, websocket.MessageText, []byte(`{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2026-01-02T03:04:05Z"}`))
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// posts speaks version 1 of Jetstream.
func (d *dusk) posts(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	ctx := ws.CloseRead(r.Context())
	step := time.Hour / time.Duration(d.perHour)
	next := time.Now().UnixNano() / int64(step)
	if cursor, err := strconv.ParseInt(r.URL.Query().Get("cursor"), 10, 64); err == nil {
		next = max(cursor*1000, d.began.Add(-36*time.Hour).UnixNano()) / int64(step)
	}
	limit := rate.NewLimiter(5000, 5000)
	for ; ctx.Err() == nil; next++ {
		at := time.Unix(0, next*int64(step)).UTC()
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
			return
		}
		text := fmt.Sprintf("what a day, number %d", next)
		if next%50 == 0 {
			text = fmt.Sprintf("bitcoin is great, number %d", next)
		}
		if limit.Wait(ctx) != nil || ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil,
			`{"did":"did:plc:a","time_us":%d,"kind":"commit","commit":{"rev":"3mptbypluud2a","operation":"create","collection":"app.bsky.feed.post",`+
				`"rkey":"p%d","record":{"text":%q,"langs":["en"],"createdAt":%q}}}`, at.UnixMicro(), next, text, at.Format(time.RFC3339Nano))) != nil {
			return
		}
	}
}

// TestFirstEvening: rcas up on an empty database brings the past by itself, beside the live feeds: every minute of each coin once, and posts
// of each hour with their mood. A second start brings nothing again. (RCAS_SOAK: a day of the default coins at real limits, measured.)
func TestFirstEvening(t *testing.T) {
	t.Parallel()
	d := &dusk{coins: []string{"BTC", "ETH"}, perHour: 3600, requests: rate.NewLimiter(10, 15), began: time.Now()}
	since := 2 * time.Hour
	patience := 5 * time.Minute
	if os.Getenv("RCAS_SOAK") != "" {
		assets, err := market.DefaultAssets()
		require.NoError(t, err)
		d.coins = nil
		for _, a := range assets {
			d.coins = append(d.coins, a.Symbol)
		}
		d.perHour, since, patience = 45*3600, 24*time.Hour, 40*time.Minute
	}
	url := d.serve(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "rcas.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "sources:\n  coinbase: {url: %q, rest_url: %q}\n  bluesky: {url: %q}\n",
		"ws"+strings.TrimPrefix(url, "http")+"/ws", url, "ws"+strings.TrimPrefix(url, "http")+"/subscribe"), 0o600))
	run := func(until func(line string) bool) time.Duration {
		cmd := process(t, "up", "--config", config, "--data-dir", dir, "--since", since.String(), "--log-format", "text", "--metrics-address", "off")
		said, err := cmd.StderrPipe()
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, cmd.Start())
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
		found := false
		var took time.Duration
		for lines := bufio.NewScanner(said); lines.Scan(); {
			t.Log(time.Since(began).Round(time.Second), lines.Text())
			if until(lines.Text()) && !found {
				found, took = true, time.Since(began)
				cancel()
			}
		}
		require.NoError(t, cmd.Wait())
		require.True(t, found, "it was not said")
		return took
	}
	took := run(func(line string) bool { return strings.Contains(line, " is there, after ") })
	t.Logf("%s of %d coins and %d posts an hour: %s from an empty directory, %d requests refused", since, len(d.coins), d.perHour, took.Round(time.Second), d.refused.Load())

	// (The span is counted from when the process began, a while after the test.)
	from, to := d.began.Add(5*time.Minute-since).Truncate(time.Minute), d.began.Truncate(time.Minute).Add(time.Minute)
	out, err := rcas(t, "sql", "--data-dir", dir, "--json", fmt.Sprintf(`SELECT symbol, count(*) AS minutes, sum(volume) AS volume, count(*) FILTER (WHERE trades = 4) AS bars
		FROM prices_1m WHERE bucket >= '%s' AND bucket < '%s' GROUP BY 1`, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339)))
	require.NoError(t, err)
	var coins []struct{ Minutes, Volume, Bars float64 }
	require.NoError(t, json.Unmarshal([]byte(out), &coins), out)
	require.Len(t, coins, len(d.coins))
	minutes := to.Sub(from).Minutes()
	for _, c := range coins {
		require.Equal(t, minutes, c.Minutes, "every minute")
		require.InDelta(t, minutes, c.Volume, 1e-6, "once")
		require.Greater(t, c.Bars, minutes/2)
	}
	out, err = rcas(t, "sql", "--data-dir", dir, "--json", fmt.Sprintf(`SELECT sum(posts) AS posts FROM mood_1h WHERE bucket >= '%s' AND bucket < '%s'`,
		from.Truncate(time.Hour).Add(time.Hour).UTC().Format(time.RFC3339), to.Truncate(time.Hour).UTC().Format(time.RFC3339)))
	require.NoError(t, err)
	var posts []struct{ Posts float64 }
	require.NoError(t, json.Unmarshal([]byte(out), &posts), out)
	hours := to.Truncate(time.Hour).Sub(from.Truncate(time.Hour).Add(time.Hour)).Hours()
	require.Equal(t, hours*float64(d.perHour)/50, posts[0].Posts, "each post once")

	again := run(func(line string) bool { // it says nothing of the past any more
		require.NotContains(t, line, "bringing")
		return strings.Contains(line, "Ctrl-C stops it")
	})
	t.Logf("a second start: %s", again.Round(time.Millisecond))
	out, err = rcas(t, "gaps", "--data-dir", dir, "--from", from.Format(time.RFC3339), "--to", to.Format(time.RFC3339))
	require.NoError(t, err)
	require.Equal(t, "nothing is missing\n", out)
}
