package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rcas/figure"
	"rcas/ingestor"
	"rcas/ingestor/archive"
	"rcas/market"
)

// dryRun reads the archive as a replay does, and tells what each file is taken for. It opens no database.
func (s *settings) dryRun(cmd *cobra.Command, cfg archive.Config, asJSON bool) error {
	var files []*archive.File
	known := s.symbols()
	cfg.Speed, cfg.Log = 0, nil // the report says all that the log would
	cfg.Report = func(f *archive.File) {
		for _, coin := range f.Coins {
			if !slices.Contains(known, coin) {
				f.Doubts = append(f.Doubts, "the assets file has no coin "+coin+": its prices would be dropped")
			}
		}
		if asJSON {
			files = append(files, f)
		} else {
			printFile(cmd.OutOrStdout(), f)
		}
	}
	bar := newProgress(cmd.ErrOrStderr(), "dry run")
	cfg.Progress = func(done, total int64) { bar.update(done, total, "reading") }
	a := archive.New(cfg)
	err := a.Run(cmd.Context(), nowhere{})
	bar.done()
	stats := a.Stats()
	differs := stats.Drops["differs"]
	if asJSON {
		err = errors.Join(err, printJSON(cmd.OutOrStdout(), map[string]any{"files": files, "differs": differs.Count}))
	} else if differs.Count > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "%s bars or trades differ from others of the same name; the first: %s\n", figure.Count(differs.Count),
			differs.First)
	}
	if err != nil {
		return err
	}
	return unread(stats.ErrorCount)
}

// printFile writes what a file is taken for.
func printFile(out io.Writer, f *archive.File) {
	fmt.Fprintln(out, f.Name)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "  %-10s %s\n", name, value)
		}
	}
	line("taken for", strings.Join(f.Formats, ", "))
	line("columns", f.Columns)
	line("coins", strings.Join(f.Coins, ", "))
	line("of", strings.Join(f.Owners, ", "))
	if f.First != nil {
		line("times", f.First.UTC().Format(time.RFC3339)+" to "+f.Last.UTC().Format(time.RFC3339))
	}
	line("rows", figure.Count(f.Rows))
	line("dropped", reasonList("", f.Dropped))
	for _, example := range f.Examples {
		line("first", example)
	}
	for _, doubt := range f.Doubts {
		line("doubt", doubt)
	}
	line("problem", f.Problem)
}

// nowhere is a sink that keeps nothing.
type nowhere struct{}

var _ ingestor.Sink = nowhere{}

func (nowhere) Tweet(context.Context, *market.Tweet) error   { return nil }
func (nowhere) Price(context.Context, *market.Price) error   { return nil }
func (nowhere) Delete(context.Context, string, string) error { return nil }
func (nowhere) Drop(string, string)                          {}
func (nowhere) Count(string, string, int64)                  {}
func (nowhere) Flush(context.Context) error                  { return nil }
func (nowhere) Sync(context.Context) error                   { return nil }
