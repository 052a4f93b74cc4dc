package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rcas/market"
	"rcas/scorer"
	"rcas/store/storetest"
	"rcas/stream"
)

// makeModels makes a models directory with one model of that name, which finds "good" positive and "bad" negative. Its config.json
// claims the bundled model's name.
func makeModels(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	graph, err := os.ReadFile("../../scorer/testdata/moods.onnx")
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name, "model.onnx"), graph, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name, "config.json"), []byte(`{"model_type": "rcas-words", "max_words": 8,
		"name": "`+scorer.BundledName+`", "id2label": {"0": "negative", "1": "neutral", "2": "positive"}}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name, "words.txt"), []byte("good\nbad\nso\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name, "pairs.txt"), nil, 0o600))
	return dir
}

// What becomes active must open under its name, and no directory may pass for the bundled model.
func TestAModelIsKnownByItsDirectory(t *testing.T) {
	t.Parallel()
	where := append(onServer(t), "--models-dir", makeModels(t, "mine"))
	model := func(args ...string) string { return must(t, append(append([]string{"model"}, args...), where...)...) }
	require.Equal(t, "active model: mine\n", model("use", "mine"))
	require.Equal(t, "  "+scorer.BundledName+"\n* mine\n", model("list"))
	for _, name := range []string{"", ".", "..", "a/b"} {
		_, err := rcas(t, append([]string{"model", "use", name}, where...)...)
		require.ErrorContains(t, err, "the name of its directory in --models-dir, without a path")
	}

	namesake := makeModels(t, scorer.BundledName)
	where[len(where)-1] = namesake
	require.Equal(t, "  "+scorer.BundledName+"\n* mine\n", model("list"), "not twice")
	use := process(t, append([]string{"model", "use", scorer.BundledName}, where...)...)
	said, err := use.CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(said), "rename it to use the model in it")
	require.Contains(t, string(said), "active model: "+scorer.BundledName)
}

// A model that cannot be loaded must not keep posts from the database, nor leave them in the stream.
func TestUpWorksWithoutTheActiveModel(t *testing.T) {
	t.Parallel()
	database := storetest.New(t)
	nats, err := stream.Open(t.Context(), stream.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(nats.Close)
	models := makeModels(t, "mine")
	where := []string{"--database-url", database.URL(), "--nats-url", nats.URL(), "--data-dir", t.TempDir(), "--models-dir", models}
	must(t, append([]string{"model", "use", "mine"}, where...)...)
	graph := filepath.Join(models, "mine", "model.onnx")
	require.NoError(t, os.Rename(graph, graph+".away"))

	_, err = rcas(t, append([]string{"replay", writeArchive(t, 10)[0]}, where...)...)
	require.ErrorContains(t, err, "model.onnx", "an archive can wait until the model is mended")

	up := process(t, append([]string{"up"}, where...)...)
	var said bytes.Buffer
	up.Stderr = &said
	require.NoError(t, up.Start())
	ended := make(chan error, 1)
	go func() { ended <- up.Wait() }()
	t.Cleanup(func() { _ = up.Process.Kill() })
	now := time.Now().UTC()
	publisher := nats.Publisher()
	require.NoError(t, publisher.Tweet(t.Context(), &market.Tweet{Source: "test", ID: "live", Time: now, ReceivedAt: now,
		Text: "bitcoin is good", Lang: "en", Symbols: []string{"BTC"}}))
	require.NoError(t, publisher.Flush(t.Context()))
	require.Eventually(t, func() bool {
		return len(ended) > 0 || storetest.Value[bool](t, database, `SELECT EXISTS (SELECT FROM tweets WHERE id = 'live')
			AND EXISTS (SELECT FROM sentiments WHERE id = 'live' AND model = $1)`, scorer.BundledName)
	}, time.Minute, 50*time.Millisecond)
	require.NoError(t, up.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-ended)
	require.Contains(t, said.String(), `"level":"ERROR"`)
	require.Contains(t, said.String(), "cannot load the active model; scoring with another meanwhile")

	require.NoError(t, os.Rename(graph+".away", graph))
	require.Contains(t, must(t, append([]string{"rescore", "--model", "mine"}, where...)...), "mine added ")
	storetest.RequireNone(t, database, `SELECT FROM tweets t WHERE NOT EXISTS (
		SELECT FROM sentiments s WHERE s.id = t.id AND s.model = 'mine')`)
}

// What is scored is scored for good: a slip in a number is told before anything is opened.
func TestSenselessNumbersAreRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "never")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"up", "--min-confidence", "5"}, "--min-confidence: the least confidence is 5; write a number from 0"},
		{[]string{"score", "--min-confidence", "-0.1"}, "--min-confidence: "},
		{[]string{"replay", "x", "--min-confidence", "1"}, "--min-confidence: "},
		{[]string{"rescore", "--min-confidence", "NaN"}, "--min-confidence: the least confidence is NaN"},
		{[]string{"rescore", "--rate", "-5"}, "rescore: the rate is -5 posts a second; write a number above 0"},
		{[]string{"rescore", "--rate", "NaN"}, "rescore: the rate is NaN"},
		{[]string{"rescore", "--from", "2024-03-05", "--to", "2024-03-04"}, "from must be before to"},
	} {
		_, err := rcas(t, append(c.args, "--data-dir", dir)...)
		require.ErrorContains(t, err, c.want, "%v", c.args)
		require.NoDirExists(t, dir)
	}
	up := process(t, "up", "--data-dir", dir)
	up.Env = append(up.Env, "RCAS_MIN_CONFIDENCE=5")
	said, err := up.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "--min-confidence: ")
}
