package archive

import (
	"fmt"
	"time"

	"rcas/market"
)

// twice finds what of a replay would count a second time: trades of a time that a bar of the same market has counted, and bars of a time of which
// there were trades. What comes first stays, and so does what has no volume. (Of what earlier replays stored, storedTimes tells; bars of two widths are refused as files.)
type twice struct {
	trades lately[minuteOfTrades, place]
	last   minuteOfTrades
	bars   lately[barOfMarket, countedBar]
	known  map[marketName]map[time.Duration]time.Duration // by market the widths of its bars, and when of a width they begin
}

// marketName is a coin at a venue.
type marketName struct{ symbol, venue string }

type minuteOfTrades struct {
	marketName
	minute int64
}

type barOfMarket struct {
	marketName
	width time.Duration
	start int64 // Unix time, seconds
}

// countedBar is where a bar stands, and whether it was left out.
type countedBar struct {
	from place
	out  bool
}

func newTwice() *twice { return &twice{known: map[marketName]map[time.Duration]time.Duration{}} }

// check returns an error for a price that would count twice, and tells whether it is to be left out; of a bar's prices the first has the error.
func (w *twice) check(e event) (out bool, err error) {
	of := marketName{e.price.Symbol, e.price.Venue}
	width, part := market.BarOf(e.price.TradeID)
	if width == 0 {
		return w.trade(of, e)
	}
	if part != "open" {
		bar, _ := w.bars.get(barOfMarket{of, width, w.begin(of, width, e.price.Time).Unix()})
		return bar.out, nil
	}
	if e.price.Volume == 0 {
		return false, nil
	}
	for at := e.price.Time; at.Before(e.price.Time.Add(width)); at = at.Add(time.Minute) {
		if from, ok := w.trades.get(minuteOfTrades{of, at.Unix() / 60}); ok {
			err = counted("bar", "trades", of, from)
			break
		}
	}
	if w.known[of] == nil {
		w.known[of] = map[time.Duration]time.Duration{}
	}
	w.known[of][width] = e.price.Time.Sub(e.price.Time.Truncate(width))
	w.bars.put(barOfMarket{of, width, e.price.Time.Unix()}, countedBar{e.from, err != nil})
	return err != nil, err
}

func (w *twice) trade(of marketName, e event) (bool, error) {
	if e.price.Volume == 0 {
		return false, nil
	}
	for width := range w.known[of] {
		start := w.begin(of, width, e.price.Time)
		if bar, ok := w.bars.get(barOfMarket{of, width, start.Unix()}); ok && !bar.out {
			return true, counted("trade", "bars", of, bar.from)
		}
	}
	if minute := (minuteOfTrades{of, e.price.Time.Unix() / 60}); minute != w.last {
		w.last = minute
		w.trades.put(minute, e.from)
	}
	return false, nil
}

// begin is when the bar of a time begins.
func (w *twice) begin(of marketName, width time.Duration, at time.Time) time.Time {
	after := w.known[of][width]
	return at.Add(-after).Truncate(width).Add(after)
}

func counted(what, other string, of marketName, from place) error {
	return &unreadable{reasonStored, fmt.Errorf("a %s of %s at %s of a time of which %s has %s: its volume would count twice. Replay one of the two, "+
		"or give them different names with --venue", what, of.symbol, of.venue, from, other)}
}

// latelyKnown bounds what is remembered, twice over.
const latelyKnown = 1 << 16

// lately remembers what was put in of late.
type lately[K comparable, V any] struct{ now, before map[K]V }

func (l *lately[K, V]) get(key K) (value V, known bool) {
	if value, known = l.now[key]; !known {
		value, known = l.before[key]
	}
	return value, known
}

func (l *lately[K, V]) put(key K, value V) {
	if l.now == nil || len(l.now) >= latelyKnown {
		l.now, l.before = map[K]V{}, l.now
	}
	l.now[key] = value
}
