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
	// quote is the other volume of the row, and count the number of its trades; 0 where it tells none.
	quote, count float64
	// unmeasured tells that the row has no volume of its coin; day that start is a date without a time of day; isEnd that it is the bar's end.
	unmeasured, day, isEnd bool
	// placed tells that width and start are what they should be.
	placed bool
	from   place
}

const (
	// defaultWidth is that of a bar in a file that doesn't tell the width.
	defaultWidth = time.Minute
	// maxWidth is the widest bar: a year.
	maxWidth = 366 * 24 * time.Hour
	// barsToLearn is how many bars are read ahead to learn their width and units.
	barsToLearn = 1024
	// maxTurnover is more dollars than any coin is traded for in a day. Bars above it count something else than coins.
	maxTurnover = 1e13

	oneDay = 24 * time.Hour
)

// trades returns the four trades that stand for the bar.
func (b *bar) trades() [4]*market.Price {
	return market.Bar{
		Venue: b.venue, Symbol: b.symbol, Start: b.start, Width: b.width, Open: b.open, High: b.high, Low: b.low, Close: b.close, Volume: b.volume,
	}.Trades()
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

// What the volume of a file's bars turns out to be.
type measure uint8

const (
	coins     measure = iota // volume is in coins
	quoted                   // volume is in contracts, and quote in coins
	contracts                // volume is in contracts of dollars, and nothing tells the coins
	nothing                  // neither is in coins
)

// barFile turns the bars of a file into trades in the order of time: bars of several coins that begin together overlap. The first ones are
// held until it is clear how long they last and what their volumes count.
type barFile struct {
	p        *pass
	form     barForm
	hasQuote bool
	inverse  bool

	ahead   []*bar
	judged  bool
	width   time.Duration // of bars that don't tell
	isEnd   bool
	measure measure
	noted   bool

	stored storedTimes

	// waiting are trades not yet due, and added how many ever waited.
	waiting waitingTrades
	added   int
}

func newBarFile(p *pass, form barForm, hasQuote, inverse bool) *barFile {
	return &barFile{p: p, form: form, hasQuote: hasQuote, inverse: inverse, stored: storedTimes{p: p}}
}

func (f *barFile) add(b *bar) error {
	if f.judged {
		return f.replay(b)
	}
	if f.ahead = append(f.ahead, b); len(f.ahead) < barsToLearn {
		return nil
	}
	return f.judge()
}

// judge looks at the bars read ahead, and replays them if they are none to refuse.
func (f *barFile) judge() error {
	f.judged = true
	if err := f.refuseIndex(); err != nil {
		return err
	}
	if err := f.learnWidth(); err != nil {
		return err
	}
	f.learnEnds()
	f.learnMeasure()
	if err := f.claim(); err != nil {
		return err
	}
	ahead := f.ahead
	f.ahead = nil
	for _, b := range ahead {
		if err := f.replay(b); err != nil {
			return err
		}
	}
	return nil
}

// refuseIndex refuses the bars of an index: they move, and count, without a trade.
func (f *barFile) refuseIndex() error {
	if f.form.traded {
		return nil
	}
	moved, traded, counted := 0, 0, 0
	for _, b := range f.ahead {
		switch {
		case b.unmeasured:
		case b.volume > 0 || b.quote > 0:
			traded++
		case b.count > 0:
			counted++
		case b.high > b.low:
			moved++
		}
	}
	if moved >= 3 && moved == len(f.ahead) {
		return refuse("its bars all move, and their volume is 0: they are those of an index or a mark price, and no trades. If they are of trades, " +
			"leave the column of the volume out")
	}
	if counted > 0 && (f.form.counted || traded == 0) || f.form.counted && moved > 0 && traded == 0 {
		return refuse("its bars move without volume: they are those of an index, a mark price or a premium, and no trades")
	}
	return nil
}

// learnWidth takes for the width the greatest that all distances between bars of a coin are multiples of (minutes without a trade are
// absent). Bars of dates are those of days, or of weeks.
func (f *barFile) learnWidth() error {
	last := map[string]time.Time{}
	distances, shortest, days, alone := 0, maxWidth, true, 0
	for _, b := range f.ahead {
		days = days && b.day
		if b.width == 0 {
			alone++
		}
		key := b.venue + "/" + b.symbol
		if before, ok := last[key]; ok && b.width == 0 {
			distance := b.start.Sub(before).Abs()
			f.width = commonDivisor(f.width, distance)
			if distance > 0 {
				distances++
				shortest = min(shortest, distance)
			}
		}
		last[key] = b.start
	}
	f.width = f.width.Truncate(time.Second)
	if f.width == time.Hour && distances > 1 && shortest > 22*time.Hour {
		if f.width = oneDay; shortest.Round(oneDay) == 7*oneDay { // of a zone where the clocks change
			f.width = 7 * oneDay
		}
	}
	switch {
	case distances > 1 && shortest >= 28*oneDay-time.Hour && shortest <= 31*oneDay && f.width < 28*oneDay && f.width%oneDay == 0:
		return refuse("its bars seem to be those of months, which are not equally long: replay the days")
	case days && (f.width != 7*oneDay || distances < 3):
		f.width = oneDay
	case f.width <= 0 || f.width > maxWidth:
		f.width = defaultWidth
		if alone > 0 {
			f.p.doubt("nothing tells the width of its bars (a single one, or all at one time): they are taken for bars of a minute")
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

// learnEnds finds out whether the stamps are those of ends: 23:59:59, or a millisecond before the hour.
func (f *barFile) learnEnds() {
	if f.isEnd = len(f.ahead) > 0 && f.ahead[0].isEnd; f.isEnd {
		return
	}
	for _, before := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		all := len(f.ahead) > 0
		for _, b := range f.ahead {
			all = all && b.start.Add(before).Truncate(time.Minute).Equal(b.start.Add(before))
		}
		if !all || f.width < time.Minute && len(f.ahead) > 1 {
			continue
		}
		f.isEnd = true
		if len(f.ahead) == 1 && f.ahead[0].start.Add(before).Truncate(oneDay).Equal(f.ahead[0].start.Add(before)) {
			f.width = oneDay
		}
		f.p.doubt(fmt.Sprintf("its times are those of the bars' ends, as %s: the bars begin %s before",
			f.ahead[0].start.Format("15:04:05.999"), width(f.width)))
		return
	}
}

// place gives a bar its width, and moves the time of one that is stamped with its end to its beginning.
func (f *barFile) place(b *bar) {
	if b.placed {
		return
	}
	b.placed = true
	if b.width == 0 {
		b.width = f.width
	}
	if !f.isEnd {
		return
	}
	end := b.start
	if whole := end.Add(time.Second).Truncate(time.Second); !end.Equal(end.Truncate(time.Second)) || end.Second() == 59 {
		end = whole
	}
	b.start = end.Add(-b.width)
}

// learnMeasure finds out what the volumes count: dollars paid for coins lie between low and high; contracts are of dollars. A file whose
// coins would cost more than any market turns over counts dollars.
func (f *barFile) learnMeasure() {
	linear, inverse, other := 0, 0, 0
	var turnover, lasted float64
	for _, b := range f.ahead {
		width := b.width
		if width == 0 {
			width = f.width
		}
		turnover += b.volume * b.close
		lasted += width.Hours() / 24
		if b.volume <= 0 || b.quote <= 0 {
			continue
		}
		const slack = 1.01
		paid := b.quote / b.volume
		size := b.volume / b.quote // contracts a coin
		switch {
		case paid >= b.low/slack && paid <= b.high*slack:
			linear++
		case isContract(size, b.low/slack, b.high*slack):
			inverse++
		default:
			other++
		}
	}
	switch {
	case linear >= inverse && linear >= other && linear > 0:
	case inverse > other:
		f.measure = quoted
		f.p.doubt("its volumes are in contracts: the volume in coins is the one beside")
		return
	case other > 0:
		f.measure = nothing
		f.p.doubt("its two volumes do not fit the price: neither is taken")
		return
	case f.inverse:
		f.measure = contracts
		f.p.doubt("its market is in contracts of dollars, as its name says: the volume is computed")
		return
	}
	if turnover > maxTurnover*lasted {
		f.measure = nothing
		f.p.doubt("its volumes can't be coins, which would have cost more than any market turns over: they are left out")
	}
}

// contractSizes are the dollars that a contract of a coin-margined future stands for: a hundred of bitcoin, ten of other coins, at Binance;
// one elsewhere.
var contractSizes = [...]float64{100, 10, 1}

// isContract tells whether so many contracts a coin are contracts of dollars, at a price between low and high.
func isContract(contracts, low, high float64) bool {
	for _, size := range contractSizes {
		if price := contracts * size; price >= low && price <= high {
			return true
		}
	}
	return false
}

// contractSize is that of Binance's contracts.
func contractSize(coin string) float64 {
	if coin == "BTC" {
		return 100
	}
	return 10
}

// convert makes the volume one of coins.
func (f *barFile) convert(b *bar) {
	switch f.measure {
	case quoted:
		b.volume = b.quote
	case contracts:
		b.volume *= contractSize(b.symbol) / ((b.high + b.low) / 2)
	case nothing:
		b.volume, b.unmeasured = 0, true
	}
	if b.unmeasured && !f.noted {
		f.noted = true
		f.p.tally.note(b.venue, noteNoVolume, f.p.at.file)
	}
}

// claim tells the replay which markets the file has bars of. It refuses those that would count what another file has counted.
func (f *barFile) claim() error {
	for _, b := range f.ahead {
		f.place(b)
	}
	return f.p.claims.claim(f.p.at.file, f.ahead)
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

// replay passes on what is due before the bar and lets its own trades wait.
func (f *barFile) replay(b *bar) error {
	f.place(b)
	if err := f.stored.check(b.symbol, b.venue, b.width, b.start, b.start.Add(b.width)); err != nil {
		if isFatal(err) {
			return err
		}
		f.p.drop(b.venue, b.from.file, b.from.line, err)
		return nil
	}
	f.p.tally.count(func(s *Stats) { s.Bars++ })
	f.convert(b)
	f.p.claims.extend(f.p.at.file, b)
	f.p.bar(b)
	for len(f.waiting) > 0 && (f.waiting[0].Time.Before(b.start) || len(f.waiting) > maxWaiting) {
		if err := f.next(); err != nil {
			return err
		}
	}
	for _, p := range b.trades() {
		f.added++
		heap.Push(&f.waiting, &waitingTrade{p, f.added, b.from})
	}
	return nil
}

// next passes on the earliest trade that waits.
func (f *barFile) next() error {
	trade := heap.Pop(&f.waiting).(*waitingTrade)
	return f.p.emit(event{price: trade.Price, from: trade.from})
}

// finish passes on all that waits.
func (f *barFile) finish() error {
	if !f.judged {
		if err := f.judge(); err != nil {
			return err
		}
	}
	for len(f.waiting) > 0 {
		if err := f.next(); err != nil {
			return err
		}
	}
	return nil
}
