package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// maxFileSize bounds what Load reads of one file, in bytes; the largest multilingual vocabularies take some 20 MB.
const maxFileSize = 256 << 20

// Load reads the tokenizer of a model directory as Hugging Face publishes it. It takes the first of tokenizer.json,
// vocab.json with merges.txt, and vocab.txt that it finds; tokenizer_config.json and special_tokens_map.json beside them are
// heeded. What is not supported is an error that names it.
func Load(dir string) (*Tokenizer, error) {
	t, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("load the tokenizer of %s: %w", dir, err)
	}
	return t, nil
}

func load(dir string) (*Tokenizer, error) {
	s, err := readSettings(dir)
	if err != nil {
		return nil, err
	}
	var spec *specification
	switch {
	case exists(dir, "tokenizer.json"):
		spec = &specification{}
		if err := readJSON(dir, "tokenizer.json", spec); err != nil {
			return nil, err
		}
	case exists(dir, "vocab.json") && exists(dir, "merges.txt"):
		spec, err = robertaSpecification(dir, s)
	case exists(dir, "bpe.codes"):
		err = errors.New("bpe.codes (BERTweet) is not supported")
	case exists(dir, "vocab.txt"):
		spec, err = bertSpecification(dir, s)
	case exists(dir, "sentencepiece.bpe.model") || exists(dir, "spiece.model"):
		err = errors.New("a SentencePiece model alone is not supported; save tokenizer.json with transformers' " +
			"AutoTokenizer.from_pretrained(…).save_pretrained(…)")
	default:
		err = errors.New("there is neither tokenizer.json, nor vocab.json with merges.txt, nor vocab.txt")
	}
	if err != nil {
		return nil, err
	}
	t, err := spec.build()
	if err != nil {
		return nil, err
	}
	s.apply(t)
	return t, nil
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

func readFile(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	if info, err := os.Stat(path); err == nil && info.Size() > maxFileSize {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d allowed", name, info.Size(), maxFileSize)
	}
	return os.ReadFile(path)
}

func readJSON(dir, name string, into any) error {
	data, err := readFile(dir, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// settings are tokenizer_config.json and, for the special tokens that it does not name, special_tokens_map.json.
type settings struct {
	Class         string   `json:"tokenizer_class"`
	DoLowerCase   *bool    `json:"do_lower_case"`
	StripAccents  *bool    `json:"strip_accents"`
	ChineseChars  *bool    `json:"tokenize_chinese_chars"`
	PrefixSpace   bool     `json:"add_prefix_space"`
	MaxLength     *float64 `json:"model_max_length"`
	PaddingSide   string   `json:"padding_side"`
	TruncateSide  string   `json:"truncation_side"`
	specialTokens map[string]addedToken
	// otherTokens are added tokens beside the special ones. They are part of tokenizer.json; without it they are refused.
	otherTokens []string
}

// specialNames are the special tokens that the files may name, in the order in which they get ids.
var specialNames = [...]string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

func readSettings(dir string) (*settings, error) {
	s := &settings{specialTokens: map[string]addedToken{}}
	if err := readJSON(dir, "tokenizer_config.json", s); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range [...]string{"tokenizer_config.json", "special_tokens_map.json"} {
		var fields map[string]json.RawMessage
		if err := readJSON(dir, name, &fields); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return nil, err
		}
		for _, special := range specialNames {
			token, err := parseSpecial(fields[special])
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, special, err)
			}
			if token.Content != "" {
				s.specialTokens[special] = token
			}
		}
		if err := s.readOthers(fields); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var added map[string]int64
	if err := readJSON(dir, "added_tokens.json", &added); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s.otherTokens = slices.AppendSeq(s.otherTokens, maps.Keys(added))
	return s, nil
}

// readOthers reads the added tokens that tokenizer_config.json and special_tokens_map.json may list.
func (s *settings) readOthers(fields map[string]json.RawMessage) error {
	var list []json.RawMessage
	if raw := fields["additional_special_tokens"]; raw != nil {
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("additional_special_tokens: %w", err)
		}
	}
	for _, raw := range list {
		token, err := parseSpecial(raw)
		if err != nil {
			return fmt.Errorf("additional_special_tokens: %w", err)
		}
		s.otherTokens = append(s.otherTokens, token.Content)
	}
	var decoder map[string]addedToken
	if raw := fields["added_tokens_decoder"]; raw != nil {
		if err := json.Unmarshal(raw, &decoder); err != nil {
			return fmt.Errorf("added_tokens_decoder: %w", err)
		}
	}
	for _, token := range decoder {
		s.otherTokens = append(s.otherTokens, token.Content)
	}
	return nil
}

// parseSpecial reads a special token, which is a string, an object, or null.
func parseSpecial(data json.RawMessage) (addedToken, error) {
	var token addedToken
	if len(data) == 0 {
		return token, nil
	}
	if data[0] == '{' {
		err := json.Unmarshal(data, &token)
		return token, err
	}
	err := json.Unmarshal(data, &token.Content)
	return token, err
}

// special is the special token of that name; where the files name none, it has the given content.
func (s *settings) special(name, content string) addedToken {
	token, found := s.specialTokens[name]
	if !found {
		token.Content = content
		token.LStrip = name == "mask_token" && content == "<mask>"
	}
	token.Special = true
	return token
}

// apply sets what tokenizer_config.json says of lengths and sides.
func (s *settings) apply(t *Tokenizer) {
	if s.MaxLength != nil && *s.MaxLength >= 1 && *s.MaxLength <= 1e6 {
		t.maxLength = int(*s.MaxLength)
	}
	t.padLeft = s.PaddingSide == "left" || s.PaddingSide == "" && t.padLeft
	t.truncateLeft = s.TruncateSide == "left" || s.TruncateSide == "" && t.truncateLeft
	if t.padID >= 0 {
		return
	}
	for _, content := range [...]string{s.specialTokens["pad_token"].Content, "[PAD]", "<pad>"} {
		if id, found := t.model.id(content); found && content != "" {
			t.padID = id
			return
		}
	}
}

// bertSpecification is what BERT's vocab.txt stands for: one piece in each line, its number the id.
func bertSpecification(dir string, s *settings) (*specification, error) {
	data, err := readFile(dir, "vocab.txt")
	if err != nil {
		return nil, err
	}
	lower := s.DoLowerCase == nil || *s.DoLowerCase
	spec := &specification{
		normalizer: bertNormalizer{
			clean:        true,
			chinese:      s.ChineseChars == nil || *s.ChineseChars,
			stripAccents: s.StripAccents == nil && lower || s.StripAccents != nil && *s.StripAccents,
			lower:        lower,
		},
		words: bertWords{},
	}
	vocabulary := map[string]int64{}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for i, line := range lines {
		vocabulary[strings.TrimRightFunc(line, unicode.IsSpace)] = int64(i)
	}
	tokens := map[string]string{"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
		"mask_token": "[MASK]"}
	if err := spec.addSpecials(s, tokens, vocabulary); err != nil {
		return nil, fmt.Errorf("vocab.txt: %w", err)
	}
	prefix := "##"
	unknown := s.special("unk_token", "[UNK]").Content
	spec.model, err = modelSpec{Vocabulary: vocabulary, Unknown: &unknown, Prefix: &prefix}.wordPiece()
	return spec, err
}

// robertaSpecification is what RoBERTa's vocab.json and merges.txt stand for.
func robertaSpecification(dir string, s *settings) (*specification, error) {
	var m modelSpec
	if err := readJSON(dir, "vocab.json", &m.Vocabulary); err != nil {
		return nil, err
	}
	if !hasAllBytes(m.Vocabulary) {
		return nil, errors.New("vocab.json lacks the tokens of some bytes; only byte-level BPE (RoBERTa) can be read without " +
			"tokenizer.json")
	}
	data, err := readFile(dir, "merges.txt")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			m.Merges = append(m.Merges, mergeSpec{line: line})
		}
	}
	spec := &specification{words: byteLevel{prefixSpace: s.PrefixSpace}}
	tokens := map[string]string{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>",
		"pad_token": "<pad>", "cls_token": "<s>", "mask_token": "<mask>"}
	if err := spec.addSpecials(s, tokens, m.Vocabulary); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	spec.model, err = m.bpe()
	return spec, err
}

// addSpecials adds the special tokens of a vocabulary without tokenizer.json; each text goes between cls_token and sep_token.
func (spec *specification) addSpecials(s *settings, names map[string]string, vocabulary map[string]int64) error {
	for _, name := range specialNames {
		if names[name] == "" {
			continue
		}
		token := s.special(name, names[name])
		id, found := vocabulary[token.Content]
		switch {
		case found:
			spec.AddedTokens = append(spec.AddedTokens, token)
		case name == "cls_token", name == "sep_token", name == "unk_token":
			return fmt.Errorf("the special token %q is not in the vocabulary", token.Content)
		}
		if name == "cls_token" {
			spec.prefix = []int64{id}
		}
		if name == "sep_token" {
			spec.suffix = []int64{id}
		}
	}
	for _, content := range s.otherTokens {
		if !slices.ContainsFunc(spec.AddedTokens, func(t addedToken) bool { return t.Content == content }) {
			return fmt.Errorf("the added token %q is only supported in tokenizer.json", content)
		}
	}
	return nil
}
