package bench

import "time"

// Report is what a run has measured of the road that posts take, from a file to the windows.
type Report struct {
	Comments int    `json:"comments"`
	Cores    int    `json:"cores"`
	Database string `json:"database"`
	// Road is the whole of it; Parts are its parts, each alone.
	Road  Part   `json:"road"`
	Parts []Part `json:"parts"`
	// Reached is the share of what the road's own CPU time allows on all cores that it has reached by the clock.
	Reached float64 `json:"reached"`
	// Explained is the CPU time of the parts alone, over the road's.
	Explained float64     `json:"explained"`
	Memory    Bytes       `json:"memory_bytes"`
	Disk      Disk        `json:"disk_bytes_per_message"`
	Freshness []Freshness `json:"freshness,omitempty"`
	// Backlog is nil where there was none.
	Backlog *Backlog `json:"backlog,omitempty"`
	// Comparison is nil where nothing was compared with.
	Comparison *Comparison `json:"comparison,omitempty"`
}

// Part is how fast something is.
type Part struct {
	Name     string  `json:"name"`
	Messages int     `json:"messages"`
	Seconds  float64 `json:"seconds"`
	// PerSecond are messages by the clock.
	PerSecond float64 `json:"messages_per_second"`
	// CPU of a message, in millionths of a second.
	CPU CPU `json:"cpu_microseconds"`
}

// Measured makes a part of what was measured.
func Measured(name string, messages int, took time.Duration, used CPU) Part {
	return Part{name, messages, took.Seconds(), float64(messages) / took.Seconds(), used.perMessage(messages)}
}

// Ceiling is how many messages a second the CPU time of one allows on so many cores; 0 where it could not be read.
func (p Part) Ceiling(cores int) float64 {
	if p.CPU.Sum() <= 0 {
		return 0
	}
	return float64(cores) * 1e6 / p.CPU.Sum()
}

// Bytes of the processes; a native server's own are not told.
type Bytes struct {
	RCAS     int64 `json:"rcas"`
	Database int64 `json:"database,omitempty"`
}

// Disk is what a message takes there: in the tables and windows before compression, and of it in the tables of posts, sentiments and words;
// and what was written ahead of them.
type Disk struct {
	Database float64            `json:"database"`
	Tables   map[string]float64 `json:"tables"`
	WAL      float64            `json:"wal"`
}

// Freshness is how long posts take from their receipt until mood() counts them, while so many come in each second.
type Freshness struct {
	Rate        int     `json:"rate"`
	MedianMilli float64 `json:"median_ms"`
	P99Milli    float64 `json:"p99_ms"`
	// CPU of a message, in millionths of a second, that of asking included.
	CPU CPU `json:"cpu_microseconds"`
}

// Backlog is how posts are worked off that came in while nobody worked: from the start of the work until mood() counts all of them.
type Backlog struct {
	// FeedSeconds is how long they came in, Rate how many a second.
	FeedSeconds float64 `json:"feed_seconds"`
	Rate        int     `json:"rate"`
	// Stream is what one of them takes in the stream's files, in bytes.
	Stream float64 `json:"stream_bytes_per_message"`
	Part
	// Memory is what was taken at most meanwhile.
	Memory Bytes `json:"memory_bytes"`
}

// Finish computes what follows from the parts.
func (r *Report) Finish() {
	sum := 0.0
	for _, p := range r.Parts {
		sum += p.CPU.Sum()
	}
	if ceiling := r.Road.Ceiling(r.Cores); ceiling > 0 {
		r.Reached, r.Explained = r.Road.PerSecond/ceiling, sum/r.Road.CPU.Sum()
	}
}

// Fresh makes a measurement of what packets of messages took, sorted.
func Fresh(rate, messages int, took []time.Duration, used CPU) Freshness {
	milli := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	return Freshness{rate, milli(took[len(took)/2]), milli(took[len(took)*99/100]), used.perMessage(messages)}
}
