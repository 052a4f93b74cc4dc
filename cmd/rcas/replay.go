package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rcas/figure"
	"rcas/ingestor"
	"rcas/ingestor/archive"
	"rcas/store"
)

func newReplay(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay FILE|DIR|GLOB|-…",
		Short: "Send archived posts and prices down the road, to the end",
		Long: `Read archives of posts and prices, publish them, and wait until all of them are stored, scored and in the windows. Files are
known by their content, never by their name: posts of X, Reddit, Bluesky, StockTwits and Telegram, bars and trades of exchanges and data
sites, as JSON, as arrays, or as tables with commas, semicolons or tabs; plain or as gzip, bzip2, zstd, zip or tar, in folders of any depth;
- is the standard input. docs/archives.md lists all formats. --dry-run tells what each file is taken for, and stores nothing.

What could mean two things is refused, with the flag that decides; then the exit code is not 0, though the other files are stored. Replaying
the same files again changes nothing; with --rebase now they are events of another time, and are stored anew.`,
		Example: "  rcas replay --dry-run archive/\n  rcas replay posts.ndjson prices.csv\n  rcas replay --symbol BTC --venue kraken bars.csv\n" +
			"  rcas replay --speed 60x --rebase now archive/\n  zstd -dc --long=31 RC_2021-05.zst | rcas replay -",
		Args: cobra.MinimumNArgs(1),
	}
	asJSON := jsonFlag(cmd)
	speed := cmd.Flags().String("speed", "max", "max, or a multiple of real time: 1x, 60x, 0.5x")
	rebase := cmd.Flags().String("rebase", "", `"now" shifts all times so that the last event happens now`)
	dryRun := cmd.Flags().Bool("dry-run", false, "tell what each file is taken for, and store nothing")
	var told tellingFlags
	told.add(cmd)
	var scoring scoringFlags
	scoring.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if os.Getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(replayMemory)
		}
		cfg := archive.Config{Paths: args, Log: s.log}
		var err error
		if cfg.Speed, err = parseSpeed(*speed); err != nil {
			return err
		}
		if *rebase != "" && *rebase != "now" {
			return fmt.Errorf(`--rebase %s: only "now" is known`, *rebase)
		}
		if *rebase == "now" {
			cfg.Rebase = time.Now()
		}
		if err := told.apply(&cfg); err != nil {
			return err
		}
		if *dryRun {
			return s.dryRun(cmd, cfg, *asJSON)
		}
		a, err := s.open(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		report, err := a.replay(cmd.Context(), cfg, scoring, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), report)
		} else {
			err = report.print(cmd.OutOrStdout())
		}
		return errors.Join(err, unread(report.problems))
	}
	return cmd
}

// replayMemory is memoryLimit of a replay, which holds parts of files besides and ends.
const replayMemory = 256 << 20

// unread is the error of a replay that files were left out of; nil for none.
func unread(files int64) error {
	switch files {
	case 0:
		return nil
	case 1:
		return errors.New("a file was refused, or could not be read to its end: the report says why")
	}
	return fmt.Errorf("%d files were refused, or could not be read to their end: the report says why", files)
}

// tellingFlags tell what files leave open.
type tellingFlags struct{ symbol, venue, source, currency, timezone string }

func (t *tellingFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.symbol, "symbol", "", "coin or market of prices whose files don't tell it, as BTC or ETH-USD")
	cmd.Flags().StringVar(&t.venue, "venue", "", "exchange of prices whose rows don't tell it")
	cmd.Flags().StringVar(&t.source, "source", "", "network of posts whose files don't tell it, as reddit, or news for newspaper articles")
	cmd.Flags().StringVar(&t.currency, "currency", "", "currency of prices whose files don't tell it, or seem to tell another than the dollar")
	cmd.Flags().StringVar(&t.timezone, "timezone", "", "zone of times that tell none, as Europe/Berlin or +02:00 (default UTC)")
}

// goodName is what venues and networks may be called: names become part of keys.
var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func (t *tellingFlags) apply(cfg *archive.Config) error {
	for _, flag := range []struct{ name, value string }{{"venue", t.venue}, {"source", t.source}} {
		if flag.value != "" && !goodName.MatchString(flag.value) {
			return fmt.Errorf("--%s %s: write a name in lower case, such as kraken or reddit", flag.name, flag.value)
		}
	}
	cfg.Symbol, cfg.Venue, cfg.Source, cfg.Currency = t.symbol, t.venue, t.source, t.currency
	if t.timezone == "" {
		return nil
	}
	zone, err := archive.Zone(t.timezone)
	if err != nil {
		return fmt.Errorf("--timezone: %w", err)
	}
	cfg.Timezone = zone
	return nil
}

// parseSpeed returns 0 for max.
func parseSpeed(s string) (float64, error) {
	if s == "max" {
		return 0, nil
	}
	factor, err := strconv.ParseFloat(strings.TrimSuffix(s, "x"), 64)
	if err != nil || !(factor > 0) || factor > 1e6 {
		return 0, fmt.Errorf("--speed %s: write max, or a multiple of real time such as 1x or 60x", s)
	}
	return factor, nil
}

// replayReport is what became of a replay.
type replayReport struct {
	Tweets rowsReport `json:"tweets"`
	Prices rowsReport `json:"prices"`
	// Bars of OHLCV that were read; each is four prices.
	Bars       int64           `json:"bars"`
	Sentiments sentimentReport `json:"sentiments"`
	// Differs are the duplicates of which other figures are stored.
	Differs int64 `json:"differs"`
	// Dead letters that the replay added.
	Dead int64 `json:"dead"`
	// Notes of the source and the door that are no drops: skew, truncated archives, ….
	Notes map[string]int64 `json:"notes,omitempty"`
	// First names the first line dropped for each reason; Problems the files that could not be read (to their end).
	First    []string `json:"first,omitempty"`
	Problems []string `json:"problems,omitempty"`
	problems int64
	// Doubts are what was decided about files although they don't tell it beyond doubt.
	Doubts            []string `json:"doubts,omitempty"`
	Seconds           float64  `json:"seconds"`
	MessagesPerSecond float64  `json:"messages_per_second"`
}

// rowsReport balances: read = stored + duplicates + the sum of dropped + dead letters.
type rowsReport struct {
	Read       int64            `json:"read"`
	Stored     int64            `json:"stored"`
	Duplicates int64            `json:"duplicates"`
	Dropped    map[string]int64 `json:"dropped"`
}

type sentimentReport struct {
	Stored  int64            `json:"stored"`
	Scored  int64            `json:"scored"`
	Skipped map[string]int64 `json:"skipped"`
}

// replay runs source, writer and scorer until the archive is read and the road is empty, and brings the windows up to date.
func (a *app) replay(ctx context.Context, cfg archive.Config, scoring scoringFlags, terminal io.Writer) (*replayReport, error) {
	started := time.Now()
	before, err := a.counted(ctx)
	if err != nil {
		return nil, err
	}
	begun, err := a.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	cfg.Stored = func(ctx context.Context, symbol, venue string, width time.Duration, from, until time.Time) ([]store.Span, error) {
		return a.store.OtherPrices(ctx, symbol, venue, width, from, until, begun)
	}
	bar := newProgress(terminal, "replay")
	cfg.Progress = func(done, total int64) { bar.update(done, total, "reading") }
	source := archive.New(cfg)
	door, err := a.door(ctx, nil)
	if err != nil {
		return nil, err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	worked := make(chan error, 1)
	go func() {
		worked <- a.run(working, pipeline{write: true, score: true, scoring: scoring, noJobs: cfg.Speed == 0})
	}()
	drained := make(chan error, 1)
	go func() { drained <- a.drive(working, source, door, bar) }()
	select {
	case err = <-drained:
		stop()
		err = errors.Join(err, unlessStopped(<-worked))
	case err = <-worked: // The writer or the scorer failed for good.
		stop()
		err = errors.Join(err, unlessStopped(<-drained))
	}
	if err != nil {
		return nil, err
	}
	if err := a.store.RefreshWindows(ctx); err != nil {
		return nil, err
	}
	after, err := a.counted(ctx)
	if err != nil {
		return nil, err
	}
	stats := source.Stats()
	report := newReplayReport(stats, append(door.Venues(), stats.Venues...), before, after)
	report.Seconds = time.Since(started).Seconds()
	report.MessagesPerSecond = float64(report.Tweets.Read+report.Prices.Read) / report.Seconds
	_, err = a.store.Vacuum(ctx) // whoever asks next finds statistics
	return report, err
}

// unlessStopped drops the error of a part that was told to stop because another failed.
func unlessStopped(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// drive reads the archive to its end and waits until the road is empty.
func (a *app) drive(ctx context.Context, source *archive.Archive, door *ingestor.Door, bar *progress) error {
	defer bar.done()
	if err := source.Run(ctx, door); err != nil {
		return err
	}
	if err := door.Flush(ctx); err != nil {
		return err
	}
	var most uint64
	if err := a.stream.WaitDrained(ctx, func(left uint64) {
		most = max(most, left)
		bar.update(int64(most-left), int64(most), figure.Count(int64(left))+" steps left")
	}); err != nil {
		return err
	}
	return door.SaveCounts(ctx, a.store)
}

// counted is the state of what a replay reports as differences.
type counted struct {
	counts map[store.Count]int64 // keyed with N = 0
	dead   uint64
}

func (a *app) counted(ctx context.Context) (counted, error) {
	list, err := a.store.Counts(ctx)
	if err != nil {
		return counted{}, err
	}
	c := counted{counts: map[store.Count]int64{}}
	for _, count := range list {
		n := count.N
		count.N = 0
		c.counts[count] = n
	}
	c.dead, err = a.stream.DeadCount(ctx)
	return c, err
}

// newReplayReport sorts the differences between two counts.
func newReplayReport(stats archive.Stats, venues []string, before, after counted) *replayReport {
	r := &replayReport{
		Tweets:     rowsReport{Dropped: map[string]int64{}},
		Prices:     rowsReport{Dropped: map[string]int64{}},
		Bars:       stats.Bars,
		Sentiments: sentimentReport{Skipped: map[string]int64{}},
		Dead:       int64(after.dead) - int64(before.dead),
		Notes:      map[string]int64{},
		Problems:   stats.Errors,
		problems:   stats.ErrorCount,
		Doubts:     stats.Doubts,
	}
	first := stats.Refused
	for reason, drop := range stats.Drops {
		first[reason] = drop.First
	}
	for _, reason := range sortedKeys(first) {
		r.First = append(r.First, reason+": "+first[reason])
	}
	for count, n := range after.counts {
		if n -= before.counts[count]; n == 0 {
			continue
		}
		rows := &r.Tweets
		if slices.Contains(venues, count.Source) {
			rows = &r.Prices
		}
		r.add(rows, count, n)
	}
	return r
}

func (r *replayReport) add(rows *rowsReport, count store.Count, n int64) {
	reason, dropped := strings.CutPrefix(count.Event, "dropped:")
	skipped, unjudged := strings.CutPrefix(count.Event, "skipped:")
	switch {
	case count.Component == "scorer" && unjudged:
		r.Sentiments.Skipped[skipped] += n
		r.Sentiments.Stored += n
	case count.Component == "scorer":
		r.Sentiments.Scored += n
		r.Sentiments.Stored += n
	case count.Event == "stored":
		rows.Stored += n
	case count.Event == "duplicate":
		rows.Duplicates += n
	case count.Component == "writer" && count.Event == store.EventDiffers:
		r.Differs += n
	case count.Event == "read":
		rows.Read += n
	case dropped:
		rows.Dropped[reason] += n
	case count.Event != "published":
		r.Notes[count.Source+": "+count.Event] += n
	}
}

func (r *replayReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tread\tstored\tthere before\tdropped\t")
	for _, row := range []struct {
		name string
		rows rowsReport
	}{{"posts", r.Tweets}, {"prices", r.Prices}} {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t\n", row.name, figure.Count(row.rows.Read), figure.Count(row.rows.Stored),
			figure.Count(row.rows.Duplicates), figure.Count(sum(row.rows.Dropped)))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "sentiments stored: %s, of which judged: %s%s\n", figure.Count(r.Sentiments.Stored), figure.Count(r.Sentiments.Scored),
		reasonList(", not judged: ", r.Sentiments.Skipped))
	fmt.Fprint(out, reasonList("posts dropped: ", r.Tweets.Dropped, "\n"), reasonList("prices dropped: ", r.Prices.Dropped, "\n"),
		reasonList("noted: ", r.Notes, "\n"))
	if r.Differs > 0 {
		fmt.Fprintf(out, "%s prices that were there before have other figures now, and were left as they are: if they are of another exchange, replay "+
			"them with a --venue of their own\n", figure.Count(r.Differs))
	}
	for _, first := range r.First {
		fmt.Fprintln(out, "first", first)
	}
	for _, doubt := range r.Doubts {
		fmt.Fprintln(out, "doubt:", doubt)
	}
	for _, problem := range r.Problems {
		fmt.Fprintln(out, "problem:", problem)
	}
	if r.Dead > 0 {
		fmt.Fprintf(out, "dead letters: %d (rcas dead list shows them)\n", r.Dead)
	}
	_, err := fmt.Fprintf(out, "%.1f seconds, %s messages a second, until the windows showed them all\n", r.Seconds,
		figure.Count(int64(r.MessagesPerSecond)))
	return err
}

func sum(m map[string]int64) (total int64) {
	for _, n := range m {
		total += n
	}
	return total
}

// reasonList writes "prefix reason 3, other 1" or nothing.
func reasonList(prefix string, counts map[string]int64, suffix ...string) string {
	if len(counts) == 0 {
		return ""
	}
	var parts []string
	for _, reason := range sortedKeys(counts) {
		parts = append(parts, reason+" "+figure.Count(counts[reason]))
	}
	return prefix + strings.Join(parts, ", ") + strings.Join(suffix, "")
}
