package market

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bar is what a market did over a while, without its single trades: an OHLCV bar, also called a candle.
type Bar struct {
	Venue, Symbol string
	// Start is when the bar begins, UTC, and Width how long it lasts.
	Start time.Time
	Width time.Duration
	// Prices in quote currency per coin.
	Open, High, Low, Close float64
	// Volume in coins; zero where nothing tells it.
	Volume float64
}

// closeBefore is how long before its end a bar closes: the trade still belongs to it.
const closeBefore = time.Millisecond

// Trades returns the four trades that stand for the bar in the table of prices: open, low and high, close. The first and the last carry
// half of the volume each, so that every window of them has the bar's prices and volume.
func (b Bar) Trades() [4]*Price {
	second, third := "low", "high"
	if b.Close < b.Open { // the price ends lower: it has seen the high first
		second, third = third, second
	}
	price := map[string]float64{"low": b.Low, "high": b.High}
	trade := func(name string, after time.Duration, price, volume float64) *Price {
		id := strconv.FormatInt(int64(b.Width/time.Second), 10) + "s-" + strconv.FormatInt(b.Start.Unix(), 10) + "-" + name
		return &Price{Venue: b.Venue, Symbol: b.Symbol, TradeID: id, Time: b.Start.Add(after), Price: price, Volume: volume}
	}
	return [4]*Price{
		trade("open", 0, b.Open, b.Volume/2),
		trade(second, (b.Width / 3).Truncate(time.Millisecond), price[second], 0),
		trade(third, (b.Width / 3 * 2).Truncate(time.Millisecond), price[third], 0),
		trade("close", b.Width-closeBefore, b.Close, b.Volume/2),
	}
}

// BarOf tells of the id of a price that stands for a bar how long the bar lasts, and which of its prices it is: open, low, high or close. The width
// of any other is zero.
func BarOf(tradeID string) (width time.Duration, part string) {
	seconds, rest, ok := strings.Cut(tradeID, "s-")
	start, part, both := strings.Cut(rest, "-")
	n, err := strconv.ParseUint(seconds, 10, 31)
	if _, bad := strconv.ParseInt(start, 10, 64); !ok || !both || err != nil || bad != nil {
		return 0, ""
	}
	switch part {
	case "open", "low", "high", "close":
		return time.Duration(n) * time.Second, part
	}
	return 0, ""
}

// Validate refuses a bar whose trades would be wrong. Whoever judges single prices would let half a bar through.
func (b Bar) Validate() error {
	for _, p := range [...]float64{b.Open, b.High, b.Low, b.Close} {
		if !(p > 0) || math.IsInf(p, 0) {
			return fmt.Errorf("%w: %v", ErrBadPrice, p)
		}
	}
	switch {
	case !(b.Volume >= 0) || math.IsInf(b.Volume, 0):
		return fmt.Errorf("%w: %v", ErrBadVolume, b.Volume)
	case b.Low > min(b.Open, b.Close) || b.High < max(b.Open, b.Close):
		return fmt.Errorf("%w: open %v and close %v do not lie between low %v and high %v", ErrBadPrice, b.Open, b.Close, b.Low, b.High)
	}
	return nil
}
