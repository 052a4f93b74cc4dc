package archive_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/archive"
	"rcas/market"
)

func readPrices(t testing.TB, text string) (prices []market.Price, drops []string) {
	t.Helper()
	err := archive.ReadPrices(strings.NewReader(text), "here", archive.Lines[market.Price]{
		Take: func(_ int, p *market.Price) error { prices = append(prices, *p); return nil },
		Drop: func(_ int, reason string, err error) {
			require.Error(t, err)
			drops = append(drops, reason)
		},
	})
	require.NoError(t, err)
	return prices, drops
}

func TestPricesAsJSON(t *testing.T) {
	t.Parallel()
	prices, drops := readPrices(t, strings.Join([]string{
		`{"symbol":"BTC","time":"2024-05-01T00:00:00.5Z","price":60000.25,"volume":"0.125","venue":"there","trade_id":77}`,
		`{"symbol":"eth-usd","time":1714521600123,"price":"3000","amount":2,"trade_id":"a"}`,
		`{"symbol":"BTC","time":1714521600,"price":1}`, `{"symbol":"BTC","time":1714521600,"price":1}`, ``,
		`{"symbol":"BTC","time":1714521600,"price":2}`,
		`{"symbol":"ETH-BTC","time":1714521600,"price":2}`, `{"time":1,"price":2}`, `{"symbol":"BTC","price":2}`,
		`{"symbol":"BTC","time":1}`, `{"symbol":"BTC","time":"soon","price":2}`, `{"symbol":"BTC","time":1,"price":"much"}`,
		`{"symbol":"BTC","time":1,"price":1,"volume":"much"}`, `{"symbol":`, `[]`, `null`,
		`{"symbol":"` + strings.Repeat("x", archive.MaxPushedLine) + `"}`,
		`{"symbol":"SOL","time":1714521600,"price":100,"trade_id":"last"}`,
	}, "\n"))
	require.Equal(t, []string{
		"no dollar", "malformed", "no time", "malformed", "malformed", "malformed", "malformed", "malformed", "malformed", "line too long",
	}, drops)
	require.Len(t, prices, 6)
	require.Equal(t, market.Price{
		Venue: "there", Symbol: "BTC", TradeID: "77", Time: time.Date(2024, 5, 1, 0, 0, 0, 5e8, time.UTC), Price: 60000.25, Volume: 0.125,
	}, prices[0])
	require.Equal(t, market.Price{
		Venue: "here", Symbol: "ETH", TradeID: "a", Time: time.UnixMilli(1714521600123).UTC(), Price: 3000, Volume: 2,
	}, prices[1])
	require.Equal(t, prices[2], prices[3], "sent twice, known for the same")
	require.NotEmpty(t, prices[2].TradeID)
	require.NotEqual(t, prices[2].TradeID, prices[4].TradeID)
	require.Equal(t, "last", prices[5].TradeID)
}

func FuzzReadPrices(f *testing.F) {
	f.Add(`{"symbol":"BTC","time":"2024-05-01T00:00:00Z","price":60000,"volume":"0.1","venue":"v","trade_id":1}`)
	f.Add(`{"symbol":"eth-usd","time":1.7145216e9,"price":"1e400","amount":-2}` + "\n" + `{"symbol":"BTC"`)
	f.Fuzz(func(t *testing.T, text string) {
		prices, drops := readPrices(t, text)
		again, _ := readPrices(t, text)
		require.Len(t, again, len(prices))
		require.LessOrEqual(t, len(prices)+len(drops), strings.Count(text, "\n")+1)
		for _, p := range prices {
			require.NotEmpty(t, p.TradeID)
			require.NotEmpty(t, p.Symbol)
		}
	})
}
