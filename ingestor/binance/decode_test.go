package binance_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/binance"
	"rcas/ingestor/exchange/exchangetest"
)

var samples = []string{
	`{"stream":"btcusdt@trade","data":{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":12345,"p":"16541.77000000",` +
		`"q":"0.00105000","T":1672515782136,"m":true,"M":true}}`,
	`{"e":"trade","E":1735689600123456,"s":"BTCUSDT","t":12346,"p":"94591.78","q":"1","T":1735689600123456,"m":false,"M":true}`,
	`{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1633998523963,"s":"BTCUSDT","k":{"t":1633998480000}}}`,
}

// TestReplay sends samples, and where there are any the recordings of the real venue, through the client.
func TestReplay(t *testing.T) {
	t.Parallel()
	rec := exchangetest.Recording{Feed: "/stream", Symbols: []string{"BTC", "ETH"}, Trades: 2}
	rec.Listing = map[string]any{"symbols": []map[string]string{
		{"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT"},
		{"symbol": "ETHUSDT", "status": "TRADING", "baseAsset": "ETH", "quoteAsset": "USDT"},
	}}
	for _, sample := range samples {
		rec.Messages = append(rec.Messages, []byte(sample))
	}
	exchangetest.Lines(t, "ws_binance_usdm_trades_20240808.ndjson", func(line []byte) {
		var captured exchangetest.Captured
		require.NoError(t, json.Unmarshal(line, &captured))
		rec.Messages = append(rec.Messages, captured.Message)
		rec.Trades++
	})
	exchangetest.Lines(t, "ws_samples_cryptofeed_2021.ndjson", func(line []byte) { // other streams: nothing to store
		var captured exchangetest.Captured
		require.NoError(t, json.Unmarshal(line, &captured))
		if strings.HasPrefix(captured.Exchange, "BINANCE") {
			rec.Messages = append(rec.Messages, captured.Message)
		}
	})
	sink := exchangetest.Replay(t, rec, binance.New)
	for id, want := range map[string]time.Time{
		"12345": time.UnixMilli(1672515782136).UTC(), "12346": time.UnixMicro(1735689600123456).UTC(),
	} {
		p, ok := sink.HasPrice("binance", "BTC", id)
		require.True(t, ok)
		require.Equal(t, want, p.Time)
	}
}

func FuzzDecode(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte(sample))
	}
	f.Add([]byte(`{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		message, err := binance.Decode(text)
		require.NoError(t, err)
		for _, trade := range message.Trades {
			require.Positive(t, trade.ID)
			require.NotEmpty(t, trade.Product)
			require.False(t, trade.Time.IsZero())
		}
	})
}
