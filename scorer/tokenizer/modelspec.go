package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// modelSpec is the model of tokenizer.json, but for Unigram's vocabulary.
type modelSpec struct {
	Type         string           `json:"type"`
	Vocabulary   map[string]int64 `json:"vocab"`
	Merges       []mergeSpec      `json:"merges"`
	Unknown      *string          `json:"unk_token"`
	Prefix       *string          `json:"continuing_subword_prefix"`
	Suffix       *string          `json:"end_of_word_suffix"`
	MaxChars     *int             `json:"max_input_chars_per_word"`
	Dropout      *float64         `json:"dropout"`
	FuseUnknown  bool             `json:"fuse_unk"`
	ByteFallback bool             `json:"byte_fallback"`
	WholeWords   bool             `json:"ignore_merges"`
}

// mergeSpec is a merge: "a b" or ["a", "b"].
type mergeSpec struct {
	line string
	pair []string
}

// UnmarshalJSON reads either form.
func (m *mergeSpec) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &m.line)
	}
	return json.Unmarshal(data, &m.pair)
}

// parts returns the two tokens that the merge joins.
func (m mergeSpec) parts() (left, right string, err error) {
	pair := m.pair
	if pair == nil {
		pair = strings.Split(m.line, " ")
	}
	if len(pair) != 2 {
		return "", "", fmt.Errorf("the merge %q is not a pair of tokens", m.line)
	}
	return pair[0], pair[1], nil
}

// unigramSpec is the model of tokenizer.json for Unigram.
type unigramSpec struct {
	Vocabulary   []scoredPiece `json:"vocab"`
	UnknownID    *int64        `json:"unk_id"`
	ByteFallback bool          `json:"byte_fallback"`
}

// scoredPiece is written as ["▁the", -3.5].
type scoredPiece struct {
	text  string
	score float64
}

// UnmarshalJSON reads the pair.
func (p *scoredPiece) UnmarshalJSON(data []byte) error {
	var score json.Number
	pair := []any{&p.text, &score}
	err := json.Unmarshal(data, &pair)
	if err == nil {
		p.score, err = parseScore(score.String())
	}
	if err != nil || len(pair) != 2 {
		return fmt.Errorf("a piece of the vocabulary is not [text, score]: %.40s", data)
	}
	return nil
}

// parseModel reads the model. Files of early versions do not tell its type; it shows in the fields.
func parseModel(data json.RawMessage) (model, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("tokenizer.json has no model: %w", err)
	}
	var kind string
	if raw := fields["type"]; raw != nil {
		if err := json.Unmarshal(raw, &kind); err != nil {
			return nil, fmt.Errorf("the model's type: %w", err)
		}
	}
	if kind == "" {
		kind = inferType(fields)
	}
	if kind == "Unigram" {
		var spec unigramSpec
		if err := json.Unmarshal(data, &spec); err != nil {
			return nil, fmt.Errorf("the Unigram model: %w", err)
		}
		return spec.unigram()
	}
	if kind != "BPE" && kind != "WordPiece" {
		return nil, fmt.Errorf("the model type %q is not supported", kind)
	}
	var spec modelSpec
	if err := json.Unmarshal(data, &spec); err != nil {
		return nil, fmt.Errorf("the %s model: %w", kind, err)
	}
	if kind == "BPE" {
		return spec.bpe()
	}
	return spec.wordPiece()
}

func inferType(fields map[string]json.RawMessage) string {
	vocabulary := strings.TrimSpace(string(fields["vocab"]))
	switch {
	case fields["merges"] != nil:
		return "BPE"
	case strings.HasPrefix(vocabulary, "["):
		return "Unigram"
	case fields["continuing_subword_prefix"] != nil || fields["max_input_chars_per_word"] != nil:
		return "WordPiece"
	}
	return "WordLevel"
}

// tokens puts a vocabulary into a trie.
func (m modelSpec) tokens() (v vocabulary, err error) {
	if len(m.Vocabulary) == 0 {
		return v, errors.New("the vocabulary is empty")
	}
	for token, id := range m.Vocabulary {
		if id < 0 || id >= math.MaxInt32 {
			return v, fmt.Errorf("the id %d of %q is out of range", id, token)
		}
		v.insert(token, int32(id))
	}
	v.tokens = len(m.Vocabulary)
	return v, nil
}

func (m modelSpec) wordPiece() (model, error) {
	v, err := m.tokens()
	if err != nil {
		return nil, err
	}
	w := &wordPiece{vocabulary: v, maxChars: 100}
	if m.MaxChars != nil {
		w.maxChars = *m.MaxChars
	}
	prefix := "##"
	if m.Prefix != nil {
		prefix = *m.Prefix
	}
	unknown := "[UNK]"
	if m.Unknown != nil {
		unknown = *m.Unknown
	}
	w.inner = v.walk(prefix)
	id, found := m.Vocabulary[unknown]
	if !found {
		return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", unknown)
	}
	w.unknown = id
	return w, nil
}

func (m modelSpec) bpe() (model, error) {
	if m.Dropout != nil && *m.Dropout != 0 {
		return nil, errors.New("a BPE model with dropout is not supported: its tokens are random")
	}
	v, err := m.tokens()
	if err != nil {
		return nil, err
	}
	b := &bpe{vocabulary: v, unknown: -1, fuseUnknown: m.FuseUnknown,
		byteFallback: m.ByteFallback, wholeWords: m.WholeWords}
	if m.Unknown != nil {
		id, found := m.Vocabulary[*m.Unknown]
		if !found && !hasAllBytes(m.Vocabulary) {
			return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", *m.Unknown)
		}
		if found {
			b.unknown = id
		}
	}
	if m.Prefix != nil {
		b.prefix = *m.Prefix
	}
	if m.Suffix != nil {
		b.suffix = *m.Suffix
	}
	for _, spec := range m.Merges {
		if err := b.addMerge(spec); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (m *bpe) addMerge(spec mergeSpec) error {
	if strings.HasPrefix(spec.line, "#version") {
		return nil
	}
	left, right, err := spec.parts()
	if err != nil {
		return err
	}
	if len(right) < len(m.prefix) {
		return fmt.Errorf("the merge of %q and %q lacks the prefix %q", left, right, m.prefix)
	}
	var ids [3]int32
	for i, token := range [...]string{left, right, left + right[len(m.prefix):]} {
		id, found := m.find(token)
		if !found {
			return fmt.Errorf("the merge of %q and %q uses %q, which is not in the vocabulary", left, right, token)
		}
		ids[i] = id
	}
	m.merges.put(pairOf(ids[0], ids[1]), merge{rank: int32(len(m.results)), result: ids[2]})
	m.results = append(m.results, ids[2])
	return nil
}

func (u unigramSpec) unigram() (model, error) {
	if u.UnknownID == nil || *u.UnknownID < 0 || *u.UnknownID >= int64(len(u.Vocabulary)) {
		return nil, errors.New("a Unigram model whose unk_id is not in the vocabulary is not supported")
	}
	m := &unigram{unknown: *u.UnknownID, byteFallback: u.ByteFallback}
	least := math.Inf(1)
	for id, p := range u.Vocabulary {
		m.insert(p.text, int32(id))
		m.scores = append(m.scores, p.score)
		least = min(least, p.score)
	}
	m.vocabulary.tokens = len(u.Vocabulary)
	m.unknownScore = least - unknownPenalty
	return m, nil
}
