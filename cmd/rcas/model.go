package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rcas/figure"
	"rcas/market"
	"rcas/scorer"
)

func newModel(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model use|list|eval|bench",
		Short: "Choose, judge and time sentiment models",
		Long: `A model is the bundled one (` + scorer.BundledName + `) or a directory as Hugging Face exports it: model.onnx, config.json and its
tokenizer. The directory's name is the model's. docs/models.md tells how to bring one.`,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("say what to do: rcas model use, list, eval or bench")
		},
	}
	cmd.AddCommand(newModelUse(s), newModelList(s), newModelEval(s), newModelBench(s))
	return cmd
}

func newModelUse(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "use NAME", Short: "Make a model the active one; running scorers swap to it within seconds", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			model, err := s.openModel(cmd.Context(), args[0]) // Refused here rather than in every scorer.
			if err != nil {
				return err
			}
			defer model.Close()
			a, err := s.openPrepared(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			if err := a.store.UseModel(cmd.Context(), model.Name(), model.Languages(), false); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "active model: %s\n", model.Name())
			return nil
		},
	}
}

func newModelList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the models at hand and which one is active", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := s.openPrepared(cmd.Context())
			if err != nil {
				return err
			}
			defer a.Close()
			active, err := a.store.ActiveModel(cmd.Context())
			if err != nil {
				return err
			}
			names := []string{scorer.BundledName}
			if s.modelsDir != "" {
				entries, err := os.ReadDir(s.modelsDir)
				if err != nil {
					return fmt.Errorf("list the models: %w", err)
				}
				for _, e := range entries {
					_, err := os.Stat(filepath.Join(s.modelsDir, e.Name(), "config.json"))
					if err == nil && e.Name() != scorer.BundledName {
						names = append(names, e.Name())
					}
				}
			}
			if active != "" && !slices.Contains(names, active) {
				names = append(names, active)
			}
			for _, name := range names {
				mark := " "
				if name == active {
					mark = "*"
				}
				fmt.Fprintln(cmd.OutOrStdout(), mark, name)
			}
			return nil
		},
	}
}

// loadModel loads the bundled model, or the one in a directory.
func (s *settings) loadModel(ctx context.Context, dir string, threads int) (scorer.Model, error) {
	options := scorer.Options{Log: s.log, Threads: threads}
	if dir == "" {
		return scorer.Bundled(ctx, options)
	}
	return scorer.Load(ctx, dir, options)
}

func readLabelled(path string) ([]scorer.Labelled, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the labelled texts: %w", err)
	}
	defer file.Close()
	return scorer.ReadLabelled(path, file)
}

func newModelEval(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval --labels FILE.tsv [--model DIR]",
		Short: "Judge a model on labelled texts",
		Long: `Judge a model on labelled texts: one a line, label (negative, neutral, positive), a tab, the text. A file without neutral
labels is judged on two classes, by the larger of negative and positive. Where lines say who speaks and which coin was asked about
(label, kind, coin, text, or the objects that rcas label writes), the kind is judged, too.`,
		Args: cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd)
	dir := cmd.Flags().String("model", "", "model directory; unset: the bundled model")
	labels := cmd.Flags().String("labels", "", "labelled texts (TSV)")
	errorsShown := cmd.Flags().Int("errors", 0, "how many of the surest mistakes to list")
	_ = cmd.MarkFlagRequired("labels")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *errorsShown < 0 {
			return errors.New("--errors is below zero: say how many mistakes to list")
		}
		rows, err := readLabelled(*labels)
		if err != nil {
			return err
		}
		model, err := s.loadModel(cmd.Context(), *dir, 0)
		if err != nil {
			return err
		}
		defer model.Close()
		e, err := scorer.Evaluate(cmd.Context(), model, rows)
		if err != nil {
			return err
		}
		e.Mistakes = e.Mistakes[:min(*errorsShown, len(e.Mistakes))]
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), e)
		}
		return printEvaluation(cmd, e)
	}
	return cmd
}

func printEvaluation(cmd *cobra.Command, e scorer.Evaluation) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "model\t%s\ntexts\t%s\nmacro recall\t%.4f\nmacro F1\t%.4f\naccuracy\t%.4f\nkappa\t%.4f\n", e.Model,
		figure.Count(int64(e.Texts)), e.MacroRecall, e.MacroF1, e.Accuracy, e.Kappa)
	for _, class := range e.Classes {
		fmt.Fprintf(w, "recall %s\t%.4f\n", class, e.Recall[class])
	}
	fmt.Fprintf(w, "calibration error\t%.4f\ntexts/s\t%s\n", e.CalibrationError, figure.Count(int64(e.TextsPerSecond)))
	fmt.Fprintf(w, "\nlabel ↓ said →\t%s\n", strings.Join(e.Classes, "\t"))
	for _, label := range e.Classes {
		fmt.Fprint(w, label)
		for _, said := range e.Classes {
			fmt.Fprintf(w, "\t%d", e.Confusion[label][said])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "\nconfidence\ttexts\tclaimed\tright")
	for _, b := range e.Reliability {
		if b.Texts > 0 {
			fmt.Fprintf(w, "%.1f to %.1f\t%d\t%.3f\t%.3f\n", b.From, b.To, b.Texts, b.Confidence, b.Accuracy)
		}
	}
	if e.Kinds != nil {
		printKinds(w, e.Kinds)
	}
	if len(e.Mistakes) > 0 {
		fmt.Fprintln(w, "\nsure\tlabel\tsaid\ttext")
		for _, m := range e.Mistakes {
			fmt.Fprintf(w, "%.3f\t%s\t%s\t%s\n", m.Sure, m.Label, m.Said, strings.Join(strings.Fields(m.Text), " "))
		}
	}
	return w.Flush()
}

// printKinds shows how well the model tells who speaks.
func printKinds(w io.Writer, e *scorer.KindEvaluation) {
	fmt.Fprintf(w, "\nwho speaks\t%s texts\naccuracy\t%.4f\nkappa\t%.4f\n\nkind ↓ said →", figure.Count(int64(e.Texts)), e.Accuracy, e.Kappa)
	for _, said := range market.Kinds {
		fmt.Fprintf(w, "\t%s", said)
	}
	fmt.Fprint(w, "\trecall\tprecision\n")
	for _, kind := range market.Kinds {
		fmt.Fprint(w, kind)
		for _, said := range market.Kinds {
			fmt.Fprintf(w, "\t%d", e.Confusion[kind][said])
		}
		fmt.Fprintf(w, "\t%.3f\t%.3f\n", e.Recall[kind], e.Precision[kind])
	}
}

func newModelBench(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "bench [--model DIR] [--texts FILE]", Short: "Time a model: texts per second and core", Args: cobra.NoArgs,
		Long: `Time a model on texts, one a line (of a labelled file, the text column). Without a file, on texts made up for the
purpose, as long as tweets are. Splitting into words or tokens is inside the time.`,
	}
	asJSON := jsonFlag(cmd)
	dir := cmd.Flags().String("model", "", "model directory; unset: the bundled model")
	file := cmd.Flags().String("texts", "", "file of texts, one a line")
	duration := cmd.Flags().Duration("duration", 5*time.Second, "how long to measure")
	threads := cmd.Flags().Int("threads", 1, "how many texts to score at once")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		texts, err := benchTexts(*file)
		if err != nil {
			return err
		}
		model, err := s.loadModel(cmd.Context(), *dir, 0)
		if err != nil {
			return err
		}
		defer model.Close()
		result, err := scorer.Bench(cmd.Context(), model, texts, *duration, *threads)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), result)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s texts/s on %d threads, %s texts per second and core (%s texts in %.1f s, %.1f CPU seconds)\n",
			result.Model, figure.Count(int64(result.TextsPerSecond)), result.Threads, figure.Count(int64(result.TextsPerCoreSecond)),
			figure.Count(result.Texts), result.Seconds, result.CPUSeconds)
		return nil
	}
	return cmd
}

func benchTexts(path string) ([]string, error) {
	if path == "" {
		return inventedTexts(), nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the texts: %w", err)
	}
	var texts []string
	for line := range strings.Lines(string(content)) {
		if _, text, labelled := strings.Cut(line, "\t"); labelled {
			line = text
		}
		if line = strings.TrimSpace(line); line != "" {
			texts = append(texts, line)
		}
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s holds no texts", path)
	}
	return texts, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
