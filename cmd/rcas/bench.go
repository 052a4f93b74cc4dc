package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"rcas/bench"
	"rcas/figure"
	"rcas/ingestor/archive"
	"rcas/market"
	"rcas/scorer"
	"rcas/store"
	"rcas/stream"
)

func newBench(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the whole road on invented Reddit comments, and the ceilings of its parts",
		Long: `Write invented Reddit comments to a file, send them through JetStream, writer and scorer into the database, and stop the clock when a
SQL question over the windows sees them all. Beside it, in the same run, the ceilings: decoding, publishing, scoring, and the bare
insert of the same rows. Everything happens in a temporary directory; RCAS_BENCH_DATABASE_URL names a native server, on which the
database rcas_bench is made and dropped.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newBenchSQL(s))
	n := cmd.Flags().Int("comments", bench.SeedComments, "how many comments")
	seed := cmd.Flags().Uint64("seed", 1, "seed of the comments")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := os.MkdirTemp("", "rcas-bench-")
		if err != nil {
			return fmt.Errorf("make a directory for the benchmark: %w", err)
		}
		defer os.RemoveAll(dir)
		s.dataDir = filepath.Join(dir, "data")
		b := &benchmark{settings: s, dir: dir, n: *n, file: filepath.Join(dir, "comments.ndjson"), notes: cmd.ErrOrStderr()}
		report, err := b.run(cmd.Context(), *seed)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), report)
		}
		return report.print(cmd)
	}
	return cmd
}

// benchReport is what a benchmark measured.
type benchReport struct {
	Comments          int            `json:"comments"`
	Cores             int            `json:"cores"`
	Database          string         `json:"database"`
	Seconds           float64        `json:"seconds"`
	MessagesPerSecond float64        `json:"messages_per_second"`
	Processes         []bench.Usage  `json:"processes"`
	Ceilings          []benchCeiling `json:"ceilings"`
}

// benchCeiling is how fast one part of the road is alone.
type benchCeiling struct {
	Part              string  `json:"part"`
	Messages          int     `json:"messages"`
	MessagesPerSecond float64 `json:"messages_per_second"`
}

func (r *benchReport) print(cmd *cobra.Command) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "whole road, %s comments, %d cores, %s database\t%.1f s\t%s messages/s\n", figure.Count(int64(r.Comments)), r.Cores, r.Database,
		r.Seconds, figure.Count(int64(r.MessagesPerSecond)))
	for _, c := range r.Ceilings {
		fmt.Fprintf(w, "ceiling: %s\t%s messages\t%s messages/s\n", c.Part, figure.Count(int64(c.Messages)), figure.Count(int64(c.MessagesPerSecond)))
	}
	for _, p := range r.Processes {
		fmt.Fprintf(w, "process %s\t%.1f CPU seconds\t%d MiB at most\n", p.Name, p.CPUSeconds, p.PeakBytes>>20)
	}
	return w.Flush()
}

type benchmark struct {
	settings  *settings
	dir, file string
	n         int
	notes     interface{ Write([]byte) (int, error) }
}

func (b *benchmark) run(ctx context.Context, seed uint64) (*benchReport, error) {
	if err := b.write(seed); err != nil {
		return nil, err
	}
	r := &benchReport{Comments: b.n, Cores: runtime.NumCPU(), Database: "embedded"}
	if url := b.settings.env["RCAS_BENCH_DATABASE_URL"]; url != "" {
		r.Database = "native"
		made, drop, err := bench.CreateDatabase(ctx, url, "rcas_bench")
		if err != nil {
			return nil, err
		}
		defer drop()
		b.settings.databaseURL = made
	}
	b.note("whole road")
	if err := b.wholeRoad(ctx, r); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context, []*market.Tweet) (int, time.Duration, error)
	}{
		{"decode", b.decode}, {"publish", b.publish}, {"score", b.score}, {"insert", b.insert},
	} {
		b.note(part.name)
		sample, err := b.sample(ctx)
		if err != nil {
			return nil, err
		}
		n, took, err := part.measure(ctx, sample)
		if err != nil {
			return nil, fmt.Errorf("measure %s: %w", part.name, err)
		}
		r.Ceilings = append(r.Ceilings, benchCeiling{part.name, n, float64(n) / took.Seconds()})
	}
	return r, nil
}

func (b *benchmark) note(part string) { fmt.Fprintln(b.notes, "measuring:", part) }

func (b *benchmark) write(seed uint64) error {
	file, err := os.Create(b.file)
	if err != nil {
		return fmt.Errorf("write the comments: %w", err)
	}
	return errors.Join(bench.WriteComments(file, b.n, seed), file.Close())
}

// wholeRoad measures from the first byte read to the answer of a question over the windows that has seen every comment.
func (b *benchmark) wholeRoad(ctx context.Context, r *benchReport) error {
	a, err := b.settings.open(ctx)
	if err != nil {
		return err
	}
	defer a.Close()
	before := bench.Processes()
	started := time.Now()
	replayed, err := a.replay(ctx, archive.Config{Paths: []string{b.file}, Source: "reddit", Log: b.settings.log}, scoringFlags{}, nil)
	if err != nil {
		return err
	}
	var posts, tweets int64
	if err := a.store.Pool().QueryRow(ctx, `SELECT sum(posts)::bigint, (SELECT count(*) FROM tweets) FROM mood_1h`).Scan(&posts, &tweets); err != nil {
		return fmt.Errorf("ask the windows: %w", err)
	}
	r.Seconds = time.Since(started).Seconds()
	r.MessagesPerSecond = float64(b.n) / r.Seconds
	r.Processes = bench.Since(before)
	if tweets != int64(b.n) || posts != replayed.Sentiments.Stored || posts < tweets {
		return fmt.Errorf("of %d comments, %d are stored and %d rows are in the windows: the road lost some", b.n, tweets, posts)
	}
	return nil
}

// benchSample bounds what the ceilings are measured on.
const benchSample = 100_000

// collector is a sink that keeps what it is given.
type collector struct {
	mu     sync.Mutex
	tweets []*market.Tweet
	most   int
	full   context.CancelFunc
}

func (c *collector) Tweet(_ context.Context, t *market.Tweet) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tweets) < c.most {
		c.tweets = append(c.tweets, t)
	} else if c.full != nil {
		c.full()
	}
	return nil
}
func (c *collector) Price(context.Context, *market.Price) error   { return nil }
func (c *collector) Delete(context.Context, string, string) error { return nil }
func (c *collector) Drop(string, string)                          {}
func (c *collector) Count(string, string, int64)                  {}
func (c *collector) Flush(context.Context) error                  { return nil }
func (c *collector) Sync(context.Context) error                   { return nil }

// sample returns the first comments as the door would publish them.
func (b *benchmark) sample(ctx context.Context) ([]*market.Tweet, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &collector{most: min(b.n, benchSample), full: cancel}
	if err := archive.New(archive.Config{Paths: []string{b.file}, Source: "reddit"}).Run(ctx, c); err != nil {
		return nil, err
	}
	matcher := market.NewMatcher(b.settings.file.Assets)
	for _, t := range c.tweets {
		t.Symbols, t.ReceivedAt, t.Lang = matcher.Match(t.Text), t.Time, "en"
	}
	return c.tweets, nil
}

func (b *benchmark) decode(ctx context.Context, _ []*market.Tweet) (int, time.Duration, error) {
	started := time.Now()
	err := archive.New(archive.Config{Paths: []string{b.file}, Source: "reddit"}).Run(ctx, &collector{})
	return b.n, time.Since(started), err
}

func (b *benchmark) publish(ctx context.Context, sample []*market.Tweet) (int, time.Duration, error) {
	s, err := stream.Open(ctx, stream.Config{Dir: filepath.Join(b.dir, "publish")})
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	p := s.Publisher()
	started := time.Now()
	for _, t := range sample {
		if err := p.Tweet(ctx, t); err != nil {
			return 0, 0, err
		}
	}
	err = p.Flush(ctx)
	return len(sample), time.Since(started), err
}

func (b *benchmark) score(ctx context.Context, sample []*market.Tweet) (int, time.Duration, error) {
	model, err := scorer.Bundled(ctx, scorer.Options{})
	if err != nil {
		return 0, 0, err
	}
	defer model.Close()
	reader := scorer.Reader{Model: model, Matcher: market.NewMatcher(b.settings.file.Assets), Terms: scorer.NewTerms()}
	started := time.Now()
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for from := 0; from < len(sample); from += 2000 {
		group.Go(func() error {
			_, err := reader.Read(ctx, sample[from:min(from+2000, len(sample))])
			return err
		})
	}
	err = group.Wait()
	return len(sample), time.Since(started), err
}

// insert puts bare posts and sentiments, scored with nothing, into a database of their own.
func (b *benchmark) insert(ctx context.Context, sample []*market.Tweet) (int, time.Duration, error) {
	cfg := store.Config{Dir: filepath.Join(b.dir, "insert")}
	if url := b.settings.env["RCAS_BENCH_DATABASE_URL"]; url != "" {
		made, drop, err := bench.CreateDatabase(ctx, url, "rcas_bench_insert")
		if err != nil {
			return 0, 0, err
		}
		defer drop()
		cfg.URL = made
	}
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	if err := errors.Join(s.Migrate(), s.RegisterModel(ctx, "none", nil)); err != nil {
		return 0, 0, err
	}
	started := time.Now()
	for from := 0; from < len(sample); from += 2000 {
		batch := sample[from:min(from+2000, len(sample))]
		if _, err := s.InsertTweets(ctx, batch); err != nil {
			return 0, 0, err
		}
		posts := make([]store.ScoredPost, len(batch))
		for i, t := range batch {
			posts[i] = store.ScoredPost{Tweet: t, Sentiments: make([]market.Sentiment, len(t.Symbols)), TextHash: int64(from + i), AuthorHash: int32(i)}
		}
		if _, err := s.InsertSentiments(ctx, "none", posts); err != nil {
			return 0, 0, err
		}
	}
	return len(sample), time.Since(started), nil
}
