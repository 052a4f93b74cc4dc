package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"rcas/bench"
	"rcas/figure"
	"rcas/market"
)

// comparing measures what users would pick instead of parts of RCAS, on the sample that the parts were measured on.
type comparing struct {
	*benchmark
	database *bare
	meter    *bench.Meter
	sample   *bench.Sample
	rows     bench.Rows
	parts    map[string]bench.Part
	found    bench.Comparison
}

// comparison takes the posts, and the rows that inserting them and their scores made.
func (b *benchmark) comparison(ctx context.Context, tweets []*market.Tweet, rows bench.Rows, parts []bench.Part) (*bench.Comparison, error) {
	c := &comparing{benchmark: b, rows: rows, parts: map[string]bench.Part{}}
	for _, p := range parts {
		c.parts[p.Name] = p
	}
	var err error
	if c.sample, err = bench.TakeSample(b.file, filepath.Join(b.dir, "sample.ndjson"), len(tweets)); err != nil {
		return nil, err
	}
	c.database, err = b.openBare(ctx, "compare")
	if c.database != nil {
		defer c.database.close()
	}
	if err != nil {
		return nil, err
	}
	if c.meter, err = b.meter(ctx, c.database.Store); err != nil {
		return nil, err
	}
	for _, compare := range []func(context.Context) error{
		func(ctx context.Context) error { return c.posts(ctx, tweets) }, c.copyRows, c.copyPosts, c.telegraf, c.vader} {
		if err := compare(ctx); err != nil {
			return nil, err
		}
	}
	return &c.found, nil
}

// measure does some work on the sample. other is the CPU time, in seconds, of processes that the work started.
func (c *comparing) measure(name string, work func() (other float64, err error)) (bench.Part, error) {
	c.note(name)
	before, started := c.meter.Read(), time.Now()
	other, err := work()
	if err != nil {
		return bench.Part{}, fmt.Errorf("measure %s: %w", name, err)
	}
	used := c.meter.Read().Since(before)
	if c.database.Serving() {
		used.Database -= other // all that this process starts counts as the embedded database
	}
	if other > 0 {
		used.RCAS = other
	}
	return bench.Measured(name, c.sample.Size, time.Since(started), used), nil
}

// posts stores the posts as RCAS's writer does, and removes them again.
func (c *comparing) posts(ctx context.Context, tweets []*market.Tweet) (err error) {
	c.found.Posts, err = c.measure("posts alone", func() (float64, error) { return 0, insertAll(ctx, c.database.Store, tweets, nil) })
	c.parts[c.found.Posts.Name] = c.found.Posts
	if err == nil {
		_, err = c.database.Pool().Exec(ctx, `TRUNCATE tweets`)
	}
	return err
}

func (c *comparing) add(name, does string, measured bench.Part, same ...string) {
	var parts []bench.Part
	for _, part := range same {
		parts = append(parts, c.parts[part])
	}
	c.found.Alternatives = append(c.found.Alternatives, bench.Compare(name, does, measured, parts...))
}

func (c *comparing) copyRows(ctx context.Context) error {
	measured, err := c.measure("COPY of all rows", func() (float64, error) { return 0, c.rows.Copy(ctx, c.database.Pool()) })
	c.add("COPY of all rows", "the least that storing them can take: finished rows into RCAS's own tables and indexes; nothing is looked up, a post that "+
		"comes twice is an error, nothing is marked as a repeat", measured, "insert")
	return err
}

func (c *comparing) copyPosts(ctx context.Context) error {
	const table = "bench_copy"
	if err := bench.MakePlain(ctx, c.database.Pool(), table); err != nil {
		return err
	}
	connections := runtime.NumCPU()
	name := fmt.Sprintf("COPY of CSV by %d connections", connections)
	measured, err := c.measure(name, func() (float64, error) { return 0, c.sample.CopyPosts(ctx, c.database.Pool(), table, connections) })
	c.add(name, "as timescaledb-parallel-copy does: raw posts from CSV into a plain hypertable with no key; a batch that is sent again is stored "+
		"twice; no scores, words, repeats, windows", measured, c.found.Posts.Name)
	return err
}

func (c *comparing) telegraf(ctx context.Context) error {
	const table = "bench_telegraf"
	executable := c.executable("telegraf")
	if executable == "" {
		return nil
	}
	if err := bench.MakePlain(ctx, c.database.Pool(), table); err != nil {
		return err
	}
	measured, err := c.measure("Telegraf", func() (float64, error) {
		return c.sample.Telegraf(ctx, executable, c.dir, c.database.URL(), table, c.database.Pool(), runtime.NumCPU())
	})
	c.add("Telegraf", "its tail input reads the file, its postgresql output copies raw posts into a plain hypertable with no key; what waits is lost with "+
		"the process, what is sent again is stored twice; no coins, languages, scores, words, repeats, windows", measured, "read", "publish", "deliver", c.found.Posts.Name)
	return err
}

func (c *comparing) vader(ctx context.Context) error {
	executable := c.executable("vader")
	if executable == "" {
		return nil
	}
	c.note("VADER")
	measured, err := c.sample.Vader(ctx, executable)
	c.add("VADER in Go", "a loop over the texts on all cores: one score a text; no words, kinds, hashes, nothing stored", measured, "score")
	return err
}

// executable finds a program in the directory of --compare; what is not there is left out.
func (c *comparing) executable(name string) string {
	path, err := filepath.Abs(filepath.Join(c.compare, name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%s is not in %s, where make bench builds it if it can", name, c.compare)
	}
	if err != nil {
		c.found.LeftOut = append(c.found.LeftOut, err.Error())
		return ""
	}
	return path
}

func printComparison(out io.Writer, c *bench.Comparison) error {
	fmt.Fprintf(out, "\nWhat else does it, on the same comments (and what RCAS needs for the same and more; below 1, RCAS needs less):\n\n")
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tmessages/s\tµs of its own\tof database\tboth\tRCAS\tratio\tto its\t")
	for _, a := range c.Alternatives {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.2f\t%s\t\n", a.Name, figure.Count(int64(a.PerSecond)), a.Own, a.Database, a.Own+a.Database, a.RCAS, a.Ratio,
			strings.Join(a.Parts, " + "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, a := range c.Alternatives {
		fmt.Fprintf(out, "%s: %s\n", a.Name, a.Does)
	}
	for _, why := range c.LeftOut {
		fmt.Fprintln(out, "left out:", why)
	}
	return nil
}
