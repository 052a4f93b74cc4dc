package tokenizer

import (
	"encoding/json"
	"fmt"
	"math"
)

// specification is tokenizer.json. The fields that JSON does not know are read from the raw ones, or set where another file
// stands in for tokenizer.json.
type specification struct {
	Truncation    *truncationSpec `json:"truncation"`
	Padding       *paddingSpec    `json:"padding"`
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    *component      `json:"normalizer"`
	PreTokenizer  *component      `json:"pre_tokenizer"`
	PostProcessor *component      `json:"post_processor"`
	Model         json.RawMessage `json:"model"`

	normalizer     normalizer
	words          preTokenizer
	model          model
	prefix, suffix []int64
}

type truncationSpec struct {
	Direction string `json:"direction"`
	MaxLength int    `json:"max_length"`
}

type paddingSpec struct {
	Direction string `json:"direction"`
	PadID     int64  `json:"pad_id"`
}

// build makes the tokenizer.
func (spec *specification) build() (*Tokenizer, error) {
	if err := spec.parse(); err != nil {
		return nil, err
	}
	t := &Tokenizer{normalizer: spec.normalizer, words: spec.words, model: spec.model, prefix: spec.prefix, suffix: spec.suffix,
		padID: -1}
	if p := spec.Padding; p != nil {
		t.padID, t.padLeft = p.PadID, p.Direction == "Left"
	}
	if r := spec.Truncation; r != nil {
		t.maxLength, t.truncateLeft = max(0, r.MaxLength), r.Direction == "Left"
	}
	if err := t.add(spec.AddedTokens); err != nil {
		return nil, err
	}
	for _, id := range append(append([]int64{t.padID}, t.prefix...), t.suffix...) {
		if id < -1 || id > math.MaxInt32 {
			return nil, fmt.Errorf("the id %d is out of range", id)
		}
		t.vocabularySize = max(t.vocabularySize, id+1)
	}
	return t, nil
}

// parse reads the raw fields.
func (spec *specification) parse() (err error) {
	if spec.Normalizer != nil {
		if spec.normalizer, err = spec.Normalizer.normalizer(); err != nil {
			return err
		}
	}
	if spec.PreTokenizer != nil {
		if spec.words, err = spec.PreTokenizer.preTokenizer(); err != nil {
			return err
		}
	}
	if spec.PostProcessor != nil {
		if spec.prefix, spec.suffix, err = spec.PostProcessor.postProcessor(); err != nil {
			return err
		}
	}
	if spec.model == nil {
		spec.model, err = parseModel(spec.Model)
	}
	return err
}

// add makes the tokens findable. A token that the model does not know gets the next free id, in the order of the file; the
// ids that the file gives are not looked at, just as the reference does not.
func (t *Tokenizer) add(tokens []addedToken) error {
	ids := map[string]int64{}
	next := t.model.size()
	for i := range tokens {
		content := tokens[i].Content
		id, found := t.model.id(content)
		if !found {
			if id, found = ids[content]; !found {
				id = next
				next++
			}
		}
		ids[content], tokens[i].id = id, id
	}
	t.vocabularySize = max(next, t.model.greatest()+1)
	for _, special := range [...]bool{true, false} {
		for _, token := range tokens {
			if token.Content == "" || token.Special != special {
				continue
			}
			if !token.Normalized {
				t.verbatim.insert(token.Content, token)
				continue
			}
			p := piece{text: token.Content}
			if t.normalizer != nil {
				p = t.normalizer.normalize(p)
			}
			if p.text == "" {
				return fmt.Errorf("the added token %q is empty once it is normalised", token.Content)
			}
			t.normalized.insert(p.text, token)
		}
	}
	return nil
}
