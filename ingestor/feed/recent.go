package feed

import "sync"

// recentSize is how many identifiers a [Recent] remembers.
const recentSize = 50_000

// Recent remembers the newest identifiers, to tell repetitions. The zero value is ready; safe for concurrent use.
type Recent struct {
	mu   sync.Mutex
	set  map[string]bool
	ring []string
	next int
}

// Add remembers an identifier and tells whether it was known.
func (r *Recent) Add(id string) (known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set[id] {
		return true
	}
	if r.set == nil {
		r.set, r.ring = map[string]bool{}, make([]string, recentSize)
	}
	delete(r.set, r.ring[r.next])
	r.ring[r.next] = id
	r.set[id] = true
	r.next = (r.next + 1) % len(r.ring)
	return false
}
