package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
)

// backtestSQL and suggestSQL leave the meaning of a rule to the database; see docs/signals.md.
const (
	backtestSQL = `SELECT * FROM backtest($1, $2::timestamptz, $3::timestamptz, $4::interval, baseline => $5::integer,
		threshold => $6::float8, min_posts => $7::bigint, persistence => $8::integer)`
	suggestSQL = `SELECT * FROM suggest_thresholds($1, $2::timestamptz, $3::timestamptz, $4::interval, per_week => $6::float8,
		baseline => $5::integer, min_posts => $7::bigint, persistence => $8::integer)`
)

func newBacktest(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backtest SYMBOL --from TIME --to TIME",
		Short: "Ask what a divergence rule would have been worth",
		Long: `For a divergence rule and a stretch of the past: how often it fired and how long, and what the price did 1, 4 and 24 hours later
against what it usually did, with a bootstrap interval, and a word where the sample is too small to say. --per-week asks the other way
round: which threshold would have fired about so often.`,
		Example: "  rcas backtest BTC --from 2024-01-01 --to 2024-02-01 --threshold 1.5\n  rcas backtest BTC --from 2024-01-01 --to 2024-02-01 --per-week 3",
		Args:    cobra.ExactArgs(1),
	}
	from := cmd.Flags().String("from", "", "first time, RFC 3339 or a date")
	to := cmd.Flags().String("to", "", "time before which to stop")
	width := cmd.Flags().String("width", "15 minutes", "width of a bucket, as an SQL interval")
	baseline := cmd.Flags().Int("baseline", 96, "buckets that say what is usual")
	threshold := cmd.Flags().Float64("threshold", 1, "standard deviations that mood and return must both be away, on opposite sides")
	minPosts := cmd.Flags().Int("min-posts", 20, "posts that a bucket needs")
	persistence := cmd.Flags().Int("persistence", 2, "buckets in a row that must disagree")
	perWeek := cmd.Flags().Float64("per-week", 0, "suggest thresholds for so many firings a week instead")
	asJSON := jsonFlag(cmd)
	_ = cmd.MarkFlagRequired("from")
	_ = cmd.MarkFlagRequired("to")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		first, err := parseTime(*from)
		if err != nil {
			return err
		}
		last, err := parseTime(*to)
		if err != nil {
			return err
		}
		query, value := backtestSQL, *threshold
		if *perWeek > 0 {
			query, value = suggestSQL, *perWeek
		}
		a, err := s.openPrepared(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		conn, err := a.store.Pool().Acquire(cmd.Context())
		if err != nil {
			return fmt.Errorf("reach the database: %w", err)
		}
		defer conn.Release()
		result := conn.Conn().PgConn().ExecParams(cmd.Context(), query, texts(args[0], first.Format(timeSQL), last.Format(timeSQL), *width,
			strconv.Itoa(*baseline), strconv.FormatFloat(value, 'g', -1, 64), strconv.Itoa(*minPosts), strconv.Itoa(*persistence)),
			nil, nil, nil).Read()
		return printResult(cmd, result, *asJSON)
	}
	return cmd
}

// timeSQL is a time as PostgreSQL reads it.
const timeSQL = "2006-01-02 15:04:05.999999Z07:00"

func texts(values ...string) [][]byte {
	list := make([][]byte, len(values))
	for i, v := range values {
		list[i] = []byte(v)
	}
	return list
}

func printResult(cmd *cobra.Command, result *pgconn.Result, asJSON bool) error {
	switch {
	case result.Err != nil:
		return sqlError(result.Err)
	case asJSON:
		return printRowsJSON(cmd.OutOrStdout(), result.FieldDescriptions, result.Rows)
	case len(result.Rows) == 0:
		return errors.New("there is nothing to judge in that time: no buckets with both posts and prices")
	}
	return printRows(cmd.OutOrStdout(), result.FieldDescriptions, result.Rows)
}
