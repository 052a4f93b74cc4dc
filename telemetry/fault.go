package telemetry

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// lasting is the age from which a fault is no hiccup any more: an error in the log, and a process that is not ready.
	lasting = 3 * time.Minute
	// reminder is how often a lasting fault is told again.
	reminder = time.Hour
	// quiet is the least time between two beginnings of one fault in the log, so that what fails every few seconds fills no screen.
	quiet = time.Minute
)

// Fault is something that may fail and is then tried again until it works: a batch, a connection, a save. It is told once when it begins,
// once more when it has lasted for minutes, and once when it is over; tries between are only counted. Safe for concurrent use.
type Fault struct {
	metrics *Metrics
	log     *slog.Logger
	name    string
	now     func() time.Time

	mu     sync.Mutex
	since  time.Time // zero while there is none
	tries  int
	last   error
	said   time.Time // the last line about it
	told   bool      // this one's beginning
	lasted bool      // and that it lasts
	unsaid int       // beginnings that came too soon after another
}

// Fault returns a fault that has not begun. The name says what fails, as in "batch not stored; trying again"; attributes as for
// slog tell which. On a nil *Metrics it only logs.
func (m *Metrics) Fault(log *slog.Logger, name string, attributes ...any) *Fault {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Fault{metrics: m, log: log.With(attributes...), name: name, now: time.Now}
}

// Failed notes a try that failed.
func (f *Fault) Failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if f.since.IsZero() {
		f.since, f.tries, f.told, f.lasted = now, 0, false, false
		f.metrics.open(f)
	}
	f.tries++
	f.last = err
	age := now.Sub(f.since)
	switch {
	case age >= lasting && (!f.lasted || now.Sub(f.said) >= reminder):
		f.log.Error(f.name, "error", err, "since", f.since.UTC().Format(time.DateTime), "tries", f.tries)
		f.said, f.told, f.lasted, f.unsaid = now, true, true, 0
	case f.told:
	case f.said.IsZero() || now.Sub(f.said) >= quiet:
		if f.unsaid > 0 {
			f.log.Warn(f.name, "error", err, "times_since_last_told", f.unsaid+1)
		} else {
			f.log.Warn(f.name, "error", err)
		}
		f.said, f.told, f.unsaid = now, true, 0
	case f.tries == 1:
		f.unsaid++
	}
}

// Over notes that it works. It costs next to nothing where nothing had failed.
func (f *Fault) Over() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since.IsZero() {
		return
	}
	if f.told {
		f.log.Warn("over: "+f.name, "lasted", f.now().Sub(f.since).Round(time.Millisecond), "tries", f.tries)
	}
	f.since, f.last = time.Time{}, nil
	f.metrics.closed(f)
}

// Open describes a fault that is not over.
type Open struct {
	Name  string
	Since time.Time
	Error string
}

// Faults lists what is failing now, in no order.
func (m *Metrics) Faults() []Open {
	if m == nil {
		return nil
	}
	return m.faults.list()
}

// faults are the open ones of a process, as Prometheus collects them.
type faults struct {
	mu    sync.Mutex
	open  map[*Fault]bool
	count map[string]float64
}

var (
	faultSince = prometheus.NewDesc("rcas_fault_since_timestamp_seconds", "Since when something fails without a break (Unix time); absent while it works.",
		[]string{"fault"}, nil)
	faultTotal = prometheus.NewDesc("rcas_faults_total", "How often something began to fail.", []string{"fault"}, nil)
)

// Describe implements [prometheus.Collector].
func (f *faults) Describe(to chan<- *prometheus.Desc) { to <- faultSince; to <- faultTotal }

// Collect implements [prometheus.Collector]. Of faults of one name the oldest counts.
func (f *faults) Collect(to chan<- prometheus.Metric) {
	oldest := map[string]time.Time{}
	for _, open := range f.list() {
		if at, ok := oldest[open.Name]; !ok || open.Since.Before(at) {
			oldest[open.Name] = open.Since
		}
	}
	for name, since := range oldest {
		to <- prometheus.MustNewConstMetric(faultSince, prometheus.GaugeValue, float64(since.UnixMilli())/1000, name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, n := range f.count {
		to <- prometheus.MustNewConstMetric(faultTotal, prometheus.CounterValue, n, name)
	}
}

// list takes no fault's lock while it holds its own: a fault that begins takes them the other way round.
func (f *faults) list() []Open {
	f.mu.Lock()
	open := slices.Collect(maps.Keys(f.open))
	f.mu.Unlock()
	var list []Open
	for _, fault := range open {
		fault.mu.Lock()
		if !fault.since.IsZero() {
			list = append(list, Open{fault.name, fault.since, fault.last.Error()})
		}
		fault.mu.Unlock()
	}
	return list
}

func (m *Metrics) open(f *Fault) {
	if m == nil {
		return
	}
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	if m.faults.open == nil {
		m.faults.open, m.faults.count = map[*Fault]bool{}, map[string]float64{}
	}
	m.faults.open[f] = true
	m.faults.count[f.name]++
}

func (m *Metrics) closed(f *Fault) {
	if m == nil {
		return
	}
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	delete(m.faults.open, f)
}
