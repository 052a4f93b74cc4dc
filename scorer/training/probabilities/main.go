// Probabilities scores texts with a model directory as RCAS does, so that the training can compare what it exported with what it
// computed: one text a line on standard input, its negative, neutral and positive on one line of standard output.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"rcas/scorer"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "probabilities:", err)
		os.Exit(1)
	}
}

func run(arguments []string, in io.Reader, out io.Writer) error {
	if len(arguments) != 1 {
		return errors.New("name one model directory")
	}
	ctx := context.Background()
	model, err := scorer.Load(ctx, arguments[0], scorer.Options{})
	if err != nil {
		return err
	}
	defer model.Close()
	texts, err := readLines(in)
	if err != nil {
		return fmt.Errorf("read texts: %w", err)
	}
	scores, err := model.Score(ctx, scorer.Ask(texts...))
	if err != nil {
		return err
	}
	writer := bufio.NewWriter(out)
	for _, p := range scores {
		_, _ = fmt.Fprintln(writer, p.Negative, p.Neutral, p.Positive) // Flush tells the error
	}
	return writer.Flush()
}

func readLines(in io.Reader) (texts []string, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		texts = append(texts, lines.Text())
	}
	return texts, lines.Err()
}
