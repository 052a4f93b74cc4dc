package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rcas/ingestor/backfill"
	"rcas/store"
)

// gap is a time in which a series has no rows for longer than is usual for it.
type gap struct {
	// Kind is trades or posts; Source the venue or network; Symbol the coin, "" for posts.
	Kind   string    `json:"kind"`
	Source string    `json:"source"`
	Symbol string    `json:"symbol,omitempty"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	// Minutes without a row, and the most that are usual.
	Minutes int `json:"minutes"`
	Usual   int `json:"usual_minutes"`
	// Fill says what could fill it.
	Fill string `json:"fill"`
}

func newGaps(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gaps",
		Short: "List the times in which something is missing, and what could fill them",
		Long: `List the times in which a coin at a venue, or a network, has no rows for longer than is usual for it: than chance would bring, by how many
of its minutes have rows otherwise. rcas backfill --gaps fills those that can be.`,
		Example: "  rcas gaps\n  rcas gaps --from 2026-11-01 --to 2026-11-20 --json",
		Args:    cobra.NoArgs,
	}
	from := cmd.Flags().String("from", "", "first time, RFC 3339 or a date (default seven days ago)")
	to := cmd.Flags().String("to", "", "time before which to stop (default now)")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		within, err := parseSpan(*from, *to, true)
		if err != nil {
			return err
		}
		a, err := s.openPrepared(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		found, err := a.gaps(cmd.Context(), within)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), found)
		}
		if len(found) == 0 {
			return a.printNoGaps(cmd, within)
		}
		return printGaps(cmd, found)
	}
	return cmd
}

// printNoGaps tells a time in which nothing is missing from one of which nothing is known.
func (a *app) printNoGaps(cmd *cobra.Command, within backfill.Span) error {
	var ever, then bool
	err := a.store.Pool().QueryRow(cmd.Context(), `SELECT
		EXISTS (SELECT FROM prices_1d) OR EXISTS (SELECT FROM mood_1d) OR EXISTS (SELECT FROM prices) OR EXISTS (SELECT FROM tweets),
		EXISTS (SELECT FROM prices_1m WHERE bucket >= $1 AND bucket < $2) OR EXISTS (SELECT FROM mood_1m WHERE bucket >= $1 AND bucket < $2)`,
		within.From, within.To).Scan(&ever, &then)
	switch {
	case err != nil:
		return sqlError(err)
	case !ever:
		fmt.Fprintln(cmd.OutOrStdout(), "there is nothing yet of which something could be missing; rcas up --live, rcas replay and rcas backfill bring it")
	case !then:
		fmt.Fprintf(cmd.OutOrStdout(), "there is nothing at all from %s to %s; rcas backfill --source NAME --from %[1]s --to %[2]s brings what can be had\n",
			within.From.UTC().Format(time.RFC3339), within.To.UTC().Format(time.RFC3339))
	default:
		fmt.Fprintln(cmd.OutOrStdout(), "nothing is missing")
	}
	return nil
}

func printGaps(cmd *cobra.Command, found []gap) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "of\tat\tfrom\tto\tminutes\tusual\tfilled by")
	for _, g := range found {
		of := g.Symbol
		if of == "" {
			of = g.Kind
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", of, g.Source, g.From.UTC().Format(time.RFC3339), g.To.UTC().Format(time.RFC3339), g.Minutes,
			g.Usual, g.Fill)
	}
	return w.Flush()
}

// gaps looks for gaps, those of trades first, each kind by venue or network, coin and time.
func (a *app) gaps(ctx context.Context, within backfill.Span) ([]gap, error) {
	if closed := backfill.Closed(time.Now()); within.To.After(closed) { // what is on its way is not missing
		within.To = closed
	}
	prices, posts, err := a.store.Quiet(ctx, within.From, within.To, backfill.LeastGap)
	if err != nil {
		return nil, err
	}
	found, read := []gap{}, map[string]bool{} // whether a source has a cursor
	for kind, all := range map[string][]store.Series{"trades": prices, "posts": posts} {
		for _, series := range all {
			if _, known := read[series.Source]; !known {
				cursor, err := a.store.LoadCursor(ctx, series.Source)
				if err != nil {
					return nil, err
				}
				read[series.Source] = cursor != ""
			}
			spans, usual := backfill.Gaps(series, within, read[series.Source])
			for _, span := range spans {
				found = append(found, gap{
					Kind: kind, Source: series.Source, Symbol: series.Symbol, From: span.From, To: span.To, Minutes: int(span.Length() / time.Minute),
					Usual: int(usual / time.Minute), Fill: filling(series.Source, span, time.Now()),
				})
			}
		}
	}
	slices.SortStableFunc(found, func(x, y gap) int {
		return cmp.Or(-cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Symbol, y.Symbol), x.From.Compare(y.From))
	})
	return found, nil
}

// How far hosts reach back, as docs/sources.md tells.
const (
	krakenCandles = 718 * time.Minute
	blueskyKeeps  = 36 * time.Hour
)

// filling says what could fill a gap of a source.
func filling(source string, span backfill.Span, now time.Time) string {
	switch source {
	case "coinbase", "binance":
		return "candles"
	case "kraken":
		if now.Sub(span.From) < krakenCandles {
			return "candles"
		}
		return "trades"
	case "bluesky":
		if now.Sub(span.To) < blueskyKeeps {
			return "cursor"
		}
		return "nothing: its hosts keep about 36 hours"
	case "reddit":
		return "listings, as far as they reach"
	case "twitter":
		return "the source's own search, within reach"
	}
	return "an archive, by rcas replay"
}

// spansOf joins the gaps of a source, of all its coins, with a minute on each side, where rows may be missing too.
func spansOf(holes []gap, source string) []backfill.Span {
	var spans []backfill.Span
	for _, h := range holes {
		if h.Source == source {
			spans = append(spans, backfill.Span{From: h.From.Add(-time.Minute), To: h.To.Add(time.Minute)})
		}
	}
	return backfill.Join(spans)
}
