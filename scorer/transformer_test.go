package scorer

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"
)

// tokenizers are what the models of testdata/transformers were made for.
var tokenizers = map[string]string{"bert": "wordpiece", "roberta": "bytelevel", "xlm-roberta": "unigram"}

// modelDir lays a model directory out as Hugging Face does: a graph and config.json from testdata/transformers, its tokenizer
// from the tokenizer's own tests.
func modelDir(t testing.TB, name string) string {
	t.Helper()
	dir := t.TempDir()
	copyFiles(t, filepath.Join("tokenizer", "testdata", tokenizers[name]), dir)
	copyFiles(t, filepath.Join("testdata", "transformers", name), dir)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "model_quantized.onnx")))
	return dir
}

func copyFiles(t testing.TB, from, to string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}

func loadDir(t testing.TB, dir string) *transformer {
	t.Helper()
	model, err := Load(context.Background(), dir, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, model.Close()) })
	return model.(*transformer)
}

func readJSON(t testing.TB, into any, path ...string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, into))
}

// expected are texts and the logits that PyTorch computed for each alone (testdata/transformers/export.py).
func expected(t testing.TB, name string) (texts []string, logits [][]float32) {
	t.Helper()
	var golden struct{ Texts []string }
	readJSON(t, &golden, "tokenizer", "testdata", "variants", "golden.json")
	var all map[string][][]float32
	readJSON(t, &all, "testdata", "transformers", "logits.json")
	require.Len(t, all[name], len(golden.Texts))
	return golden.Texts, all[name]
}

// requireLogits scores all texts in a random order, so that each shares its batch with others, and compares the logits. It
// returns the mean difference.
func requireLogits(t *testing.T, m *transformer, name string, tolerance float64) float64 {
	t.Helper()
	texts, want := expected(t, name)
	seed := rand.Int63()
	t.Logf("seed %d", seed)
	order := rand.New(rand.NewSource(seed)).Perm(len(texts))
	shuffled := make([]string, len(texts))
	for i, from := range order {
		shuffled[i] = texts[from]
	}
	seen, sum := 0, 0.0
	require.NoError(t, m.logits(context.Background(), shuffled, func(i int, logits []float32) {
		require.Len(t, logits, len(want[order[i]]))
		for column := range logits {
			require.InDelta(t, want[order[i]][column], logits[column], tolerance, "text %q, column %d", shuffled[i], column)
			sum += math.Abs(float64(want[order[i]][column] - logits[column]))
			seen++
		}
	}))
	require.Greater(t, seen, len(texts)*len(m.classes)*9/10)
	return sum / float64(seen)
}

func TestTransformerLogits(t *testing.T) {
	t.Parallel()
	for name := range tokenizers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireLogits(t, loadDir(t, modelDir(t, name)), name, 1e-4)
		})
	}
}

// TestTransformerLayouts finds graph and tokenizer where else exports put them.
func TestTransformerLayouts(t *testing.T) {
	t.Parallel()
	t.Run("onnx/model.onnx", func(t *testing.T) {
		t.Parallel()
		dir := modelDir(t, "bert")
		require.NoError(t, os.Mkdir(filepath.Join(dir, "onnx"), 0o700))
		require.NoError(t, os.Rename(filepath.Join(dir, "model.onnx"), filepath.Join(dir, "onnx", "model.onnx")))
		requireLogits(t, loadDir(t, dir), "bert", 1e-4)
	})
	t.Run("int8", func(t *testing.T) {
		t.Parallel()
		dir := modelDir(t, "bert")
		require.NoError(t, os.Remove(filepath.Join(dir, "model.onnx")))
		copyFiles(t, filepath.Join("testdata", "transformers", "bert"), filepath.Join(dir, "onnx"))
		require.NoError(t, os.Remove(filepath.Join(dir, "onnx", "model.onnx")))
		// Without VNNI, the sums of two products of bytes saturate at 16 bits, so that all answers are coarser: 0.10 to 0.12 were measured there.
		mean, most := 0.05, 1.0
		if !cpu.X86.HasAVX512VNNI && !cpu.X86.HasAVXVNNI {
			mean, most = 0.15, 2.0
		}
		require.Less(t, requireLogits(t, loadDir(t, dir), "bert", most), mean)
	})
	t.Run("padding on the left", func(t *testing.T) {
		t.Parallel()
		dir := modelDir(t, "roberta")
		writeFile(t, dir, "tokenizer_config.json", `{"padding_side": "left"}`)
		m := loadDir(t, dir)
		require.True(t, m.padLeft)
		requireLogits(t, m, "roberta", 1e-4)
	})
	t.Run("a graph without a mask", func(t *testing.T) {
		t.Parallel()
		m := loadDir(t, modelDir(t, "roberta"))
		m.masked = false // texts of one length only go together: any padding would be seen
		m.padID = 5
		requireLogits(t, m, "roberta", 1e-4)
	})
}

func writeFile(t testing.TB, dir, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
}

func TestTransformerScore(t *testing.T) {
	t.Parallel()
	for name := range tokenizers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := loadDir(t, modelDir(t, name))
			texts, logits := expected(t, name)
			results, err := m.Score(context.Background(), Ask(texts...))
			require.NoError(t, err)
			for i, p := range results {
				require.InDelta(t, 1, p.Negative+p.Neutral+p.Positive, 1e-5)
				if strings.TrimSpace(texts[i]) == "" || p == neutral {
					require.Equal(t, neutral, p)
					continue
				}
				odds := math.Log(float64(p.Positive / p.Negative))
				var want float32 // the columns are as the model's config.json says
				switch name {
				case "bert":
					want = logits[i][0] - logits[i][1]
				case "roberta":
					want = logits[i][2] - logits[i][0]
				default:
					want = logits[i][0] - logits[i][1]
					require.Zero(t, p.Neutral)
				}
				require.InDelta(t, want, odds, 1e-3, "text %q", texts[i])
			}
		})
	}
}

func TestTransformerHardTexts(t *testing.T) {
	t.Parallel()
	texts := []string{"", " \n\t", "🚀", "https://example.org", strings.Repeat("a", 100_000), strings.Repeat("moon ", 20_000),
		"\xff\xfe\x00", "עברית and العربية", string([]byte{0xE2, 0x80})}
	for name := range tokenizers {
		m := loadDir(t, modelDir(t, name))
		results, err := m.Score(context.Background(), Ask(texts...))
		require.NoError(t, err)
		require.Len(t, results, len(texts))
		for _, p := range results {
			require.InDelta(t, 1, p.Negative+p.Neutral+p.Positive, 1e-5)
		}
		results, err = m.Score(context.Background(), nil)
		require.NoError(t, err)
		require.Empty(t, results)
	}
}

func TestTransformerConcurrent(t *testing.T) {
	t.Parallel()
	m := loadDir(t, modelDir(t, "bert"))
	texts, _ := expected(t, "bert")
	want, err := m.Score(context.Background(), Ask(texts...))
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			got, err := m.Score(context.Background(), Ask(texts...))
			if err != nil || !slices.Equal(want, got) {
				t.Errorf("another result at the same time: %v", err)
			}
		})
	}
	group.Wait()

	stopped := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(stopped)
	_, err = m.Score(ctx, Ask(texts...))
	require.ErrorIs(t, err, stopped)
}

func TestLabelClasses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		config string
		want   []Class
		fails  string
	}{
		{`{}`, []Class{Negative, Positive}, ""},
		{`{"num_labels": 2}`, []Class{Negative, Positive}, ""},
		{`{"num_labels": 3}`, []Class{Negative, Neutral, Positive}, ""},
		{`{"num_labels": 5}`, nil, "num_labels is 5"},
		{`{"num_labels": 3, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}}`, []Class{Negative, Positive}, ""},
		{`{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}`, []Class{Negative, Positive}, ""},
		{`{"id2label": {"2": "LABEL_2", "0": "LABEL_0", "1": "LABEL_1"}}`, []Class{Negative, Neutral, Positive}, ""},
		{`{"id2label": {"0": "Bearish", "1": "Neutral", "2": "Bullish"}}`, []Class{Negative, Neutral, Positive}, ""},
		{`{"id2label": {"0": "positive", "1": "negative", "2": "neutral"}}`, []Class{Positive, Negative, Neutral}, ""},
		{`{"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}, "label2id": {"NEGATIVE": 0}}`, []Class{Negative, Positive}, ""},
		{`{"id2label": {"0": "POS", "1": "NEG"}}`, []Class{Positive, Negative}, ""},
		{`{"id2label": {"0": "1 star", "1": "2", "2": "3", "3": "4", "4": "5"}}`, nil, "has 5 labels"},
		{`{"id2label": {"0": "LABEL_0"}}`, nil, "has 1 labels"},
		{`{"id2label": {"0": "joy", "1": "anger"}}`, nil, "known are negative"},
		{`{"id2label": {"0": "LABEL_1", "1": "LABEL_0"}}`, nil, `calls column`},
		{`{"id2label": {"0": "positive", "1": "bullish"}}`, nil, "two labels for one class"},
		{`{"id2label": {"0": "positive", "1": "neutral"}}`, nil, "lacks negative or positive"},
		{`{"id2label": {"0": "positive", "2": "negative"}}`, nil, `has the key "2"`},
		{`{"id2label": {"0": "positive", "00": "negative"}}`, nil, "has the key"},
		{`{"id2label": {"0": "positive", "1": " "}}`, nil, "no name"},
		{`{"id2label": {"0": "positive", "1": "negative"}, "label2id": {"positive": 1}}`, nil, "label2id that it is 1"},
		{`{"problem_type": "multi_label_classification"}`, nil, "problem_type"},
	} {
		var config modelConfig
		var own transformerConfig
		require.NoError(t, json.Unmarshal([]byte(test.config), &config))
		require.NoError(t, json.Unmarshal([]byte(test.config), &own))
		got, err := labelClasses(config.ID2Label, own)
		if test.fails != "" {
			require.ErrorContains(t, err, test.fails, test.config)
			continue
		}
		require.NoError(t, err, test.config)
		require.Equal(t, test.want, got, test.config)
	}
}

func TestTransformerRefused(t *testing.T) {
	t.Parallel()
	config := func(old, new string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, "config.json"))
			require.NoError(t, err)
			require.Contains(t, string(data), old)
			writeFile(t, dir, "config.json", strings.Replace(string(data), old, new, 1))
		}
	}
	graph := func(change func(data []byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
			require.NoError(t, err)
			writeFile(t, dir, "model.onnx", string(change(data)))
		}
	}
	rename := func(old, new string) func(t *testing.T, dir string) {
		return graph(func(data []byte) []byte { return []byte(strings.ReplaceAll(string(data), old, new)) })
	}
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, name))) }
	}
	for _, test := range []struct {
		name, want string
		spoil      func(t *testing.T, dir string)
	}{
		{"no graph", "holds none of model.onnx", remove("model.onnx")},
		{"no tokenizer", "neither tokenizer.json", remove("vocab.txt")},
		{"truncated graph", "model.onnx", graph(func(data []byte) []byte { return data[:len(data)/2] })},
		{"empty graph", "model.onnx", graph(func([]byte) []byte { return nil })},
		{"no graph at all", "model.onnx", graph(func([]byte) []byte { return []byte("version https://example.org/lfs\n") })},
		{"unknown input", "has the input attention_musk", rename("attention_mask", "attention_musk")},
		{"no ids", "has the input pixel_ids", rename("input_ids", "pixel_ids")},
		{"two labels for three logits", "returns 3 logits for each text, but config.json has 2 labels",
			config(",\n    \"2\": \"neutral\"", "")},
		{"no labels for three logits", "returns 3 logits for each text, but config.json names no labels: add what each logit means",
			config(`"id2label"`, `"labels"`)},
		{"a number of labels for three logits", "returns 3 logits for each text, but config.json's num_labels is 2",
			config(`"id2label"`, `"num_labels": 2, "labels"`)},
		{"fewer positions than it says", "does not take texts of 64 tokens",
			config(`"max_position_embeddings": 24`, `"max_position_embeddings": 64`)},
		{"no room", "leaves no room", config(`"max_position_embeddings": 24`, `"max_position_embeddings": 2`)},
		{"another vocabulary", "belong to different models", config(`"vocab_size": 9`, `"vocab_size": 1, "was": 9`)},
		{"more tokens than embeddings", "with ids to", func(t *testing.T, dir string) {
			config(`"vocab_size": 9`, `"was": 9`)(t, dir)
			vocabulary, err := os.ReadFile(filepath.Join(dir, "vocab.txt"))
			require.NoError(t, err)
			writeFile(t, dir, "vocab.txt", string(vocabulary)+"one\ntwo\n")
		}},
		{"five labels", "has 5 labels", config(`"2": "neutral"`, `"2": "neutral", "3": "a", "4": "b"`)},
		{"unsupported tokenizer", `model type "WordLevel" is not supported`, func(t *testing.T, dir string) {
			writeFile(t, dir, "tokenizer.json", `{"model": {"type": "WordLevel", "vocab": {"a": 0}}}`)
		}},
		{"broken config", "config.json", config(`"id2label"`, `"label2id": [], "x"`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := modelDir(t, "bert")
			test.spoil(t, dir)
			_, err := Load(context.Background(), dir, Options{})
			require.ErrorContains(t, err, test.want)
			t.Log(err)
		})
	}
}

func BenchmarkTransformerScore(b *testing.B) {
	m := loadDir(b, modelDir(b, "bert"))
	texts, _ := expected(b, "bert")
	for b.Loop() {
		_, err := m.Score(context.Background(), Ask(texts...))
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "texts/s")
}
