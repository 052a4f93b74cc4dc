package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rcas/bench"
)

func newBenchSQL(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sql",
		Short: "Measure the SQL functions on a month of trades and sentiments",
		Long: `Make up 30 days of trades and sentiments of 10 coins in the database of --database-url (an empty one of its own, on a native server),
bring the windows up to date, and ask for 24 hours at five minutes again and again. What is there from a run before is not made again.
60 million rows, as by default, are 50 million trades and 10 million sentiments, and take some 10 GB; more and fewer are spread over the same time.`,
		Args: cobra.NoArgs,
	}
	millions := cmd.Flags().Int64("millions", 60, "how many million rows, of which five in six are trades")
	times := cmd.Flags().Int("times", 200, "how often to ask each question")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if s.databaseURL == "" || *times < 1 || *millions < 1 {
			return errors.New("name an empty database on a native server with --database-url, make at least a million rows, and ask at least once")
		}
		history := bench.Month(*millions * 1_000_000)
		a, err := s.openStore(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		if err := a.store.Migrate(); err != nil {
			return err
		}
		bar := newProgress(cmd.ErrOrStderr(), "making history")
		err = history.Fill(cmd.Context(), a.store.Pool(), func(share float64) { bar.update(int64(1000*share), 1000, "") })
		bar.done()
		if err != nil {
			return err
		}
		if err := a.store.RefreshWindows(cmd.Context()); err != nil {
			return err
		}
		if err := bench.Settle(cmd.Context(), a.store.Pool()); err != nil {
			return err
		}
		answers, err := history.Ask(cmd.Context(), a.store.Pool(), *times)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), answers)
		}
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "24 h at 5 minutes\trows\tmedian\t95th percentile")
		for _, answer := range answers {
			fmt.Fprintf(w, "%s\t%d\t%.1f ms\t%.1f ms\n", answer.Question, answer.Rows, answer.MedianMilli, answer.P95Milli)
		}
		return w.Flush()
	}
	return cmd
}
