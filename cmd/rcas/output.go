package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// jsonFlag adds --json to a command that prints a result.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print the result as JSON")
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// progress is a line on a terminal that tells how far long work is. Where no terminal looks on, it is silent.
type progress struct {
	out     io.Writer
	label   string
	started time.Time
	shown   time.Time
	on      bool
}

func newProgress(out io.Writer, label string) *progress {
	return &progress{out: out, label: label, started: time.Now(), on: isTerminal(out)}
}

func isTerminal(out io.Writer) bool {
	file, isFile := out.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd()))
}

// update shows done of total (of unknown size when total is zero), with a note behind.
func (p *progress) update(done, total int64, note string) {
	if !p.on || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	const width = 30
	bar := strings.Repeat("·", width)
	if total > 0 {
		filled := int(min(max(done, 0), total) * width / total)
		bar = strings.Repeat("█", filled) + strings.Repeat("·", width-filled)
	}
	fmt.Fprintf(p.out, "\r\x1b[2K%s %s %s", p.label, bar, note)
}

// done wipes the line.
func (p *progress) done() {
	if p.on && !p.shown.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[2K")
	}
}
