package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/stream"
	"rcas/telemetry"
)

const (
	// defaultMetricsAddress is where a process that stays serves its metrics, on this machine only.
	defaultMetricsAddress = "127.0.0.1:9420"
	// measureEvery is how often what no message tells is measured: backlogs, the disk.
	measureEvery = 15 * time.Second
	// tablesEvery is how often the tables are measured, which looks at every chunk.
	tablesEvery = time.Hour
	// stuckAfter is how long a consumer may finish nothing while messages wait for it.
	stuckAfter = 5 * time.Minute
	// silentAfter is how long a feed that never rests may bring nothing.
	silentAfter = 10 * time.Minute
)

// resting sources may be quiet for longer than a feed is silent by its nature: they are asked now and then, or told by somebody.
var resting = []string{"news", "push", "reddit", "stocktwits", "twitter"}

// watch serves the metrics of this process and its health, where somebody asked for that or the process stays, and measures on
// until the function returned is called.
func (a *app) watch(ctx context.Context, p pipeline) (func(), error) {
	address := a.settings.metricsAddress
	if address == "off" || address == "" && !p.stays {
		return func() {}, nil
	}
	server, err := a.listen(address, a.checks(p))
	if err != nil && p.stays {
		return nil, err
	}
	if err != nil { // A short command does its work all the same.
		a.settings.log.Warn("no metrics of this command", "error", err)
		return func() {}, nil
	}
	a.server = server
	if a.shared != "" {
		if err := a.share(); err != nil {
			return nil, errors.Join(err, server.Close())
		}
	}
	ctx, stop := context.WithCancel(ctx)
	go a.measureOn(ctx)
	return func() {
		stop()
		_ = server.Close()
		a.server = nil
	}, nil
}

// listen takes the address that was asked for, or else the usual one; where another process has that, any.
func (a *app) listen(address string, checks telemetry.Checks) (*telemetry.Server, error) {
	if address != "" {
		server, err := telemetry.Listen(address, a.settings.metrics, checks)
		if err != nil {
			err = fmt.Errorf("%w; choose another --metrics-address, or off", err)
		}
		return server, err
	}
	server, err := telemetry.Listen(defaultMetricsAddress, a.settings.metrics, checks)
	if err == nil {
		return server, nil
	}
	if server, err = telemetry.Listen("127.0.0.1:0", a.settings.metrics, checks); err == nil {
		a.settings.say("metrics and health at " + server.URL() + ", because something else serves " + defaultMetricsAddress)
	}
	return server, err
}

// checks are the questions of /healthz and /readyz.
func (a *app) checks(p pipeline) telemetry.Checks {
	started := time.Now()
	checks := telemetry.Checks{
		Live: []telemetry.Check{{Name: "database process", Ask: func(context.Context) error { return a.store.Ended() }}},
		Ready: []telemetry.Check{
			{Name: "database", Ask: a.store.CheckWritable},
			{Name: "stream", Ask: func(ctx context.Context) error { return a.checkStream(ctx, p, started) }},
		},
	}
	if p.score {
		checks.Ready = append(checks.Ready, telemetry.Check{Name: "model", Ask: func(context.Context) error {
			if a.settings.metrics.ModelName() == "" {
				return errors.New("no model is loaded yet")
			}
			return nil
		}})
	}
	for _, source := range p.sources {
		if name := source.Name(); !slices.Contains(resting, name) {
			checks.Ready = append(checks.Ready, telemetry.Check{Name: "feed " + name, Ask: func(context.Context) error {
				if reporter, ok := source.(ingestor.Reporter); ok && reporter.Report().State == feed.Unreadable {
					return fmt.Errorf("what %s sends can no longer be read; the log has a message of it", name)
				}
				return silent(name, a.settings.metrics.LastMessage(name), started)
			}})
		}
	}
	return checks
}

// silent tells of a feed that has brought nothing for long, or nothing at all since the start.
func silent(name string, last, started time.Time) error {
	since := started
	if !last.IsZero() {
		since = last
	}
	if quiet := time.Since(since); quiet >= silentAfter {
		return fmt.Errorf("%s has brought nothing for %s; the log says why", name, quiet.Round(time.Second))
	}
	return nil
}

// checkStream asks the stream, and whether this process's consumers get on.
func (a *app) checkStream(ctx context.Context, p pipeline, started time.Time) error {
	backlogs, err := a.stream.Backlogs(ctx)
	if err != nil {
		return err
	}
	for _, b := range backlogs {
		if !(b.Consumer == stream.Writer && p.write || b.Consumer == stream.Scorer && p.score) || b.Pending == 0 {
			continue
		}
		last := a.settings.metrics.LastBatch(b.Stream, b.Consumer)
		if last.Before(started) {
			last = started
		}
		if stuck := time.Since(last); stuck >= stuckAfter {
			return fmt.Errorf("the %s has finished no batch of %s for %s, though %d messages wait", b.Consumer, b.Stream,
				stuck.Round(time.Second), b.Pending)
		}
	}
	return nil
}

// measureOn keeps the gauges fresh that no message sets.
func (a *app) measureOn(ctx context.Context) {
	ticker := time.NewTicker(measureEvery)
	defer ticker.Stop()
	var tables time.Time // when they were measured
	for {
		a.measure(ctx)
		if time.Since(tables) >= tablesEvery && a.measureTables(ctx) {
			tables = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (a *app) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, measureEvery)
	defer cancel()
	m := a.settings.metrics
	if free, total, err := diskSpace(a.settings.dataDir); err == nil {
		m.Disk(free, total)
	}
	backlogs, err := a.stream.Backlogs(ctx)
	if err != nil {
		m.NoBacklog()
		return
	}
	for _, b := range backlogs {
		m.Backlog(b.Stream, b.Consumer, b.Pending, b.Unacknowledged, b.Redelivered)
	}
	sizes, err := a.stream.Sizes(ctx)
	if err != nil {
		return
	}
	for _, size := range sizes {
		m.StreamBytes(size.Stream, size.Bytes)
		if size.Stream == stream.Dead {
			m.DeadLetters(size.Messages)
		}
	}
}

// measureTables tells whether the tables could be measured.
func (a *app) measureTables(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, measureEvery)
	defer cancel()
	sizes, err := a.store.TableSizes(ctx)
	for _, size := range sizes {
		a.settings.metrics.TableBytes(size.Name, size.Bytes)
	}
	return err == nil
}

// existing returns the deepest directory of a path that is there.
func existing(dir string) string {
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	return dir
}
