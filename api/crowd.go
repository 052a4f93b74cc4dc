package api

import "sync"

// crowd lets many who ask the same have one answer: five hundred that look at one board send one question again and again. Who asks what another
// asks, too, and whose turn at the database has not come, waits for that answer. Once the database is asked nobody joins: no answer is older
// than the question of anybody who gets it.
type crowd struct {
	mu      sync.Mutex
	waiting map[string]*shared
}

// shared is an answer that several wait for.
type shared struct {
	done   chan struct{}
	others int // beside the first
	body   []byte
	final  bool  // what body says
	err    error // with neither, there is nothing to share: each asks by himself
}

// join returns the answer that others wait for, too, or a new one, of which the caller is the first and must begin and end it.
func (c *crowd) join(question string) (answer *shared, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer = c.waiting[question]; answer != nil {
		answer.others++
		return answer, false
	}
	answer = &shared{done: make(chan struct{})}
	c.waiting[question] = answer
	return answer, true
}

// begin says that the database is asked now.
func (c *crowd) begin(question string, answer *shared) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[question] == answer {
		delete(c.waiting, question)
	}
}

// end gives the answer to those who wait.
func (c *crowd) end(question string, answer *shared) {
	c.begin(question, answer)
	close(answer.done)
}
