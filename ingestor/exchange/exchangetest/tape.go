package exchangetest

import (
	"fmt"
	"sync"
	"time"
)

// Trade is a trade of the simulated market, its decimals as text.
type Trade struct {
	Product       string
	ID            int64
	Time          time.Time
	Price, Volume string
}

// Tape is what a simulated market traded, in order. Safe for concurrent use.
type Tape struct {
	mu     sync.Mutex
	trades []Trade
	last   map[string]Trade
	grown  chan struct{}
	skew   time.Duration
}

func newTape(skew time.Duration) *Tape {
	return &Tape{last: map[string]Trade{}, grown: make(chan struct{}), skew: skew}
}

// add makes one more trade of the product, decided by dice: some trades share their time, as the fills of one order do.
func (t *Tape) add(product string, dice func(n int) int) Trade {
	t.mu.Lock()
	defer t.mu.Unlock()
	trade, ok := t.last[product]
	if !ok {
		trade = Trade{Product: product, ID: int64(1000 + dice(1_000_000))}
	}
	trade.ID++
	if !ok || dice(4) > 0 {
		trade.Time = time.Now().UTC().Add(t.skew)
	}
	trade.Price = fmt.Sprintf("%d.%0*d", 1+dice(70_000), 1+dice(8), dice(10))
	trade.Volume = fmt.Sprintf("%d.%08d", dice(3), 1+dice(99_999_999))
	t.last[product] = trade
	t.trades = append(t.trades, trade)
	close(t.grown)
	t.grown = make(chan struct{})
	return trade
}

// from returns the trades after the first n, and a channel that is closed when there are more.
func (t *Tape) from(n int) ([]Trade, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trades[n:len(t.trades):len(t.trades)], t.grown
}

func (t *Tape) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.trades)
}
