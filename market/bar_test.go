package market_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
)

func TestBarOf(t *testing.T) {
	t.Parallel()
	bar := market.Bar{Start: time.Unix(1714564800, 0), Width: time.Hour, Open: 5, High: 7, Low: 3, Close: 6}
	var parts []string
	for _, p := range bar.Trades() {
		width, part := market.BarOf(p.TradeID)
		require.Equal(t, time.Hour, width)
		parts = append(parts, part)
	}
	require.Equal(t, []string{"open", "low", "high", "close"}, parts)
	for _, id := range []string{"", "42", "s-", "3600s-1714564800", "3600s-1714564800-mid", "xs-1714564800-open", "3600s-x-open", "-5s-1-open"} {
		width, _ := market.BarOf(id)
		require.Zero(t, width, id)
	}
}
