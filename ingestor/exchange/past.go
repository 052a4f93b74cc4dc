package exchange

import (
	"context"
	"time"

	"rcas/ingestor/feed"
)

// Candle is a minute of a product as the venue's REST endpoint tells it.
type Candle struct {
	// Start is the beginning of the minute, UTC.
	Start time.Time
	// Prices in quote currency per coin, and Volume in coins.
	Open, High, Low, Close, Volume float64
	// Quiet tells that nothing was traded, where the venue has candles of such minutes, too.
	Quiet bool
}

// PastWire is the protocol of a venue that tells what was, besides what is.
type PastWire interface {
	Wire
	// Candles asks for the minutes that begin in [from, to), at most [Past.Page] of them. The answer is in any order; minutes without a
	// trade may be absent.
	Candles(ctx context.Context, product string, from, to time.Time) ([]Candle, error)
}

// Past is what a venue tells of earlier times. The venues' packages make it; package backfill reads it.
type Past struct {
	Venue string
	Wire  PastWire
	// Page is how many minutes one request for candles gives.
	Page int
	// Reach is how many of the newest minutes there are candles of; zero means all. What lies before is to be had trade by trade, by
	// [Wire.Fetch] with Gap.After.
	Reach int
	// Retry is the back-off after requests that failed.
	Retry feed.Ladder
}
