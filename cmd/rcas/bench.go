package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"rcas/bench"
	"rcas/figure"
	"rcas/ingestor/archive"
	"rcas/store"
)

func newBench(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the whole road on invented Reddit comments, and the ceilings of its parts",
		Long: `Write invented Reddit comments to a file, send them through JetStream, writer and scorer into the database, and stop the clock when a
SQL question over the windows sees them all; then send more of them live, at several rates, and tell how long it takes until mood() counts
them; with --backlog, let them wait in the stream for so long, and tell how long it takes until all are counted. Beside it, in the same run,
the ceilings: each part of the road alone, on comments of the same file; with --compare, what others need for those parts. Everything happens in a temporary
directory; RCAS_BENCH_DATABASE_URL names a native server, on which databases rcas_bench… are made and dropped.

CPU time is that of this process and of the database's, in millionths of a second a message: read it before messages per second, which
depend on what else the machine does.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newBenchSQL(s))
	b := &benchmark{settings: s}
	cmd.Flags().IntVar(&b.comments, "comments", bench.SeedComments, "how many comments")
	cmd.Flags().IntSliceVar(&b.rates, "rates", []int{500, 2000, 8000}, "comments a second to send live, one rate after the other")
	cmd.Flags().DurationVar(&b.lasts, "live", 10*time.Second, "how long to send at each rate; 0 to send none")
	cmd.Flags().DurationVar(&b.backlog, "backlog", 0, "how long posts came in, at 500 a second, before anybody worked on them; 0 for no backlog")
	cmd.Flags().StringVar(&b.compare, "compare", "", "compare with plain COPY, and with the programs telegraf and vader of this directory")
	cmd.Flags().StringVar(&b.profile, "cpuprofile", "", "file for a CPU profile of the whole road")
	seed := cmd.Flags().Uint64("seed", 1, "seed of the comments")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := os.MkdirTemp("", "rcas-bench-")
		if err != nil {
			return fmt.Errorf("make a directory for the benchmark: %w", err)
		}
		defer os.RemoveAll(dir)
		s.dataDir = filepath.Join(dir, "data")
		b.dir, b.file, b.notes = dir, filepath.Join(dir, "comments.ndjson"), cmd.ErrOrStderr()
		report, err := b.run(cmd.Context(), *seed)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), report)
		}
		return printBench(cmd.OutOrStdout(), report)
	}
	return cmd
}

func printBench(out io.Writer, r *bench.Report) error {
	fmt.Fprintf(out, "%s comments, %d cores, %s database\n\n", figure.Count(int64(r.Comments)), r.Cores, r.Database)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "part\tmessages\tseconds\tmessages/s\tµs of rcas\tof database\tboth\tCPU's ceiling/s\t")
	for _, p := range append([]bench.Part{r.Road}, r.Parts...) {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%s\t%.1f\t%.1f\t%.1f\t%s\t\n", p.Name, figure.Count(int64(p.Messages)), p.Seconds, figure.Count(int64(p.PerSecond)),
			p.CPU.RCAS, p.CPU.Database, p.CPU.Sum(), figure.Count(int64(p.Ceiling(r.Cores))))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nthe whole road reached %.0f %% of what its CPU time allows; its parts alone take %.0f %% of that time\n", 100*r.Reached, 100*r.Explained)
	fmt.Fprintf(out, "memory at most: rcas %d MiB", r.Memory.RCAS>>20)
	if r.Memory.Database > 0 {
		fmt.Fprintf(out, ", database %d MiB", r.Memory.Database>>20)
	}
	fmt.Fprintf(out, "\ndisk: %.0f bytes a message (", r.Disk.Database)
	for _, table := range sortedKeys(r.Disk.Tables) {
		fmt.Fprintf(out, "%s %.0f, ", table, r.Disk.Tables[table])
	}
	fmt.Fprintf(out, "windows and the rest), %.0f bytes of WAL\n", r.Disk.WAL)
	for _, f := range r.Freshness {
		fmt.Fprintf(out, "live at %s/s: in mood() after %.0f ms, 99 %% of them after %.0f ms; %.0f µs of CPU a message\n", figure.Count(int64(f.Rate)),
			f.MedianMilli, f.P99Milli, f.CPU.Sum())
	}
	if l := r.Backlog; l != nil {
		fmt.Fprintf(out, "backlog of %s at %d/s, %s posts, %.0f bytes each in the stream: all in mood() after %.0f s (%s/s, %.0f µs of CPU a message); rcas took %d MiB "+
			"at most", time.Duration(l.FeedSeconds*float64(time.Second)), l.Rate, figure.Count(int64(l.Messages)), l.Stream, l.Seconds, figure.Count(int64(l.PerSecond)),
			l.CPU.Sum(), l.Memory.RCAS>>20)
		if l.Memory.Database > 0 {
			fmt.Fprintf(out, ", the database %d MiB", l.Memory.Database>>20)
		}
		fmt.Fprintln(out)
	}
	if r.Comparison == nil {
		return nil
	}
	return printComparison(out, r.Comparison)
}

type benchmark struct {
	settings  *settings
	dir, file string
	comments  int
	rates     []int
	lasts     time.Duration
	backlog   time.Duration
	compare   string // directory of programs
	profile   string
	notes     io.Writer
}

func (b *benchmark) note(part string) { fmt.Fprintln(b.notes, "measuring:", part) }

func (b *benchmark) run(ctx context.Context, seed uint64) (*bench.Report, error) {
	file, err := os.Create(b.file)
	if err != nil {
		return nil, fmt.Errorf("write the comments: %w", err)
	}
	if err := errors.Join(bench.WriteComments(file, b.comments, seed), file.Close()); err != nil {
		return nil, err
	}
	r := &bench.Report{Comments: b.comments, Cores: runtime.NumCPU(), Database: "embedded"}
	if url := b.settings.env["RCAS_BENCH_DATABASE_URL"]; url != "" {
		r.Database = "native"
		made, drop, err := bench.CreateDatabase(ctx, url, "rcas_bench")
		if err != nil {
			return nil, err
		}
		defer drop()
		b.settings.databaseURL = made
	}
	if err := b.measureRoad(ctx, r); err != nil {
		return nil, err
	}
	if err := b.measureParts(ctx, r); err != nil {
		return nil, err
	}
	r.Finish()
	return r, nil
}

// measureRoad opens a database and a stream, sends the file, and then live posts.
func (b *benchmark) measureRoad(ctx context.Context, r *bench.Report) error {
	a, err := b.settings.open(ctx)
	if err != nil {
		return err
	}
	defer a.Close()
	meter, err := b.meter(ctx, a.store)
	if err != nil {
		return err
	}
	b.note("the whole road")
	if err := b.wholeRoad(ctx, a, meter, r); err != nil {
		return err
	}
	r.Memory.RCAS, r.Memory.Database = meter.Peak()
	began := time.Now()
	if b.lasts > 0 {
		if r.Freshness, err = b.live(ctx, a, meter); err != nil {
			return err
		}
	}
	if b.backlog > 0 {
		r.Backlog, err = b.measureBacklog(ctx, a, meter, began.Add(-2*time.Minute))
	}
	return err
}

// meter reads the CPU time of this process and of the store's database.
func (b *benchmark) meter(ctx context.Context, s *store.Store) (*bench.Meter, error) {
	if s.Serving() {
		return bench.NewMeter(ctx, nil)
	}
	return bench.NewMeter(ctx, s.Pool())
}

// wholeRoad measures from the first byte read to the answer of a question over the windows that has seen every comment.
func (b *benchmark) wholeRoad(ctx context.Context, a *app, meter *bench.Meter, r *bench.Report) error {
	ended, err := b.startProfile()
	if err != nil {
		return err
	}
	defer ended()
	writtenBefore, err := bench.Written(ctx, a.store.Pool())
	if err != nil {
		return err
	}
	before, started := meter.Read(), time.Now()
	replayed, err := a.replay(ctx, archive.Config{Paths: []string{b.file}, Source: "reddit", Log: b.settings.log}, scoringFlags{}, nil)
	if err != nil {
		return err
	}
	var posts, tweets int64
	if err := a.store.Pool().QueryRow(ctx, `SELECT sum(posts)::bigint, (SELECT count(*) FROM tweets) FROM mood_1h`).Scan(&posts, &tweets); err != nil {
		return fmt.Errorf("ask the windows: %w", err)
	}
	r.Road = bench.Measured("whole road", b.comments, time.Since(started), meter.Read().Since(before))
	if tweets != int64(b.comments) || posts != replayed.Sentiments.Stored || posts < tweets {
		return fmt.Errorf("of %d comments, %d are stored and %d rows are in the windows: the road lost some", b.comments, tweets, posts)
	}
	return b.disk(ctx, a.store.Pool(), writtenBefore, r)
}

func (b *benchmark) disk(ctx context.Context, db *pgxpool.Pool, writtenBefore float64, r *bench.Report) error {
	written, err := bench.Written(ctx, db)
	if err != nil {
		return err
	}
	r.Disk, err = bench.DiskOf(ctx, db, b.comments)
	r.Disk.WAL = (written - writtenBefore) / float64(b.comments)
	return err
}

func (b *benchmark) startProfile() (ended func(), err error) {
	if b.profile == "" {
		return func() {}, nil
	}
	file, err := os.Create(b.profile)
	if err != nil {
		return nil, fmt.Errorf("write the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("start the profile: %w", err), file.Close())
	}
	return func() { pprof.StopCPUProfile(); _ = file.Close() }, nil
}
