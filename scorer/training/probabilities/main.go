// Probabilities scores texts with a model directory as RCAS does, so that the training can compare what it exported with what it
// computed: on each line of standard input the symbol of the coin that the text is asked about, which may be empty, a tab and the
// text; on one line of standard output its negative, neutral and positive, and the probability of its likeliest kind.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
	questions, err := readQuestions(in)
	if err != nil {
		return fmt.Errorf("read texts: %w", err)
	}
	scores, err := model.Score(ctx, questions)
	if err != nil {
		return err
	}
	writer := bufio.NewWriter(out)
	for _, p := range scores {
		_, _ = fmt.Fprintln(writer, p.Negative, p.Neutral, p.Positive, p.KindProbability) // Flush tells the error
	}
	return writer.Flush()
}

func readQuestions(in io.Reader) (questions []scorer.Question, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		symbol, text, _ := strings.Cut(lines.Text(), "\t")
		question := scorer.Ask(text)[0]
		question.Symbol = symbol
		questions = append(questions, question)
	}
	return questions, lines.Err()
}
