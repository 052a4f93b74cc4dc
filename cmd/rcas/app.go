package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rcas/ingestor"
	"rcas/market"
	"rcas/store"
	"rcas/store/embedded"
	"rcas/stream"
	"rcas/telemetry"
)

// app is what commands work with: the open database and, where they need it, the open stream.
type app struct {
	settings *settings
	store    *store.Store
	cursors  cursors // of the sources that run here
	stream   *stream.Stream
	clock    *ingestor.Clock // hears what time live feeds have
	shared   string          // the file that tells other commands where we serve
	server   *telemetry.Server
}

// open opens the database, migrating an embedded or an empty one, and the stream, whose parts are made where they are missing.
//
// The process that opens the embedded database first serves it; later ones, started on the same data directory, find where
// in a file there and join as clients.
func (s *settings) open(ctx context.Context) (*app, error) { return s.openFor(ctx, false) }

// openToAsk is open for commands that only ask: they leave the stream as it is.
func (s *settings) openToAsk(ctx context.Context) (*app, error) { return s.openFor(ctx, true) }

func (s *settings) openFor(ctx context.Context, readOnly bool) (*app, error) {
	a, err := s.openDatabase(ctx, !readOnly)
	if err != nil {
		return nil, err
	}
	if err := a.openStream(ctx, readOnly); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// startPatience is how long a directory that somebody has locked is waited for when nobody serves it: another command is just starting,
// stopping, or asking a short question.
const startPatience = 30 * time.Second

// lockInterval is how often it is tried meanwhile.
const lockInterval = 50 * time.Millisecond

// openStore opens the database only.
func (s *settings) openStore(ctx context.Context) (*app, error) {
	if err := os.MkdirAll(s.dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	a := &app{settings: s, clock: ingestor.NewClock(s.log, s.metrics)}
	for deadline := time.Now().Add(startPatience); ; {
		var err error
		a.store, err = store.Open(ctx, store.Config{URL: s.databaseURL, Dir: filepath.Join(s.dataDir, "timescaledb"), Metrics: s.metrics, Log: s.log})
		a.cursors.Store = a.store
		if err == nil {
			return a, nil
		}
		if !errors.Is(err, embedded.ErrLocked) {
			return nil, err
		}
		endpoint, findErr := s.running()
		if findErr == nil && endpoint.Database != "" {
			a.store, err = store.Open(ctx, store.Config{URL: endpoint.Database, Embedded: true, Metrics: s.metrics, Log: s.log})
			a.cursors.Store = a.store
			return a, err
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, errors.Join(err, findErr)
		}
	}
}

// openPrepared opens the database only, with the schema that this program needs, for commands that find something there.
func (s *settings) openPrepared(ctx context.Context) (*app, error) { return s.openDatabase(ctx, false) }

// openDatabase opens the database only. An empty server gets the schema from commands that fill it alone: whoever asks may have named a wrong one.
func (s *settings) openDatabase(ctx context.Context, fills bool) (*app, error) {
	a, err := s.openStore(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.prepare(ctx, fills); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// prepare makes the schema right, and gives a database that knows no coins those of the file. It never takes coins from one that has
// some: a question must not change what it asks.
func (a *app) prepare(ctx context.Context, fills bool) error {
	if !a.store.Serving() && !((fills || a.store.Embedded()) && a.store.Empty(ctx)) {
		return a.store.CheckSchema(ctx)
	}
	if err := a.store.Migrate(); err != nil {
		return err
	}
	symbols, err := a.store.Symbols(ctx)
	if err != nil || len(symbols) > 0 {
		return err
	}
	return a.store.SaveAssets(ctx, a.settings.file.Assets)
}

// loadAssets gives the database the coins that posts and prices are about to be written for: those of the configuration file. Without
// one, a database that follows other coins than RCAS does by itself keeps them.
func (a *app) loadAssets(ctx context.Context) error {
	if a.settings.configFile == "" {
		there, err := a.store.Symbols(ctx)
		if err != nil {
			return err
		}
		ours := a.settings.symbols()
		slices.Sort(ours)
		if len(there) > 0 && !slices.Equal(there, ours) {
			a.settings.log.Warn("the database follows other coins than RCAS does by itself, and keeps them; name the file they are from with " +
				"--config, or load the coins of this program with rcas migrate up")
			return nil
		}
	}
	return a.store.SaveAssets(ctx, a.settings.file.Assets)
}

// countDead counts a message set aside under the part that could not handle it and the source that sent it.
func (a *app) countDead(consumer, subject string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, source, _ := strings.Cut(subject, ".")
	a.settings.metrics.Dead(consumer, source)
	if err := a.store.AddCounts(ctx, []store.Count{{Component: consumer, Source: source, Event: "dead", N: 1}}); err != nil {
		a.settings.log.Warn("a message set aside was not counted", "subject", subject, "error", err)
	}
}

// servesDatabase tells whether this process serves the embedded database. (Of an app that opens what it can, the database may be away.)
func (a *app) servesDatabase() bool { return a.store != nil && a.store.Serving() }

func (a *app) openStream(ctx context.Context, readOnly bool) error {
	cfg := a.settings.nats.config()
	cfg.Dir, cfg.Listen, cfg.ReadOnly = a.settings.dataDir, "127.0.0.1:0", readOnly
	cfg.OnDead, cfg.Metrics, cfg.Log = a.countDead, a.settings.metrics, a.settings.log
	var err error
	for deadline := time.Now().Add(startPatience); ; {
		if a.stream, err = stream.Open(ctx, cfg); !errors.Is(err, stream.ErrLocked) {
			break
		}
		if endpoint, findErr := a.settings.running(); findErr == nil && endpoint.NATS != "" {
			cfg.URL = endpoint.NATS
		} else if ctx.Err() != nil || time.Now().After(deadline) {
			return errors.Join(err, findErr)
		} else {
			time.Sleep(lockInterval)
		}
	}
	if err != nil {
		return err
	}
	if a.servesDatabase() || a.stream.Serving() {
		return a.share()
	}
	return nil
}

// endpoint is where a process serves what is embedded in it.
type endpoint struct {
	PID      int    `json:"pid"`
	Database string `json:"database,omitempty"`
	NATS     string `json:"nats,omitempty"`
	Metrics  string `json:"metrics,omitempty"`
}

func (s *settings) endpointFile() string { return filepath.Join(s.dataDir, "serving.json") }

// share tells other commands where this process serves. The file holds the stream's token, so it is for this user only.
func (a *app) share() error {
	e := endpoint{PID: os.Getpid()}
	if a.servesDatabase() {
		e.Database = a.store.URL()
	}
	if a.stream.Serving() {
		e.NATS = a.stream.URL()
	}
	if a.server != nil {
		e.Metrics = a.server.URL()
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	a.shared = a.settings.endpointFile()
	// Whole or not at all: others read it at any time.
	partial := fmt.Sprintf("%s.%d", a.shared, e.PID)
	if err := errors.Join(os.WriteFile(partial, text, 0o600), os.Rename(partial, a.shared)); err != nil {
		return fmt.Errorf("tell other commands where the database is: %w", err)
	}
	return nil
}

// running returns where another process serves this data directory, or an error when none does.
func (s *settings) running() (endpoint, error) {
	var e endpoint
	text, err := os.ReadFile(s.endpointFile())
	if errors.Is(err, fs.ErrNotExist) {
		return e, errors.New("another rcas is just starting or stopping on this data directory; try again")
	}
	if err != nil {
		return e, fmt.Errorf("find the running rcas: %w", err)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, fmt.Errorf("find the running rcas in %s: %w", s.endpointFile(), err)
	}
	if !alive(e.PID) {
		return endpoint{}, errors.New("the rcas that served this data directory is gone; try again")
	}
	return e, nil
}

// Close closes what is open.
func (a *app) Close() error {
	if a.shared != "" {
		_ = os.Remove(a.shared)
	}
	if a.stream != nil {
		a.stream.Close()
	}
	if a.store != nil {
		return a.store.Close()
	}
	return nil
}

// door opens the way into the stream for sources. clock is nil where what they bring may be of any time.
func (a *app) door(ctx context.Context, clock *ingestor.Clock) (*ingestor.Door, error) {
	pseudonyms, err := a.pseudonyms(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, asset := range a.settings.file.Assets {
		known[asset.Symbol] = true
	}
	return ingestor.NewDoor(ingestor.DoorConfig{
		Stream: a.stream, Matcher: market.NewMatcher(a.settings.file.Assets), Detect: detectLanguage,
		KeepUnmapped: a.settings.file.KeepUnmapped, Known: func(symbol string) bool { return known[symbol] },
		Now: time.Now, Clock: clock, Pseudonyms: pseudonyms, Room: a.room(), Metrics: a.settings.metrics, Log: a.settings.log,
	}), nil
}
