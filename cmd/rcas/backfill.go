package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"rcas/figure"
	"rcas/ingestor"
	"rcas/ingestor/backfill"
	"rcas/ingestor/exchange"
)

// span is a length of time as a flag: 24h, 90m, 7d, 0.
type span struct{ time.Duration }

func newSpan(d time.Duration) *span { return &span{d} }

func (s *span) add(cmd *cobra.Command) {
	cmd.Flags().Var(s, "since", "how much of the past to bring of sources that were never read, as 24h or 7d; 0 for none")
}

// String implements pflag.Value.
func (s *span) String() string {
	if days := s.Duration / (24 * time.Hour); days > 1 && days*24*time.Hour == s.Duration {
		return fmt.Sprintf("%dd", days)
	}
	return strings.TrimSuffix(strings.TrimSuffix(s.Duration.String(), "0s"), "0m")
}

// Type implements pflag.Value.
func (*span) Type() string { return "span" }

// Set implements pflag.Value.
func (s *span) Set(text string) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0 && n < 36525) {
			return fmt.Errorf("%q is no length of time: write 24h, 7d or 0", text)
		}
		s.Duration = time.Duration(n * float64(24*time.Hour))
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no length of time: write 24h, 7d or 0", text)
	}
	s.Duration = d
	return nil
}

func newBackfill(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backfill --source NAME… --from TIME [--to TIME] | --gaps",
		Short: "Bring what sources said before anybody listened",
		Long: `Bring the past of sources, newest first, within their limits: prices of Coinbase and Binance as bars of a minute, of any year; of Kraken
as bars of the newest twelve hours and trades before; posts of Bluesky as far as its hosts reach back (about 36 hours); what Reddit's listings
hold. X is left out: it bills each post.

A minute of a coin at a venue has its trades or its bar, never both. What is done is kept in the database: a command that was killed goes on
where it was, and one that is given again asks for nothing twice. --gaps brings what rcas gaps lists instead.`,
		Example: "  rcas backfill --source coinbase --source bluesky --from 2026-11-20\n" +
			"  rcas backfill --source binance --from 2024-01-01 --to 2025-01-01\n  rcas backfill --live --gaps --from 2026-11-20",
		Args: cobra.NoArgs,
	}
	var sources sourceFlags
	sources.add(cmd)
	from := cmd.Flags().String("from", "", "first time, RFC 3339 or a date")
	to := cmd.Flags().String("to", "", "time before which to stop (default now)")
	gaps := cmd.Flags().Bool("gaps", false, "bring what is missing, of the last seven days unless --from says otherwise")
	var scoring scoringFlags
	scoring.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		want, err := parseSpan(*from, *to, *gaps)
		if err != nil {
			return err
		}
		if len(sources.names) == 0 && !sources.live {
			return errors.New("name the sources whose past to bring: --source coinbase, or --live for those that need no key")
		}
		a, err := s.open(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		return a.backfill(cmd, sources, scoring, want, *gaps)
	}
	return cmd
}

// parseSpan reads --from and --to. Without them, those of gaps are the last seven days.
func parseSpan(from, to string, gaps bool) (want backfill.Span, err error) {
	if want.To, err = parseTimeOr(to, time.Now()); err != nil {
		return want, err
	}
	switch {
	case from != "":
		want.From, err = parseTime(from)
	case gaps:
		want.From = want.To.Add(-7 * 24 * time.Hour)
	default:
		err = errors.New("say with --from from when on, or bring what is missing with --gaps")
	}
	if err == nil && want.Length() <= 0 {
		err = fmt.Errorf("there is no time from %s to %s", want.From.Format(time.RFC3339), want.To.Format(time.RFC3339))
	}
	return want, err
}

// backfill runs writer and scorer until the past of the sources is brought, stored, scored and in the windows.
func (a *app) backfill(cmd *cobra.Command, flags sourceFlags, scoring scoringFlags, want backfill.Span, gaps bool) error {
	before, err := a.counted(cmd.Context())
	if err != nil {
		return err
	}
	bar := newProgress(cmd.ErrOrStderr(), "backfill")
	door, err := a.door(cmd.Context(), nil)
	if err != nil {
		return err
	}
	b := &bringing{app: a, door: door, began: time.Now(), bar: bar, progress: map[string]backfill.Progress{}}
	if err := b.build(cmd.Context(), flags, want, gaps); err != nil {
		return err
	}
	working, stop := context.WithCancel(cmd.Context())
	defer stop()
	worked, brought := make(chan error, 1), make(chan error, 1)
	go func() { worked <- a.run(working, pipeline{write: true, score: true, scoring: scoring, noJobs: true}) }()
	go func() { brought <- b.run(working) }()
	select {
	case err = <-brought:
		stop()
		err = errors.Join(err, unlessStopped(<-worked))
	case err = <-worked: // the writer or the scorer failed for good
		stop()
		err = errors.Join(err, unlessStopped(<-brought))
	}
	bar.done()
	if err := errors.Join(err, b.door.SaveCounts(context.WithoutCancel(cmd.Context()), a.store)); err != nil {
		return err
	}
	if err := a.store.RefreshWindows(cmd.Context()); err != nil {
		return err
	}
	after, err := a.counted(cmd.Context())
	if err != nil {
		return err
	}
	for _, job := range b.jobs {
		fmt.Fprintln(cmd.OutOrStdout(), broughtLine(job.source.Name(), before, after))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%.1f seconds, until the windows showed them all\n", time.Since(b.began).Seconds())
	return err
}

// broughtLine says what became of what a source was asked for.
func broughtLine(source string, before, after counted) string {
	stored, there, left := int64(0), int64(0), []string{}
	for count, n := range after.counts {
		n -= before.counts[count]
		switch reason, dropped := strings.CutPrefix(count.Event, "dropped:"); {
		case n <= 0 || count.Source != source:
		case count.Component == "writer" && count.Event == "stored":
			stored += n
		case count.Component == "writer" && count.Event == "duplicate":
			there += n
		case dropped && reason != "unmapped": // posts about no coin are most of them
			left = append(left, fmt.Sprintf("%s left out (%s)", figure.Count(n), reason))
		}
	}
	slices.Sort(left)
	return fmt.Sprintf("%s: %s", source, strings.Join(append([]string{figure.Count(stored) + " rows stored", figure.Count(there) + " were there before"}, left...), ", "))
}

// bringing is one run of rcas backfill.
type bringing struct {
	*app
	door  *ingestor.Door
	began time.Time
	bar   *progress
	jobs  []bringJob

	mu       sync.Mutex
	progress map[string]backfill.Progress
}

// bringJob is a source and the times that are wanted of it.
type bringJob struct {
	source backfill.Source
	want   []backfill.Span
}

// build makes the jobs: of each source all of a span, or the gaps in it.
func (b *bringing) build(ctx context.Context, flags sourceFlags, want backfill.Span, gaps bool) error {
	configs, err := flags.configs(b.settings.file.Sources)
	if err != nil {
		return err
	}
	var holes []gap
	if gaps {
		if holes, err = b.gaps(ctx, want); err != nil {
			return err
		}
	}
	for _, name := range flags.chosen() {
		source, err := b.past(name, configs[name], backfill.Config{Progress: b.note, Again: gaps})
		switch {
		case err != nil:
			return fmt.Errorf("source %s: %w", name, err)
		case source == nil && name == "twitter":
			return errors.New("the past of twitter is not brought, since X bills each post of it; the source itself searches what it missed, as far as reach says")
		case source == nil:
			return fmt.Errorf("there is no past of %q to bring; there is one of %s", name, strings.Join(withPast(), ", "))
		}
		spans := []backfill.Span{want}
		if gaps {
			spans = spansOf(holes, name)
		}
		b.jobs = append(b.jobs, bringJob{source, spans})
	}
	return nil
}

// run brings all, and waits until it is stored and scored.
func (b *bringing) run(ctx context.Context) error {
	errs := make(chan error, len(b.jobs))
	for _, job := range b.jobs {
		go func() {
			errs <- b.stream.Hold(ctx, backfill.Name(job.source.Name()), func(ctx context.Context) error { return b.bring(ctx, job) })
		}()
	}
	var all error
	for range b.jobs {
		all = errors.Join(all, <-errs)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := b.door.Flush(ctx); err != nil {
		return errors.Join(all, err)
	}
	return errors.Join(all, b.stream.WaitDrained(ctx, nil))
}

func (b *bringing) bring(ctx context.Context, job bringJob) error {
	for _, want := range job.want {
		if err := job.source.Run(ctx, b.door, want); err != nil {
			return fmt.Errorf("source %s: %w", job.source.Name(), err)
		}
		if prices, ok := job.source.(*backfill.Prices); ok && ctx.Err() == nil {
			if err := b.join(ctx, b.door, prices, want); err != nil {
				return fmt.Errorf("source %s: %w", job.source.Name(), err)
			}
		}
	}
	return nil
}

// note shows how far all sources are.
func (b *bringing) note(p backfill.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.progress[p.Name] = p
	var done, total time.Duration
	for _, p := range b.progress {
		done, total = done+p.Done, total+p.Total
	}
	b.bar.update(int64(done/time.Second), int64(total/time.Second), p.Name+" "+describe(p, b.began))
}

// chosen are the sources that the flags name.
func (f *sourceFlags) chosen() []string {
	names := map[string]bool{}
	for _, name := range f.names {
		names[name] = true
	}
	for _, k := range sourceKinds() {
		if f.live && k.keyless {
			names[k.name] = true
		}
	}
	return sortedKeys(names)
}

func pastOfBluesky(a *app, cfg sourceConfig, how backfill.Config) (backfill.Source, error) {
	config, err := blueskyConfig(a, cfg)
	if err != nil {
		return nil, err
	}
	return backfill.NewPosts(config, how), nil
}

func pastOfReddit(a *app, cfg sourceConfig, how backfill.Config) (backfill.Source, error) {
	config, err := redditConfig(a, cfg)
	if err != nil {
		return nil, err
	}
	return backfill.NewListings(config, how), nil
}

func pastOfExchange(past func(exchange.Config) exchange.Past) func(*app, sourceConfig, backfill.Config) (backfill.Source, error) {
	return func(a *app, cfg sourceConfig, how backfill.Config) (backfill.Source, error) {
		config, err := exchangeConfig(a, cfg)
		if err != nil {
			return nil, err
		}
		return backfill.NewPrices(past(config), how), nil
	}
}

// withPast are the sources of which there is a past to bring.
func withPast() (names []string) {
	for _, k := range sourceKinds() {
		if k.past != nil {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}
