package binance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"rcas/ingestor/binance"
	"rcas/ingestor/exchange"
	"rcas/ingestor/exchange/exchangetest"
	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
)

// TestMisbehavingVenue runs the client against a simulated Binance that has historicalTrades.
func TestMisbehavingVenue(t *testing.T) {
	t.Parallel()
	exchangetest.Run(t, protocol(rest), binance.New)
}

// TestWithoutHistory: where historicalTrades is refused, the newest thousand trades still close the gaps.
func TestWithoutHistory(t *testing.T) {
	t.Parallel()
	exchangetest.Run(t, protocol(func(r *http.Request, known func(string) []exchangetest.Trade) (int, any) {
		if r.URL.Path == "/api/v3/historicalTrades" {
			return http.StatusUnauthorized, map[string]any{"code": -2014, "msg": "API-key format invalid."}
		}
		return rest(r, known)
	}), binance.New)
}

// TestPassingRefusals: firewalls, limits and countries that refuse history a few times cost no trade.
func TestPassingRefusals(t *testing.T) {
	t.Parallel()
	for _, code := range []int{http.StatusForbidden, http.StatusTeapot, http.StatusTooManyRequests, http.StatusUnavailableForLegalReasons} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			var refused atomic.Int32
			source, sink, log := gap(t, func(w http.ResponseWriter, _ *http.Request) bool {
				if refused.Add(1) > 2 {
					return false
				}
				w.WriteHeader(code)
				return true
			})
			require.Eventually(t, func() bool { return sink.Counter("repaired") == 2*5000 }, time.Minute, 10*time.Millisecond,
				"%d: %s", code, feedtest.Line(sink.Counters()))
			require.Zero(t, sink.Counter("lost"))
			// A gap is closed just after its last trade was handed over.
			require.Eventually(t, func() bool { return source.Report().Missing == 0 }, time.Minute, 10*time.Millisecond)
			require.NotContains(t, log.String(), "lost")
		})
	}
}

// TestRefusalOfOneSymbol: a 400 about one symbol is that symbol's; what is lost for good is a warning.
func TestRefusalOfOneSymbol(t *testing.T) {
	t.Parallel()
	_, sink, log := gap(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("symbol") != "ETHUSDT" {
			return false
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"code":-1121,"msg":"Invalid symbol."}`))
		return true
	})
	require.Eventually(t, func() bool { return sink.Counter("repaired")+sink.Counter("lost") == 2*5000 }, time.Minute, 10*time.Millisecond)
	require.EqualValues(t, 5000-1000+1, sink.Counter("lost"), "of ETH the newest thousand can be had, one of which is no gap")
	require.Contains(t, log.String(), "trades are lost")
	require.Contains(t, log.String(), "product=ETHUSDT")
}

// gap runs the client against a Binance whose two symbols skip 5,000 numbers each. Requests for history go to refuse first.
func gap(t *testing.T, refuse func(http.ResponseWriter, *http.Request) bool) (*exchange.Source, *feedtest.Sink, *locked) {
	t.Helper()
	const first, last = 100, 100 + 5001
	began := time.Now().UTC().Add(-time.Hour).Truncate(time.Millisecond)
	trades := func(product string) (all []exchangetest.Trade) {
		for id := int64(first); id <= last; id++ {
			all = append(all, exchangetest.Trade{Product: product, ID: id, Time: began.Add(time.Duration(id) * time.Millisecond), Price: "5", Volume: "1"})
		}
		return all
	}
	p := protocol(rest)
	server := feedtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stream" {
			if r.URL.Path != "/api/v3/historicalTrades" || !refuse(w, r) {
				_, body := rest(r, trades)
				_ = json.NewEncoder(w).Encode(body)
			}
			return
		}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		ctx := ws.CloseRead(r.Context())
		for _, product := range []string{"BTCUSDT", "ETHUSDT"} {
			all := trades(product)
			for _, message := range p.Encode([]exchangetest.Trade{all[0], all[len(all)-1]}) {
				_ = ws.Write(ctx, websocket.MessageText, message)
			}
		}
		<-ctx.Done()
	}))
	sink, log := feedtest.NewSink(), new(locked)
	source := binance.New(exchange.Config{
		URL: "ws" + strings.TrimPrefix(server.URL, "http"), RESTURL: server.URL, Symbols: []string{"BTC", "ETH"}, HTTP: server.Client(),
		Log: slog.New(slog.NewTextHandler(log, nil)), Timing: exchange.Timing{Requests: 1000, Settle: time.Millisecond,
			Retry: feed.Ladder{First: 5 * time.Millisecond, Max: 50 * time.Millisecond}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, sink) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return source, sink, log
}

// locked is a buffer for several goroutines.
type locked struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

func protocol(rest func(*http.Request, func(string) []exchangetest.Trade) (int, any)) exchangetest.Protocol {
	return exchangetest.Protocol{
		Venue:      binance.Venue,
		Products:   map[string]string{"BTCUSDT": "BTC", "ETHUSDT": "ETH", "XAUTUSDC": "XAUT"},
		Feed:       "/stream",
		Resolution: time.Millisecond,
		Batch:      1,
		REST:       rest,
		Greet:      greet,
		Encode: func(trades []exchangetest.Trade) (messages [][]byte) {
			for _, t := range trades {
				messages = append(messages, fmt.Appendf(nil, `{"stream":"%s@trade","data":{"e":"trade","E":%d,"s":%q,"t":%d,`+
					`"p":%q,"q":%q,"T":%d,"m":true,"M":true}}`, strings.ToLower(t.Product), t.Time.UnixMilli()+2, t.Product, t.ID,
					t.Price, t.Volume, t.Time.UnixMilli()))
			}
			return messages
		},
		Heartbeats: func([]string) [][]byte { return nil }, // pings only
		Shutdown:   []byte(`{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}`),
	}
}

func greet(_ context.Context, _ *websocket.Conn, r *http.Request, _ func(string) []exchangetest.Trade) ([]string, error) {
	var products []string
	for stream := range strings.SplitSeq(r.URL.Query().Get("streams"), "/") {
		product, ok := strings.CutSuffix(stream, "@trade")
		if !ok || product != strings.ToLower(product) {
			return nil, errors.New("no such stream: " + stream)
		}
		products = append(products, strings.ToUpper(product))
	}
	return products, nil
}

func rest(r *http.Request, known func(string) []exchangetest.Trade) (int, any) {
	type object map[string]any
	query := r.URL.Query()
	limit, _ := strconv.Atoi(query.Get("limit"))
	from, _ := strconv.ParseInt(query.Get("fromId"), 10, 64)
	trades := known(query.Get("symbol"))
	switch r.URL.Path {
	case "/api/v3/exchangeInfo":
		symbol := func(name, base, quote, status string) object {
			return object{"symbol": name, "baseAsset": base, "quoteAsset": quote, "status": status, "filters": []object{}}
		}
		return http.StatusOK, object{"timezone": "UTC", "symbols": []object{
			symbol("ETHBTC", "ETH", "BTC", "TRADING"), symbol("BTCUSDC", "BTC", "USDC", "TRADING"),
			symbol("BTCUSDT", "BTC", "USDT", "TRADING"), symbol("ETHUSDT", "ETH", "USDT", "TRADING"),
			symbol("XAUTUSDT", "XAUT", "USDT", "BREAK"), symbol("XAUTUSDC", "XAUT", "USDC", "TRADING"),
		}}
	case "/api/v3/historicalTrades":
		trades = slices.DeleteFunc(trades, func(t exchangetest.Trade) bool { return t.ID < from })
		trades = trades[:min(limit, len(trades))]
	case "/api/v3/trades":
		trades = trades[max(0, len(trades)-limit):]
	default:
		return http.StatusNotFound, object{"code": -1, "msg": "no such path"}
	}
	if limit < 1 || limit > 1000 {
		return http.StatusBadRequest, object{"code": -1130, "msg": "limit out of range"}
	}
	page := []object{}
	for _, t := range trades {
		page = append(page, object{
			"id": t.ID, "price": t.Price, "qty": t.Volume, "time": t.Time.UnixMilli(), "isBuyerMaker": true, "isBestMatch": true,
		})
	}
	return http.StatusOK, page
}
