package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rcas/market"
	"rcas/stream"
)

func newDead(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead list|retry",
		Short: "Show and replay messages that could not be stored",
		Long: `A message that the database or a decoder refuses for good does not hold up the others: it is set aside, unchanged,
with the error. Once the cause is mended, retry sends it down the road again.`,
		RunE: func(*cobra.Command, []string) error { return errors.New("say what to do: rcas dead list or retry") },
	}
	cmd.AddCommand(newDeadList(s), newDeadRetry(s))
	return cmd
}

func newDeadList(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List what was set aside, oldest first", Args: cobra.NoArgs}
	asJSON := jsonFlag(cmd)
	limit := cmd.Flags().Int("limit", 100, "how many to show at most")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a, err := s.openToAsk(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		type row struct {
			stream.DeadLetter
			Message string `json:"message"`
		}
		rows := []row{}
		err = a.stream.DeadLetters(cmd.Context(), func(l stream.DeadLetter) bool {
			rows = append(rows, row{l, market.Text(string(l.Data), 1000)})
			return len(rows) < *limit
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), rows)
		}
		if len(rows) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "no dead letters")
			return nil
		}
		table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "number\ttime\tsubject\tconsumer\terror\tmessage")
		for _, r := range rows {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", r.Sequence, r.Time.Format("2006-01-02 15:04:05"), r.Subject, r.Consumer,
				r.Error, oneLine(market.Text(r.Message, 80)))
		}
		return table.Flush()
	}
	return cmd
}

func newDeadRetry(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "retry [NUMBER…]", Short: "Send dead letters (all, or those numbered) down the road again",
		Long: `Send dead letters (all, or those numbered) down the road again. They are handled by the next rcas up, ingest or score;
what still can't be stored comes back here.`,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		chosen := map[uint64]bool{}
		for _, arg := range args {
			n, err := strconv.ParseUint(arg, 10, 64)
			if err != nil {
				return fmt.Errorf("%q is not the number of a dead letter; see rcas dead list", arg)
			}
			chosen[n] = true
		}
		a, err := s.open(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		retried, err := retryDead(cmd.Context(), a.stream, chosen)
		fmt.Fprintf(cmd.OutOrStdout(), "sent again: %d\n", retried)
		if err == nil && len(chosen) > retried {
			err = fmt.Errorf("%d of the numbers are no dead letters; see rcas dead list", len(chosen)-retried)
		}
		return err
	}
	return cmd
}

// retryDead collects first: a letter that dies again while we look would otherwise be met again.
func retryDead(ctx context.Context, s *stream.Stream, chosen map[uint64]bool) (int, error) {
	var letters []stream.DeadLetter
	if err := s.DeadLetters(ctx, func(l stream.DeadLetter) bool {
		if len(chosen) == 0 || chosen[l.Sequence] {
			letters = append(letters, l)
		}
		return true
	}); err != nil {
		return 0, err
	}
	for i, l := range letters {
		if err := s.RetryDead(ctx, l); err != nil {
			return i, err
		}
	}
	return len(letters), nil
}
