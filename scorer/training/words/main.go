// Words splits texts for the training, so that it reads exactly what the scorer will read: one text a line on standard
// input, the words of each on one line of standard output.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"rcas/scorer/lexer"
)

// limit bounds the words of one text; the scorer's model directory says how many of them it reads.
const limit = 256

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	writer := bufio.NewWriter(out)
	var words lexer.Words
	for lines.Scan() {
		words.Split(lines.Text(), limit)
		_, _ = writer.WriteString(words.String()) // Flush tells the error
		_ = writer.WriteByte('\n')
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read texts: %w", err)
	}
	return writer.Flush()
}
