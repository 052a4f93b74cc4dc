package tokenizer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden are hard texts and the ids that the reference gives them, by tokenizer (testdata/golden.mjs).
type golden struct {
	Texts []string             `json:"texts"`
	IDs   map[string][][]int64 `json:"ids"`
}

func readGolden(t testing.TB) golden {
	var g golden
	read(t, "testdata/variants/golden.json", &g)
	return g
}

func read(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, into))
}

func (g golden) check(t *testing.T, name string, tokenizer *Tokenizer) {
	t.Helper()
	require.Len(t, g.IDs[name], len(g.Texts))
	for i, text := range g.Texts {
		want := g.IDs[name][i]
		require.Equal(t, want, tokenizer.Encode(text, 0), "text %q", text)
		room := len(tokenizer.prefix) + len(tokenizer.suffix)
		if limit := room + (len(want)-room)/2; limit > room {
			short := slices.Concat(want[:limit-len(tokenizer.suffix)], tokenizer.suffix)
			require.Equal(t, short, tokenizer.Encode(text, limit), "text %q cut to %d", text, limit)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	for _, name := range []string{"wordpiece", "bytelevel", "unigram"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tokenizer, err := Load(filepath.Join("testdata", name))
			require.NoError(t, err)
			g.check(t, name, tokenizer)
		})
	}
}

func TestGoldenVariants(t *testing.T) {
	t.Parallel()
	g := readGolden(t)
	for name, file := range variants(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tokenizer, err := loadJSON(t, file)
			require.NoError(t, err)
			g.check(t, name, tokenizer)
		})
	}
}

// variants puts the variants' tokenizer.json together.
func variants(t testing.TB) map[string]map[string]any {
	var file struct {
		Models   map[string]map[string]any
		Variants []struct {
			Name, Base string
			Changes    map[string]any
			More       []any
			Parts      map[string]any
		}
	}
	read(t, "testdata/variants/variants.json", &file)
	all := map[string]map[string]any{}
	for _, v := range file.Variants {
		model := maps.Clone(file.Models[v.Base])
		maps.Copy(model, v.Changes)
		if model["type"] == nil {
			delete(model, "type")
		}
		switch vocabulary := model["vocab"].(type) {
		case []any:
			model["vocab"] = slices.Concat(vocabulary, v.More)
		case map[string]any:
			vocabulary = maps.Clone(vocabulary)
			for _, entry := range v.More {
				vocabulary[entry.([]any)[0].(string)] = entry.([]any)[1]
			}
			model["vocab"] = vocabulary
		}
		all[v.Name] = maps.Clone(v.Parts)
		all[v.Name]["model"] = model
	}
	return all
}

// loadJSON loads a tokenizer.json.
func loadJSON(t testing.TB, file any) (*Tokenizer, error) {
	t.Helper()
	data, err := json.Marshal(file)
	require.NoError(t, err)
	return loadFiles(t, map[string]string{"tokenizer.json": string(data)})
}

func loadFiles(t testing.TB, files map[string]string) (*Tokenizer, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return Load(dir)
}

func TestTruncation(t *testing.T) {
	t.Parallel()
	tokenizer, err := Load("testdata/wordpiece")
	require.NoError(t, err)
	whole := tokenizer.Encode("up and down and up again", 0)
	for limit := 2; limit <= len(whole)+1; limit++ {
		ids := tokenizer.Encode("up and down and up again", limit)
		require.Len(t, ids, min(limit, len(whole)))
		require.Equal(t, whole[:len(ids)-1], ids[:len(ids)-1])
		require.Equal(t, whole[len(whole)-1], ids[len(ids)-1])
	}
	require.Len(t, tokenizer.Encode("up", 1), 2, "the special tokens stay")

	tokenizer.truncateLeft = true
	ids := tokenizer.Encode("up and down and up again", 4)
	require.Equal(t, []int64{whole[0], whole[len(whole)-3], whole[len(whole)-2], whole[len(whole)-1]}, ids)
}

func TestInvalidUTF8(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"wordpiece", "bytelevel", "unigram"} {
		tokenizer, err := Load(filepath.Join("testdata", name))
		require.NoError(t, err)
		require.Equal(t, tokenizer.Encode("up\uFFFD down", 0), tokenizer.Encode("up\xff\xfe down", 0))
	}
}

func TestLongText(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"wordpiece", "bytelevel", "unigram"} {
		tokenizer, err := Load(filepath.Join("testdata", name))
		require.NoError(t, err)
		for _, text := range []string{
			strings.Repeat("a", 300_000), strings.Repeat("up again ", 20_000), strings.Repeat("é🚀", 50_000),
		} {
			require.Len(t, tokenizer.Encode(text, 512), min(512, len(tokenizer.Encode(text, 0))))
		}
	}
}

// TestSettings reads what tokenizer_config.json and special_tokens_map.json may say.
func TestSettings(t *testing.T) {
	t.Parallel()
	vocabulary := "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nUp\nup\nuber\nüber\n中\n国\n中国\n<fill>\n"
	tokenizer, err := loadFiles(t, map[string]string{"vocab.txt": vocabulary})
	require.NoError(t, err)
	require.Equal(t, []int64{2, 6, 7, 9, 10, 4, 3}, tokenizer.Encode("Up Über 中国 [MASK]", 0))
	id, known := tokenizer.PadID()
	require.True(t, known)
	require.Zero(t, id)
	require.EqualValues(t, 13, tokenizer.VocabularySize())
	require.Zero(t, tokenizer.MaxLength())
	require.False(t, tokenizer.PadLeft())

	tokenizer, err = loadFiles(t, map[string]string{
		"vocab.txt": strings.ReplaceAll(vocabulary, "\n", "\r\n"),
		"tokenizer_config.json": `{"do_lower_case": false, "tokenize_chinese_chars": false, "model_max_length": 128,
			"padding_side": "left", "pad_token": "[PAD]", "truncation_side": "right"}`,
		"special_tokens_map.json": `{"pad_token": {"content": "<fill>", "lstrip": false}, "mask_token": null}`,
	})
	require.NoError(t, err)
	require.Equal(t, []int64{2, 5, 1, 11, 3}, tokenizer.Encode("Up Über 中国", 0))
	id, _ = tokenizer.PadID()
	require.EqualValues(t, 12, id)
	require.Equal(t, 128, tokenizer.MaxLength())
	require.True(t, tokenizer.PadLeft())
}

func TestPadding(t *testing.T) {
	t.Parallel()
	tokenizer, err := loadFiles(t, map[string]string{"tokenizer.json": `{
		"truncation": {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 0},
		"padding": {"direction": "Left", "pad_id": 7, "pad_token": "x"},
		"model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 1}}}`})
	require.NoError(t, err)
	id, known := tokenizer.PadID()
	require.True(t, known)
	require.EqualValues(t, 7, id)
	require.True(t, tokenizer.PadLeft())
	require.True(t, tokenizer.truncateLeft)
	require.Equal(t, 9, tokenizer.MaxLength())

	tokenizer, err = loadFiles(t, map[string]string{"tokenizer.json": `{"model": {"vocab": [["a", -1], ["b", -2e0]], "unk_id": 0}}`})
	require.NoError(t, err)
	_, known = tokenizer.PadID()
	require.False(t, known)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	const model = `"model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "a": 1}}`
	with := func(part string) map[string]string {
		return map[string]string{"tokenizer.json": "{" + part + "," + model + "}"}
	}
	just := func(model string) map[string]string {
		return map[string]string{"tokenizer.json": `{"model": ` + model + `}`}
	}
	for _, test := range []struct {
		want  string
		files map[string]string
	}{
		{"neither tokenizer.json, nor vocab.json", nil},
		{"tokenizer.json: unexpected end", map[string]string{"tokenizer.json": `{"model"`}},
		{"no model", map[string]string{"tokenizer.json": `{}`}},
		{`model type "WordLevel" is not supported`, just(`{"type": "WordLevel", "vocab": {"a": 0}}`)},
		{`model type "WordLevel" is not supported`, just(`{"vocab": {"a": 0}}`)},
		{"vocabulary is empty", just(`{"type": "WordPiece", "vocab": {}}`)},
		{`unknown token "[UNK]" is not in the vocabulary`, just(`{"type": "WordPiece", "vocab": {"a": 0}}`)},
		{"id -3 of \"a\" is out of range", just(`{"type": "BPE", "vocab": {"a": -3}, "merges": []}`)},
		{"dropout", just(`{"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}`)},
		{"not a pair", just(`{"type": "BPE", "vocab": {"a": 0}, "merges": ["a a a"]}`)},
		{`"aa", which is not in the vocabulary`, just(`{"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "a"]]}`)},
		{"lacks the prefix", just(`{"vocab": {"a": 0}, "merges": [["a", "a"]], "continuing_subword_prefix": "##"}`)},
		{"unknown token", just(`{"vocab": {"a": 0}, "merges": [], "unk_token": "<unk>"}`)},
		{"unk_id is not in the vocabulary", just(`{"type": "Unigram", "vocab": [["a", -1]]}`)},
		{"not [text, score]", just(`{"type": "Unigram", "vocab": [["a"]], "unk_id": 0}`)},
		{`normalizer "Upper" is not supported`, with(`"normalizer": {"type": "Sequence", "normalizers": [{"type": "Upper"}]}`)},
		{"precompiled_charsmap", with(`"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}`)},
		{`pre-tokenizer "UnicodeScripts" is not supported`, with(`"pre_tokenizer": {"type": "UnicodeScripts"}`)},
		{`behaviour "Kept"`, with(`"pre_tokenizer": {"type": "Punctuation", "behavior": "Kept"}`)},
		{"group (?<=", with(`"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?<=a)b"}, "behavior": "Removed"}`)},
		{"possessive", with(`"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "a++"}, "behavior": "Removed"}`)},
		{"anchor ^", with(`"normalizer": {"type": "Replace", "pattern": {"Regex": "^a"}, "content": ""}`)},
		{"pattern is empty", with(`"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": ""}`)},
		{"neither a String nor a Regex", with(`"normalizer": {"type": "Replace", "content": ""}`)},
		{"matches no text", with(`"normalizer": {"type": "Replace", "pattern": {"Regex": "a*"}, "content": ""}`)},
		{"Metaspace has no replacement", with(`"pre_tokenizer": {"type": "Metaspace"}`)},
		{`prepend_scheme "last"`, with(`"pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}`)},
		{`post-processor "Other" is not supported`, with(`"post_processor": {"type": "Other"}`)},
		{"takes the text 0 times", with(`"post_processor": {"type": "TemplateProcessing", "single": []}`)},
		{"second text", with(`"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B", "type_id": 0}}]}`)},
		{`uses "[CLS]"`, with(`"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]"}}]}`)},
		{"empty once it is normalised", with(`"normalizer": {"type": "Strip", "strip_left": true},
			"added_tokens": [{"content": " ", "normalized": true}]`)},
		{"id -5 is out of range", with(`"padding": {"pad_id": -5}`)},
		{"bpe.codes (BERTweet)", map[string]string{"vocab.txt": "a 5\n", "bpe.codes": ""}},
		{"SentencePiece model alone", map[string]string{"sentencepiece.bpe.model": ""}},
		{`"[CLS]" is not in the vocabulary`, map[string]string{"vocab.txt": "[UNK]\n[SEP]\n"}},
		{"lacks the tokens of some bytes", map[string]string{"vocab.json": `{"a": 0}`, "merges.txt": ""}},
		{`added token "<extra>" is only`, map[string]string{"vocab.txt": "[UNK]\n[CLS]\n[SEP]\n",
			"added_tokens.json": `{"<extra>": 3}`}},
		{`added token "@" is only`, map[string]string{"vocab.txt": "[UNK]\n[CLS]\n[SEP]\n@\n",
			"special_tokens_map.json": `{"additional_special_tokens": ["[CLS]", {"content": "@"}]}`}},
		{`added token "%" is only`, map[string]string{"vocab.txt": "[UNK]\n[CLS]\n[SEP]\n%\n",
			"tokenizer_config.json": `{"added_tokens_decoder": {"1": {"content": "[CLS]"}, "3": {"content": "%"}}}`}},
		{"tokenizer_config.json", map[string]string{"vocab.txt": "a\n", "tokenizer_config.json": "["}},
		{"special_tokens_map.json: pad_token", map[string]string{"vocab.txt": "a\n", "special_tokens_map.json": `{"pad_token": 3}`}},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			_, err := loadFiles(t, test.files)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// TestParseScore holds the numbers to the reference's way of reading them, which differs from the nearest float.
func TestParseScore(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"0": 0, "-0.5": -0.5, "12": 12, "-3.25": -3.25, "1e2": 100, "-2.5E-1": -0.25,
		"-3.7299045288930106":       float64(37299045288930106) / 1e16 * -1,
		"0.12345678901234567890123": float64(12345678901234567890) / 1e20,
		"1e-400":                    0,
	} {
		got, err := parseScore(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"1e999", "1ex", "1.x", ""} {
		_, err := parseScore(text)
		require.Error(t, err, text)
	}
}

// FuzzEncode looks for a text that makes a tokenizer panic, return an unknown id or exceed the length.
func FuzzEncode(f *testing.F) {
	for _, text := range readGolden(f).Texts {
		f.Add(text, 16)
	}
	var all []*Tokenizer
	for _, name := range []string{"wordpiece", "bytelevel", "unigram"} {
		tokenizer, err := Load(filepath.Join("testdata", name))
		require.NoError(f, err)
		all = append(all, tokenizer)
	}
	for _, file := range variants(f) {
		tokenizer, err := loadJSON(f, file)
		require.NoError(f, err)
		all = append(all, tokenizer)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		for _, tokenizer := range all {
			ids := tokenizer.Encode(text, limit)
			if limit >= 2 {
				require.LessOrEqual(t, len(ids), limit)
			}
			for _, id := range ids {
				require.GreaterOrEqual(t, id, int64(0))
				require.Less(t, id, tokenizer.VocabularySize())
			}
		}
	})
}

// FuzzLoad looks for a tokenizer.json that makes Load or what it loads panic.
func FuzzLoad(f *testing.F) {
	for _, v := range variants(f) {
		if vocabulary, ok := v["model"].(map[string]any)["vocab"].(map[string]any); ok && len(vocabulary) > 0 {
			v["model"] = map[string]any{"type": "WordPiece", "vocab": map[string]any{"[UNK]": 0, "a": 1, "##b": 2}}
		}
		data, err := json.Marshal(v)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		var spec specification
		if json.Unmarshal(data, &spec) != nil {
			return
		}
		tokenizer, err := spec.build()
		if err != nil {
			return
		}
		for _, text := range []string{"", "ab  <mask> ab", "é\u0301\r\n🚀 1", "\x00\x7f"} {
			tokenizer.Encode(text, 8)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	const text = "I sold my $BTC at 20,000.50 and now it goes up again 🚀 https://example.org/chart don't ask why… naïve me"
	for _, name := range []string{"wordpiece", "bytelevel", "unigram"} {
		b.Run(name, func(b *testing.B) {
			tokenizer, err := Load(filepath.Join("testdata", name))
			require.NoError(b, err)
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tokenizer.Encode(text, 128)
			}
		})
	}
}
