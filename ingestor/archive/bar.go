package archive

import (
	"container/heap"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"rcas/market"
)

// bar is one row of an OHLCV file.
type bar struct {
	venue, symbol                  string
	start                          time.Time
	width                          time.Duration // 0 where the row doesn't tell
	open, high, low, close, volume float64
	// unmeasured tells that the row has no volume of its coin.
	unmeasured bool
	from       place
}

const (
	// defaultWidth is that of a bar in a file that doesn't tell the width.
	defaultWidth = time.Minute
	// closeBefore is how long before its end a bar closes: the trade still belongs to it.
	closeBefore = time.Millisecond
	// maxWidth is the widest bar: a year.
	maxWidth = 366 * 24 * time.Hour
	// barsToLearn is how many bars are read ahead to learn their width.
	barsToLearn = 1024
)

// trades returns the four trades that stand for the bar.
func (b *bar) trades() [4]*market.Price {
	second, third := "low", "high"
	if b.close < b.open { // the price ends lower: it has seen the high first
		second, third = third, second
	}
	price := map[string]float64{"low": b.low, "high": b.high}
	trade := func(name string, after time.Duration, price, volume float64) *market.Price {
		id := strconv.FormatInt(int64(b.width/time.Second), 10) + "s-" + strconv.FormatInt(b.start.Unix(), 10) + "-" + name
		return &market.Price{
			Venue: b.venue, Symbol: b.symbol, TradeID: id, Time: b.start.Add(after), Price: price, Volume: volume,
		}
	}
	return [4]*market.Price{
		trade("open", 0, b.open, b.volume/2),
		trade(second, (b.width / 3).Truncate(time.Millisecond), price[second], 0),
		trade(third, (b.width / 3 * 2).Truncate(time.Millisecond), price[third], 0),
		trade("close", b.width-closeBefore, b.close, b.volume/2),
	}
}

// parseBar reads a record of a bar table.
func (t *table) parseBar(record []string, symbol symbolSource) (*bar, error) {
	b := &bar{venue: symbol.venue}
	if venue := t.columns.field(record, "venue"); venue != "" {
		b.venue = venue
	}
	var err error
	if b.symbol, err = symbol.of(t.columns.field(record, "symbol")); err != nil {
		return nil, err
	}
	if b.start, err = parseTime(t.columns.field(record, "time")); err != nil {
		return nil, malformed(err)
	}
	if end := t.columns.field(record, "end"); end != "" {
		at, err := parseTime(end)
		if err != nil {
			return nil, malformed(err)
		}
		if b.width = at.Sub(b.start).Round(time.Second); b.width < time.Second || b.width > maxWidth {
			return nil, &unreadable{reasonBadBar, fmt.Errorf("it lasts from %s to %s", b.start, at)}
		}
	}
	for _, column := range []struct {
		name  string
		value *float64
	}{{"open", &b.open}, {"high", &b.high}, {"low", &b.low}, {"close", &b.close}, {"volume", &b.volume}} {
		if *column.value, err = parseNumber(t.columns.field(record, column.name)); err != nil {
			return nil, malformed(fmt.Errorf("%s: %w", column.name, err))
		}
	}
	// A volume of something else, as of one coin beside the bars of several, would be a wrong one.
	if b.unmeasured = !t.columns.has("volume") || t.volumeUnit != "" && t.volumeUnit != b.symbol; b.unmeasured {
		b.volume = 0
	}
	return b, b.check()
}

// check refuses a bar whose trades would be wrong. The sink would refuse a single price, and so let half a bar through.
func (b *bar) check() error {
	for _, p := range [...]float64{b.open, b.high, b.low, b.close} {
		if !(p > 0) || math.IsInf(p, 0) {
			return &unreadable{reasonBadBar, fmt.Errorf("%v is no price", p)}
		}
	}
	switch {
	case !(b.volume >= 0) || math.IsInf(b.volume, 0):
		return &unreadable{reasonBadBar, fmt.Errorf("%v is no volume", b.volume)}
	case b.low > min(b.open, b.close) || b.high < max(b.open, b.close):
		return &unreadable{reasonBadBar, fmt.Errorf("open %v and close %v do not lie between low %v and high %v", b.open, b.close,
			b.low, b.high)}
	}
	return nil
}

// parseNumber reads a decimal number; an empty field is zero.
func parseNumber(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	f, err := parseDecimal(s)
	if errors.Is(err, strconv.ErrRange) {
		return f, nil // an infinity, or zero, that whoever asked judges
	}
	return f, err
}

// parseDecimal refuses what only Go takes for a number: 1_0 would be ten, and 0x1p4 sixteen.
func parseDecimal(s string) (float64, error) {
	if strings.ContainsAny(s, "_xX") {
		return 0, fmt.Errorf("%.40q is no decimal number", s)
	}
	return strconv.ParseFloat(s, 64)
}

// barReplay turns bars into trades in the order of time: bars of several coins that begin together overlap.
type barReplay struct {
	emit func(event) error
	// ahead are the first bars, held until the width is known.
	ahead []*bar
	width time.Duration
	// waiting are trades not yet due, and added how many ever waited.
	waiting waitingTrades
	added   int
}

// waitingTrade is a trade, how many waited before it, and where its bar stands.
type waitingTrade struct {
	*market.Price
	nth  int
	from place
}

// waitingTrades is a heap by time: in a file with the newest bar first, each trade comes before all that wait.
type waitingTrades []*waitingTrade

func (w waitingTrades) Len() int { return len(w) }

func (w waitingTrades) Less(i, j int) bool {
	if c := w[i].Time.Compare(w[j].Time); c != 0 {
		return c < 0
	}
	return w[i].nth < w[j].nth
}

func (w waitingTrades) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

func (w *waitingTrades) Push(x any) { *w = append(*w, x.(*waitingTrade)) }

func (w *waitingTrades) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}

// maxWaiting bounds the trades that wait, where a file's times are in no order.
const maxWaiting = 1 << 16

func (r *barReplay) add(b *bar) error {
	if b.width > 0 || r.width > 0 {
		return r.replay(b)
	}
	if r.ahead = append(r.ahead, b); len(r.ahead) < barsToLearn {
		return nil
	}
	return r.learn()
}

// learn takes for the width the greatest that all distances between bars of a coin are multiples of (minutes without a
// trade are absent), and replays what was held.
func (r *barReplay) learn() error {
	last := map[string]time.Time{}
	for _, b := range r.ahead {
		key := b.venue + "/" + b.symbol
		if before, ok := last[key]; ok {
			r.width = commonDivisor(r.width, b.start.Sub(before).Abs())
		}
		last[key] = b.start
	}
	if r.width = r.width.Truncate(time.Second); r.width <= 0 || r.width > maxWidth {
		r.width = defaultWidth
	}
	ahead := r.ahead
	r.ahead = nil
	for _, b := range ahead {
		if err := r.replay(b); err != nil {
			return err
		}
	}
	return nil
}

func commonDivisor(a, b time.Duration) time.Duration {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// replay passes on what is due before the bar and lets its own trades wait.
func (r *barReplay) replay(b *bar) error {
	if b.width == 0 {
		b.width = r.width
	}
	for len(r.waiting) > 0 && (r.waiting[0].Time.Before(b.start) || len(r.waiting) > maxWaiting) {
		if err := r.next(); err != nil {
			return err
		}
	}
	for _, p := range b.trades() {
		r.added++
		heap.Push(&r.waiting, &waitingTrade{p, r.added, b.from})
	}
	return nil
}

// next passes on the earliest trade that waits.
func (r *barReplay) next() error {
	trade := heap.Pop(&r.waiting).(*waitingTrade)
	return r.emit(event{price: trade.Price, from: trade.from})
}

// finish passes on all that waits.
func (r *barReplay) finish() error {
	if len(r.ahead) > 0 {
		if err := r.learn(); err != nil {
			return err
		}
	}
	for len(r.waiting) > 0 {
		if err := r.next(); err != nil {
			return err
		}
	}
	return nil
}
