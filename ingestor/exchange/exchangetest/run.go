package exchangetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/ingestor/exchange"
	"rcas/ingestor/feed"
	"rcas/ingestor/feed/feedtest"
)

// Run drives the real client against the simulated venue, once per seed, and asks the oracle: of all that was traded from the
// first trade seen to the end of the misfortunes, everything that the venue still tells somewhere is stored, with the same
// content however it came; what it no longer tells is counted as lost, to the trade.
func Run(t *testing.T, protocol Protocol, source func(exchange.Config) *exchange.Source) {
	t.Helper()
	feedtest.Seeds(t, func(t *testing.T, seed uint64) map[string]int64 {
		s := newSimulation(t, protocol, seed, source)
		s.opening()
		s.misfortunes()
		s.closing()
		return s.verdict()
	})
}

// simulation is one seed's run.
type simulation struct {
	t       *testing.T
	venue   *venue
	source  func(exchange.Config) *exchange.Source
	config  exchange.Config
	sink    *feedtest.Sink
	cursors *feedtest.Cursors
	stop    func() // ends the running source and waits for it

	first    map[string]int64 // by product, the first trade seen
	end      int              // length of the tape at the end of the misfortunes
	restarts int
	behind   atomic.Int64 // nanoseconds that this machine's clock is slow
}

func newSimulation(t *testing.T, p Protocol, seed uint64, source func(exchange.Config) *exchange.Source) *simulation {
	s := &simulation{
		t: t, source: source, sink: feedtest.NewSink(), cursors: &feedtest.Cursors{}, first: map[string]int64{},
	}
	s.config = exchange.Config{
		Symbols: append(slices.Collect(maps.Values(p.Products)), "NOSUCHCOIN"),
		HTTP:    &http.Client{Transport: &http.Transport{}},
		Cursors: s.cursors,
		Timing: exchange.Timing{
			Silence: 600 * time.Millisecond, Idle: 800 * time.Millisecond,
			Ladder: feed.Ladder{First: 4 * time.Millisecond, Max: 30 * time.Millisecond},
			Settle: 5 * time.Millisecond, Retry: feed.Ladder{First: 5 * time.Millisecond, Max: 60 * time.Millisecond, Exact: true},
			Tries: 6, Patience: time.Minute, Requests: 2000, Save: 10 * time.Millisecond,
		},
	}
	s.venue = newVenue(p, seed, s.config.Idle)
	if s.venue.Shutdown != nil && seed%3 == 0 {
		s.config.Lifetime = 100 * time.Millisecond // the planned handover
	}
	s.sink.Clock = func() time.Time { return time.Now().Add(-time.Duration(s.behind.Load())) }
	s.sink.Pause = func() {
		if s.venue.chaos.Strikes("slow sink", 0.002) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	url := s.venue.serve(t)
	s.config.RESTURL = url
	s.config.URL = "ws" + strings.TrimPrefix(url, "http") + strings.TrimSuffix(p.Feed, "/stream")
	return s
}

// start runs the client until stop is called.
func (s *simulation) start() {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.source(s.config).Run(ctx, s.sink) }()
	s.stop = func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(s.t, err)
		case <-time.After(time.Minute):
			require.Fail(s.t, "the source did not end with its context")
		}
	}
}

// trade adds trades of random products to the tape, a little apart.
func (s *simulation) trade(n int) {
	products := slices.Sorted(maps.Keys(s.venue.Products))
	for i := range n {
		s.venue.tape.add(products[s.venue.chaos.Intn(len(products))], s.venue.chaos.Intn)
		if i%4 == 0 {
			_ = sleep(s.t.Context(), time.Millisecond)
		}
	}
}

// opening trades until the client has seen a trade of each product, with nothing going wrong.
func (s *simulation) opening() {
	s.start()
	require.True(s.t, waitFor(time.Minute, time.Millisecond, func() bool {
		s.trade(2)
		seen := s.seen()
		saved, _ := s.cursors.LoadCursor(s.t.Context(), s.venue.Venue)
		for product := range s.venue.Products { // a crash before the first save would be a start without a cursor
			if len(seen[product]) == 0 || !strings.Contains(saved, product) {
				return false
			}
			s.first[product] = slices.Min(seen[product])
		}
		return true
	}), "the client sees no trades")
}

// seen returns the numbers stored, by product.
func (s *simulation) seen() map[string][]int64 {
	seen := map[string][]int64{}
	for _, p := range s.sink.Prices() {
		for product, symbol := range s.venue.Products {
			if symbol == p.Symbol {
				id, err := strconv.ParseInt(p.TradeID, 10, 64)
				require.NoError(s.t, err)
				seen[product] = append(seen[product], id)
			}
		}
	}
	return seen
}

// misfortunes trades while everything goes wrong; some clients are stopped or crash meanwhile, and come back.
func (s *simulation) misfortunes() {
	s.venue.chaos.Begin()
	for range 4 {
		s.trade(100)
		if s.venue.chaos.Strikes("restart", 0.1) {
			s.restarts++
			s.stop()
			s.trade(20)
			s.start()
		} else if s.venue.chaos.Strikes("crash", 0.1) {
			s.restarts++
			saved, _ := s.cursors.LoadCursor(s.t.Context(), s.venue.Venue)
			s.stop()
			require.NoError(s.t, s.cursors.SaveCursor(s.t.Context(), s.venue.Venue, saved))
			s.trade(20)
			s.start()
		} else if s.venue.chaos.Strikes("clock behind", 0.1) {
			s.behind.Store(int64(time.Minute))
			s.trade(100)
			s.behind.Store(0)
		}
	}
	s.venue.chaos.Calm()
	s.end = s.venue.tape.len()
}

// closing trades on, calmly, until the client has caught up.
func (s *simulation) closing() {
	caughtUp := func() bool {
		s.trade(len(s.venue.Products))
		return len(s.absent()) == 0 && s.open() == 0
	}
	if !waitFor(time.Minute, 5*time.Millisecond, caughtUp) {
		s.stop()
		absent := s.absent()
		require.Fail(s.t, "trades were lost", "%d, first of them %v; %s", len(absent), absent[:min(5, len(absent))], s.line())
	}
	s.stop()
}

// absent lists the trades that should be stored and are not.
func (s *simulation) absent() (absent []Trade) {
	tape, _ := s.venue.tape.from(0)
	for _, t := range tape[:s.end] {
		if t.ID < s.first[t.Product] || s.venue.forgotten(t) {
			continue
		}
		if _, ok := s.sink.HasPrice(s.venue.Venue, s.venue.Products[t.Product], strconv.FormatInt(t.ID, 10)); !ok {
			absent = append(absent, t)
		}
	}
	return absent
}

// open returns how many missing trades the client still seeks. Gaps open at a restart are counted anew after it.
func (s *simulation) open() int64 {
	if s.restarts > 0 {
		return 0
	}
	c := s.sink.Counter
	return c("missed") - c("late") - c("repaired") - c("lost")
}

// verdict compares what is stored with what was traded, and returns the figures of the run.
func (s *simulation) verdict() map[string]int64 {
	require.Empty(s.t, s.sink.Conflicts(), "the same trade came with different content")
	require.Empty(s.t, s.venue.blames(), "the client broke the protocol")
	tape, _ := s.venue.tape.from(0)
	traded := map[string]Trade{}
	var lost int64
	for _, t := range tape {
		symbol, id := s.venue.Products[t.Product], strconv.FormatInt(t.ID, 10)
		traded[s.venue.Venue+"/"+symbol+"/"+id] = t
		if _, ok := s.sink.HasPrice(s.venue.Venue, symbol, id); !ok && s.venue.forgotten(t) && t.ID >= s.first[t.Product] {
			lost++
		}
	}
	for key, p := range s.sink.Prices() {
		t, ok := traded[key]
		require.True(s.t, ok, "%s was never traded", key)
		require.Equal(s.t, t.Time.Truncate(s.venue.Resolution), p.Time, key)
		for literal, got := range map[string]float64{t.Price: p.Price, t.Volume: p.Volume} {
			want, err := strconv.ParseFloat(literal, 64)
			require.NoError(s.t, err)
			require.Equal(s.t, want, got, key)
		}
	}
	if s.restarts == 0 {
		require.Equal(s.t, lost, s.sink.Counter("lost"), s.line())
	}
	figures := s.sink.Counters()
	figures["never told again"] = lost
	figures["stored"] = int64(len(s.sink.Prices()))
	figures["traded"] = int64(len(tape))
	for misfortune, n := range s.venue.chaos.Tally() {
		figures["~"+misfortune] = int64(n)
	}
	return figures
}

func (s *simulation) line() string {
	tally := map[string]int64{}
	for name, n := range s.venue.chaos.Tally() {
		tally[name] = int64(n)
	}
	return fmt.Sprintf("client: %s; misfortunes: %s", feedtest.Line(s.sink.Counters()), feedtest.Line(tally))
}

// waitFor waits for the condition. Unlike require.Eventually it calls it in this goroutine, so that it may trade.
func waitFor(limit, tick time.Duration, condition func() bool) bool {
	for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(tick) {
		if condition() {
			return true
		}
	}
	return false
}

func sleep(ctx context.Context, d time.Duration) error { return feed.Sleep(ctx, d) }

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
