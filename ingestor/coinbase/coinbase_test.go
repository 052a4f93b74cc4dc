package coinbase_test

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
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"rcas/ingestor/coinbase"
	"rcas/ingestor/exchange"
	"rcas/ingestor/exchange/exchangetest"
	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
)

// TestMisbehavingVenue runs the client against a simulated Coinbase.
func TestMisbehavingVenue(t *testing.T) {
	t.Parallel()
	exchangetest.Run(t, exchangetest.Protocol{
		Venue:      coinbase.Venue,
		Products:   map[string]string{"BTC-USD": "BTC", "ETH-USD": "ETH", "RLC-USDC": "RLC"},
		Feed:       "/",
		Resolution: time.Microsecond,
		Batch:      1,
		REST:       rest,
		Greet:      greet,
		Encode: func(trades []exchangetest.Trade) (messages [][]byte) {
			for _, trade := range trades {
				messages = append(messages, match("match", trade))
			}
			return messages
		},
		Heartbeats: func(products []string) (messages [][]byte) {
			for _, product := range products {
				messages = append(messages, fmt.Appendf(nil,
					`{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":%q,"time":"2026-01-02T03:04:05.678901Z"}`, product))
			}
			return messages
		},
	}, coinbase.New)
}

// TestDelisted: a product that goes after the list was read is refused once; then the list is read again, and the others go on.
func TestDelisted(t *testing.T) {
	t.Parallel()
	var delisted atomic.Bool
	var refused, listed atomic.Int32
	server := feedtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/products" {
			listed.Add(1)
			status := map[bool]string{false: "online", true: "delisted"}[delisted.Load()]
			_ = json.NewEncoder(w).Encode([]map[string]string{
				{"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "status": "online"},
				{"id": "RLC-USD", "base_currency": "RLC", "quote_currency": "USD", "status": status},
			})
			return
		}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		_, subscription, _ := ws.Read(r.Context())
		answer := match("match", exchangetest.Trade{
			Product: "BTC-USD", ID: int64(1 + listed.Load()), Time: time.Now().UTC(), Price: "5", Volume: "1",
		})
		if delisted.Swap(true) && strings.Contains(string(subscription), "RLC-USD") {
			refused.Add(1)
			answer = []byte(`{"type":"error","message":"Failed to subscribe","reason":"RLC-USD is delisted"}`)
		}
		_ = ws.Write(r.Context(), websocket.MessageText, answer) // and then the connection breaks
	}))
	sink := feedtest.NewSink()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	source := coinbase.New(exchange.Config{
		URL: "ws" + strings.TrimPrefix(server.URL, "http"), RESTURL: server.URL, Symbols: []string{"BTC", "RLC"}, HTTP: server.Client(),
		Timing: exchange.Timing{Requests: 1000, Settle: time.Hour, Ladder: feed.Ladder{First: time.Millisecond, Max: 5 * time.Millisecond}},
	})
	go func() { ended <- source.Run(ctx, sink) }()
	require.Eventually(t, func() bool {
		_, ok := sink.HasPrice("coinbase", "BTC", "3")
		return ok
	}, time.Minute, time.Millisecond, "no trades after the refusal")
	cancel()
	require.NoError(t, <-ended)
	require.Positive(t, refused.Load())
	require.Positive(t, sink.Counter("refused"))
}

// TestRefusedProduct: what the feed refuses, though it is listed, is left out and named once, whether the venue names it or not; the
// others are read. It is tried again, and read when it is taken.
func TestRefusedProduct(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		bad    []string
		reason func(bad string) string
	}{
		"named":   {[]string{"RLC-USD"}, func(bad string) string { return bad + " is not a valid product" }},
		"two":     {[]string{"RLC-USD", "ETH-USD"}, func(bad string) string { return bad + " is not a valid product" }},
		"unnamed": {[]string{"RLC-USD", "ETH-USD"}, func(string) string { return "one of the products is not valid" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mended atomic.Bool
			var id atomic.Int64
			server := feedtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					listed := []map[string]string{}
					for _, base := range []string{"BTC", "ETH", "RLC", "SOL"} {
						listed = append(listed, map[string]string{"id": base + "-USD", "base_currency": base, "quote_currency": "USD", "status": "online"})
					}
					_ = json.NewEncoder(w).Encode(listed)
					return
				}
				ws, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer ws.CloseNow()
				var wanted struct {
					Products []string `json:"product_ids"`
				}
				_, text, _ := ws.Read(r.Context())
				_ = json.Unmarshal(text, &wanted)
				ctx := ws.CloseRead(r.Context())
				for _, bad := range test.bad {
					if !mended.Load() && slices.Contains(wanted.Products, bad) {
						_ = ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"error","message":"Failed to subscribe","reason":%q}`, test.reason(bad)))
						<-ctx.Done()
						return
					}
				}
				for ctx.Err() == nil {
					for _, product := range wanted.Products {
						_ = ws.Write(ctx, websocket.MessageText, match("match", exchangetest.Trade{
							Product: product, ID: id.Add(1), Time: time.Now().UTC(), Price: "5", Volume: "1",
						}))
					}
					_ = feed.Sleep(ctx, 5*time.Millisecond)
				}
			}))
			sink, log := feedtest.NewSink(), new(bytes.Buffer)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			source := coinbase.New(exchange.Config{
				URL: "ws" + strings.TrimPrefix(server.URL, "http"), RESTURL: server.URL, Symbols: []string{"BTC", "ETH", "RLC", "SOL"},
				HTTP: server.Client(), Log: slog.New(slog.NewTextHandler(log, nil)),
				Timing: exchange.Timing{Requests: 1000, Settle: time.Hour, Ladder: feed.Ladder{First: time.Millisecond, Max: 5 * time.Millisecond},
					Relist: feed.Ladder{First: 300 * time.Millisecond, Max: 300 * time.Millisecond, Exact: true}},
			})
			go func() { ended <- source.Run(ctx, sink) }()
			read := func(symbol string) bool { return !source.Report().Newest[symbol].IsZero() }
			require.Eventually(t, func() bool { return read("BTC") && read("SOL") }, time.Minute, time.Millisecond, "the others are read")
			for _, bad := range test.bad {
				symbol, _, _ := strings.Cut(bad, "-")
				require.Contains(t, source.Report().LeftOut[symbol], "the venue refuses "+bad)
				require.False(t, read(symbol))
			}
			mended.Store(true)
			require.Eventually(t, func() bool { return read("RLC") && read("ETH") && len(source.Report().LeftOut) == 0 }, time.Minute, time.Millisecond)
			cancel()
			require.NoError(t, <-ended)
			for _, bad := range test.bad {
				require.Equal(t, 1, strings.Count(log.String(), "why=\"the venue refuses "+bad), log.String())
			}
		})
	}
}

func match(kind string, t exchangetest.Trade) []byte {
	return fmt.Appendf(nil, `{"type":%q,"trade_id":%d,"maker_order_id":"ac928c66-ca53-498f-9c13-a110027a60e8",`+
		`"sequence":50,"product_id":%q,"side":"sell","size":%q,"price":%q,"time":%q}`,
		kind, t.ID, t.Product, t.Volume, t.Price, stamp(t.Time))
}

// stamp writes a time as the venue does: to the microsecond, whether the last digits are zero or not.
func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000000Z") }

func greet(ctx context.Context, ws *websocket.Conn, _ *http.Request, known func(string) []exchangetest.Trade) ([]string, error) {
	_, message, err := ws.Read(ctx) // which ends after five seconds
	if err != nil && ctx.Err() == context.DeadlineExceeded {
		return nil, errors.New("not subscribed in time")
	} else if err != nil {
		return nil, nil
	}
	var request struct {
		Type     string   `json:"type"`
		Products []string `json:"product_ids"`
		Channels []string `json:"channels"`
	}
	if err := json.Unmarshal(message, &request); err != nil || request.Type != "subscribe" {
		return nil, fmt.Errorf("not a subscription: %s", message)
	}
	for _, product := range request.Products {
		if !slices.Contains([]string{"BTC-USD", "ETH-USD", "RLC-USDC"}, product) {
			return nil, errors.New("subscribed to " + product)
		}
	}
	answers := [][]byte{[]byte(`{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}`)}
	for _, product := range request.Products {
		if trades := known(product); len(trades) > 0 {
			answers = append(answers, match("last_match", trades[len(trades)-1]))
		}
	}
	for _, answer := range answers {
		if ws.Write(ctx, websocket.MessageText, answer) != nil {
			break
		}
	}
	return request.Products, nil
}

func rest(r *http.Request, known func(string) []exchangetest.Trade) (int, any) {
	type object map[string]any
	if r.URL.Path == "/products" {
		return http.StatusOK, []object{
			{"id": "BTC-EUR", "base_currency": "BTC", "quote_currency": "EUR", "status": "online"},
			{"id": "BTC-USDC", "base_currency": "BTC", "quote_currency": "USDC", "status": "online"},
			{"id": "BTC-USD", "base_currency": "BTC", "quote_currency": "USD", "status": "online", "trading_disabled": false},
			{"id": "ETH-USD", "base_currency": "ETH", "quote_currency": "USD", "status": "online"},
			{"id": "ETH-USDC", "base_currency": "ETH", "quote_currency": "USDC", "status": "online"},
			{"id": "RLC-USD", "base_currency": "RLC", "quote_currency": "USD", "status": "delisted", "trading_disabled": true},
			{"id": "RLC-USDC", "base_currency": "RLC", "quote_currency": "USDC", "status": "online"},
			{"id": "ZEC-USD", "base_currency": "ZEC", "quote_currency": "USD", "status": "online"},
		}
	}
	product, isTrades := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/products/"), "/trades")
	if !isTrades {
		return http.StatusNotFound, object{"message": "NotFound"}
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	if limit < 1 || limit > 1000 {
		return http.StatusBadRequest, object{"message": "limit out of range"}
	}
	page := []object{}
	for _, t := range slices.Backward(known(product)) {
		if (after == 0 || t.ID < after) && len(page) < limit {
			page = append(page, object{
				"trade_id": t.ID, "side": "buy", "size": t.Volume, "price": t.Price, "time": stamp(t.Time),
			})
		}
	}
	return http.StatusOK, page
}
