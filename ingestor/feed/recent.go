package feed

import "sync"

// recentSize is how many identifiers a [Recent] remembers.
const recentSize = 50_000

// Recent remembers the newest identifiers, to tell repetitions. The zero value is ready; safe for concurrent use.
type Recent struct {
	mu   sync.Mutex
	at   map[string]int // where it stands in the ring
	ring []string
	next int
}

// Add remembers an identifier and tells whether it was known.
func (r *Recent) Add(id string) (known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.at[id]; known {
		return true
	}
	if r.at == nil {
		r.at, r.ring = map[string]int{}, make([]string, recentSize)
	}
	if old := r.ring[r.next]; r.at[old] == r.next {
		delete(r.at, old)
	}
	r.ring[r.next] = id
	r.at[id] = r.next
	r.next = (r.next + 1) % len(r.ring)
	return false
}

// Forget makes an identifier unknown again: what it names was refused for a reason that passes.
func (r *Recent) Forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, id)
}
