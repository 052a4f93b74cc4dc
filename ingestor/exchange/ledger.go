package exchange

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
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
}

// page is the ledger of one product.
type page struct {
	last  int64 // highest number that came
	at    time.Time
	holes []*hole // ascending, disjoint, all below last
}

// hole is a gap being sought.
type hole struct {
	Gap
	found time.Time // when the gap was seen
	due   time.Time // when to ask next
	tries int       // answers without anything of it
}

func newLedger(count func(string, int64)) *ledger {
	return &ledger{products: map[string]*page{}, count: count}
}

// origin tells where a trade came from.
type origin int

const (
	fromFeed origin = iota
	fromREST
)

// enter books a trade that was handed on, and tells whether it showed a new gap.
func (l *ledger) enter(t Trade, from origin, due time.Time) (gap bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.products[t.Product]
	switch {
	case p == nil:
		l.products[t.Product] = &page{last: t.ID, at: t.Time}
	case t.ID > p.last:
		if gap = t.ID > p.last+1; gap {
			l.open(p, Gap{Product: t.Product, From: p.last + 1, To: t.ID - 1, After: p.at}, due)
		}
		p.last, p.at = t.ID, t.Time
	case t.ID < p.last-maxJump:
		l.count("reset", 1)
		for _, h := range p.holes {
			l.count("lost", h.To-h.From+1)
		}
		*p = page{last: t.ID, at: t.Time}
	default:
		l.fill(p, t, from)
	}
	return gap
}

// open adds a gap.
func (l *ledger) open(p *page, g Gap, due time.Time) {
	l.count("gap", 1)
	l.count("missed", g.To-g.From+1)
	if excess := g.To - g.From + 1 - maxJump; excess > 0 {
		l.count("lost", excess)
		g.From += excess
	}
	if len(p.holes) >= maxHoles {
		l.count("lost", p.holes[0].To-p.holes[0].From+1)
		p.holes = slices.Delete(p.holes, 0, 1)
	}
	p.holes = append(p.holes, &hole{Gap: g, found: time.Now(), due: due})
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

// next returns the first page of the gap that has waited longest, or how long until one is due (zero: there is none).
func (l *ledger) next(now time.Time) (gap Gap, ok bool, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first *hole
	for _, p := range l.products {
		for _, h := range p.holes {
			if first == nil || h.due.Before(first.due) {
				first = h
			}
		}
	}
	if first == nil {
		return Gap{}, false, 0
	}
	if wait = first.due.Sub(now); wait > 0 {
		return Gap{}, false, wait
	}
	gap = first.Gap
	gap.To = min(gap.To, gap.From+PageSize-1)
	return gap, true, 0
}

// asked books that the REST endpoint was asked for gap, after the trades of its answer were entered. What is still missing of
// it gets another time, or is lost: after so many answers without it, or when the endpoint has only failed for so long.
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
		case h.To < gap.From || h.From > gap.To:
			continue
		case h.From > gap.From: // the answer held what came before: go on from here
			h.due = now
			continue
		case !failed:
			h.tries++
		}
		h.due = now.Add(t.Retry.Wait(h.tries, random))
		if h.tries >= t.Tries || now.Sub(h.found) > t.Patience {
			lost := min(h.To, gap.To) - h.From + 1
			l.count("lost", lost)
			h.From, h.tries, h.due = h.From+lost, t.Tries-1, now
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
		l.products[product] = &page{last: m.ID, at: m.Time}
	}
}
