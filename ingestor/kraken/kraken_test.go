package kraken_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"rcas/ingestor/exchange"
	"rcas/ingestor/exchange/exchangetest"
	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
	"rcas/ingestor/kraken"
)

// restPairs are the REST endpoint's names by product.
var restPairs = map[string]string{"BTC/USD": "XXBTZUSD", "DOGE/USD": "XDGUSD", "SOL/USD": "SOLUSD"}

// TestMisbehavingVenue runs the client against a simulated Kraken.
func TestMisbehavingVenue(t *testing.T) {
	t.Parallel()
	exchangetest.Run(t, exchangetest.Protocol{
		Venue:      kraken.Venue,
		Products:   map[string]string{"BTC/USD": "BTC", "DOGE/USD": "DOGE", "SOL/USD": "SOL"},
		Feed:       "/v2",
		Resolution: time.Microsecond,
		Batch:      4,
		REST:       rest,
		Greet:      greet,
		Encode:     func(trades []exchangetest.Trade) [][]byte { return [][]byte{message("update", trades)} },
		Heartbeats: func([]string) [][]byte { return [][]byte{[]byte(`{"channel":"heartbeat"}`)} },
	}, kraken.New)
}

// TestHaltedAtTheStart: pairs in maintenance when the client starts are named, and read as soon as they trade, whether the feed minds that
// they were subscribed to before or wants it done again.
func TestHaltedAtTheStart(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	server := feedtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2" {
			status := map[bool]string{false: "cancel_only", true: "online"}[open.Load()]
			_ = json.NewEncoder(w).Encode(map[string]any{"error": []string{}, "result": map[string]any{
				"XXBTZUSD": map[string]string{"wsname": "XBT/USD", "status": "online"}, "SOLUSD": map[string]string{"wsname": "SOL/USD", "status": status},
			}})
			return
		}
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer ws.CloseNow()
		_, subscription, _ := ws.Read(r.Context())
		ctx, trades := ws.CloseRead(r.Context()), []string{"BTC/USD"}
		if open.Load() && strings.Contains(string(subscription), "SOL/USD") {
			trades = append(trades, "SOL/USD")
		}
		for id := int64(1); ctx.Err() == nil; id++ {
			for _, product := range trades {
				_ = ws.Write(ctx, websocket.MessageText, message("update", []exchangetest.Trade{
					{Product: product, ID: id, Time: time.Now().UTC(), Price: "5", Volume: "1"},
				}))
			}
			_ = feed.Sleep(ctx, 5*time.Millisecond)
		}
	}))
	source := kraken.New(exchange.Config{
		URL: "ws" + strings.TrimPrefix(server.URL, "http") + "/v2", RESTURL: server.URL, Symbols: []string{"BTC", "SOL"}, HTTP: server.Client(),
		Timing: exchange.Timing{Requests: 1000, Settle: time.Hour, Ladder: feed.Ladder{First: time.Millisecond, Max: 5 * time.Millisecond},
			Relist: feed.Ladder{First: 20 * time.Millisecond, Max: 20 * time.Millisecond, Exact: true}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, feedtest.NewSink()) }()
	require.Eventually(t, func() bool { return !source.Report().Newest["BTC"].IsZero() }, time.Minute, time.Millisecond)
	require.Contains(t, source.Report().LeftOut["SOL"], "cancel_only")
	open.Store(true)
	require.Eventually(t, func() bool { return !source.Report().Newest["SOL"].IsZero() }, time.Minute, time.Millisecond)
	require.Empty(t, source.Report().LeftOut)
	cancel()
	require.NoError(t, <-ended)
}

func message(kind string, trades []exchangetest.Trade) []byte {
	var entries []string
	for _, t := range trades {
		entries = append(entries, fmt.Sprintf(`{"symbol":%q,"side":"sell","price":%s,"qty":%s,"ord_type":"market","trade_id":%d,`+
			`"timestamp":%q}`, t.Product, t.Price, t.Volume, t.ID, t.Time.Format("2006-01-02T15:04:05.000000Z")))
	}
	return fmt.Appendf(nil, `{"channel":"trade","type":%q,"data":[%s]}`, kind, strings.Join(entries, ","))
}

func greet(ctx context.Context, ws *websocket.Conn, _ *http.Request, known func(string) []exchangetest.Trade) ([]string, error) {
	answers := [][]byte{[]byte(`{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2",` +
		`"connection_id":12393906104898154338,"version":"2.0.0"}]}`)}
	_, text, err := ws.Read(ctx)
	if err != nil {
		return nil, nil
	}
	var request struct {
		Method string `json:"method"`
		Params struct {
			Channel  string   `json:"channel"`
			Symbol   []string `json:"symbol"`
			Snapshot bool     `json:"snapshot"`
		} `json:"params"`
	}
	err = json.Unmarshal(text, &request)
	if err != nil || request.Method != "subscribe" || request.Params.Channel != "trade" || !request.Params.Snapshot {
		return nil, fmt.Errorf("not a subscription: %s", text)
	}
	for _, product := range request.Params.Symbol {
		if restPairs[product] == "" {
			return nil, errors.New("subscribed to " + product)
		}
		trades := known(product)
		answers = append(answers, fmt.Appendf(nil, `{"method":"subscribe","result":{"channel":"trade","snapshot":true,`+
			`"symbol":%q},"success":true,"time_in":"2023-09-25T09:04:31.742599Z"}`, product),
			message("snapshot", trades[max(0, len(trades)-50):]))
	}
	for _, answer := range answers {
		if ws.Write(ctx, websocket.MessageText, answer) != nil {
			break
		}
	}
	return request.Params.Symbol, nil
}

func rest(r *http.Request, known func(string) []exchangetest.Trade) (int, any) {
	type object map[string]any
	switch r.URL.Path {
	case "/0/public/AssetPairs":
		pair := func(name, status string) object { return object{"wsname": name, "status": status, "altname": "x"} }
		return http.StatusOK, object{"error": []string{}, "result": object{
			"XXBTZUSD": pair("XBT/USD", "online"), "XXBTZEUR": pair("XBT/EUR", "online"), "XBTUSDT": pair("XBT/USDT", "online"),
			"XDGUSD": pair("XDG/USD", "online"), "SOLUSD": pair("SOL/USD", "online"), "SOLUSDT": pair("SOL/USDT", "cancel_only"),
		}}
	case "/0/public/Trades":
		return http.StatusOK, page(r, known)
	}
	return http.StatusNotFound, object{"error": []string{"EGeneral:Unknown method"}}
}

// page answers /0/public/Trades: times to the nanosecond, which the feed does not have.
func page(r *http.Request, known func(string) []exchangetest.Trade) any {
	query := r.URL.Query()
	count, _ := strconv.Atoi(query.Get("count"))
	since, err := strconv.ParseInt(query.Get("since"), 10, 64)
	if err != nil || count < 1 || count > 1000 {
		return map[string]any{"error": []string{"EGeneral:Invalid arguments"}}
	}
	if time.Now().UnixNano()%7 == 0 {
		return map[string]any{"error": []string{"EAPI:Rate limit exceeded"}} // with status 200, as the real one does
	}
	var product string
	for name, pair := range restPairs {
		if pair == query.Get("pair") {
			product = name
		}
	}
	trades := slices.DeleteFunc(known(product), func(t exchangetest.Trade) bool { return t.Time.UnixNano() <= since })
	trades = trades[:min(count, len(trades))]
	last := query.Get("since")
	list := []json.RawMessage{}
	for _, t := range trades {
		last = strconv.FormatInt(t.Time.UnixNano(), 10)
		list = append(list, json.RawMessage(fmt.Sprintf(`[%q,%q,%d.%09d,"b","l","",%d]`,
			t.Price, t.Volume, t.Time.Unix(), t.Time.Nanosecond(), t.ID)))
	}
	return map[string]any{"error": []string{}, "result": map[string]any{query.Get("pair"): list, "last": last}}
}
