package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// component is any normalizer, pre-tokenizer or post-processor: its type says which fields count.
type component struct {
	Type string `json:"type"`

	Normalizers   []component `json:"normalizers"`
	PreTokenizers []component `json:"pretokenizers"`
	Processors    []component `json:"processors"`

	CleanText          bool  `json:"clean_text"`
	HandleChineseChars bool  `json:"handle_chinese_chars"`
	StripAccents       *bool `json:"strip_accents"`
	Lowercase          bool  `json:"lowercase"`

	StripLeft  bool        `json:"strip_left"`
	StripRight bool        `json:"strip_right"`
	Charsmap   []byte      `json:"precompiled_charsmap"`
	Pattern    patternSpec `json:"pattern"`
	Content    string      `json:"content"`
	Prepend    string      `json:"prepend"`

	AddPrefixSpace   *bool     `json:"add_prefix_space"`
	UseRegex         *bool     `json:"use_regex"`
	Replacement      string    `json:"replacement"`
	PrependScheme    string    `json:"prepend_scheme"`
	Split            *bool     `json:"split"`
	Behavior         behaviour `json:"behavior"`
	Invert           bool      `json:"invert"`
	IndividualDigits bool      `json:"individual_digits"`
	Delimiter        string    `json:"delimiter"`

	Single        []templatePiece `json:"single"`
	SpecialTokens map[string]struct {
		IDs []int64 `json:"ids"`
	} `json:"special_tokens"`
	CLS tokenAndID `json:"cls"`
	SEP tokenAndID `json:"sep"`
}

type patternSpec struct{ String, Regex *string }

// templatePiece is either the text or a special token.
type templatePiece struct {
	Sequence     *templateID
	SpecialToken *templateID
}

type templateID struct {
	ID     string `json:"id"`
	TypeID int    `json:"type_id"`
}

// tokenAndID is written as ["</s>", 2].
type tokenAndID int64

// UnmarshalJSON reads the id.
func (t *tokenAndID) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil || len(pair) != 2 {
		return errors.New("a special token is not given as [token, id]")
	}
	return json.Unmarshal(pair[1], (*int64)(t))
}

func (c *component) normalizer() (normalizer, error) {
	switch c.Type {
	case "Sequence":
		var all normalizers
		for i := range c.Normalizers {
			n, err := c.Normalizers[i].normalizer()
			if err != nil {
				return nil, err
			}
			all = append(all, n)
		}
		return all, nil
	case "BertNormalizer":
		accents := c.StripAccents == nil && c.Lowercase || c.StripAccents != nil && *c.StripAccents
		return bertNormalizer{clean: c.CleanText, chinese: c.HandleChineseChars, stripAccents: accents, lower: c.Lowercase}, nil
	case "NFC":
		return rewrite(func(s string) string { return compose(s, norm.NFC, norm.NFD) }), nil
	case "NFKC":
		return rewrite(func(s string) string { return compose(s, norm.NFKC, norm.NFKD) }), nil
	case "NFD":
		return rewrite(func(s string) string { return decompose(s, norm.NFD) }), nil
	case "NFKD":
		return rewrite(func(s string) string { return decompose(s, norm.NFKD) }), nil
	case "Lowercase":
		return rewrite(toLower), nil
	case "StripAccents":
		return removal(isMark), nil
	case "Strip":
		return strip{left: c.StripLeft, right: c.StripRight}, nil
	case "Nmt":
		return normalizerFunc(nmt), nil
	case "ByteLevel":
		return rewrite(toByteLevel), nil
	case "Precompiled":
		return parsePrecompiled(c.Charsmap)
	case "Replace":
		p, err := compilePattern(c.Pattern)
		return replace{pattern: p, content: c.Content}, err
	case "Prepend":
		return rewrite(func(s string) string {
			if s == "" {
				return s
			}
			return c.Prepend + s
		}), nil
	}
	return nil, fmt.Errorf("the normalizer %q is not supported", c.Type)
}

func (c *component) preTokenizer() (preTokenizer, error) {
	switch c.Type {
	case "Sequence":
		var all preTokenizers
		for i := range c.PreTokenizers {
			p, err := c.PreTokenizers[i].preTokenizer()
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
		return all, nil
	case "BertPreTokenizer":
		return bertWords{}, nil
	case "ByteLevel":
		return byteLevel{prefixSpace: c.AddPrefixSpace != nil && *c.AddPrefixSpace, whole: c.UseRegex != nil && !*c.UseRegex}, nil
	case "Whitespace":
		return wordRuns{}, nil
	case "WhitespaceSplit":
		return splitAt{is: unicode.IsSpace, behaviour: removed}, nil
	case "CharDelimiterSplit", "Delimiter":
		return splitAt{is: func(r rune) bool { return string(r) == c.Delimiter }, behaviour: removed}, nil
	case "Punctuation":
		if c.Behavior == "" {
			c.Behavior = isolated
		}
		return splitAt{is: isPunctuation, behaviour: c.Behavior}, c.Behavior.check()
	case "Digits":
		if c.IndividualDigits {
			return splitAt{is: isNumeric, behaviour: isolated}, nil
		}
		return splitAt{is: isNumeric, behaviour: contiguous}, nil
	case "Split":
		p, err := compilePattern(c.Pattern)
		return splitPattern{pattern: p, behaviour: c.Behavior, invert: c.Invert}, errors.Join(err, c.Behavior.check())
	case "Metaspace":
		return c.metaspace()
	}
	return nil, fmt.Errorf("the pre-tokenizer %q is not supported", c.Type)
}

func (b behaviour) check() error {
	switch b {
	case removed, isolated, contiguous, mergedWithPrevious, mergedWithNext:
		return nil
	}
	return fmt.Errorf("the behaviour %q of a pre-tokenizer is not supported", string(b))
}

func (c *component) metaspace() (preTokenizer, error) {
	m := metaspace{mark: c.Replacement, prepend: c.PrependScheme, whole: c.Split != nil && !*c.Split}
	if m.prepend == "" {
		m.prepend = "always"
		if c.AddPrefixSpace != nil && !*c.AddPrefixSpace {
			m.prepend = "never"
		}
	}
	if m.mark == "" {
		return nil, errors.New("the pre-tokenizer Metaspace has no replacement")
	}
	if m.prepend != "always" && m.prepend != "first" && m.prepend != "never" {
		return nil, fmt.Errorf("the prepend_scheme %q of Metaspace is not supported", m.prepend)
	}
	return m, nil
}

// postProcessor returns the ids that go before and after every text.
func (c *component) postProcessor() (prefix, suffix []int64, err error) {
	switch c.Type {
	case "ByteLevel":
		return nil, nil, nil
	case "BertProcessing", "RobertaProcessing":
		return []int64{int64(c.CLS)}, []int64{int64(c.SEP)}, nil
	case "TemplateProcessing":
		return c.template()
	case "Sequence":
		for i := range c.Processors {
			before, after, err := c.Processors[i].postProcessor()
			if err != nil {
				return nil, nil, err
			}
			prefix, suffix = append(before, prefix...), append(suffix, after...)
		}
		return prefix, suffix, nil
	}
	return nil, nil, fmt.Errorf("the post-processor %q is not supported", c.Type)
}

func (c *component) template() (prefix, suffix []int64, err error) {
	texts := 0
	for _, p := range c.Single {
		if p.Sequence == nil && p.SpecialToken == nil {
			return nil, nil, errors.New("the post-processor's template has a piece that is neither text nor special token")
		}
		if p.Sequence != nil {
			texts++
			if p.Sequence.ID != "A" || p.Sequence.TypeID != 0 {
				return nil, nil, errors.New("the post-processor's template wants a second text or another token type")
			}
			continue
		}
		special, found := c.SpecialTokens[p.SpecialToken.ID]
		if !found || p.SpecialToken.TypeID != 0 {
			return nil, nil, fmt.Errorf("the post-processor's template uses %q, which it does not define with token type 0",
				p.SpecialToken.ID)
		}
		if texts == 0 {
			prefix = append(prefix, special.IDs...)
		} else {
			suffix = append(suffix, special.IDs...)
		}
	}
	if texts != 1 {
		return nil, nil, fmt.Errorf("the post-processor's template takes the text %d times, not once", texts)
	}
	return prefix, suffix, nil
}
