package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rcas/market"
	"rcas/scorer"
)

// drawn is how many posts are read to find those that teach most.
const drawn = 5000

func newLabel(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "label --out FILE.jsonl [--from TIME] [--to TIME]",
		Short: "Show posts that would teach the model most, and write down what you answer",
		Long: `Show stored posts that would teach the model most, those that it is unsure of and those whose like is rare, one at a time, and write
down what you answer. An answer is a letter for who speaks (p person, a advert, b bot, n news) and the mood towards the coin (-, 0 or +):
"p+" or "a 0". An empty line passes the post over, q ends. Rules with examples: scorer/training/labels/README.md.

The file holds the texts: it is yours. "make model LABELS=DIR" learns from every such file in the folder, "rcas model eval --labels FILE"
judges by it. Posts whose answer the file already holds are not shown again.`,
		Args: cobra.NoArgs,
	}
	out := cmd.Flags().String("out", "", "file that answers are added to")
	from := cmd.Flags().String("from", "2009-01-03", "first time, RFC 3339 or a date")
	to := cmd.Flags().String("to", "", "time before which to stop (default now)")
	dir := cmd.Flags().String("model", "", "model directory; unset: the bundled model")
	most := cmd.Flags().Int("posts", 100, "how many posts to show at most")
	_ = cmd.MarkFlagRequired("out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		start, err := parseTime(*from)
		if err != nil {
			return err
		}
		end, err := parseTimeOr(*to, time.Now().UTC())
		if err != nil {
			return err
		}
		done, err := answeredKeys(*out)
		if err != nil {
			return err
		}
		model, err := s.loadModel(cmd.Context(), *dir, 0)
		if err != nil {
			return err
		}
		defer model.Close()
		a, err := s.openPrepared(cmd.Context())
		if err != nil {
			return err
		}
		defer a.Close()
		tweets, err := a.store.Draw(cmd.Context(), start, end, drawn)
		if err != nil {
			return err
		}
		fresh := tweets[:0]
		for _, t := range tweets {
			if !done[t.Source+":"+t.ID] {
				fresh = append(fresh, t)
			}
		}
		lessons, err := scorer.Lessons(cmd.Context(), model, market.NewMatcher(s.file.Assets), fresh, *most)
		if err != nil {
			return err
		}
		if len(lessons) == 0 {
			return errors.New("there is nothing to answer: no stored post of that time names a coin and has no answer yet")
		}
		return label(lessons, *out, cmd.InOrStdin(), cmd.OutOrStdout())
	}
	return cmd
}

// answeredKeys are the posts that a file of answers holds; none of a file that is not there.
func answeredKeys(path string) (map[string]bool, error) {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read earlier answers: %w", err)
	}
	keys, number := map[string]bool{}, 0
	for line := range strings.Lines(string(content)) {
		number++
		var answer scorer.Answer
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			return nil, fmt.Errorf("%s:%d is no answer of rcas label; name another file: %w", path, number, err)
		}
		keys[answer.Key] = true
	}
	return keys, nil
}

// label asks about each lesson and adds each answer to the file at once, so that nothing is lost at an end.
func label(lessons []scorer.Lesson, path string, in io.Reader, out io.Writer) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write answers: %w", err)
	}
	lines, written := bufio.NewScanner(in), 0
	for i, l := range lessons {
		fmt.Fprintf(out, "\n%d of %d, about %s:\n  %s\n", i+1, len(lessons), l.Coin, strings.Join(strings.Fields(l.Text), " "))
		answer, more, err := ask(l.Answer, lines, out)
		if err != nil {
			return errors.Join(err, file.Close())
		}
		if !more {
			break
		}
		if answer.Kind == "" {
			continue
		}
		line, err := json.Marshal(answer)
		if err == nil {
			_, err = file.Write(append(line, '\n'))
		}
		if err != nil {
			return errors.Join(fmt.Errorf("write the answer: %w", err), file.Close())
		}
		written++
	}
	fmt.Fprintf(out, "\n%d answers added to %s\n", written, path)
	return file.Close()
}

// ask asks until the answer can be read. A post passed over has no kind; more is false at the end.
func ask(answer scorer.Answer, lines *bufio.Scanner, out io.Writer) (_ scorer.Answer, more bool, err error) {
	for {
		fmt.Fprint(out, "p, a, b or n, and -, 0 or + (empty: pass over, q: end) > ")
		if !lines.Scan() {
			return answer, false, lines.Err()
		}
		said := strings.ToLower(strings.ReplaceAll(lines.Text(), " ", ""))
		if said == "" || said == "q" {
			return answer, said == "", nil
		}
		mood, known := map[string]int{"-": -1, "-1": -1, "0": 0, "+": 1, "1": 1, "+1": 1}[said[1:]]
		for _, kind := range market.Kinds {
			if known && said[0] == string(kind)[0] {
				answer.Kind, answer.Mood = kind, mood
				return answer, true, nil
			}
		}
		fmt.Fprintf(out, "%.20q is no answer; write p+ for a person of good mood, n0 for news of none\n", said)
	}
}
