package kraken_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/exchange/exchangetest"
	"rcas/ingestor/kraken"
)

var samples = []string{
	`{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2"}]}`,
	`{"method":"subscribe","result":{"channel":"trade","snapshot":true,"symbol":"BTC/USD"},"success":true}`,
	`{"channel":"trade","type":"snapshot","data":[{"symbol":"BTC/USD","side":"buy","price":26543.1,"qty":0.00000001,` +
		`"ord_type":"limit","trade_id":41,"timestamp":"2023-09-25T07:48:36.925533Z"},` +
		`{"symbol":"BTC/USD","side":"buy","price":"broken","qty":1,"trade_id":42,"timestamp":"2023-09-25T07:49:00Z"},` +
		`{"symbol":"BTC/USD","side":"sell","price":26540.123456789,"qty":12.5,"trade_id":43,"timestamp":"2023-09-25T07:49:36.1Z"}]}`,
	`{"channel":"heartbeat"}`,
	`{"error":"Currency pair not supported XYZ/USD","method":"subscribe","success":false,"symbol":"XYZ/USD"}`,
}

// TestReplay sends samples, and where there is one an hour of the venue's real trades in the form of its feed, through the
// client.
func TestReplay(t *testing.T) {
	t.Parallel()
	rec := exchangetest.Recording{Feed: "/v2", Symbols: []string{"BTC"}, Trades: 2}
	rec.Listing = map[string]any{"error": []string{}, "result": map[string]any{
		"XXBTZUSD": map[string]string{"wsname": "XBT/USD", "status": "online"},
	}}
	for _, sample := range samples {
		rec.Messages = append(rec.Messages, []byte(sample))
	}
	exchangetest.Lines(t, "trades_kraken_btcusd_20190701T00.csv", func(line []byte) {
		fields := strings.Split(string(line), ",") // time,symbol,side,price,amount
		if fields[0] == "time" {
			return
		}
		rec.Trades++
		rec.Messages = append(rec.Messages, fmt.Appendf(nil, `{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD",`+
			`"side":%q,"price":%s,"qty":%s,"ord_type":"limit","trade_id":%d,"timestamp":%q}]}`,
			fields[2], fields[3], fields[4], 43+rec.Trades, fields[0]))
	})
	sink := exchangetest.Replay(t, rec, kraken.New)
	p, ok := sink.HasPrice("kraken", "BTC", "43")
	require.True(t, ok)
	require.Equal(t, 26540.123456789, p.Price)
	require.Equal(t, time.Date(2023, 9, 25, 7, 49, 36, 100_000_000, time.UTC), p.Time)
	require.EqualValues(t, 1, sink.Counters()["drop malformed"])
	require.EqualValues(t, 1, sink.Counter("refused"))
}

func FuzzDecode(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte(sample))
	}
	f.Add([]byte(`[993,[["354.11000000","0.89594024","1618678142.557535","s","l",""]],"trade","XMR/USD"]`)) // version 1
	f.Fuzz(func(t *testing.T, text []byte) {
		message, err := kraken.Decode(text)
		require.NoError(t, err)
		for _, trade := range message.Trades {
			require.Positive(t, trade.ID)
			require.NotEmpty(t, trade.Product)
			require.False(t, trade.Time.IsZero())
		}
	})
}
