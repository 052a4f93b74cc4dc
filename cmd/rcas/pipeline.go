package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"rcas/ingestor"
	"rcas/ingestor/feed"
	"rcas/ingestor/push"
	"rcas/market"
	"rcas/scorer"
	"rcas/stream"
)

// pipeline says which parts of RCAS run in this process.
type pipeline struct {
	write, score bool
	door         *ingestor.Door // whose counts are saved; nil where no source runs
	sources      []ingestor.Source
	scoring      scoringFlags
	fallback     bool     // the bundled model scores while the active one cannot be loaded: posts do not wait for that
	alerts       bool     // look for divergences and tell of them
	answer       string   // the address to answer questions over HTTP on; "" for none
	stays        bool     // until it is stopped, so that others look at its metrics and its health
	noJobs       bool     // leave the embedded database's jobs be: the work ends soon, and refreshes the windows once
	evening      *evening // brings the past of sources that were never read; nil: nothing to bring
}

// run works until ctx ends or a part fails for good. The database's jobs run wherever the embedded database is served.
func (a *app) run(ctx context.Context, p pipeline) error {
	alerts, err := a.alerts()
	if err != nil {
		return err
	}
	if p.write {
		if err := errors.Join(a.loadAssets(ctx), a.checkRetention(ctx), a.store.SetIndexWeights(ctx, a.settings.file.Index)); err != nil {
			return err
		}
	}
	watched, err := a.watch(ctx, p)
	if err != nil {
		return err
	}
	defer watched()
	group, ctx := errgroup.WithContext(ctx)
	if !p.noJobs {
		group.Go(func() error { return a.store.RunJobs(ctx) })
	}
	if p.write {
		writer := &ingestor.Writer{Stream: a.stream, Store: a.store, Metrics: a.settings.metrics, Log: a.settings.log}
		group.Go(func() error { return writer.Run(ctx) })
	}
	if p.score {
		service := a.scorer(p.scoring)
		service.Fallback = p.fallback
		group.Go(func() error { return service.Run(ctx) })
	}
	if p.alerts {
		group.Go(func() error { return alerts.Run(ctx) })
	}
	if p.stays {
		group.Go(func() error { return a.watchSchema(ctx) })
	}
	if p.answer != "" {
		group.Go(func() error { return a.answerHTTP(ctx, p.answer, defaultAPI) })
	}
	group.Go(func() error { return a.read(ctx, p) })
	if p.evening != nil {
		group.Go(func() error { p.evening.run(ctx); return nil })
	}
	if p.door != nil {
		group.Go(func() error { return a.saveCounts(ctx, p.door) })
		group.Go(func() error { return a.saveFeedStates(ctx, p.sources) })
	}
	err = group.Wait()
	if p.door != nil {
		a.flushLast(ctx, p.door)
	}
	return err
}

// flushLast brings what the sources read last into the stream.
func (a *app) flushLast(ctx context.Context, door *ingestor.Door) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := door.Flush(ctx); err != nil {
		a.settings.log.Warn("what the sources without a cursor read last may be lost", "error", err)
	}
}

// schemaCheck is how often a service looks whether the schema is still the one that it works with.
const schemaCheck = 5 * time.Second

// watchSchema returns an error when another version of rcas has changed the schema. What this one has not stored waits in the stream.
func (a *app) watchSchema(ctx context.Context) error {
	ticker := time.NewTicker(schemaCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := a.store.CheckSchemaStays(ctx); err != nil {
				return err
			}
		}
	}
}

// read runs the sources until ctx ends. One that fails for good, as when its key is no longer taken, ends alone: the others read on. The
// last one to fail ends everything. One that fails for a passing reason is started again.
func (a *app) read(ctx context.Context, p pipeline) error {
	ended := make(chan error, len(p.sources))
	for _, source := range p.sources {
		go func() {
			err := a.supervise(ctx, source, p.door)
			switch {
			case ctx.Err() != nil:
				err = nil // it was told to end
			case err != nil:
				err = fmt.Errorf("source %s: %w", source.Name(), err)
				p.door.Count(source.Name(), "failed", 1)
			}
			ended <- err
		}()
	}
	var last error
	for left := len(p.sources); left > 0; left-- {
		if err := <-ended; err != nil {
			last = err
			if left > 1 {
				a.settings.log.Error("a source failed for good; the others read on", "error", err)
			}
		}
	}
	return last
}

// restart is how long a source that failed for a passing reason stays away.
var restart = feed.Ladder{First: time.Second, Max: time.Minute}

// supervise runs a source, in one process of the deployment at a time, until ctx ends, its feed does, or it fails for good.
func (a *app) supervise(ctx context.Context, source ingestor.Source, door *ingestor.Door) error {
	work := func(ctx context.Context) error {
		return a.cursors.run(ctx, source.Name(), func(ctx context.Context) error { return source.Run(ctx, door) })
	}
	failing := a.settings.metrics.Fault(a.settings.log, "a source failed; starting it again", "source", source.Name())
	for failures := 0; ; failures++ {
		began := time.Now()
		well := time.AfterFunc(restart.Max, failing.Over)
		var err error
		if source.Name() == push.Source { // its address is this process's own
			err = work(ctx)
		} else {
			err = a.stream.Hold(ctx, source.Name(), work)
		}
		well.Stop()
		if err == nil || ctx.Err() != nil || feed.IsFatal(err) && !errors.Is(err, stream.ErrNotStored) {
			return err
		}
		if time.Since(began) > restart.Max {
			failures = 0
		}
		failing.Failed(err)
		door.Count(source.Name(), "restarted", 1)
		if feed.Sleep(ctx, restart.Wait(failures, rand.Float64())) != nil {
			return nil
		}
	}
}

// saveEvery is how often counts go into the database: so much of them is lost with a process that is killed.
const saveEvery = time.Second

// saveCounts moves the door's counts into the database every second, and once more at the end.
func (a *app) saveCounts(ctx context.Context, door *ingestor.Door) error {
	unsaved := a.settings.metrics.Fault(a.settings.log, "the counts of the sources are not saved; trying again")
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return door.SaveCounts(last, a.store)
		case <-ticker.C:
			if err := door.SaveCounts(ctx, a.store); err == nil {
				unsaved.Over()
			} else if ctx.Err() == nil {
				unsaved.Failed(err)
			}
		}
	}
}

func (a *app) scorer(flags scoringFlags) *scorer.Service {
	return &scorer.Service{
		Stream: a.stream, Store: a.store, Metrics: a.settings.metrics, Log: a.settings.log, MinConfidence: flags.minConfidence,
		Matcher: market.NewMatcher(a.settings.file.Assets), Open: a.settings.openModel, OpenKinds: a.settings.openKinds, Default: scorer.BundledName,
	}
}

// openModel loads a model by name: the bundled one, or a directory of that name in the models directory.
func (s *settings) openModel(ctx context.Context, name string) (scorer.Model, error) {
	options := scorer.Options{Log: s.log}
	if name == scorer.BundledName {
		s.warnOfNamesake()
		return scorer.Bundled(ctx, options)
	}
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return nil, fmt.Errorf("model %q: a model's name is %s or the name of its directory in --models-dir, without a path", name,
			scorer.BundledName)
	}
	if s.modelsDir == "" {
		return nil, fmt.Errorf("model %q is not the bundled one (%s); say with --models-dir where its directory is", name, scorer.BundledName)
	}
	dir := filepath.Join(s.modelsDir, name)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no model %q in %s", name, s.modelsDir)
	}
	return scorer.Load(ctx, dir, options)
}

// openKinds opens the model that says who speaks where another one judges: the bundled one.
func (s *settings) openKinds(ctx context.Context) (scorer.Model, error) {
	return scorer.Bundled(ctx, scorer.Options{Log: s.log})
}

// warnOfNamesake tells whoever has put a model of their own under the bundled one's name that it is not the one used.
func (s *settings) warnOfNamesake() {
	if s.modelsDir == "" {
		return
	}
	dir := filepath.Join(s.modelsDir, scorer.BundledName)
	if _, err := os.Stat(dir); err == nil {
		s.log.Warn("a directory has the bundled model's name and is not used; rename it to use the model in it", "directory", dir)
	}
}
