package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"rcas/report"
)

func newReport(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report SYMBOL",
		Short: "Show a coin's price, mood and divergences in a time as one page",
		Long: `Write one HTML page that needs nothing else: price and mood of a coin, who spoke, where the two parted ways and what came after, the
words, and the posts that could sway most. Without --from it is about the last day.`,
		Example: "  rcas report BTC\n  rcas report ETH --from 2024-03-01 --to 2024-03-08 --out eth.html",
		Args:    cobra.ExactArgs(1),
	}
	from := cmd.Flags().String("from", "", "first time, RFC 3339 or a date (default a day before --to)")
	to := cmd.Flags().String("to", "", "time before which to stop (default now)")
	out := cmd.Flags().String("out", "report.html", "the file, or - for the standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		end, err := parseTimeOr(*to, time.Now().UTC())
		if err != nil {
			return err
		}
		begin, err := parseTimeOr(*from, end.Add(-24*time.Hour))
		if err != nil {
			return err
		}
		return s.report(cmd, args[0], begin, end, *out)
	}
	return cmd
}

func (s *settings) report(cmd *cobra.Command, symbol string, from, to time.Time, path string) error {
	a, err := s.openPrepared(cmd.Context())
	if err != nil {
		return err
	}
	defer a.Close()
	r, err := report.Ask(cmd.Context(), a.store.Pool(), symbol, from, to)
	if err != nil {
		return sqlError(err)
	}
	if path == "-" {
		return r.Write(cmd.OutOrStdout())
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := errors.Join(r.Write(file), file.Close()); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), path)
	return nil
}
