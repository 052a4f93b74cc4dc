// Words splits texts for the training, so that it reads exactly what the scorer will read: on each line of standard input the
// symbol of the coin that the text is asked about, which may be empty, a tab and the text; on each line of standard output the
// words of one text.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"rcas/market"
	"rcas/scorer/lexer"
)

// limit bounds the words of one text, as the model's max_words does: see MAX_WORDS of train.py.
const limit = 60

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	assets, err := market.DefaultAssets()
	if err != nil {
		return err
	}
	matcher := market.NewMatcher(assets)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	writer := bufio.NewWriter(out)
	var words lexer.Words
	for lines.Scan() {
		symbol, text, tab := strings.Cut(lines.Text(), "\t")
		if !tab {
			return fmt.Errorf("no tab between symbol and text in %.40q", lines.Text())
		}
		words.Split(text, limit, coins(matcher.Mentions(text), symbol)...)
		_, _ = writer.WriteString(words.String()) // Flush tells the error
		_ = writer.WriteByte('\n')
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read texts: %w", err)
	}
	return writer.Flush()
}

// coins are the places that name a coin. Where none is asked about, all are.
func coins(mentions []market.Mention, symbol string) []lexer.Coin {
	var found []lexer.Coin
	for _, m := range mentions {
		found = append(found, lexer.Coin{Start: m.Start, End: m.End, Asked: symbol == "" || symbol == m.Symbol})
	}
	return found
}
