package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// TestBarsAndTradesMeet: however a feed's trades of a minute and the bar of it overlap, and in whatever order, batches and repetitions they
// are stored, the minute has the one or the other, and none is missing.
func TestBarsAndTradesMeet(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { meet(t, s, seed) })
	}
}

// meet stores an hour of random trades of one coin. A part of the trades came live, in their minute; the others, and the bars of all
// minutes but those that came live whole, are filled in afterwards, any number of times.
func meet(t *testing.T, s *store.Store, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 12))
	symbol := fmt.Sprint("COIN", seed)
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var live, fills []*market.Price
	volumes := map[time.Time]float64{}
	away := map[time.Time]bool{} // minutes of which nothing came live
	for i := range 60 {
		away[start.Add(time.Duration(i)*time.Minute)] = rng.IntN(3) == 0
	}
	for id := range 300 {
		at := start.Add(time.Duration(rng.Int64N(int64(time.Hour)))).Truncate(time.Microsecond)
		trade := &market.Price{
			Venue: "kraken", Symbol: symbol, TradeID: fmt.Sprint(1000 + id), Time: at, Price: 1 + rng.Float64(), Volume: 1, ReceivedAt: at,
		}
		volumes[at.Truncate(time.Minute)]++
		if rng.IntN(3) > 0 && !away[at.Truncate(time.Minute)] {
			live = append(live, trade)
		} else {
			trade.Fill = true
			fills = append(fills, trade)
		}
	}
	bars := map[time.Time][]*market.Price{}
	for minute, volume := range volumes {
		bar := market.Bar{Venue: "kraken", Symbol: symbol, Start: minute, Width: time.Minute, Open: 1, High: 3, Low: 1, Close: 2, Volume: volume}
		for _, row := range bar.Trades() {
			row.ReceivedAt, row.Fill = minute.Add(time.Hour), true
			bars[minute] = append(bars[minute], row)
		}
	}
	insert := func(rows []*market.Price) {
		for len(rows) > 0 {
			n := 1 + rng.IntN(len(rows))
			_, err := s.InsertPrices(context.Background(), rows[:n])
			require.NoError(t, err)
			rows = rows[n:]
		}
	}
	// What is live is there first, or the minute is over before it comes and it is a fill, too.
	for _, trade := range live {
		if rng.IntN(10) == 0 {
			trade.Fill = true
			fills = append(fills, trade)
		}
	}
	for _, trade := range live {
		if !trade.Fill {
			insert([]*market.Price{trade})
		}
	}
	for range 3 {
		rng.Shuffle(len(fills), func(i, j int) { fills[i], fills[j] = fills[j], fills[i] })
		insert(mixed(rng, fills, bars))
	}
	rows := storetest.Rows(t, s, `SELECT date_trunc('minute', time), count(*) FILTER (WHERE trade_id LIKE '60s-%'),
		count(*) FILTER (WHERE trade_id NOT LIKE '60s-%'), sum(volume) FROM prices WHERE symbol = $1 GROUP BY 1`, symbol)
	require.Len(t, rows, len(volumes), "every minute once")
	barred := 0
	for _, row := range rows {
		minute, barRows, trades, volume := row[0].(time.Time).UTC(), row[1].(int64), row[2].(int64), row[3].(float64)
		require.Equal(t, volumes[minute], volume, "seed %d: %s has %d rows of a bar and %d trades", seed, minute, barRows, trades)
		require.True(t, barRows == 4 && trades == 0 || barRows == 0 && trades > 0, "seed %d: %s has %d rows of a bar and %d trades", seed, minute, barRows, trades)
		barred += int(barRows / 4)
	}
	require.NotZero(t, barred)
	require.Less(t, barred, len(volumes))
}

// mixed puts the rows of bars, in their order, at random places among trades.
func mixed(rng *rand.Rand, trades []*market.Price, bars map[time.Time][]*market.Price) []*market.Price {
	var all []*market.Price
	for _, rows := range bars {
		all = append(all, rows...)
	}
	for _, trade := range trades {
		i := rng.IntN(len(all) + 1)
		all = append(all[:i], append([]*market.Price{trade}, all[i:]...)...)
	}
	return all
}
