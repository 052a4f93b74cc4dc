package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"rcas/bench"
	"rcas/ingestor"
	"rcas/ingestor/archive"
	"rcas/market"
	"rcas/scorer"
	"rcas/store"
	"rcas/stream"
)

// benchSample bounds what the parts are measured on.
const benchSample = 100_000

// benchBatch is how many posts the parts take at a time, as writer and scorer do.
const benchBatch = 5000

// comments is a sink that does what the door does with posts, but publish, and keeps the first most.
type comments struct {
	ingestor.Sink // nil: an archive of comments calls nothing else
	matcher       *market.Matcher
	most          int

	mu     sync.Mutex
	tweets []*market.Tweet
}

func (c *comments) Tweet(_ context.Context, t *market.Tweet) error {
	t.Clean()
	t.Symbols, t.ReceivedAt, t.Lang = c.matcher.Match(t.Text), t.Time, detectLanguage(t.Text, t.Lang)
	if err := t.Validate(time.Now()); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tweets) < c.most {
		c.tweets = append(c.tweets, t)
	}
	return nil
}
func (c *comments) Count(string, string, int64) {}
func (c *comments) Flush(context.Context) error { return nil }

// bare is a database of the benchmark's own, for one part.
type bare struct {
	*store.Store
	drop func()
}

func (b *benchmark) openBare(ctx context.Context, name string) (*bare, error) {
	cfg, drop := store.Config{Dir: filepath.Join(b.dir, name)}, func() {}
	if url := b.settings.env["RCAS_BENCH_DATABASE_URL"]; url != "" {
		var err error
		if cfg.URL, drop, err = bench.CreateDatabase(ctx, url, "rcas_bench_"+name); err != nil {
			return nil, err
		}
	}
	s, err := store.Open(ctx, cfg)
	if err != nil {
		drop()
		return nil, err
	}
	return &bare{s, drop}, errors.Join(s.Migrate(), s.UseModel(ctx, scorer.BundledName, nil, true))
}

func (b *bare) close() { b.Close(); b.drop() }

// measureParts measures each part of the road alone, on the first comments of the file, and then what else could do them.
func (b *benchmark) measureParts(ctx context.Context, r *bench.Report) error {
	read := &comments{matcher: market.NewMatcher(b.settings.file.Assets), most: benchSample}
	rows, err := b.parts(ctx, read, r)
	if err != nil || b.compare == "" {
		return err
	}
	r.Comparison, err = b.comparison(ctx, read.tweets, rows, r.Parts)
	return err
}

// parts returns, where they are compared with something, the rows that it has inserted.
func (b *benchmark) parts(ctx context.Context, read *comments, r *bench.Report) (rows bench.Rows, err error) {
	s, err := stream.Open(ctx, stream.Config{Dir: filepath.Join(b.dir, "parts")})
	if err != nil {
		return rows, err
	}
	defer s.Close()
	database, err := b.openBare(ctx, "insert")
	if database != nil {
		defer database.close()
	}
	if err != nil {
		return rows, err
	}
	meter, err := b.meter(ctx, database.Store)
	if err != nil {
		return rows, err
	}
	var posts []store.ScoredPost
	for _, part := range []struct {
		name string
		work func() error
	}{
		{"read", func() error { return b.readComments(ctx, read) }},
		{"publish", func() error { return publishAll(ctx, s, read.tweets) }},
		{"deliver", func() error { return takeAll(ctx, s, len(read.tweets)) }},
		{"score", func() (err error) { posts, err = b.scoreAll(ctx, read.tweets); return err }},
		{"insert", func() error { return insertAll(ctx, database.Store, read.tweets, posts) }},
		{"windows", func() error { return database.RefreshWindows(ctx) }},
	} {
		b.note(part.name)
		before, started := meter.Read(), time.Now()
		if err := part.work(); err != nil {
			return rows, fmt.Errorf("measure %s: %w", part.name, err)
		}
		n := len(read.tweets)
		if part.name == "read" {
			n = b.comments
		}
		r.Parts = append(r.Parts, bench.Measured(part.name, n, time.Since(started), meter.Read().Since(before)))
	}
	if b.compare != "" {
		rows, err = bench.SaveRows(ctx, database.Pool(), b.dir)
	}
	return rows, err
}

// readComments reads the file as the archive source does.
func (b *benchmark) readComments(ctx context.Context, into *comments) error {
	return archive.New(archive.Config{Paths: []string{b.file}, Source: "reddit"}).Run(ctx, into)
}

// publishAll has every post confirmed by the stream.
func publishAll(ctx context.Context, s *stream.Stream, tweets []*market.Tweet) error {
	p := s.Publisher()
	for _, t := range tweets {
		if err := p.Tweet(ctx, t); err != nil {
			return err
		}
	}
	return p.Flush(ctx)
}

// takeAll reads the posts as writer and as scorer, and acknowledges them.
func takeAll(ctx context.Context, s *stream.Stream, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, consumer := range []string{stream.Writer, stream.Scorer} {
		group.Go(func() error {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			var taken atomic.Int64
			return s.Consume(ctx, stream.Tweets, consumer, stream.Batch{Size: benchBatch, Age: 250 * time.Millisecond},
				func(_ context.Context, batch []*stream.Message) error {
					for _, m := range batch {
						if _, err := market.DecodeTweet(m.Data, time.Now()); err != nil {
							return err
						}
					}
					if taken.Add(int64(len(batch))) == int64(n) {
						stop()
					}
					return nil
				})
		})
	}
	return group.Wait()
}

// scoreAll reads the posts with the bundled model, on all cores.
func (b *benchmark) scoreAll(ctx context.Context, tweets []*market.Tweet) ([]store.ScoredPost, error) {
	model, err := scorer.Bundled(ctx, scorer.Options{})
	if err != nil {
		return nil, err
	}
	defer model.Close()
	reader := scorer.Reader{Model: model, Matcher: market.NewMatcher(b.settings.file.Assets), Terms: scorer.NewTerms()}
	posts := make([]store.ScoredPost, len(tweets))
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for from := 0; from < len(tweets); from += benchBatch {
		group.Go(func() error {
			read, err := reader.Read(ctx, tweets[from:min(from+benchBatch, len(tweets))])
			copy(posts[from:], read)
			return err
		})
	}
	return posts, group.Wait()
}

// insertAll stores posts and, if they are scored, sentiments and words.
func insertAll(ctx context.Context, s *store.Store, tweets []*market.Tweet, posts []store.ScoredPost) error {
	for from := 0; from < len(tweets); from += benchBatch {
		to := min(from+benchBatch, len(tweets))
		if _, err := s.InsertTweets(ctx, tweets[from:to]); err != nil {
			return err
		}
		if posts == nil {
			continue
		}
		if _, err := s.InsertSentiments(ctx, scorer.BundledName, posts[from:to]); err != nil {
			return err
		}
	}
	return nil
}
