package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot builds the command tree over one set of settings.
func newRoot(environ []string) (*cobra.Command, *settings) {
	s := &settings{}
	root := &cobra.Command{
		Use:   "rcas",
		Short: "Real-time cryptocurrency analysis: the mood of social media against the price",
		Long: `RCAS reads posts and prices, stores them in TimescaleDB, lets a model judge the mood of each post, and shows how
mood and price move together, and where they part ways.

Without further settings everything runs inside this one process: NATS JetStream, and TimescaleDB as WebAssembly. Begin with

    rcas demo          a replayed week with its answers, in a minute
    rcas up --live     real posts and real prices, from feeds that need no key
    rcas sql "SELECT * FROM mood_price('BTC', now() - INTERVAL '1 day', now(), '1 hour')"

Every flag is also a variable: --database-url is RCAS_DATABASE_URL. A variable that begins with RCAS_ and is not known is an
error.`,
		SilenceErrors: true, SilenceUsage: true, Version: version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return s.resolve(cmd, environ) },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&s.databaseURL, "database-url", "", "PostgreSQL server with TimescaleDB; unset: embedded, in the data directory")
	s.nats.add(flags)
	flags.StringVar(&s.dataDir, "data-dir", "", "where the embedded database and stream are kept (default "+defaultDataDir()+")")
	flags.StringVar(&s.configFile, "config", "", "YAML file with assets and sources (see docs/configuration.md)")
	flags.StringVar(&s.modelsDir, "models-dir", "", "directory of model directories, beside the bundled model")
	flags.TextVar(&s.logLevel, "log-level", slog.LevelWarn, "what is logged to standard error: debug, info, warn or error")
	flags.StringVar(&s.logFormat, "log-format", "auto", "text, json, or auto: text on a terminal, JSON elsewhere")
	flags.StringVar(&s.metricsAddress, "metrics-address", "", "host:port that serves /metrics, /healthz and /readyz, or off (default: "+
		defaultMetricsAddress+" in up, ingest and score, off elsewhere)")
	root.SetVersionTemplate("rcas {{.Version}}\n")
	root.AddCommand(
		newMigrate(s), newUp(s), newIngest(s), newScore(s), newReplay(s), newBackfill(s), newGaps(s), newDemo(s),
		newStatus(s), newHealth(s), newDoctor(s), newSQL(s), newExport(s), newReport(s), newWatch(s), newServe(s), newMCP(s), newBacktest(s), newAlert(s), newDead(s), newModel(s), newLabel(s), newRescore(s), newBench(s), newSetup(s),
	)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", readable(err), cmd.CommandPath())
	})
	return root, s
}

// readable says of a value of a flag or a variable that Go could not read what to write instead.
func readable(err error) error {
	text := err.Error()
	if number, ok := errors.AsType[*strconv.NumError](err); ok {
		say := map[string]string{"ParseBool": "write true or false", "ParseFloat": "write a number"}[number.Func]
		if errors.Is(number.Err, strconv.ErrRange) {
			say = "that number is too large"
		}
		return errors.New(strings.Replace(text, number.Error(), cmp.Or(say, "write a whole number"), 1))
	}
	if before, _, ok := strings.Cut(text, "slog: "); ok {
		return errors.New(before + "write debug, info, warn or error")
	}
	return err
}
