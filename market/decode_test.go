package market

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDecodeIsNoJudgeOfClocks: what the door took by its machine's clock is not refused by another clock that is behind it; what lies
// ahead of both is.
func TestDecodeIsNoJudgeOfClocks(t *testing.T) {
	t.Parallel()
	received := time.Date(2024, 3, 5, 12, 0, 0, 0, time.UTC)
	behind := received.Add(-time.Hour)
	for ahead, wrong := range map[time.Duration]error{0: nil, MaxFuture: nil, MaxFuture + time.Second: ErrFuture} {
		post, err := json.Marshal(Tweet{Source: "x", ID: "1", Text: "btc", Time: received.Add(ahead), ReceivedAt: received})
		require.NoError(t, err)
		_, err = DecodeTweet(post, behind)
		require.ErrorIs(t, err, wrong)
		trade, err := json.Marshal(Price{Venue: "x", Symbol: "BTC", TradeID: "1", Price: 1, Time: received.Add(ahead), ReceivedAt: received})
		require.NoError(t, err)
		_, err = DecodePrice(trade, behind)
		require.ErrorIs(t, err, wrong)
	}
}
