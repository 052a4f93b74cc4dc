package exchange

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"rcas/market"
)

// maxJump is the longest run of missing numbers sought; of a longer one the oldest part is lost at once. A number that lies
// further back than this means that the venue began to number anew.
const maxJump = 1_000_000

// maxHoles bounds the runs sought per product.
const maxHoles = 1000

// ledger knows, per product, which numbers came and which are missing. Safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	products map[string]*page
	count    func(event string, n int64)
	lost     func(gap Gap, why string) // of trades that are given up
}

// page is the ledger of one product.
type page struct {
	last  int64     // highest number heard of
	came  int64     // highest number that came
	at    time.Time // of that
	holes []*hole   // ascending, disjoint, none above last
}

// hole is a gap being sought.
type hole struct {
	Gap
	found time.Time // when the gap was seen
	due   time.Time // when to ask next
	tries int       // answers without anything of it
	fails int       // requests without an answer
	// early is the latest time of its trades that were refused because they lay ahead of this machine's clock. There is no use in
	// asking before that time has come. Zero for a gap like any other.
	early time.Time
	// Of the request under way:
	asked   int64 // From when it was made; zero where the gap was not due
	refused bool  // its answer held trades that were refused as early
}

func newLedger(count func(string, int64), lost func(Gap, string)) *ledger {
	return &ledger{products: map[string]*page{}, count: count, lost: lost}
}

// lose gives the numbers of a gap up.
func (l *ledger) lose(g Gap, why string) {
	l.count("lost", g.To-g.From+1)
	l.lost(g, why)
}

// origin tells where a trade came from.
type origin int

const (
	fromFeed origin = iota
	fromREST
)

// enter books a trade that was handed on, and tells whether there may be something new to ask for.
func (l *ledger) enter(t Trade, from origin, due time.Time) (ask bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.products[t.Product]
	switch {
	case p == nil:
		l.products[t.Product] = &page{last: t.ID, came: t.ID, at: t.Time}
	case t.ID > p.last:
		if ask = t.ID > p.last+1; ask {
			l.open(p, Gap{Product: t.Product, From: p.last + 1, To: t.ID - 1, After: p.at}, due)
		}
		ask = p.settle(t) || ask
		p.last, p.came, p.at = t.ID, t.ID, t.Time
	case t.ID < p.last-maxJump:
		l.count("reset", 1)
		for _, h := range p.holes {
			l.lose(h.Gap, "the venue began to number anew")
		}
		*p = page{last: t.ID, came: t.ID, at: t.Time}
	default:
		l.fill(p, t, from)
	}
	return ask
}

// early books a trade that was refused because it lies ahead of this machine's clock: as missing, to be asked for when its time has
// come. It is the venue that is wrong where a later trade that came is older; then the trade is missing like any other.
func (l *ledger) early(t Trade, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.products[t.Product]
	if p == nil {
		p = &page{last: t.ID - 1, at: t.Time.Add(-time.Millisecond)} // of the one before, as far as anybody knows
		l.products[t.Product] = p
	}
	if t.ID <= p.last {
		for _, h := range p.holes {
			odd := t.ID < p.came && t.Time.After(p.at.Add(market.MaxFuture))
			if h.From <= t.ID && t.ID <= h.To && !odd {
				h.refused = true
				if t.Time.After(h.early) {
					h.early = t.Time
				}
			}
		}
		return
	}
	if t.ID-p.last > maxJump {
		return // a number as strange as its time
	}
	h := l.open(p, Gap{Product: t.Product, From: p.last + 1, To: t.ID, After: p.at}, now)
	h.early = t.Time
	p.last = t.ID
}

// settle compares the trades that were refused for lying ahead of this machine's clock with a later one, t, that was not, and tells
// whether there are any: by t's time, either this machine's clock is right again, or they had no sane time.
func (p *page) settle(t Trade) (any bool) {
	for _, h := range p.holes {
		any = any || !h.early.IsZero()
		if h.early.After(t.Time.Add(market.MaxFuture)) {
			h.early = time.Time{}
		}
	}
	return any
}

// open adds a gap, or makes the last one longer.
func (l *ledger) open(p *page, g Gap, due time.Time) *hole {
	l.count("missed", g.To-g.From+1)
	var h *hole
	if n := len(p.holes); n > 0 && p.holes[n-1].To == g.From-1 {
		h = p.holes[n-1]
		h.To, h.found = g.To, time.Now()
	} else {
		l.count("gap", 1)
		if len(p.holes) >= maxHoles {
			l.lose(p.holes[0].Gap, "more gaps are open than can be filled")
			p.holes = slices.Delete(p.holes, 0, 1)
		}
		h = &hole{Gap: g, found: time.Now(), due: due}
		p.holes = append(p.holes, h)
	}
	if excess := h.To - h.From + 1 - maxJump; excess > 0 {
		l.lose(Gap{Product: h.Product, From: h.From, To: h.From + excess - 1}, "the gap is longer than is worth filling")
		h.From += excess
	}
	return h
}

// seeks tells whether a trade of the product is missing.
func (l *ledger) seeks(t Trade) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.products[t.Product]
	return p != nil && slices.ContainsFunc(p.holes, func(h *hole) bool { return h.From <= t.ID && t.ID <= h.To })
}

// open gaps of all products, and how many trades they lack.
func (l *ledger) backlog() (gaps int, missing int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.products {
		gaps += len(p.holes)
		for _, h := range p.holes {
			missing += h.To - h.From + 1
		}
	}
	return gaps, missing
}

// fill closes (a part of) a gap with a trade at or below the last number.
func (l *ledger) fill(p *page, t Trade, from origin) {
	i := slices.IndexFunc(p.holes, func(h *hole) bool { return h.From <= t.ID && t.ID <= h.To })
	if i < 0 {
		if from == fromFeed {
			l.count("duplicate", 1)
		}
		return
	}
	l.count(map[origin]string{fromFeed: "late", fromREST: "repaired"}[from], 1)
	if t.ID > p.came {
		p.came, p.at = t.ID, t.Time
	}
	h := p.holes[i]
	switch {
	case h.From == t.ID && h.To == t.ID:
		p.holes = slices.Delete(p.holes, i, i+1)
	case h.From == t.ID:
		h.From, h.After = t.ID+1, t.Time
	case h.To == t.ID:
		h.To = t.ID - 1
	default:
		upper := *h
		upper.From, upper.After = t.ID+1, t.Time
		h.To = t.ID - 1
		p.holes = slices.Insert(p.holes, i+1, &upper)
	}
}

// earlyLook is how often the clock is looked at while trades were refused for lying ahead of it: it may be set right at any time.
const earlyLook = time.Second

// wait returns how long it is until the gap is to be asked for; not above zero: now.
func (h *hole) wait(now time.Time) time.Duration {
	wait := h.due.Sub(now)
	if h.early.IsZero() {
		return wait
	}
	ahead := h.early.Add(-market.MaxFuture).Sub(now.Round(0))
	return max(wait, min(ahead, earlyLook))
}

// next returns a page to ask for: from the gap that has waited longest on, with those gaps behind it that the same answer may close.
// Where none is due, it returns how long until one is (zero: there is none).
func (l *ledger) next(now time.Time) (gap Gap, ok bool, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first *hole
	for _, p := range l.products {
		for _, h := range p.holes {
			if w := h.wait(now); first == nil || w < wait {
				first, wait = h, w
			}
		}
	}
	if first == nil {
		return Gap{}, false, 0
	}
	if wait > 0 {
		return Gap{}, false, wait
	}
	gap = first.Gap
	end := gap.From + PageSize - 1
	for _, h := range l.products[gap.Product].holes {
		h.asked, h.refused = 0, false
		if h.From < gap.From || h.From > end {
			continue
		}
		gap.To = max(gap.To, h.To)
		if h == first || h.wait(now) <= 0 {
			h.asked = h.From
		}
	}
	gap.To = min(gap.To, end)
	return gap, true, 0
}

// asked books that the REST endpoint was asked for gap, after the trades of its answer were entered. What was due and is still missing
// of it gets another time, or is lost: after so many answers without it, or when the endpoint has only failed for so long.
// Behind a lost page the next one gets a single try more, since a venue may have forgotten only the oldest.
func (l *ledger) asked(gap Gap, failed bool, t Timing, random float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, now := l.products[gap.Product], time.Now()
	if p == nil {
		return
	}
	for _, h := range p.holes {
		switch {
		case h.asked == 0 || h.From > gap.To:
			continue
		case h.From > h.asked: // the answer held what came before: go on from here
			h.due = now
			continue
		case h.refused: // for its time, again: this machine's clock is not right yet
			h.due = now.Add(t.Retry.Wait(0, random))
			continue
		case !h.early.IsZero(): // its time has come, and it is missing like any other
			h.early, h.found = time.Time{}, now
		}
		if failed {
			h.fails++
		} else {
			h.tries++
		}
		h.due = now.Add(t.Retry.Wait(h.tries+h.fails, random))
		if h.tries >= t.Tries || now.Sub(h.found) > t.Patience {
			lost := min(h.To, gap.To) - h.From + 1
			l.lose(Gap{Product: h.Product, From: h.From, To: h.From + lost - 1}, "the venue does not tell them any more")
			h.From, h.tries, h.fails, h.due = h.From+lost, t.Tries-1, 0, now
		}
	}
	p.holes = slices.DeleteFunc(p.holes, func(h *hole) bool { return h.From > h.To })
}

// mark is how far a product has been read without a gap.
type mark struct {
	ID   int64     `json:"id"`
	Time time.Time `json:"time"`
}

// cursor returns the marks of all products as JSON.
func (l *ledger) cursor() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	marks := map[string]mark{}
	for product, p := range l.products {
		marks[product] = mark{p.last, p.at}
		if len(p.holes) > 0 {
			marks[product] = mark{p.holes[0].From - 1, p.holes[0].After}
		}
	}
	text, _ := json.Marshal(marks) // a map of numbers and times always marshals
	return string(text)
}

// resume takes the marks of an earlier run.
func (l *ledger) resume(marks map[string]mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for product, m := range marks {
		l.products[product] = &page{last: m.ID, came: m.ID, at: m.Time}
	}
}
