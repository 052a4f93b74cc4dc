package binance_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"rcas/ingestor/binance"
	"rcas/ingestor/exchange/exchangetest"
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
