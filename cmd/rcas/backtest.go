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
		threshold => $6::float8, min_posts => $7::bigint, persistence => $8::integer, cost => $9::float8, kind => $10)`
	suggestSQL = `SELECT * FROM suggest_thresholds($1, $2::timestamptz, $3::timestamptz, $4::interval, per_week => $6::float8,
		baseline => $5::integer, min_posts => $7::bigint, persistence => $8::integer)`
	forwardSQL = `SELECT * FROM walk_forward($1, $2::timestamptz, $3::timestamptz, $4::interval, baseline => $5::integer,
		train => $6::interval, test => $9::interval, min_posts => $7::bigint, persistence => $8::integer)`
)

func newBacktest(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backtest SYMBOL --from TIME --to TIME",
		Short: "Ask what a divergence rule would have been worth",
		Long: `For a divergence rule and a stretch of the past: how often it fired and how long, and what the price did 1, 4 and 24 hours later
against what it usually did, with a bootstrap interval, and a word where the sample is too small to say. --cost takes off what going in and out
costs, --kind asks about rules that are not about divergences. --per-week asks the other way round: which threshold would have fired about so
often. --walk-forward chooses the threshold that gained most in --train, tries it on the --test that follows, and goes on so through the time:
what was chosen on the past, judged by what came after it.`,
		Example: "  rcas backtest BTC --from 2024-01-01 --to 2024-02-01 --threshold 1.5\n  rcas backtest BTC --from 2024-01-01 --to 2024-02-01 --cost 0.001\n  rcas backtest BTC --from 2024-01-01 --to 2024-02-01 --per-week 3\n  rcas backtest BTC --from 2024-01-01 --to 2024-04-01 --walk-forward",
		Args:    cobra.ExactArgs(1),
	}
	from := cmd.Flags().String("from", "", "first time, RFC 3339 or a date")
	to := cmd.Flags().String("to", "", "time before which to stop")
	width := cmd.Flags().String("width", "15 minutes", "width of a bucket, as an SQL interval")
	baseline := cmd.Flags().Int("baseline", 96, "buckets that say what is usual")
	threshold := cmd.Flags().Float64("threshold", 0, "standard deviations that mood and return must both be away, on opposite sides (default 1); of other kinds see docs/alerts.md")
	minPosts := cmd.Flags().Int("min-posts", 20, "posts that a bucket needs")
	persistence := cmd.Flags().Int("persistence", 0, "buckets in a row in which it must be so (default 2 of divergences, else 1)")
	cost := cmd.Flags().Float64("cost", 0, "what going in and out together costs, as a share of the price: 0.001 is a tenth of a percent")
	kind := cmd.Flags().String("kind", "divergence", "what the rule is about: divergence, mood, volume or adverts")
	perWeek := cmd.Flags().Float64("per-week", 0, "suggest thresholds for so many firings a week instead")
	forward := cmd.Flags().Bool("walk-forward", false, "choose the threshold on the time before each test instead, and sum up the tests")
	train := cmd.Flags().String("train", "28 days", "time before each test on which the threshold is chosen, as an SQL interval")
	test := cmd.Flags().String("test", "7 days", "length of a test, as an SQL interval")
	cmd.MarkFlagsMutuallyExclusive("walk-forward", "per-week", "threshold")
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
		query := backtestSQL
		arguments := texts(args[0], first.Format(timeSQL), last.Format(timeSQL), *width, strconv.Itoa(*baseline),
			decimal(*threshold), strconv.Itoa(*minPosts), strconv.Itoa(*persistence), decimal(*cost), *kind)
		for i, flag := range map[int]string{5: "threshold", 7: "persistence"} { // the database has the defaults of each kind
			if !cmd.Flags().Changed(flag) {
				arguments[i] = nil
			}
		}
		if *perWeek > 0 {
			if cmd.Flags().Changed("cost") || *kind != "divergence" {
				return errors.New("--per-week counts firings of divergences only; leave out --cost and --kind")
			}
			query, arguments = suggestSQL, arguments[:8]
			arguments[5] = []byte(decimal(*perWeek))
		}
		if *forward {
			if cmd.Flags().Changed("cost") || *kind != "divergence" {
				return errors.New("--walk-forward trades divergences only, and counts no costs; leave out --cost and --kind")
			}
			query, arguments = forwardSQL, append(arguments[:8], []byte(*test))
			arguments[5] = []byte(*train)
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
		result := conn.Conn().PgConn().ExecParams(cmd.Context(), query, arguments, nil, nil, nil).Read()
		return printResult(cmd, result, *asJSON)
	}
	return cmd
}

// timeSQL is a time as PostgreSQL reads it.
const timeSQL = "2006-01-02 15:04:05.999999Z07:00"

func decimal(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

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
