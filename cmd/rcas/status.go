package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"rcas/figure"
	"rcas/store"
	"rcas/stream"
)

const (
	// statusPatience is how long a server may take to answer at all, and then each question: whoever asks has trouble enough.
	statusPatience = 5 * time.Second
	// countsSince is how far back status counts: what is being dropped now matters, and sums over months take long.
	countsSince = 24 * time.Hour
	// exactRows is the number of rows, by estimate, up to which a table is counted.
	exactRows = 1_000_000
)

// status is how RCAS is doing. What could not be found out is left empty, and Errors say why, by part: database, stream.
type status struct {
	Version  string           `json:"version"`
	Database string           `json:"database"`
	Servers  string           `json:"database_version,omitempty"`
	Stream   string           `json:"stream"`
	Model    string           `json:"model"`
	Tables   map[string]int64 `json:"rows"`
	// Estimated are the tables of Tables that are too large to count.
	Estimated []string     `json:"rows_estimated,omitempty"`
	Feeds     []feedStatus `json:"feeds"`
	// Live are the feeds that are read live, as their sources say.
	Live     []store.FeedState `json:"live_feeds"`
	Backlogs []stream.Backlog  `json:"backlogs"`
	Dead     uint64            `json:"dead"`
	// Counts are those of the last day.
	Counts []countStatus `json:"counts"`
	// Disk is that of the data directory.
	Disk *diskStatus `json:"disk,omitempty"`
	// Size is that of the database.
	Size *sizeStatus `json:"size,omitempty"`
	// Process is what the rcas that serves this data directory, or this machine, says of itself: a line a check.
	Process []string          `json:"process,omitempty"`
	Errors  map[string]string `json:"errors,omitempty"`
}

type feedStatus struct {
	Kind   string `json:"kind"`
	Source string `json:"source"`
	// Live tells whether what comes is of this time, unlike an archive's.
	Live bool `json:"live"`
	// LastStored is when rows of it were last stored, to the minute where that is long ago.
	LastStored *time.Time `json:"last_stored"`
	// SourceLag is the time from event to receipt, StoreLag from receipt to commit; medians of the last minutes, in seconds.
	SourceLag *float64 `json:"source_lag_seconds"`
	StoreLag  *float64 `json:"store_lag_seconds"`
}

type countStatus struct {
	Component string `json:"component"`
	Source    string `json:"source"`
	Event     string `json:"event"`
	N         int64  `json:"n"`
}

type diskStatus struct {
	Free  uint64 `json:"free_bytes"`
	Total uint64 `json:"total_bytes"`
}

type sizeStatus struct {
	Bytes int64 `json:"bytes"`
	// Growth is in bytes a day, over the last week or since the database was made; missing before a day has passed.
	Growth *float64 `json:"growth_per_day,omitempty"`
	// DaysLeft is for how long the data directory's disk lasts at that growth, where the database is there and grows.
	DaysLeft *float64 `json:"days_left,omitempty"`
}

func newStatus(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell how RCAS is doing: rows, freshness and lag, backlog, drops, dead letters",
		Long: `Tell how RCAS is doing. Where the database or the stream is away or full, the rest is told all the same, with the reason, and the exit
code is 1.`,
		Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		st := s.status(cmd.Context())
		if *asJSON {
			if err := printJSON(cmd.OutOrStdout(), st); err != nil {
				return err
			}
		} else if err := st.print(cmd.OutOrStdout()); err != nil {
			return err
		}
		var missing []string
		for _, part := range sortedKeys(st.Errors) {
			missing = append(missing, part+": "+st.Errors[part])
		}
		if len(missing) > 0 {
			return errors.New("not all of the status could be found out: " + strings.Join(missing, "; "))
		}
		return nil
	}
	return cmd
}

// status asks each part for itself.
func (s *settings) status(ctx context.Context) *status {
	st := &status{
		Version: version(), Database: where(s.databaseURL), Stream: where(s.nats.url), Tables: map[string]int64{}, Errors: map[string]string{},
	}
	if free, total, err := diskSpace(s.dataDir); err == nil {
		st.Disk = &diskStatus{free, total}
	}
	a, err := s.openParts(ctx, st)
	if err != nil {
		st.Errors["database"] = err.Error()
	}
	if a != nil {
		defer a.Close()
	}
	if a != nil && a.store != nil {
		if askErr := st.askDatabase(ctx, a); askErr != nil && err == nil { // what it was opened with says more
			st.Errors["database"] = askErr.Error()
		}
	}
	if a != nil && a.stream != nil {
		if err := st.askStream(ctx, a.stream); err != nil {
			st.Errors["stream"] = err.Error()
		}
	}
	if lines, err := s.healthPage(ctx, "/readyz"); err == nil {
		st.Process = lines
	}
	return st
}

// openParts opens the database and the stream as well as it goes. What is not open is nil, and its error in the status or returned.
func (s *settings) openParts(ctx context.Context, st *status) (*app, error) {
	patience := statusPatience
	if s.databaseURL == "" {
		patience = time.Minute // the embedded database may have to be started
	}
	opening, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a, err := s.openStore(opening)
	if err != nil {
		a = &app{settings: s}
	} else if a.servesDatabase() {
		err = a.prepare(ctx, false) // it may have to be migrated
	} else {
		err = a.prepare(opening, false)
	}
	if endpoint, _ := s.running(); s.nats.url == "" && a.store == nil && endpoint.NATS == "" {
		st.Errors["stream"] = "it is embedded where the database is, and that is not open"
		return a, err
	}
	opening, cancelStream := context.WithTimeout(ctx, statusPatience)
	defer cancelStream()
	if streamErr := a.openStream(opening, true); streamErr != nil {
		a.stream = nil
		st.Errors["stream"] = streamErr.Error()
	}
	return a, err
}

// askDatabase asks one question after the other, until one fails: the next would fail alike, and take as long.
func (st *status) askDatabase(ctx context.Context, a *app) error {
	for _, ask := range []func(context.Context, *app) error{st.askVersions, st.askModel, st.askRows, st.askFeeds, st.askLive, st.askCounts, st.askSize} {
		limited, cancel := context.WithTimeout(ctx, 2*statusPatience)
		err := ask(limited, a)
		cancel()
		if err != nil {
			return err
		}
	}
	return a.store.CheckWritable(ctx)
}

func (st *status) askVersions(ctx context.Context, a *app) error {
	err := a.store.Pool().QueryRow(ctx, `SELECT format('PostgreSQL %s, TimescaleDB %s', split_part(current_setting('server_version'), ' ', 1),
		(SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'))`).Scan(&st.Servers)
	if err != nil {
		return fmt.Errorf("ask for the database's version: %w", err)
	}
	return nil
}

func (st *status) askLive(ctx context.Context, a *app) (err error) {
	st.Live, err = a.store.FeedStates(ctx)
	return err
}

func (st *status) askModel(ctx context.Context, a *app) (err error) {
	st.Model, err = a.store.ActiveModel(ctx)
	return err
}

// askRows counts small tables and takes the planner's estimate of large ones, of which counting would read everything.
func (st *status) askRows(ctx context.Context, a *app) error {
	for _, table := range []string{"tweets", "prices", "sentiments"} {
		var n int64
		if err := a.store.Pool().QueryRow(ctx, `SELECT approximate_row_count('`+table+`'::regclass)`).Scan(&n); err != nil {
			return fmt.Errorf("estimate the rows of %s: %w", table, err)
		}
		if n > exactRows {
			st.Estimated = append(st.Estimated, table)
		} else if err := a.store.Pool().QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			return fmt.Errorf("count %s: %w", table, err)
		}
		st.Tables[table] = n
	}
	return nil
}

func (st *status) askFeeds(ctx context.Context, a *app) error {
	rows, err := a.store.Pool().Query(ctx, `SELECT kind, feed, live, last_stored, source_lag, store_lag FROM feed_health() ORDER BY 1, 2`)
	if err == nil {
		st.Feeds, err = pgx.CollectRows(rows, pgx.RowToStructByPos[feedStatus])
	}
	if err != nil {
		return fmt.Errorf("look up the feeds: %w", err)
	}
	return nil
}

func (st *status) askCounts(ctx context.Context, a *app) error {
	rows, err := a.store.Pool().Query(ctx, `SELECT component, source, event, sum(n)::bigint FROM pipeline_1m WHERE bucket > now() - $1::interval
		GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`, countsSince)
	if err == nil {
		st.Counts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[countStatus])
	}
	if err != nil {
		return fmt.Errorf("sum up the counts of a day: %w", err)
	}
	return nil
}

func (st *status) askSize(ctx context.Context, a *app) error {
	size, err := a.store.Size(ctx)
	if err != nil {
		return err
	}
	st.Size = &sizeStatus{Bytes: size.Bytes}
	if size.Days >= 1 {
		st.Size.Growth = &size.Growth
	}
	if st.Disk != nil && a.settings.databaseURL == "" {
		if days, grows := size.DaysLeft(st.Disk.Free); grows {
			st.Size.DaysLeft = &days
		}
	}
	return nil
}

func (st *status) askStream(ctx context.Context, s *stream.Stream) (err error) {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	if st.Backlogs, err = s.Backlogs(ctx); err != nil {
		return err
	}
	st.Dead, err = s.DeadCount(ctx)
	return err
}

func where(url string) string {
	if url == "" {
		return "embedded"
	}
	if _, host, ok := strings.Cut(url, "@"); ok {
		return host // without user and password
	}
	return url
}

// String is for people.
func (s *sizeStatus) String() string {
	text := bytesOf(uint64(s.Bytes))
	if s.Growth != nil && *s.Growth >= 0 {
		text += ", growing by " + bytesOf(uint64(*s.Growth)) + " a day"
	}
	if s.DaysLeft != nil {
		text += fmt.Sprintf("; the disk lasts %.0f days", *s.DaysLeft)
	}
	return text
}

func (st *status) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "rcas\t%s\n", st.Version)
	fmt.Fprintf(w, "database\t%s\n", trouble(strings.Join(nonEmpty(st.Database, st.Servers), ", "), st.Errors["database"]))
	fmt.Fprintf(w, "stream\t%s\n", trouble(st.Stream, st.Errors["stream"]))
	if st.Disk != nil {
		fmt.Fprintf(w, "disk\t%s free of %s\n", bytesOf(st.Disk.Free), bytesOf(st.Disk.Total))
	}
	if st.Size != nil {
		fmt.Fprintf(w, "size of the database\t%s\n", st.Size)
	}
	if st.Model != "" {
		fmt.Fprintf(w, "active model\t%s\n", st.Model)
	}
	for _, table := range sortedKeys(st.Tables) {
		about := ""
		if slices.Contains(st.Estimated, table) {
			about = "about "
		}
		fmt.Fprintf(w, "%s\t%s%s\n", table, about, figure.Count(st.Tables[table]))
	}
	if len(st.Backlogs) > 0 {
		fmt.Fprintf(w, "dead letters\t%d\n", st.Dead)
	}
	st.printTables(w)
	return w.Flush()
}

// waits says for how long the oldest message of a backlog has waited, by the clock of this machine.
func waits(b stream.Backlog) string {
	if b.Oldest.IsZero() {
		return "-"
	}
	return max(time.Since(b.Oldest), 0).Round(time.Second).String()
}

func (st *status) printTables(w io.Writer) {
	if len(st.Feeds) > 0 {
		fmt.Fprintln(w, "\nfeed\tlast stored\tevent to receipt\tto commit")
		for _, f := range st.Feeds {
			last := "never"
			if f.LastStored != nil {
				last = f.LastStored.UTC().Format(time.DateTime)
			}
			fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\n", f.Kind, f.Source, last, lag(f.SourceLag), lag(f.StoreLag))
		}
	}
	printFeeds(w, st.Live, time.Now())
	if len(st.Backlogs) > 0 {
		fmt.Fprintln(w, "\nconsumer (in messages of one post or dozens)\tpending\tunder way\tredelivered\toldest waits")
		for _, b := range st.Backlogs {
			fmt.Fprintf(w, "%s %s\t%d\t%d\t%d\t%s\n", b.Stream, b.Consumer, b.Pending, b.Unacknowledged, b.Redelivered, waits(b))
		}
	}
	if len(st.Counts) > 0 {
		fmt.Fprintln(w, "\ncounted in a day\tsource\tevent\tn")
		for _, c := range st.Counts {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Component, c.Source, c.Event, figure.Count(c.N))
		}
	}
	if len(st.Process) > 0 {
		fmt.Fprintln(w, "\nthe running rcas says")
		for _, line := range st.Process {
			fmt.Fprintln(w, line)
		}
	}
}

// trouble writes a part with what is wrong with it.
func trouble(part, wrong string) string {
	if wrong != "" {
		return part + ": " + oneLine(wrong)
	}
	return part
}

func nonEmpty(parts ...string) []string {
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}

func lag(seconds *float64) string {
	if seconds == nil {
		return "–"
	}
	return time.Duration(*seconds * float64(time.Second)).Round(time.Millisecond).String()
}

// bytesOf writes 12345678 as 12.3 MB.
func bytesOf(n uint64) string {
	value, unit := float64(n), 0
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
