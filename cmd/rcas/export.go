package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rcas/dataset"
	"rcas/figure"
)

func newExport(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export SET --from TIME --out FILE",
		Short: "Write posts, prices, mood and more to a file: Parquet, CSV or NDJSON",
		Long: `Write the rows of a data set to a file, in the order of time and a stretch at a time, so that months fit in bounded memory:

` + dataSets() + `
The format is that of the file's suffix (.parquet, .csv, .ndjson) or of --format; .gz and .zst behind it compress CSV and NDJSON. "-" is the
standard output. The file has its name once it is whole: until then it is FILE.part, and the same command goes on where an interrupted one
stopped (Parquet begins anew). rcas replay reads tweets, prices and candles back.`,
		Example: "  rcas export tweets --from 2024-01-01 --to 2024-02-01 --out tweets.parquet\n" +
			"  rcas export candles --symbol BTC --width '1 hour' --from 2024-01-01 --out btc.csv\n" +
			"  rcas export prices --from 2024-01-01 --out prices.ndjson.zst\n" +
			"  rcas export mood --symbol BTC --from 2024-01-01 --out - --format csv | head",
		Args: cobra.ExactArgs(1),
	}
	from := cmd.Flags().String("from", "", "first time, RFC 3339 or a date")
	to := cmd.Flags().String("to", "", "time before which to stop (default now)")
	symbol := cmd.Flags().String("symbol", "", "the coin (default all)")
	width := cmd.Flags().String("width", "1 hour", "width of a bucket, as an SQL interval, for sets with buckets")
	format := cmd.Flags().String("format", "", "parquet, csv or ndjson (default: that of the file's suffix)")
	out := cmd.Flags().String("out", "", "the file, or - for the standard output")
	_ = cmd.MarkFlagRequired("from")
	_ = cmd.MarkFlagRequired("out")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		set, err := dataset.Find(args[0])
		if err != nil {
			return err
		}
		q := dataset.Question{Symbol: *symbol}
		if q.From, err = parseTime(*from); err != nil {
			return err
		}
		if q.To, err = parseTimeOr(*to, time.Now().UTC()); err != nil {
			return err
		}
		switch {
		case set.Buckets:
			q.Width = *width
		case cmd.Flags().Changed("width"):
			return fmt.Errorf("--width: the rows of %s are of no bucket: leave it out", set.Name)
		}
		e := dataset.Export{Set: set, Question: q, Path: *out, Out: cmd.OutOrStdout()}
		if e.Format, _ = dataset.FormatOf(*out); *format != "" {
			e.Format = dataset.Format(*format)
		}
		if e.Format == "" {
			return fmt.Errorf("%s doesn't tell the format: give --format parquet, csv or ndjson", *out)
		}
		return s.export(cmd, &e)
	}
	return cmd
}

// export runs an export on the configured database.
func (s *settings) export(cmd *cobra.Command, e *dataset.Export) error {
	a, err := s.openPrepared(cmd.Context())
	if err != nil {
		return err
	}
	defer a.Close()
	bar := newProgress(cmd.ErrOrStderr(), "export")
	e.Progress = func(rows int64, next time.Time) {
		whole := e.Question.To.Sub(e.Question.From)
		bar.update(int64(next.Sub(e.Question.From)/time.Second), int64(whole/time.Second), figure.Count(rows)+" rows")
	}
	rows, err := e.Run(cmd.Context(), a.store.Pool())
	bar.done()
	if err != nil {
		return sqlError(err)
	}
	if e.Path != dataset.Stdout {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s rows in %s\n", figure.Count(rows), e.Path)
	}
	return nil
}

// dataSets lists the catalogue.
func dataSets() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, set := range dataset.All {
		fmt.Fprintf(w, "  %s\t%s\n", set.Name, set.About)
	}
	_ = w.Flush() // to memory
	return b.String()
}
