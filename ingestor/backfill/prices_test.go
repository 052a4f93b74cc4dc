package backfill_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/backfill"
	"rcas/ingestor/binance"
	"rcas/ingestor/coinbase"
	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
	"rcas/ingestor/kraken"
	"rcas/market"
	"rcas/store"
	"rcas/store/storetest"
)

// shelf is a sink that stores as the writer does.
type shelf struct {
	*feedtest.Sink
	store *store.Store

	mu   sync.Mutex
	rows []*market.Price
}

func (s *shelf) Price(ctx context.Context, p *market.Price) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows = append(s.rows, p); len(s.rows) < 5000 {
		return ctx.Err()
	}
	return s.flush(ctx)
}

func (s *shelf) flush(ctx context.Context) error {
	rows := s.rows
	s.rows = nil
	_, err := s.store.InsertPrices(context.WithoutCancel(ctx), rows)
	return err
}

func (s *shelf) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flush(ctx)
}

func (s *shelf) Sync(ctx context.Context) error { return s.Flush(ctx) }

// TestMisbehavingPast brings the past of simulated venues that refuse, repeat, mix up and leave out, beside trades that came live, while
// the process is killed now and then; the oracle wants every minute once: in the database are all minutes in which something was traded,
// each as its trades or as its bar, with the prices and the volume of the tape.
func TestMisbehavingPast(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	seeds := uint64(1)
	if os.Getenv("RCAS_SOAK") != "" {
		seeds = 25
	}
	for name, past := range map[string]struct {
		make   func(exchange.Config) exchange.Past
		answer func(*venue, *http.Request) (int, any)
	}{
		coinbase.Venue: {coinbase.Past, (*venue).coinbase},
		binance.Venue:  {binance.Past, (*venue).binance},
		kraken.Venue:   {kraken.Past, (*venue).kraken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds {
				v := newVenue(name, seed+1)
				url := v.serve(t, func(r *http.Request) (int, any) { return past.answer(v, r) })
				misbehave(t, db, v, past.make(exchange.Config{
					RESTURL: url, HTTP: &http.Client{Transport: &http.Transport{}},
					Timing: exchange.Timing{Requests: 5000, Retry: feed.Ladder{First: time.Millisecond, Max: 10 * time.Millisecond}},
				}), seed+1)
			}
		})
	}
}

// evening is when the simulated present is.
var evening = time.Date(2026, 6, 1, 20, 0, 30, 0, time.UTC)

// newVenue makes a venue of three coins: one that trades all the time, one that does so often, and one that hardly does.
func newVenue(name string, seed uint64) *venue {
	rng := rand.New(rand.NewPCG(seed, uint64(len(name))))
	v := &venue{
		chaos: feedtest.NewChaos(seed), now: evening, before: map[string][]exchange.Candle{}, unlucky: map[string]int{}, empty: map[string]bool{},
	}
	for coin, perMinute := range map[string]float64{"A": 6, "B": 1, "C": 0.05} {
		v.tapes = append(v.tapes, newTape(rng, fmt.Sprintf("S%d%s", seed, coin), evening.Add(-26*time.Hour), evening, perMinute))
	}
	if name == binance.Venue { // which tells milliseconds
		for _, tape := range v.tapes {
			for i := range tape.trades {
				tape.trades[i].Time = tape.trades[i].Time.Truncate(time.Millisecond)
			}
		}
	}
	return v
}

func misbehave(t *testing.T, db *store.Store, v *venue, past exchange.Past, seed uint64) {
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(seed, 99))
	sink := &shelf{Sink: feedtest.NewSink(), store: db}
	var symbols []string
	for _, tape := range v.tapes {
		symbols = append(symbols, tape.base)
		listen(t, sink, past.Venue, tape, rng)
	}
	require.NoError(t, sink.Flush(ctx))
	want := backfill.Span{From: evening.Add(-24 * time.Hour), To: evening}
	cursors := &feedtest.Cursors{}
	cfg := backfill.Config{
		Symbols: symbols, Cursors: cursors, Save: 5 * time.Millisecond, Tries: 50, Now: func() time.Time { return evening },
	}
	v.chaos.Begin()
	for kills := 0; ; kills++ {
		killed, kill := context.WithCancel(ctx)
		if kills < 3 {
			time.AfterFunc(time.Duration(rng.IntN(int(100*time.Millisecond))), kill)
		}
		err := backfill.NewPrices(past, cfg).Run(killed, sink, want)
		kill()
		if err == nil {
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		sink.mu.Lock()
		if rng.IntN(2) == 0 {
			sink.rows = nil // what was not synced is lost
		}
		sink.mu.Unlock()
	}
	v.chaos.Calm()
	require.NoError(t, sink.Flush(ctx))
	prices := backfill.NewPrices(past, cfg)
	_, err := prices.Join(ctx, sink, db, want)
	require.NoError(t, err)
	require.NoError(t, sink.Flush(ctx))
	for _, tape := range v.tapes {
		everyMinuteOnce(t, db, past.Venue, tape, backfill.Span{From: want.From.Truncate(time.Minute), To: backfill.Closed(evening)}, seed)
	}
	require.Empty(t, v.blames)
	_, done, err := backfill.Wanted(ctx, cursors, past.Venue)
	require.NoError(t, err)
	require.True(t, done)
	asked := v.requests
	require.NoError(t, prices.Run(ctx, sink, want))
	require.Equal(t, 1, v.requests-asked, "what is done is not asked for again, but the list of coins")
	t.Logf("%s, seed %d: %d requests, %v, %v", past.Venue, seed, v.requests, v.chaos.Tally(), sink.Counters())
}

// listen stores what a live feed brought of a tape: a stretch in the middle, and what came from some hours ago on but for an outage.
// The feed begins and breaks off in the midst of minutes.
func listen(t *testing.T, sink *shelf, venue string, tape *tape, rng *rand.Rand) {
	began := evening.Add(-time.Duration(rng.IntN(int(3*time.Hour)) + int(30*time.Minute)))
	broke := began.Add(time.Duration(rng.IntN(int(15 * time.Minute))))
	again := broke.Add(time.Duration(rng.IntN(int(10 * time.Minute))))
	earlier := evening.Add(-15 * time.Hour)
	for _, trade := range tape.trades {
		live := !trade.Time.Before(began) && trade.Time.Before(broke) || !trade.Time.Before(again) ||
			!trade.Time.Before(earlier) && trade.Time.Before(earlier.Add(20*time.Minute))
		if !live {
			continue
		}
		require.NoError(t, sink.Price(t.Context(), &market.Price{
			Venue: venue, Symbol: tape.base, TradeID: fmt.Sprint(trade.ID), Time: trade.Time, Price: trade.Price, Volume: trade.Volume,
			ReceivedAt: trade.Time,
		}))
	}
}

// everyMinuteOnce is the oracle.
func everyMinuteOnce(t *testing.T, db *store.Store, venue string, tape *tape, want backfill.Span, seed uint64) {
	t.Helper()
	stored := map[time.Time]exchange.Candle{}
	bars := 0
	for _, row := range storetest.Rows(t, db, `SELECT date_trunc('minute', time), first(price, time), max(price), min(price), last(price, time), sum(volume),
		count(*) FILTER (WHERE trade_id LIKE '60s-%') FROM prices WHERE venue = $1 AND symbol = $2 AND time >= $3 AND time < $4 GROUP BY 1`,
		venue, tape.base, want.From, want.To) {
		at := row[0].(time.Time).UTC()
		stored[at] = exchange.Candle{
			Start: at, Open: row[1].(float64), High: row[2].(float64), Low: row[3].(float64), Close: row[4].(float64), Volume: row[5].(float64),
		}
		bars += int(row[6].(int64)) / 4
	}
	for _, c := range tape.candles() {
		if c.Start.Before(want.From) || !c.Start.Before(want.To) {
			continue
		}
		got, ok := stored[c.Start]
		require.True(t, ok, "%s seed %d: %s of %s is missing", venue, seed, c.Start, tape.base)
		delete(stored, c.Start)
		require.Less(t, math.Abs(got.Volume-c.Volume), 1e-9, "%s seed %d: volume of %s of %s: %v, not %v", venue, seed, c.Start, tape.base, got.Volume, c.Volume)
		got.Volume = c.Volume
		require.Equal(t, c, got, "%s seed %d: %s", venue, seed, tape.base)
	}
	require.Empty(t, stored, "minutes in which nothing was traded")
	require.Positive(t, bars, "no bars of %s", tape.base)
}

// TestGivesUp: a venue that does not answer ends the work with an error that says how to go on; a coin that it does not know, only that
// coin's.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	v := newVenue(coinbase.Venue, 1)
	var refuse func(r *http.Request) bool
	url := v.serve(t, func(r *http.Request) (int, any) {
		if refuse(r) {
			return http.StatusNotFound, object{"message": "NotFound"}
		}
		return v.coinbase(r)
	})
	past := coinbase.Past(exchange.Config{RESTURL: url, HTTP: &http.Client{Transport: &http.Transport{}}, Timing: exchange.Timing{
		Requests: 5000, Retry: feed.Ladder{First: time.Millisecond, Max: time.Millisecond},
	}})
	cfg := backfill.Config{Symbols: []string{"S1A", "S1B", "NONE"}, Now: func() time.Time { return evening }}
	want := backfill.Span{From: evening.Add(-2 * time.Hour), To: evening}

	refuse = func(r *http.Request) bool { return strings.Contains(r.URL.Path, "S1B") }
	sink := feedtest.NewSink()
	require.NoError(t, backfill.NewPrices(past, cfg).Run(t.Context(), sink, want))
	coins := map[string]bool{}
	for _, p := range sink.Prices() {
		coins[p.Symbol] = true
	}
	require.Equal(t, map[string]bool{"S1A": true}, coins)

	dead := &http.Client{Transport: refusing{}}
	past = coinbase.Past(exchange.Config{RESTURL: url, HTTP: dead, Timing: exchange.Timing{Requests: 5000, Retry: feed.Ladder{First: time.Millisecond, Max: time.Millisecond}}})
	var log strings.Builder
	cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	err := backfill.NewPrices(past, cfg).Run(t.Context(), feedtest.NewSink(), want)
	require.ErrorContains(t, err, "the same command goes on there")
	require.Equal(t, 1, strings.Count(log.String(), "the venue does not answer; asking again"), "said at the first request that fails, and once:\n%s", &log)
	require.Contains(t, log.String(), "connection refused")
}

// refusing is a network that is away.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("connection refused")
}

// TestCandlesThatCannotBeAreCounted has a venue whose every third candle closes above its high, however often it is asked.
func TestCandlesThatCannotBeAreCounted(t *testing.T) {
	t.Parallel()
	server := feedtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/products" {
			fmt.Fprint(w, `[{"id":"S1A-USD","base_currency":"S1A","quote_currency":"USD","status":"online"}]`)
			return
		}
		from, _ := time.Parse(time.RFC3339, r.URL.Query().Get("start"))
		to, _ := time.Parse(time.RFC3339, r.URL.Query().Get("end"))
		var rows []string
		for at := from.Unix(); at <= to.Unix(); at += 60 {
			rows = append(rows, fmt.Sprintf("[%d,99,101,100,%d,1]", at, map[bool]int{true: 102, false: 100}[at/60%3 == 0]))
		}
		fmt.Fprintf(w, "[%s]", strings.Join(rows, ","))
	}))
	past := coinbase.Past(exchange.Config{RESTURL: server.URL, HTTP: &http.Client{Transport: &http.Transport{}}, Timing: exchange.Timing{Requests: 5000}})
	sink := feedtest.NewSink()
	cfg := backfill.Config{Symbols: []string{"S1A"}, Now: func() time.Time { return evening }}
	require.NoError(t, backfill.NewPrices(past, cfg).Run(t.Context(), sink, backfill.Span{From: evening.Add(-3 * time.Hour), To: evening.Add(-time.Hour)}))
	require.EqualValues(t, 80, sink.Counter("filled"))
	require.EqualValues(t, 40, sink.Counters()["drop malformed"])
}
