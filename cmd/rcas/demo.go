package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"rcas/demo"
	"rcas/ingestor/archive"
)

// demoSeed makes the demo's posts; another seed makes others.
const demoSeed = 2017

func newDemo(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Replay a week with planted truths and show what RCAS finds in it",
		Long: `Replay real minute prices of bitcoin and ether from 27 to 31 December 2017 with invented posts, in which mood leads price by a
known time and two divergences are planted, and show what the SQL functions find: price against mood by the hour, top terms,
divergences, the lag. Data goes to the folder demo in the data directory, apart from your own.`,
		Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd)
	keep := cmd.Flags().Bool("keep", false, "stay up afterwards, for psql and Grafana, until Ctrl-C")
	seed := cmd.Flags().Uint64("seed", demoSeed, "seed of the invented posts")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("data-dir") && s.env["RCAS_DATA_DIR"] == "" {
			s.dataDir = filepath.Join(s.dataDir, "demo")
		}
		a, err := s.open(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		return a.demo(cmd, *seed, *asJSON, *keep)
	}
	return cmd
}

func (a *app) demo(cmd *cobra.Command, seed uint64, asJSON, keep bool) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	files, err := demo.Write(filepath.Join(a.settings.dataDir, "archive"), seed)
	if err != nil {
		return err
	}
	replayed, err := a.replay(ctx, archive.Config{Paths: files, Venue: "bitfinex", Log: a.settings.log}, scoringFlags{}, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	report, err := demo.Ask(ctx, a.store.Pool())
	if err != nil {
		return err
	}
	page := filepath.Join(a.settings.dataDir, "demo.html")
	if err := writePage(page, report); err != nil {
		return err
	}
	if asJSON {
		return errors.Join(printJSON(out, map[string]any{"replay": replayed, "found": report, "page": page}), a.keep(ctx, keep))
	}
	if err := report.Print(out); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nThe replay")
	if err := replayed.print(out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nPicture:  %s\n", page)
	a.printConnections(cmd, keep)
	return a.keep(ctx, keep)
}

func writePage(path string, report *demo.Report) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the demo's page: %w", err)
	}
	return errors.Join(report.WriteHTML(file), file.Close())
}

// printConnections tells how to look further.
func (a *app) printConnections(cmd *cobra.Command, keep bool) {
	out := cmd.OutOrStdout()
	again := ""
	if a.settings.databaseURL == "" {
		again = fmt.Sprintf(" --data-dir %q", a.settings.dataDir)
	}
	fmt.Fprintf(out, "SQL:      rcas sql%s \"SELECT * FROM mood_price('BTC', '2017-12-30', '2017-12-31', '1 hour')\"\n", again)
	if a.settings.databaseURL != "" {
		return // The user knows the address of a server of their own.
	}
	if !keep {
		fmt.Fprintln(out, "psql and Grafana:  rcas demo --keep stays up and tells the addresses")
		return
	}
	fmt.Fprintf(out, "psql:     psql %q\n", a.store.URL())
	fmt.Fprintf(out, "Grafana:  PostgreSQL data source with host %q, database postgres, user postgres, no password, TLS off; docs/grafana.md\n",
		a.store.SocketDir())
}

// keep stays up until a signal, running the database's jobs.
func (a *app) keep(ctx context.Context, keep bool) error {
	if !keep {
		return nil
	}
	a.settings.say("staying up; Ctrl-C stops it")
	return a.run(ctx, pipeline{write: true, score: true, stays: true})
}
