package grafanatest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/store/storetest"
)

func TestFill(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	anchor := time.Now()
	Fill(t, s, anchor)
	require.Equal(t, []any{"SOL", "bullish"}, storetest.Rows(t, s, `SELECT symbol, direction FROM divergence_state($1) WHERE signal <> 0`, anchor)[0])
	for symbol, direction := range map[string]string{"BTC": "bullish", "ETH": "bearish"} {
		require.NotEmpty(t, storetest.Rows(t, s, `SELECT * FROM divergence_events($1, $2::timestamptz - INTERVAL '8 hours', $2, '15 minutes') WHERE direction = $3`,
			symbol, anchor, direction))
	}
	require.NotEmpty(t, storetest.Rows(t, s, `SELECT * FROM trending_terms('BTC', $1::timestamptz - INTERVAL '1 hour', $1) WHERE term = 'etf-approval'`, anchor))
}
