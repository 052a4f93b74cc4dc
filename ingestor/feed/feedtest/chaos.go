package feedtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Chaos rolls the dice of a simulator: the same seed gives the same series of numbers (though threads decide who gets which).
// It begins calm.
type Chaos struct {
	mu    sync.Mutex
	rng   *rand.Rand
	on    bool
	tally map[string]int
}

// NewChaos returns dice of a seed.
func NewChaos(seed uint64) *Chaos {
	return &Chaos{rng: rand.New(rand.NewPCG(seed, 0x5eed)), tally: map[string]int{}}
}

// Begin ends the calm.
func (c *Chaos) Begin() { c.set(true) }

// Calm ends the misfortunes.
func (c *Chaos) Calm() { c.set(false) }

func (c *Chaos) set(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = on
}

// Strikes tells whether the misfortune happens now, which it does with probability p unless it is calm, and tallies it.
func (c *Chaos) Strikes(misfortune string, p float64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.on || c.rng.Float64() >= p {
		return false
	}
	c.tally[misfortune]++
	return true
}

// Intn returns a number in [0, n).
func (c *Chaos) Intn(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

// Tally returns how often each misfortune struck.
func (c *Chaos) Tally() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.tally)
}

// Refuse answers a request with one of the ways in which HTTP servers fail, if misfortune has it, and tells whether it did.
func (c *Chaos) Refuse(w http.ResponseWriter, r *http.Request, p float64) bool {
	switch {
	case c.Strikes("429", p/4):
		w.Header().Set("Retry-After", "0.03")
		http.Error(w, "too many requests", http.StatusTooManyRequests)
	case c.Strikes("503", p/4):
		http.Error(w, "<html>try later</html>", http.StatusServiceUnavailable)
	case c.Strikes("wrong JSON", p/4):
		_, _ = w.Write([]byte(`{"message": "this is not what you asked for", "list": [1, "two", null]}`))
	case c.Strikes("half answer", p/4):
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`[{"id": 1, "pri`))
		Raw(r).Break()
	default:
		return false
	}
	return true
}

// Seeds runs test once per seed, several at a time (a simulation mostly waits): 20 seeds, or as many as RCAS_SEEDS says.
// RCAS_SEED runs that one alone. The sums of what the tests return are logged at the end.
func Seeds(t *testing.T, test func(t *testing.T, seed uint64) map[string]int64) {
	t.Helper()
	first, n := uint64(1), number("RCAS_SEEDS", 20)
	if seed := number("RCAS_SEED", 0); seed > 0 {
		first, n = seed, 1
	}
	var mu sync.Mutex
	sums := map[string]int64{}
	began := time.Now()
	seeds := make(chan uint64)
	var workers sync.WaitGroup
	for range 6 {
		workers.Go(func() {
			for seed := range seeds {
				t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
					got := test(t, seed)
					mu.Lock()
					defer mu.Unlock()
					for name, value := range got {
						sums[name] += value
					}
				})
			}
		})
	}
	for seed := first; seed < first+n; seed++ {
		seeds <- seed
	}
	close(seeds)
	workers.Wait()
	t.Logf("%d seeds in %s: %s", n, time.Since(began).Round(time.Millisecond), Line(sums))
}

// number reads an environment variable.
func number(name string, fallback uint64) uint64 {
	if value, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return value
	}
	return fallback
}

// Line prints counters in one line, sorted by name.
func Line(counters map[string]int64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counters[name]))
	}
	return strings.Join(parts, ", ")
}
