package archive

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// maxOpen is how many files are open at once, where so many overlap in time.
	maxOpen = 64
	// maxMemory bounds what the containers of open files take together: the windows of zstd above all.
	maxMemory = 144 << 20
	// batchEvents and batchBytes bound what a file's reader gathers before it hands over; batchesAhead how far it runs ahead.
	batchEvents, batchBytes, batchesAhead = 256, 1 << 20, 2
)

// merge gives the events of many files in the order of time, as far as the files themselves are sorted. Each open file is
// read by a goroutine of its own. A file is opened when the merge reaches its first event.
type merge struct {
	archive *Archive
	pending []*file
	open    streams
	opened  int
	memory  int64 // of the open files
	told    bool
	stop    chan struct{}
	readers sync.WaitGroup
	now     time.Time
}

func newMerge(a *Archive, files []*file) *merge {
	pending := slices.Clone(files)
	slices.SortStableFunc(pending, func(x, y *file) int { return x.head.Compare(y.head) })
	return &merge{archive: a, pending: pending, stop: make(chan struct{}), now: time.Now()}
}

// next returns the next event, and its place in time: an event that comes late, or whose time is not credible, has that of
// the event before it in its file. At the end it returns no event.
func (m *merge) next(ctx context.Context) (event, time.Time, error) {
	for len(m.pending) > 0 && m.has(m.pending[0]) && (len(m.open) == 0 || !m.pending[0].head.After(m.open[0].key)) {
		s := m.start(ctx, m.pending[0])
		m.pending = m.pending[1:]
		if s.fill(m.now) {
			heap.Push(&m.open, s)
		}
	}
	if err := ctx.Err(); err != nil || len(m.open) == 0 {
		return event{}, time.Time{}, err
	}
	s := m.open[0]
	e, key := s.batch[0], s.key
	s.batch = s.batch[1:]
	if len(s.batch) == 0 {
		m.archive.progress(false)
	}
	if s.fill(m.now) {
		heap.Fix(&m.open, 0)
	} else {
		m.memory -= s.memory
		heap.Pop(&m.open)
	}
	return e, key, nil
}

// has tells whether another file may be open. Where that costs the order of time, it is said.
func (m *merge) has(f *file) bool {
	switch {
	case len(m.open) == 0:
		return true
	case len(m.open) >= maxOpen:
		return false
	case m.memory+f.memory <= maxMemory:
		return true
	}
	if !m.told && !f.head.After(m.open[0].key) {
		m.told = true
		m.archive.tally.doubt(f.path, "too many files with large windows are of the same time to be open at once: some are read after others, "+
			"and their events come late")
	}
	return false
}

// start begins to read a file.
func (m *merge) start(ctx context.Context, f *file) *stream {
	m.opened++
	m.memory += f.memory
	s := &stream{batches: make(chan []event, batchesAhead), key: f.head, order: m.opened, memory: f.memory}
	m.readers.Go(func() {
		defer close(s.batches)
		var batch []event
		size := 0
		send := func() error {
			select {
			case s.batches <- batch:
				batch, size = nil, 0
				return nil
			case <-m.stop:
				return errStop
			}
		}
		err := m.archive.read(ctx, f, reading{
			tally: m.archive.tally, progress: true, claims: m.archive.claims, report: m.archive.report, emit: func(e event) error {
				batch = append(batch, e)
				if size += e.size(); len(batch) < batchEvents && size < batchBytes {
					return nil
				}
				return send()
			},
		})
		if err == nil && len(batch) > 0 {
			_ = send()
		}
	})
	return s
}

// close ends all readers.
func (m *merge) close() {
	close(m.stop)
	m.readers.Wait()
}

// stream is an open file.
type stream struct {
	batches chan []event
	batch   []event
	// key is the place in time of the first event of batch. Of several at the same, the file opened first comes first.
	key   time.Time
	order int
	// memory is what the file's containers take.
	memory int64
}

// fill makes sure that there is an event, and moves the key to it. False at the end.
func (s *stream) fill(now time.Time) bool {
	for len(s.batch) == 0 {
		var ok bool
		if s.batch, ok = <-s.batches; !ok {
			return false
		}
	}
	if t := s.batch[0].time(); t.After(s.key) && credible(t, now) {
		s.key = t
	}
	return true
}

// streams is a heap of open files by the time of their next event.
type streams []*stream

func (s streams) Len() int { return len(s) }

func (s streams) Less(i, j int) bool {
	if c := s[i].key.Compare(s[j].key); c != 0 {
		return c < 0
	}
	return s[i].order < s[j].order
}

func (s streams) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

func (s *streams) Push(x any) { *s = append(*s, x.(*stream)) }

func (s *streams) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// pace lets time go by.
type pace struct {
	speed        float64
	began, first time.Time
}

// wait returns when it is time for an event of that place in time.
func (p *pace) wait(ctx context.Context, at time.Time) error {
	if p.speed == 0 || at.IsZero() {
		return nil
	}
	if p.first.IsZero() {
		p.began, p.first = time.Now(), at
	}
	due := p.began.Add(time.Duration(float64(at.Sub(p.first)) / p.speed))
	left := time.Until(due)
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
