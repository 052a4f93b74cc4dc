package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"rcas/figure"
	"rcas/market"
	"rcas/scorer"
)

func newRescore(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rescore --model NAME [--from TIME] [--to TIME]",
		Short: "Let a model score stored posts that it has not scored yet",
		Long: `Let a model score stored posts that it has not scored yet, e.g. before it becomes the active one. In those that it has scored before
RCAS could tell who speaks (people, adverts, bots, news), it finds that out, and whom they repeat; moods that are stored are left as they
are, so an interrupted run goes on where it stopped.`,
		Args: cobra.NoArgs,
	}
	name := cmd.Flags().String("model", scorer.BundledName, "name of the model")
	from := cmd.Flags().String("from", "2009-01-03", "first time, RFC 3339 or a date")
	to := cmd.Flags().String("to", "", "time before which to stop (default now)")
	perSecond := cmd.Flags().Float64("rate", 0, "most posts per second (default as fast as it goes)")
	asJSON := jsonFlag(cmd)
	var flags scoringFlags
	flags.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r := scorer.Rescore{Rate: *perSecond, MinConfidence: flags.minConfidence, Matcher: market.NewMatcher(s.file.Assets)}
		var err error
		if r.From, err = parseTime(*from); err != nil {
			return err
		}
		if r.To, err = parseTimeOr(*to, time.Now().UTC()); err != nil {
			return err
		}
		if err := r.Check(); err != nil {
			return fmt.Errorf("rescore: %w", err)
		}
		if r.Model, err = s.openModel(cmd.Context(), *name); err != nil {
			return err
		}
		defer r.Model.Close()
		if !r.Model.TellsKinds() {
			if r.Kinds, err = s.openKinds(cmd.Context()); err != nil {
				return err
			}
			defer r.Kinds.Close()
		}
		a, err := s.openPrepared(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		r.Store = a.store
		bar := newProgress(cmd.ErrOrStderr(), "rescore")
		r.Progress = func(done, total int64) {
			bar.update(done, total, figure.Count(done)+" of "+figure.Count(total)+" posts")
		}
		rescored, err := r.Run(cmd.Context())
		bar.done()
		if err != nil {
			return err
		}
		if err := a.store.RefreshWindows(cmd.Context()); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"model": r.Model.Name(), "sentiments": rescored.Added, "kinds": rescored.Told})
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s added %s sentiments and told who speaks in %s others\n", r.Model.Name(), figure.Count(rescored.Added),
			figure.Count(rescored.Told))
		return nil
	}
	return cmd
}

// parseTimeOr reads a time that may be left out.
func parseTimeOr(s string, otherwise time.Time) (time.Time, error) {
	if s == "" {
		return otherwise, nil
	}
	return parseTime(s)
}

func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 2024-03-05T12:00:00Z or 2024-03-05", s)
}
