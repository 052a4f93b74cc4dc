package coinbase_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/coinbase"
	"rcas/ingestor/exchange/exchangetest"
)

var samples = []string{
	`{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}`,
	`{"type":"last_match","trade_id":881613,"maker_order_id":"27fff20b","taker_order_id":"2a0da34e","side":"sell",` +
		`"size":"0.04","price":"14.7775","product_id":"BTC-USD","sequence":333938798,"time":"2021-04-17T16:43:30.244075Z"}`,
	`{"type":"match","trade_id":881614,"side":"buy","size":"985","price":"0.00001305","product_id":"BTC-USD",` +
		`"sequence":333938799,"time":"2021-04-17T16:43:37.089723Z"}`,
	`{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2021-04-17T16:43:38.000000Z"}`,
	`{"type":"something new","trade_id":"text"}`,
}

// TestReplay sends samples, and where there are any the recordings of the real venue, through the client.
func TestReplay(t *testing.T) {
	t.Parallel()
	rec := exchangetest.Recording{Feed: "/", Symbols: []string{"BTC-USD"}, Trades: 2}
	for _, sample := range samples {
		rec.Messages = append(rec.Messages, []byte(sample))
	}
	products := map[string]bool{"BTC-USD": true}
	exchangetest.Lines(t, "ws_samples_cryptofeed_2021.ndjson", func(line []byte) {
		var captured exchangetest.Captured
		require.NoError(t, json.Unmarshal(line, &captured))
		if captured.Exchange != "COINBASE" {
			return
		}
		rec.Messages = append(rec.Messages, captured.Message)
		var m struct {
			Type    string `json:"type"`
			Product string `json:"product_id"`
		}
		require.NoError(t, json.Unmarshal(captured.Message, &m))
		if m.Type == "match" || m.Type == "last_match" {
			rec.Trades++
			products[m.Product] = true
		}
	})
	var listing []map[string]any
	for product := range products { // every product under its own name, whatever it is quoted in
		listing = append(listing, map[string]any{
			"id": product, "base_currency": product, "quote_currency": "USD", "status": "online",
		})
	}
	rec.Listing, rec.Symbols = listing, slices.Collect(maps.Keys(products))
	sink := exchangetest.Replay(t, rec, coinbase.New)
	require.Zero(t, sink.Counters()["drop malformed"], "unknown types are none")
	p, ok := sink.HasPrice("coinbase", "BTC-USD", "881614")
	require.True(t, ok)
	require.Equal(t, 0.00001305, p.Price)
	require.Equal(t, 985.0, p.Volume)
	require.Equal(t, time.Date(2021, 4, 17, 16, 43, 37, 89723000, time.UTC), p.Time)
}

func FuzzDecode(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte(sample))
	}
	f.Add([]byte(`{"type":"error","message":"Failed to subscribe","reason":"BTC-USDX is not a valid product"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		message, err := coinbase.Decode(text)
		require.True(t, err == nil || len(message.Trades) == 0)
		for _, trade := range message.Trades {
			require.Positive(t, trade.ID)
			require.NotEmpty(t, trade.Product)
			require.False(t, trade.Time.IsZero())
		}
	})
}
