// Package exchange reads the trades of an exchange: what Coinbase, Binance and Kraken share. A venue adds only its protocol, a
// [Wire]; the [Source] does the rest: sessions (package feed), the mapping of coins to the venue's products, and continuity.
//
// Continuity. Every supported venue numbers the trades of a product one by one. A number that is skipped is a gap: it is
// counted, given a moment to close by itself (messages may overtake each other), and then asked for at the venue's public
// REST endpoint, within its rate. What the venue no longer has is counted as lost. With [Config.Cursors] the last number
// without a gap behind it is kept in the database, so that a restart is only another gap.
//
// One answer closes all gaps that it covers.
//
// A trade that the sink refuses because it lies ahead of this machine's clock is missing, too: it is asked for when its time has come,
// be it that the clock was wrong or the venue's.
//
// Products. All coins wanted that the venue lists are subscribed to, also those that do not trade at the moment. One that the venue
// refuses is left out, the others are read; it is tried again after half a minute, then less often, every five minutes at last. The
// list is asked for again within the hour, and sooner while something does not trade. Any change means a new connection, which takes over
// when it has data.
//
// Nothing is withheld: a trade that came before is handed on again, since the database knows it by its key. The counters
// always satisfy missed = late + repaired + lost + those still sought.
//
// Counters, besides those of package feed:
//
//	gap        times that numbers were skipped
//	missed     numbers skipped
//	late       of these, came on the feed after all
//	repaired   of these, came from the REST endpoint
//	lost       of these, given up
//	duplicate  trades that came again
//	reset      times that a venue began to number anew
//	unlisted   coins that the venue does not trade against dollars
//	refused    subscriptions or requests that the venue refused
package exchange

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/telemetry"
)

// Trade is a trade as the venue tells it.
type Trade struct {
	// Product is the venue's own name of the market: BTC-USD, BTCUSDT, BTC/USD.
	Product string
	// ID is the number of the trade within its product.
	ID            int64
	Time          time.Time
	Price, Volume float64
}

// Message is what one message of the feed said.
type Message struct {
	Trades []Trade
	// Malformed counts the parts that could not be read.
	Malformed int
	// Unknown tells that the message is of no kind that the protocol knows.
	Unknown bool
	// Accepted are the products of which the venue says that they are subscribed to.
	Accepted []string
	// Refused is the venue's reason where it refused (a part of) the subscription, with the product's name where it names one. Where
	// that ends the session, there is an error beside it.
	Refused string
	// Relist tells that products may have begun to trade.
	Relist bool
	// Shutdown tells that the venue is about to close the connection, so that a successor is wanted now.
	Shutdown bool
}

// Gap is a run of missing trades of one product, both ends included.
type Gap struct {
	Product  string
	From, To int64
	// After is the time of the trade before From.
	After time.Time
}

// PageSize is the most trades that a venue's REST endpoint gives at once; all three have the same.
const PageSize = 1000

// Wire is the protocol of a venue.
type Wire interface {
	// Products asks the venue which of the coins it trades against the dollar or a dollar stablecoin, one product a coin: see [Choose].
	Products(ctx context.Context, symbols []string) ([]Listing, error)
	// Connect opens a connection and subscribes to the products.
	Connect(ctx context.Context, products []string, session *feed.Session) (*feed.Conn, error)
	// Decode reads one message. An error ends the session; what is merely unreadable is counted in the Message.
	Decode(message []byte) (Message, error)
	// Fetch asks for the trades of a gap of at most [PageSize]. It may return others too, and returns fewer where the venue
	// does not have them (yet). With [ErrPartly] it returns what there is for now.
	Fetch(ctx context.Context, gap Gap) ([]Trade, error)
}

// ErrPartly means that an answer holds less than the venue has, and that more can be had later.
var ErrPartly = errors.New("the venue gives its newest trades only, for now")

// Config says what to read and where. Zero values mean the venue's defaults.
type Config struct {
	// URL of the WebSocket endpoint, RESTURL of the public REST endpoint, both without the path that the protocol adds.
	URL, RESTURL string
	// Symbols are the coins wanted, as in the assets file.
	Symbols []string
	// Cursors keeps the numbers reached; nil forgets them with the process, so that a restart leaves a gap unseen.
	Cursors ingestor.Cursors
	// HTTP opens all connections; nil means http.DefaultClient.
	HTTP *http.Client
	// Metrics and Log may be nil.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	Timing
}

// Timing holds the durations and rates. Zero values mean the venue's defaults.
type Timing struct {
	// Silence, Idle, Lifetime: see [feed.Runner].
	Silence, Idle, Lifetime time.Duration
	// Ladder is the back-off between sessions.
	Ladder feed.Ladder
	// Settle is how long a gap may close by itself before the REST endpoint is asked.
	Settle time.Duration
	// Retry is the back-off between requests that brought nothing.
	Retry feed.Ladder
	// Tries is how often the REST endpoint may answer without a missing trade before the trade is lost.
	Tries int
	// Patience is how long a gap is sought while the REST endpoint only fails.
	Patience time.Duration
	// Requests is the rate of REST requests per second.
	Requests rate.Limit
	// Relist is the back-off between attempts with what the venue refuses; its first wait is that between lists, too, while something is
	// refused or does not trade.
	Relist feed.Ladder
	// Save is the time between two saves of the numbers reached.
	Save time.Duration
}

// Or returns the configuration with what is not set taken from the venue's defaults.
func (c Config) Or(venue Config) Config {
	set(&c.URL, venue.URL)
	set(&c.RESTURL, venue.RESTURL)
	set(&c.Silence, venue.Silence)
	set(&c.Silence, time.Minute)
	set(&c.Idle, venue.Idle)
	set(&c.Idle, 5*time.Minute)
	set(&c.Lifetime, venue.Lifetime)
	set(&c.Ladder, venue.Ladder)
	set(&c.Ladder, feed.Ladder{First: 2 * time.Second, Max: time.Minute})
	set(&c.Settle, 500*time.Millisecond)
	set(&c.Retry, feed.Ladder{First: time.Second, Max: time.Minute})
	set(&c.Tries, 6)
	set(&c.Patience, time.Hour)
	set(&c.Requests, venue.Requests)
	set(&c.Relist, feed.Ladder{First: 30 * time.Second, Max: 5 * time.Minute, Exact: true})
	set(&c.Save, 10*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Client returns a client for the REST endpoint.
func (c Config) Client() *feed.Client {
	return &feed.Client{HTTP: c.HTTP, Limit: rate.NewLimiter(c.Requests, 1)}
}

func set[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}
