package scorer_test

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/scorer"
)

// moodsConfig fits testdata/moods.onnx, in which "good" is positive, "bad" negative and "so" neutral.
const moodsConfig = `{"model_type": "rcas-words", "languages": ["en", "de"], "max_words": 8,
	"id2label": {"0": "negative", "1": "neutral", "2": "positive"}}`

// directory makes a model directory of the name moods, of a configuration, a graph of testdata and the words that it knows; an empty name
// leaves the file out.
func directory(t *testing.T, config, graph string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "moods")
	require.NoError(t, os.Mkdir(folder, 0o700))
	if config != "" {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(config), 0o600))
	}
	if graph != "" {
		content, err := os.ReadFile(filepath.Join("testdata", graph))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "model.onnx"), content, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "words.txt"), []byte("good\nbad\nso\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "pairs.txt"), nil, 0o600))
	return folder
}

func load(t *testing.T, folder string) scorer.Model {
	t.Helper()
	model, err := scorer.Load(context.Background(), folder, scorer.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, model.Close()) })
	return model
}

func TestLoadRunsAModelDirectory(t *testing.T) {
	t.Parallel()
	model := load(t, directory(t, moodsConfig, "moods.onnx"))
	require.Equal(t, "moods", model.Name())
	require.Equal(t, []string{"en", "de"}, model.Languages())

	got, err := model.Score(context.Background(), scorer.Ask("GOOD!", "", "bad", "so, so"))
	require.NoError(t, err)
	require.Len(t, got, 4)
	require.Greater(t, got[0].Positive, float32(0.9))
	require.Equal(t, scorer.Judgement{Probabilities: scorer.Probabilities{Neutral: 1}}, got[1])
	require.Greater(t, got[2].Negative, float32(0.9))
	require.Greater(t, got[3].Neutral, float32(0.9))

	got, err = model.Score(context.Background(), nil)
	require.NoError(t, err)
	require.Empty(t, got)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = model.Score(ctx, scorer.Ask("good"))
	require.ErrorIs(t, err, context.Canceled)
}

// kindsConfig fits testdata/kinds.onnx, to which "bad" is an advert, "so" news, and unknown words are a bot's.
var kindsConfig = strings.Replace(moodsConfig, "{", `{"kinds": ["person", "advert", "bot", "news"], `, 1)

func TestAModelTellsWhoSpeaks(t *testing.T) {
	t.Parallel()
	model := load(t, directory(t, kindsConfig, "kinds.onnx"))
	require.True(t, model.TellsKinds())
	got, err := model.Score(context.Background(), scorer.Ask("good", "bad", "so, so", "what", ""))
	require.NoError(t, err)
	for i, want := range []market.Kind{market.Person, market.Advert, market.News, market.Bot} {
		require.Equal(t, want, got[i].Kind)
		require.Greater(t, got[i].KindProbability, float32(0.9))
	}
	require.Greater(t, got[1].Negative, float32(0.9), "and how it feels")
	require.Empty(t, got[4].Kind)

	swapped := load(t, directory(t, strings.Replace(kindsConfig, `"person", "advert"`, `"advert", "person"`, 1), "kinds.onnx"))
	got, err = swapped.Score(context.Background(), scorer.Ask("good"))
	require.NoError(t, err)
	require.Equal(t, market.Advert, got[0].Kind, "the columns are as config.json says")

	plain := load(t, directory(t, moodsConfig, "kinds.onnx"))
	require.False(t, plain.TellsKinds(), "what config.json does not name is not used")
}

func TestQuestionsAboutOneTextGetOneAnswerEach(t *testing.T) {
	t.Parallel()
	model := load(t, directory(t, moodsConfig, "moods.onnx"))
	got, err := model.Score(context.Background(), []scorer.Question{{Text: "good", Symbol: "BTC"}, {Text: "good", Symbol: "ETH"}, {Text: "bad", Symbol: "ETH"}})
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Equal(t, got[0], got[1])
	require.Greater(t, got[2].Negative, float32(0.9))
}

func TestTheDirectorysNameIsTheModels(t *testing.T) {
	t.Parallel()
	config := strings.Replace(moodsConfig, "{", `{"name": "`+scorer.BundledName+`", "_name_or_path": "somebody/else", `, 1)
	require.Equal(t, "moods", load(t, directory(t, config, "moods.onnx")).Name())
}

func TestLoadFollowsTheLabelsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	config := strings.NewReplacer("negative", "positive", "positive", "negative").Replace(moodsConfig)
	model := load(t, directory(t, config, "moods.onnx"))
	got, err := model.Score(context.Background(), scorer.Ask("good"))
	require.NoError(t, err)
	require.Greater(t, got[0].Negative, float32(0.9))
}

func TestLoadReadsAsManyWordsAsTheConfigurationSays(t *testing.T) {
	t.Parallel()
	model := load(t, directory(t, moodsConfig, "moods.onnx"))
	text := "good one two three four five six seven"
	got, err := model.Score(context.Background(), scorer.Ask(text, text+strings.Repeat(" bad", 10)))
	require.NoError(t, err)
	require.Equal(t, got[0], got[1])
}

func TestLoadRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	replace := func(old, new string) string { return strings.Replace(moodsConfig, old, new, 1) }
	for name, test := range map[string]struct{ config, graph, want string }{
		"no configuration":        {"", "moods.onnx", "holds no config.json"},
		"no graph":                {moodsConfig, "", "model.onnx"},
		"configuration of prose":  {"hello", "moods.onnx", "no valid configuration"},
		"two labels":              {replace(`"1": "neutral", `, ""), "moods.onnx", "id2label has 2 labels"},
		"a label twice":           {replace("neutral", "positive"), "moods.onnx", "each once"},
		"an unknown label":        {replace("neutral", "meh"), "moods.onnx", `says "meh" for column "1"`},
		"a column too many":       {replace(`"2":`, `"3":`), "moods.onnx", `column "3"`},
		"no words":                {replace(`"max_words": 8`, `"max_words": 0`), "moods.onnx", "max_words is 0"},
		"too many words":          {replace(`"max_words": 8`, `"max_words": 100000`), "moods.onnx", "max_words is 100000"},
		"words in words":          {replace(`"max_words": 8`, `"max_words": "eight"`), "moods.onnx", "max_words"},
		"a graph of other inputs": {moodsConfig, "sums.onnx", "not [words places features] of int32"},
		"a graph of two classes":  {moodsConfig, "two_columns.onnx", "2×2 matrix"},
		"a graph without softmax": {moodsConfig, "logits.onnx", "softmax"},
		"a graph to integers":     {moodsConfig, "integers.onnx", "no matrix of floats"},
		"three kinds":             {strings.Replace(kindsConfig, `, "news"`, "", 1), "kinds.onnx", "kinds has 3 names"},
		"a kind twice":            {strings.Replace(kindsConfig, "news", "bot", 1), "kinds.onnx", `kinds says "bot"`},
		"an unknown kind":         {strings.Replace(kindsConfig, "news", "cat", 1), "kinds.onnx", `kinds says "cat"`},
		"kinds without output":    {kindsConfig, "moods.onnx", "no second output"},
		"a graph of three kinds":  {kindsConfig, "three_kinds.onnx", "2×3 matrix for two texts, not 2×4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scorer.Load(context.Background(), directory(t, test.config, test.graph), scorer.Options{})
			require.ErrorContains(t, err, test.want)
		})
	}
	_, err := scorer.Load(context.Background(), filepath.Join(t.TempDir(), "absent"), scorer.Options{})
	require.ErrorContains(t, err, "absent")
	_, err = scorer.Load(context.Background(), filepath.Join("testdata", "moods.onnx"), scorer.Options{})
	require.ErrorContains(t, err, "is a file: name the directory")
}

// A vocabulary of another model gives words the weights of others: nothing would show it but wrong answers.
func TestLoadRefusesTheVocabularyOfAnotherModel(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]string{"good\nbad\n": "the graph knows more words and pairs than words.txt and pairs.txt, which hold 2",
		"good\nbad\nso\nwhat\n": "the graph does not take the ids of words.txt and pairs.txt, to 5"} {
		folder := directory(t, moodsConfig, "moods.onnx")
		require.NoError(t, os.WriteFile(filepath.Join(folder, "words.txt"), []byte(words), 0o600))
		_, err := scorer.Load(context.Background(), folder, scorer.Options{})
		require.ErrorContains(t, err, want)
	}
}

func TestLoadRefusesDamagedGraphs(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(filepath.Join("models", scorer.BundledName, "model.onnx"))
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for name, content := range map[string][]byte{
		"empty":     {},
		"truncated": whole[:len(whole)/2],
		"beginning": whole[:100],
		"noise":     noise,
		"text":      []byte("version https://git-lfs.github.com/spec/v1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := directory(t, moodsConfig, "")
			require.NoError(t, os.WriteFile(filepath.Join(folder, "model.onnx"), content, 0o600))
			_, err := scorer.Load(context.Background(), folder, scorer.Options{})
			require.Error(t, err)
			t.Log(err)
		})
	}
}

func TestScoreTakesAnyText(t *testing.T) {
	t.Parallel()
	model := bundled(t)
	texts := []string{
		"", " \n\t ", "🚀🚀🚀", "https://example.org/x", "@someone", "$BTC", "\x00\x01\x02", "\xff\xfe\xfd", "good\xffbad\x00ugly",
		strings.Repeat("a", 100_000), strings.Repeat("moon ", 20_000), strings.Repeat("🚀", 25_000), strings.Repeat("#", 100_000),
		strings.Repeat("&amp;", 20_000), strings.Repeat("'", 100_000), "שלום עולם bitcoin مرحبا", "买入 比特币 now", "e\u0301\u200d\u200b\ufeff",
		strings.Repeat("\xf0\x9f", 50_000), "1" + strings.Repeat(".1", 50_000),
	}
	got, err := model.Score(context.Background(), scorer.Ask(texts...))
	require.NoError(t, err)
	require.Len(t, got, len(texts))
	for i, p := range got {
		require.InDelta(t, 1, float64(p.Negative)+float64(p.Neutral)+float64(p.Positive), 1e-4, "text %d: %v", i, p)
		require.False(t, math.IsNaN(float64(p.Negative*p.Neutral*p.Positive)))
	}
}

func TestScoreIsTheSameFromManyGoroutinesAndInAnyBatch(t *testing.T) {
	t.Parallel()
	model := bundled(t)
	texts := strings.Fields("good bad moon crash love hate scam profit loss up down buy sell hold dump pump rally fear hope win")
	for i := range texts {
		texts[i] = strings.TrimSpace(strings.Repeat(texts[i]+" the ", 1+i%5))
	}
	want, err := model.Score(context.Background(), scorer.Ask(texts...))
	require.NoError(t, err)
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(worker)))
			for range 40 {
				order := random.Perm(len(texts))[:1+random.IntN(len(texts))]
				var batch []string
				for _, i := range order {
					batch = append(batch, texts[i])
				}
				got, err := model.Score(context.Background(), scorer.Ask(batch...))
				if err != nil {
					t.Error(err)
					return
				}
				for k, i := range order {
					if math.Abs(float64(got[k].Positive-want[i].Positive)) > 1e-4 {
						t.Errorf("%q: %v alone, %v in a batch of %d", texts[i], want[i], got[k], len(batch))
					}
				}
			}
		})
	}
	workers.Wait()
}

func TestJudgeable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, " ": false, "https://example.org": false, "@a @b $BTC": false, "...": false, "$BTC ?!": false, "🚀": true, "ok": true, "+5%": true,
		"\xff": false, "买入": true, strings.Repeat("@someone ", 1000): false, strings.Repeat("@someone ", 1000) + "hi": true,
	} {
		require.Equal(t, want, scorer.Judgeable(text), "text %.40q", text)
	}
}
