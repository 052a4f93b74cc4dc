package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rcas/ingestor"
	"rcas/scorer"
)

// scoringFlags are the options of commands that score.
type scoringFlags struct{ minConfidence float32 }

func (f *scoringFlags) add(cmd *cobra.Command) {
	cmd.Flags().Float32Var(&f.minConfidence, "min-confidence", 0,
		"leave posts unjudged whose most likely class is less probable than this (from 0 to below 1)")
	cmd.PreRunE = func(*cobra.Command, []string) error { // before anything is opened, or stored for good
		if err := scorer.CheckConfidence(f.minConfidence); err != nil {
			return fmt.Errorf("--min-confidence: %w", err)
		}
		return nil
	}
}

func newScore(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "score",
		Short: "Score posts from the stream until stopped",
		Long: `Read posts from the stream, let the active model judge them, and add sentiments and term counts to the database; look for
divergences, store them as alerts and tell of them. Any number may run. The model changes at run time: rcas model use NAME.`,
		Args: cobra.NoArgs,
	}
	var flags scoringFlags
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.serve(cmd, "scoring", func(*app) (pipeline, error) {
			return pipeline{score: true, scoring: flags, fallback: true, alerts: true}, nil
		})
	}
	return cmd
}

// serve opens everything, runs the parts that build names until a signal, and closes in order.
func (s *settings) serve(cmd *cobra.Command, what string, build func(*app) (pipeline, error)) error {
	s.records = s.logFormat == "json" || s.logFormat == "auto" && !isTerminal(cmd.ErrOrStderr())
	a, err := s.open(cmd.Context())
	if err != nil {
		return err
	}
	defer a.Close()
	p, err := build(a)
	if err != nil {
		return err
	}
	p.stays = true
	names := "no source chosen (--live reads those that need no key)"
	if len(p.sources) > 0 {
		names = "sources: " + sourceNames(p.sources)
	}
	if p.door == nil {
		names = "from the stream"
	}
	s.say(fmt.Sprintf("%s, %s; Ctrl-C stops it", what, names))
	if err := a.run(cmd.Context(), p); err != nil && context.Cause(cmd.Context()) == nil {
		return err
	}
	return nil
}

func newUp(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in this process: sources, writer, scorer, database jobs",
		Long: `Run everything in this process until stopped: the sources that --live, --source and the configuration name, the writer, the
scorer, and the embedded database's jobs. What is left in the stream from before is worked off first.

Of a source that this database has never read, the last day is brought, too, the newest first, while it is read: prices as bars of a minute,
posts by a cursor that is set back. --since brings more or less of it, or nothing (0).`,
		Example: "  rcas up --live\n  rcas up --source kraken --source bluesky",
		Args:    cobra.NoArgs,
	}
	var sources sourceFlags
	var scoring scoringFlags
	sources.add(cmd)
	scoring.add(cmd)
	answer := cmd.Flags().String("serve", "", "answer questions over HTTP too, on this host:port (default "+defaultAPIAddress+"; see rcas serve)")
	cmd.Flags().Lookup("serve").NoOptDefVal = defaultAPIAddress
	since := newSpan(24 * time.Hour)
	since.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.serve(cmd, "running", func(a *app) (pipeline, error) {
			built, door, err := sources.open(cmd.Context(), a)
			p := pipeline{write: true, score: true, scoring: scoring, fallback: true, alerts: true, sources: built, door: door, answer: *answer}
			if err == nil {
				p.evening, err = a.firstEvening(cmd.Context(), sources, since.Duration)
			}
			return p, err
		})
	}
	return cmd
}

func newIngest(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "Read sources into the stream and write raw rows, until stopped",
		Long: `Read the sources that --live, --source and the configuration name into the stream, and write raw posts and prices from the
stream into the database. Any number may run; let each read other sources.`,
		Args: cobra.NoArgs,
	}
	var sources sourceFlags
	sources.add(cmd)
	since := newSpan(24 * time.Hour)
	since.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.serve(cmd, "ingesting", func(a *app) (pipeline, error) {
			built, door, err := sources.open(cmd.Context(), a)
			p := pipeline{write: true, sources: built, door: door}
			if err == nil {
				p.evening, err = a.firstEvening(cmd.Context(), sources, since.Duration)
			}
			return p, err
		})
	}
	return cmd
}

func sourceNames(sources []ingestor.Source) string {
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = s.Name()
	}
	return strings.Join(names, ", ")
}
