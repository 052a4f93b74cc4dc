package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/scorer"
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
	return dir
}

// What becomes active must open under its name, and no directory may pass for the bundled model.
func TestAModelIsKnownByItsDirectory(t *testing.T) {
	t.Parallel()
	where := []string{"--data-dir", t.TempDir(), "--models-dir", makeModels(t, "mine")}
	model := func(args ...string) string { return must(t, append(append([]string{"model"}, args...), where...)...) }
	require.Equal(t, "active model: mine\n", model("use", "mine"))
	require.Equal(t, "  "+scorer.BundledName+"\n* mine\n", model("list"))
	for _, name := range []string{"", ".", "..", "a/b"} {
		_, err := rcas(t, append([]string{"model", "use", name}, where...)...)
		require.ErrorContains(t, err, "the name of its directory in --models-dir, without a path")
	}

	namesake := makeModels(t, scorer.BundledName)
	where[3] = namesake
	require.Equal(t, "  "+scorer.BundledName+"\n* mine\n", model("list"), "not twice")
	use := process(t, append([]string{"model", "use", scorer.BundledName}, where...)...)
	said, err := use.CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(said), "rename it to use the model in it")
	require.Contains(t, string(said), "active model: "+scorer.BundledName)
}
