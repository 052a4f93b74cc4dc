package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rcas/ingestor"
	"rcas/market"
)

// Config says what to replay and how.
type Config struct {
	// Paths are files, folders (all their files in the order of their names) and patterns like logs/*.gz.
	Paths []string
	// Speed is how fast time goes by: 1 as it went, 60 for an hour a minute. 0 means as fast as the sink takes it.
	Speed float64
	// Rebase, where set, shifts all times so that the last event happens then. The shift is a whole number of minutes, so that
	// bars stay in their windows: the last event may come out up to a minute early. It costs a pass over the files more.
	Rebase time.Time
	// Source is that of posts whose form doesn't tell. Default: twitter, but for tables of newspaper articles, which are refused then.
	Source string
	// Venue is that of prices whose rows don't tell. Default: that of the form, the exchange in the file's name, or archive.
	Venue string
	// Symbol is the coin, or market, of prices whose rows don't tell. Default: that in the file's name.
	Symbol string
	// Currency is that of prices that don't tell it. Only dollars are read; where it is set, what names say of another currency is not
	// believed.
	Currency string
	// Timezone is that of times that tell none. Default: UTC.
	Timezone *time.Location
	// Stored, where set, keeps out bars and trades that would count what an earlier replay or a live feed
	// has stored.
	Stored Stored
	// Log may be nil.
	Log *slog.Logger
	// Report, where set, is called with what each file, and each member of a container, was taken for, when it is read. Calls may come from
	// several goroutines, one at a time.
	Report func(*File)
	// Progress, where set, is called some ten times a second with the bytes read of the files on disk, from one goroutine.
	Progress func(done, total int64)
}

// defaultVenue is that of prices of which nothing tells it.
const defaultVenue = "archive"

func (c *Config) source() string { return first(c.Source, sourceTwitter) }

func (c *Config) zone() *time.Location {
	if c.Timezone == nil {
		return time.UTC
	}
	return c.Timezone
}

// Archive replays files. It is an [ingestor.Source].
type Archive struct {
	cfg    Config
	tally  *tally
	claims *claims
	seen   figures
	twice  *twice
	// reporting guards the calls of Report.
	reporting sync.Mutex
	// done and total are the bytes of progress.
	done     atomic.Int64
	total    int64
	reported time.Time
}

var _ ingestor.Source = (*Archive)(nil)

// New returns a source that replays what cfg says.
func New(cfg Config) *Archive {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Archive{cfg: cfg, tally: newTally(cfg.Log), claims: newClaims(), twice: newTwice()}
}

// Name returns "archive".
func (a *Archive) Name() string { return "archive" }

// Stats returns what was read so far. Safe while Run runs.
func (a *Archive) Stats() Stats { return a.tally.snapshot() }

// Run replays everything once and flushes the sink. It returns an error where a path leads nowhere or nothing at all could
// be read; files that are damaged beside readable ones are in [Stats] only. Call it once.
func (a *Archive) Run(ctx context.Context, sink ingestor.Sink) error {
	if !(a.cfg.Speed >= 0) {
		return fmt.Errorf("replay: a speed of %v is not possible: give 0 for the fastest, or a factor of real time", a.cfg.Speed)
	}
	files, err := find(a.cfg.Paths)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	for _, f := range files {
		a.total += f.size
		if f.path == Stdin && (len(files) > 1 || !a.cfg.Rebase.IsZero()) {
			return errors.New("replay: the standard input can be read only once: give it alone, and without --rebase")
		}
	}
	a.tally.sink = sink
	err = a.replay(ctx, sink, files)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	a.progress(true)
	stats := a.Stats()
	if stats.Tweets+stats.Prices == 0 && len(stats.Drops) == 0 && stats.ErrorCount > 0 {
		return fmt.Errorf("replay: nothing could be read: %s", strings.Join(stats.Errors, "; "))
	}
	return nil
}

func (a *Archive) replay(ctx context.Context, sink ingestor.Sink, files []*file) error {
	shift, err := a.survey(ctx, files)
	if err != nil {
		return err
	}
	clock := pace{speed: a.cfg.Speed}
	m := newMerge(a, files)
	defer m.close()
	var at place
	ctx = ingestor.WithDrops(ctx, func(reason string) { a.tally.refuse(reason, at) })
	for {
		e, key, err := m.next(ctx)
		if err != nil || e == (event{}) {
			return errors.Join(err, sink.Flush(ctx))
		}
		if err := clock.wait(ctx, key); err != nil {
			return err
		}
		at = e.from
		e.shift(shift)
		if err := a.hand(ctx, sink, e); err != nil {
			return err
		}
	}
}

// hand gives an event to the sink and counts it.
func (a *Archive) hand(ctx context.Context, sink ingestor.Sink, e event) error {
	if e.tweet != nil {
		a.tally.count(func(s *Stats) { s.Tweets++ })
		return sink.Tweet(ctx, e.tweet)
	}
	out, err := false, a.seen.check(e)
	if err == nil {
		out, err = a.twice.check(e)
	}
	if err != nil {
		a.tally.drop(e.price.Venue, e.from.file, e.from.line, err)
	}
	if out || err != nil {
		return nil
	}
	a.tally.count(func(s *Stats) { s.Prices++ })
	return sink.Price(ctx, e.price)
}

// credible tells whether the time can be one at which something was posted. Others would stop the clock, or move it for ever; the
// sink refuses them.
func credible(t, now time.Time) bool {
	return !t.Before(market.Oldest) && !t.After(now.Add(market.MaxFuture))
}

// reading is one pass over a file.
type reading struct {
	// tally counts what can't be read; nil for a pass before the one that counts.
	tally *tally
	// progress tells that the bytes are progress.
	progress bool
	claims   *claims
	report   func(*File)
	emit     func(event) error
}

// read emits the events of a file. What can't be read is counted in the tally, if there is one; the error is one of emit.
func (a *Archive) read(ctx context.Context, f *file, r reading) error {
	p := &pass{ctx: ctx, cfg: &a.cfg, tally: r.tally, output: r.emit, claims: r.claims, report: r.report}
	if f.refused != nil {
		p.tally.fail(f.path, f.refused)
		p.file = &File{Name: f.path}
		p.end(f.refused)
		return nil
	}
	in, err := f.open()
	if err != nil {
		p.tally.fail(f.path, err)
		p.file = &File{Name: f.path}
		p.end(err)
		return nil
	}
	defer in.Close()
	reader := io.Reader(in)
	if info, err := in.Stat(); err == nil && info.Mode().IsRegular() && f.path != Stdin {
		p.disk, p.size = in, info.Size()
	}
	if r.progress {
		reader = &countReader{in: in, done: &a.done}
		p.advance = func(n int64) { a.done.Add(n) }
	}
	defer func() { f.memory = p.memory }()
	return p.read(f.path, f.path, reader, 0)
}

// progress reports, at most ten times a second.
func (a *Archive) progress(last bool) {
	if a.cfg.Progress == nil {
		return
	}
	if now := time.Now(); last || now.Sub(a.reported) > 100*time.Millisecond {
		a.reported = now
		done := a.done.Load()
		if last {
			done = a.total
		}
		a.cfg.Progress(done, a.total)
	}
}

// countReader counts what is read from disk.
type countReader struct {
	in   io.Reader
	done *atomic.Int64
}

func (c *countReader) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	c.done.Add(int64(n))
	return n, err
}

// file is one file on disk.
type file struct {
	path string
	size int64
	// head is the time of the first event; zero where there is none.
	head time.Time
	// memory is about how much its containers take while it is read.
	memory int64
	// claims are the bars that it begins with, and refused why it is not read.
	claims  []*claim
	refused error
}

// Stdin is the path that stands for the standard input.
const Stdin = "-"

func (f *file) open() (*os.File, error) {
	if f.path == Stdin {
		return os.Stdin, nil
	}
	return os.Open(f.path)
}

// find lists the files that the paths lead to, each once.
func find(paths []string) ([]*file, error) {
	if len(paths) == 0 {
		return nil, errors.New("no files given")
	}
	var files []*file
	known := map[string]bool{}
	for _, path := range paths {
		if path == Stdin && !known[path] {
			known[path] = true
			files = append(files, &file{path: path})
			continue
		}
		roots := []string{path}
		if _, err := os.Stat(path); err != nil {
			matches, globErr := filepath.Glob(path)
			if globErr != nil || len(matches) == 0 {
				return nil, fmt.Errorf("nothing to read at %s: %w", path, err)
			}
			roots = matches
		}
		for _, root := range roots {
			found, err := walk(root)
			if err != nil {
				return nil, fmt.Errorf("reading the folder %s: %w", root, err)
			}
			for _, f := range found {
				if !known[f.path] {
					known[f.path] = true
					files = append(files, f)
				}
			}
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no file in %s", strings.Join(paths, ", "))
	}
	return files, nil
}

// walk lists the files at and below the root, in the order of their names, hidden ones left out.
func walk(root string) (files []*file, err error) {
	if info, err := os.Stat(root); err == nil && info.IsDir() {
		root += "/." // a link to a folder is that folder
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch hidden := err == nil && path != root && isHidden(entry.Name()); {
		case err != nil:
			return err
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden || entry.IsDir():
			return nil
		}
		f := &file{path: filepath.Clean(path)}
		if info, err := os.Stat(path); err == nil { // what a link leads to; where to nothing, opening the file tells
			if !info.Mode().IsRegular() {
				return nil
			}
			f.size = info.Size()
		}
		files = append(files, f)
		return nil
	})
	return files, err
}
