package telemetry

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Stages of a message's road, of which [Metrics.Fresh] tells the age.
const (
	StageStored = "stored" // the row of the post or trade is committed
	StageScored = "scored" // the sentiment of the post is committed
)

// archived is the age from which a message is news to nobody: how long an archive's events took to arrive says nothing about a feed.
const archived = 24 * time.Hour

// maxNames bounds the values of a label that comes from outside, such as the source of a pushed post.
const maxNames = 200

// seconds are the bounds of histograms of time: a tenth of a second is good, ten minutes are an outage.
var seconds = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600, 3600}

// Metrics are the counters and gauges of one process. All methods are safe for concurrent use, and do nothing on a nil *Metrics.
type Metrics struct {
	registry *prometheus.Registry
	faults   faults

	read, published, dropped, feedEvents *prometheus.CounterVec
	lastMessage                          *prometheus.GaugeVec
	lag                                  *prometheus.HistogramVec

	stored, duplicates, scored, skipped, dead *prometheus.CounterVec
	freshness                                 *prometheus.HistogramVec

	batchMessages, batchSeconds      *prometheus.HistogramVec
	batchRetries                     *prometheus.CounterVec
	publishRetries                   prometheus.Counter
	pending, unacknowledged          *prometheus.GaugeVec
	redelivered, streamBytes         *prometheus.GaugeVec
	deadLetters, diskFree, diskTotal prometheus.Gauge
	tableBytes, model, ready         *prometheus.GaugeVec

	naming sync.Mutex
	names  map[string]bool
	last   map[string]time.Time // when each source brought its newest message, and each consumer, as STREAM/consumer, finished a batch
	scorer string               // the model that scores
}

// New returns metrics that count from zero. The version is that of the program.
func New(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rcas_" + name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rcas_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rcas_" + name, Help: help, Buckets: buckets}, labels)
	}
	single := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "rcas_" + name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(), names: map[string]bool{}, last: map[string]time.Time{},

		read:        counter("messages_read_total", "Posts and trades that a source read.", "source"),
		published:   counter("messages_published_total", "Posts and trades handed to the stream.", "source"),
		dropped:     counter("messages_dropped_total", "Posts and trades dropped, by reason.", "source", "reason"),
		feedEvents:  counter("feed_events_total", "What else a source counted: reconnect, gap, repaired, skew, ….", "source", "event"),
		lastMessage: gauge("feed_last_message_timestamp_seconds", "When a source read its newest message (Unix time).", "source"),
		lag:         histogram("feed_lag_seconds", "From the event to its receipt; archives are left out.", seconds, "source"),

		stored:     counter("rows_stored_total", "Posts and trades added to the database.", "source"),
		duplicates: counter("rows_duplicate_total", "Posts and trades that the database had already.", "source"),
		scored:     counter("sentiments_scored_total", "Sentiments that the model judged and the database added.", "source"),
		skipped:    counter("sentiments_skipped_total", "Sentiments stored unjudged, by reason.", "source", "reason"),
		dead:       counter("messages_dead_total", "Messages set aside because they can never be stored.", "consumer", "source"),
		freshness:  histogram("freshness_seconds", "From the receipt of a message to the commit of its row (stored) or sentiment (scored).", seconds, "stage"),

		batchMessages: histogram("batch_messages", "Messages in a batch.", []float64{1, 10, 50, 100, 500, 1000, 2500, 5000}, "stream", "consumer"),
		batchSeconds:  histogram("batch_seconds", "From the first try of a batch to its commit.", seconds, "stream", "consumer"),
		batchRetries:  counter("batch_retries_total", "Tries of a batch that failed and are made again.", "stream", "consumer"),
		publishRetries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rcas_publish_retries_total", Help: "Tries to publish a message that failed and are made again.",
		}),
		pending:        gauge("backlog_messages", "Messages of the stream, of one post or trade or some dozens, that a consumer has not been given yet.", "stream", "consumer"),
		unacknowledged: gauge("unacknowledged_messages", "Messages that a consumer has been given and has not acknowledged.", "stream", "consumer"),
		redelivered:    gauge("redelivered_messages", "Unacknowledged messages that were given more than once.", "stream", "consumer"),
		streamBytes:    gauge("stream_bytes", "Bytes that a stream holds.", "stream"),
		deadLetters:    single("dead_letters", "Messages in the stream DEAD."),
		diskFree:       single("disk_free_bytes", "Free bytes of the disk that holds the data directory."),
		diskTotal:      single("disk_total_bytes", "Bytes of the disk that holds the data directory."),
		tableBytes:     gauge("table_bytes", "Bytes of a table of the database, with its indexes.", "table"),
		model:          gauge("model_info", "1 for the model that scores.", "model"),
		ready:          gauge("ready", "1 where the check of /readyz passed when it was last made, else 0.", "check"),
	}
	build := gauge("build_info", "1; the labels say which program this is.", "version")
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
		m.read, m.published, m.dropped, m.feedEvents, m.lastMessage, m.lag, m.stored, m.duplicates, m.scored, m.skipped, m.dead,
		m.freshness, m.batchMessages, m.batchSeconds, m.batchRetries, m.publishRetries, m.pending, m.unacknowledged, m.redelivered,
		m.streamBytes, m.deadLetters, m.diskFree, m.diskTotal, m.tableBytes, m.model, m.ready, &m.faults)
	return m
}

// name returns a label's value, or "other" once there are so many of them that somebody is making them up.
func (m *Metrics) name(s string) string {
	m.naming.Lock()
	defer m.naming.Unlock()
	if !m.names[s] {
		if len(m.names) >= maxNames {
			return "other"
		}
		m.names[s] = true
	}
	return s
}

// Count counts what a source did, under the events that [rcas/ingestor.Door] knows: read, published, dropped: with a reason, and others.
func (m *Metrics) Count(source, event string, n int64) {
	if m == nil {
		return
	}
	source = m.name(source)
	reason, dropped := strings.CutPrefix(event, "dropped:")
	switch {
	case dropped:
		m.dropped.WithLabelValues(source, m.name(reason)).Add(float64(n))
	case event == "read":
		m.read.WithLabelValues(source).Add(float64(n))
		m.brought(source)
	case event == "published":
		m.published.WithLabelValues(source).Add(float64(n))
	default:
		m.feedEvents.WithLabelValues(source, m.name(event)).Add(float64(n))
	}
}

func (m *Metrics) brought(source string) {
	now := time.Now()
	m.naming.Lock()
	m.last[source] = now
	m.naming.Unlock()
	m.lastMessage.WithLabelValues(source).Set(float64(now.UnixMilli()) / 1000)
}

// LastMessage tells when a source brought its newest message; the zero time where none came yet.
func (m *Metrics) LastMessage(source string) time.Time {
	if m == nil {
		return time.Time{}
	}
	m.naming.Lock()
	defer m.naming.Unlock()
	return m.last[source]
}

// Lag notes how long an event took to arrive.
func (m *Metrics) Lag(source string, lag time.Duration) {
	if m != nil && lag < archived {
		m.lag.WithLabelValues(m.name(source)).Observe(lag.Seconds())
	}
}

// Stored counts rows of posts and trades that the database committed, under the events stored and duplicate.
func (m *Metrics) Stored(source, event string, n int64) {
	if m == nil || n <= 0 {
		return
	}
	switch event {
	case "stored":
		m.stored.WithLabelValues(m.name(source)).Add(float64(n))
	case "duplicate":
		m.duplicates.WithLabelValues(m.name(source)).Add(float64(n))
	}
}

// Scored counts a sentiment that the database committed, of a post received at a time. Skipped is the reason for which it was not judged.
func (m *Metrics) Scored(source, skipped string, received time.Time) {
	if m == nil {
		return
	}
	m.Fresh(StageScored, received)
	if skipped != "" {
		m.skipped.WithLabelValues(m.name(source), m.name(skipped)).Inc()
		return
	}
	m.scored.WithLabelValues(m.name(source)).Inc()
}

// Fresh notes, of a message received at a time, that it has reached a stage now.
func (m *Metrics) Fresh(stage string, received time.Time) {
	if m != nil && !received.IsZero() {
		m.freshness.WithLabelValues(stage).Observe(max(time.Since(received), 0).Seconds())
	}
}

// Batch notes a batch that is stored and acknowledged.
func (m *Metrics) Batch(stream, consumer string, messages int, took time.Duration) {
	if m != nil {
		m.batchMessages.WithLabelValues(stream, consumer).Observe(float64(messages))
		m.batchSeconds.WithLabelValues(stream, consumer).Observe(took.Seconds())
		m.naming.Lock()
		m.last[stream+"/"+consumer] = time.Now()
		m.naming.Unlock()
	}
}

// LastBatch tells when a consumer of this process last finished a batch; the zero time where it has finished none.
func (m *Metrics) LastBatch(stream, consumer string) time.Time {
	return m.LastMessage(stream + "/" + consumer)
}

// BatchRetry counts a try of a batch that failed and is made again.
func (m *Metrics) BatchRetry(stream, consumer string) {
	if m != nil {
		m.batchRetries.WithLabelValues(stream, consumer).Inc()
	}
}

// PublishRetry counts a message that the stream did not take at once.
func (m *Metrics) PublishRetry() {
	if m != nil {
		m.publishRetries.Inc()
	}
}

// Dead counts a message that was set aside.
func (m *Metrics) Dead(consumer, source string) {
	if m != nil {
		m.dead.WithLabelValues(consumer, m.name(source)).Inc()
	}
}

// Model says which model scores from now on.
func (m *Metrics) Model(name string) {
	if m == nil {
		return
	}
	m.model.Reset()
	m.model.WithLabelValues(name).Set(1)
	m.naming.Lock()
	defer m.naming.Unlock()
	m.scorer = name
}

// ModelName tells which model scores, or "" where none does yet.
func (m *Metrics) ModelName() string {
	if m == nil {
		return ""
	}
	m.naming.Lock()
	defer m.naming.Unlock()
	return m.scorer
}

// Backlog says what a consumer has still to do.
func (m *Metrics) Backlog(stream, consumer string, pending uint64, unacknowledged, redelivered int) {
	if m != nil {
		m.pending.WithLabelValues(stream, consumer).Set(float64(pending))
		m.unacknowledged.WithLabelValues(stream, consumer).Set(float64(unacknowledged))
		m.redelivered.WithLabelValues(stream, consumer).Set(float64(redelivered))
	}
}

// NoBacklog says that nobody knows what the consumers have still to do: the stream is away. A number of before would be a lie.
func (m *Metrics) NoBacklog() {
	if m != nil {
		m.pending.Reset()
		m.unacknowledged.Reset()
		m.redelivered.Reset()
		m.streamBytes.Reset()
	}
}

// StreamBytes says how much a stream holds.
func (m *Metrics) StreamBytes(stream string, bytes uint64) {
	if m != nil {
		m.streamBytes.WithLabelValues(stream).Set(float64(bytes))
	}
}

// DeadLetters says how many messages were set aside and lie there still.
func (m *Metrics) DeadLetters(n uint64) {
	if m != nil {
		m.deadLetters.Set(float64(n))
	}
}

// Disk says how many bytes the disk of the data directory has, and how many are free.
func (m *Metrics) Disk(free, total uint64) {
	if m != nil {
		m.diskFree.Set(float64(free))
		m.diskTotal.Set(float64(total))
	}
}

// TableBytes says how large a table is.
func (m *Metrics) TableBytes(table string, bytes int64) {
	if m != nil {
		m.tableBytes.WithLabelValues(table).Set(float64(bytes))
	}
}
