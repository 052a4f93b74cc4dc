package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rcas/figure"
	"rcas/scorer"
)

// Verdicts of a finding.
const (
	fine = "ok"
	warn = "warn" // it works, and should be mended
	fail = "fail" // something does not work
)

// finding is one line of the doctor's report.
type finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	Says    string `json:"says"`
	// Do is what mends it; empty where all is well.
	Do string `json:"do,omitempty"`
}

// doctor gathers findings.
type doctor struct {
	s        *settings
	findings []finding
}

func (d *doctor) add(check, verdict, says, do string) {
	if verdict == fine {
		do = ""
	}
	d.findings = append(d.findings, finding{check, verdict, oneLine(says), do})
}

// expect adds a finding that is fine where err is nil.
func (d *doctor) expect(check string, err error, says, do string) bool {
	if err != nil {
		d.add(check, fail, err.Error(), do)
		return false
	}
	d.add(check, fine, says, "")
	return true
}

func newDoctor(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for whatever is wrong: versions, settings, clock, disk, roles, feeds, keys, model, jobs, windows, stream",
		Long: `Check everything that a person would check by hand, and say of each thing that is not well what to do. The feeds asked are those of
the configuration, --live and --source; without any, those of --live. Nothing is written, and nothing is read from a feed. The exit code is 1
where something fails.`,
		Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd)
	var sources sourceFlags
	sources.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d := &doctor{s: s}
		d.examine(cmd.Context(), sources)
		if *asJSON {
			if err := printJSON(cmd.OutOrStdout(), d.findings); err != nil {
				return err
			}
		} else if err := d.print(cmd.OutOrStdout()); err != nil {
			return err
		}
		failed := 0
		for _, f := range d.findings {
			if f.Verdict == fail {
				failed++
			}
		}
		if failed > 0 {
			return fmt.Errorf("%d of %d checks failed", failed, len(d.findings))
		}
		return nil
	}
	return cmd
}

func (d *doctor) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, f := range d.findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Verdict, f.Check, f.Says)
		if f.Do != "" {
			fmt.Fprintf(w, "\t\t→ %s\n", f.Do)
		}
	}
	return w.Flush()
}

func (d *doctor) examine(ctx context.Context, sources sourceFlags) {
	d.add("rcas", fine, version(), "")
	d.disk()
	d.feeds(ctx, sources)
	st := &status{Errors: map[string]string{}}
	a, err := d.s.openParts(ctx, st) // also after an error, with the parts that could be opened
	opened := d.expect("database", err, "it answers", "start the server that --database-url names, or see what the message says; a schema of another version needs rcas migrate up")
	defer a.Close()
	if a.store != nil && !a.store.Empty(ctx) { // of an empty one the line above says all
		d.database(ctx, a)
	}
	d.model(ctx, a)
	var streamErr error
	if text := st.Errors["stream"]; text != "" {
		streamErr = errors.New(text)
	}
	if d.expect("stream", streamErr, "it answers", "start the server that --nats-url names, with JetStream") && a.stream != nil {
		d.stream(ctx, a)
	}
	switch {
	case a.servesDatabase():
		d.add("running rcas", warn, "none: this command serves the database by itself", "start one where posts and prices should come in: rcas up --live")
	case opened || d.s.databaseURL != "":
		d.process(ctx)
	}
}

const (
	diskLow  = 5_000_000_000
	diskFull = 1_000_000_000
)

func (d *doctor) disk() {
	dir := d.s.dataDir
	free, total, err := diskSpace(dir)
	if !d.expect("data directory", errors.Join(err, writable(existing(dir))), dir, "give this user a directory of its own with --data-dir") {
		return
	}
	verdict := fine
	switch {
	case free < diskFull:
		verdict = fail
	case free < diskLow:
		verdict = warn
	}
	d.add("disk", verdict, bytesOf(free)+" free of "+bytesOf(total), "make room, or keep less: docs/operations.md")
}

// writable tries to write where the data directory is or will be.
func writable(dir string) error {
	file, err := os.CreateTemp(dir, ".rcas-doctor-")
	if err != nil {
		return fmt.Errorf("this user cannot write in %s: %w", dir, errors.Unwrap(err))
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// model loads the active model, or the bundled one where none is active, and lets it judge a text.
func (d *doctor) model(ctx context.Context, a *app) {
	name := ""
	if a.store != nil {
		limited, cancel := context.WithTimeout(ctx, statusPatience)
		name, _ = a.store.ActiveModel(limited)
		cancel()
	}
	if name == "" {
		name = scorer.BundledName
	}
	model, err := d.s.openModel(ctx, name)
	if d.expect("model", err, name+" loads", "rcas setup fetches the ONNX Runtime; --models-dir says where models of your own are; rcas model use chooses another") {
		_ = model.Close()
	}
}

// backlogAge is how long a message may wait: a replay's are done with sooner, or worth a look. Their number says little, for a message holds
// one post or dozens.
const backlogAge = 5 * time.Minute

// stream looks at what waits in it.
func (d *doctor) stream(ctx context.Context, a *app) {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	backlogs, err := a.stream.Backlogs(ctx)
	if !d.expect("consumers", err, "writer and scorer have their places", "start any rcas command once: it makes them") {
		return
	}
	for _, b := range backlogs {
		verdict := fine
		found := figure.Count(int64(b.Pending)) + " messages wait"
		if !b.Oldest.IsZero() {
			found += ", the oldest for " + waits(b)
			if time.Since(b.Oldest) > backlogAge {
				verdict = warn
			}
		}
		d.add("backlog "+b.Stream+" "+b.Consumer, verdict, found,
			"is rcas up, ingest or score running? Does its log tell of a batch that is not stored?")
	}
	dead, err := a.stream.DeadCount(ctx)
	verdict := fine
	if err != nil || dead > 0 {
		verdict = warn
	}
	d.add("dead letters", verdict, fmt.Sprint(dead), "rcas dead list shows them with the reason; rcas dead retry sends them again once it is mended")
}

// process asks the rcas that runs here, where one does.
func (d *doctor) process(ctx context.Context) {
	lines, err := d.s.healthPage(ctx, "/readyz")
	if err != nil {
		d.add("running rcas", warn, "none answers here: "+err.Error(), "if one should run on this machine, start it: rcas up")
		return
	}
	for _, line := range lines {
		if what, failed := strings.CutPrefix(line, "fail "); failed {
			d.add("running rcas", fail, what, "its log tells since when, and why")
		} else if what, ok := strings.CutPrefix(line, "ok "); ok {
			d.add("running rcas", fine, what, "")
		}
	}
}

// ago writes how long ago something was.
func ago(at time.Time) string { return time.Since(at).Round(time.Second).String() + " ago" }
