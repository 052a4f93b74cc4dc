package scorer_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/scorer"
)

func TestReadLabelled(t *testing.T) {
	t.Parallel()
	rows, err := scorer.ReadLabelled("labels.tsv", strings.NewReader("\ufeffpositive\tup\twe go\r\n\n Neutral\tfine\nNEGATIVE\tb\xffd"))
	require.NoError(t, err)
	require.Equal(t, []scorer.Labelled{{Class: scorer.Positive, Text: "up\twe go"}, {Class: scorer.Neutral, Text: "fine"},
		{Class: scorer.Negative, Text: "b\ufffdd"}}, rows)
}

func TestReadLabelledKnowsWhoSpeaks(t *testing.T) {
	t.Parallel()
	rows, err := scorer.ReadLabelled("labels.tsv", strings.NewReader("-1\tperson\tBTC\tdead\tagain\npositive\tadvert\t\tjoin\n"+
		`{"key":"x:1","coin":"ETH","text":"up","kind":"news","mood":1}`))
	require.NoError(t, err)
	require.Equal(t, []scorer.Labelled{{scorer.Negative, "dead\tagain", market.Person, "BTC"}, {scorer.Positive, "join", market.Advert, ""},
		{scorer.Positive, "up", market.News, "ETH"}}, rows)
	_, err = scorer.ReadLabelled("labels.tsv", strings.NewReader(`{"text":"up","kind":"ghost","mood":1}`))
	require.ErrorContains(t, err, `labels.tsv:1: the kind is "ghost"`)
}

func TestReadLabelledNamesFileAndLine(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"positive\tyes\nno tab here":                   "labels.tsv:2: the line has no tab",
		"positive\tyes\n\nhappy\tyes":                  `labels.tsv:3: the label is "happy"`,
		"positive\tyes\n" + strings.Repeat("x", 2<<20): "labels.tsv:2: the line is longer than",
		"\n\n": "labels.tsv holds no labelled text",
		strings.Repeat("y", 1000) + "\tlabel far too long":   "labels.tsv:1: the label is \"yyy",
		"\x00\x01\x02\xff\xfe\tcontent of a file of no text": "labels.tsv:1: the label is",
	} {
		_, err := scorer.ReadLabelled("labels.tsv", strings.NewReader(content))
		require.ErrorContains(t, err, want)
	}
}

func FuzzReadLabelled(f *testing.F) {
	f.Add("positive\tup\nnegative\tdown\n")
	f.Add("\ufeff\t\n\t\t")
	f.Fuzz(func(t *testing.T, content string) {
		rows, err := scorer.ReadLabelled("labels.tsv", strings.NewReader(content))
		require.True(t, (err == nil) == (len(rows) > 0))
	})
}

func evaluate(t *testing.T, labels string) scorer.Evaluation {
	t.Helper()
	rows, err := scorer.ReadLabelled("labels.tsv", strings.NewReader(labels))
	require.NoError(t, err)
	evaluation, err := scorer.Evaluate(context.Background(), load(t, directory(t, moodsConfig, "moods.onnx")), rows)
	require.NoError(t, err)
	return evaluation
}

// The model knows "good", "bad" and "so", so that each figure can be worked out by hand.
func TestEvaluateOnThreeClasses(t *testing.T) {
	t.Parallel()
	e := evaluate(t, "positive\tgood\npositive\tgood\npositive\tgood\npositive\tbad\n"+
		"negative\tbad\nnegative\tso\nneutral\tso\nneutral\tgood\nneutral\thttps://example.org\n")
	require.Equal(t, "moods", e.Model)
	require.Equal(t, 9, e.Texts)
	require.Equal(t, 1, e.Unjudgeable)
	require.Equal(t, []string{"negative", "neutral", "positive"}, e.Classes)
	require.InDeltaMapValues(t, map[string]float64{"negative": 1. / 2, "neutral": 2. / 3, "positive": 3. / 4}, e.Recall, 1e-9)
	require.InDelta(t, (1./2+2./3+3./4)/3, e.MacroRecall, 1e-9)
	require.InDelta(t, (2.*1/(2+2)+2.*2/(3+3)+2.*3/(4+4))/3, e.MacroF1, 1e-9)
	require.InDelta(t, 6./9, e.Accuracy, 1e-9)
	require.Equal(t, map[string]map[string]int{
		"negative": {"negative": 1, "neutral": 1, "positive": 0},
		"neutral":  {"negative": 0, "neutral": 2, "positive": 1},
		"positive": {"negative": 1, "neutral": 0, "positive": 3},
	}, e.Confusion)
	require.Positive(t, e.TextsPerSecond)
	texts := 0
	for _, bin := range e.Reliability {
		texts += bin.Texts
		require.GreaterOrEqual(t, bin.Confidence, bin.From)
		require.LessOrEqual(t, bin.Confidence, bin.To)
	}
	require.Equal(t, e.Texts, texts)
}

func TestEvaluateOnTwoClasses(t *testing.T) {
	t.Parallel()
	// "so so good" is mostly neutral; of the other two classes, positive is the larger.
	e := evaluate(t, "positive\tso so good\npositive\tbad\nnegative\tso so bad\nnegative\tbad\n")
	require.Equal(t, []string{"negative", "positive"}, e.Classes)
	require.InDelta(t, 0.75, e.MacroRecall, 1e-9)
	require.InDelta(t, 0.75, e.Accuracy, 1e-9)
	require.Equal(t, map[string]map[string]int{"negative": {"negative": 2, "positive": 0}, "positive": {"negative": 1, "positive": 1}},
		e.Confusion)
	last := e.Reliability[len(e.Reliability)-1]
	require.InDelta(t, 0.95, last.Confidence, 0.01, "confidence is the share of the two classes")
	require.InDelta(t, 0.75, last.Accuracy, 1e-9)
	require.InDelta(t, 0.20, e.CalibrationError, 0.01)
}

func TestEvaluateOnOneClass(t *testing.T) {
	t.Parallel()
	e := evaluate(t, "neutral\tso\nneutral\tgood\n")
	require.InDelta(t, 0.5, e.MacroRecall, 1e-9)
	encoded, err := json.Marshal(e)
	require.NoError(t, err)
	for _, key := range []string{"macro_recall", "macro_f1", "accuracy", "confusion", "texts_per_second", "recall"} {
		require.Contains(t, string(encoded), `"`+key+`":`)
	}
}

func TestEvaluateNeedsTexts(t *testing.T) {
	t.Parallel()
	_, err := scorer.Evaluate(context.Background(), load(t, directory(t, moodsConfig, "moods.onnx")), nil)
	require.ErrorContains(t, err, "no labelled texts")
}

func TestBench(t *testing.T) {
	t.Parallel()
	model := load(t, directory(t, moodsConfig, "moods.onnx"))
	result, err := scorer.Bench(context.Background(), model, []string{"good", "bad", "so"}, 100*time.Millisecond, 2)
	require.NoError(t, err)
	require.Equal(t, "moods", result.Model)
	require.Equal(t, 2, result.Threads)
	require.Positive(t, result.Texts)
	require.InDelta(t, float64(result.Texts)/result.Seconds, result.TextsPerSecond, 1)
	require.InDelta(t, float64(result.Texts)/result.CPUSeconds, result.TextsPerCoreSecond, 1)

	for _, bad := range []struct {
		texts    []string
		duration time.Duration
		threads  int
	}{{nil, time.Second, 1}, {[]string{"good"}, 0, 1}, {[]string{"good"}, time.Second, 0}} {
		_, err := scorer.Bench(context.Background(), model, bad.texts, bad.duration, bad.threads)
		require.ErrorContains(t, err, "needs texts, one thread or more")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = scorer.Bench(ctx, model, []string{"good"}, time.Second, 1)
	require.ErrorIs(t, err, context.Canceled)
}
