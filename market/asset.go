package market

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Asset is one coin and the words by which a post speaks of it. A [Matcher] reads them.
//
// Letter case in Keywords, Ambiguous and Exclusions: a term in lower case matches in any case, a term with an upper-case
// letter matches exactly as written ("btc" finds BTC, Btc and btc; "SOL" finds SOL only). The words of a phrase may have
// spaces and hyphens between them, nothing else. Keywords in lower case and names also match their plural in s.
type Asset struct {
	// Symbol is the ticker in upper case: BTC. It is the coin's name in every table and subject. It counts after $, and after #
	// unless Ambiguous lists it; as a plain word it counts only where Keywords or Ambiguous list it.
	Symbol string `yaml:"symbol"`
	// Name is the coin's full name: Bitcoin. It counts in any case, unless Ambiguous lists it.
	Name string `yaml:"name"`
	// Cashtags are further tickers, written without the dollar sign: XBT.
	Cashtags []string `yaml:"cashtags,omitempty"`
	// Hashtags are further hashtags, written without the number sign. Symbol, Name and Keywords, written together, count
	// as hashtags anyway.
	Hashtags []string `yaml:"hashtags,omitempty"`
	// Keywords are words and phrases that mean this coin wherever they stand.
	Keywords []string `yaml:"keywords,omitempty"`
	// Ambiguous are words that mean this coin only in company: where the post surely speaks of another coin or holds one of
	// Context. As a hashtag, written exactly as here, they need no company (#LINK; #link does, unless Hashtags lists it), nor
	// does the symbol where it is traded: "bought some SOL", "LTC up 5%". In a post that is mostly upper case, an upper-case
	// term says nothing and does not count.
	Ambiguous []string `yaml:"ambiguous,omitempty"`
	// Context are the words, in any case, that make Ambiguous ones count.
	Context []string `yaml:"context,omitempty"`
	// Exclusions are phrases whose words do not speak of a coin, unless as a tag: "ripple effect".
	Exclusions []string `yaml:"exclusions,omitempty"`
}

// ErrBadAsset is wrapped by every complaint about the contents of an assets file.
var ErrBadAsset = errors.New("bad asset")

// maxTermWords bounds the words of one keyword, context word or exclusion.
const maxTermWords = 8

//go:embed assets.yaml
var defaultAssets string

// DefaultAssets returns the coins of the file that RCAS ships: the thirty largest, stablecoins left out.
func DefaultAssets() ([]Asset, error) {
	return LoadAssets(strings.NewReader(defaultAssets))
}

// LoadAssets reads an assets file: YAML with one key, assets, a list of [Asset]. Unknown keys, repeated symbols and terms that
// two coins claim are errors that name the line.
func LoadAssets(r io.Reader) ([]Asset, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the assets file: %w", err)
	}
	var file struct {
		Assets []Asset `yaml:"assets"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the assets file: %w", err)
	}
	if len(file.Assets) == 0 {
		return nil, fmt.Errorf("reading the assets file: %w: no coin is listed under the key assets", ErrBadAsset)
	}
	if at, err := firstBadAsset(file.Assets); err != nil {
		return nil, fmt.Errorf("reading the assets file: line %d: %w", assetLine(text, at), err)
	}
	return file.Assets, nil
}

// ValidateAssets checks a list of coins that came from elsewhere than [LoadAssets]: symbols are there and unique, terms
// are words, and no term is claimed by two coins.
func ValidateAssets(assets []Asset) error {
	_, err := firstBadAsset(assets)
	return err
}

// firstBadAsset returns the index of the first asset that clashes with itself or an earlier one, and how.
func firstBadAsset(assets []Asset) (int, error) {
	owners := map[string]string{}
	for i := range assets {
		if err := assets[i].claim(owners); err != nil {
			return i, err
		}
	}
	return 0, nil
}

// claim enters the asset's terms into owners (kind and term → symbol) and complains about what is taken or makes no sense.
func (a *Asset) claim(owners map[string]string) error {
	if a.Symbol == "" || !isTicker(a.Symbol) || a.Symbol != strings.ToUpper(a.Symbol) {
		return fmt.Errorf("%w: the symbol %q must be letters and digits, in upper case", ErrBadAsset, a.Symbol)
	}
	if strings.TrimSpace(a.Name) == "" {
		return fmt.Errorf("%w: %s has no name", ErrBadAsset, a.Symbol)
	}
	for _, tag := range append([]string{a.Symbol}, a.Cashtags...) {
		if !isTicker(tag) {
			return fmt.Errorf("%w: %s: the cashtag %q must be letters and digits only, without the dollar sign",
				ErrBadAsset, a.Symbol, tag)
		}
		if err := a.own(owners, "cashtag", tag); err != nil {
			return err
		}
	}
	lists := []struct {
		kind  string
		terms []string
	}{{"hashtag", a.Hashtags}, {"keyword", a.Keywords}, {"keyword", a.Ambiguous}, {"context", a.Context},
		{"exclusion", a.Exclusions}}
	for _, list := range lists {
		for _, term := range list.terms {
			if n := len(termWords(term)); n == 0 || n > maxTermWords || list.kind == "hashtag" && n > 1 {
				return fmt.Errorf("%w: %s: the %s %q must be 1 to %d words (a hashtag one word)",
					ErrBadAsset, a.Symbol, list.kind, term, maxTermWords)
			}
			if err := a.own(owners, list.kind, term); err != nil {
				return err
			}
		}
	}
	return nil
}

// own enters one term. Context words and exclusions may be shared between coins, but not repeated within one.
func (a *Asset) own(owners map[string]string, kind, term string) error {
	key := kind + " " + strings.Join(termWords(strings.ToLower(term)), " ")
	if kind == "keyword" {
		key = kind + " " + strings.Join(termWords(term), " ")
	}
	if kind == "context" || kind == "exclusion" {
		key += " of " + a.Symbol
	}
	if owner, taken := owners[key]; taken {
		return fmt.Errorf("%w: %s: the %s %q is already one of %s", ErrBadAsset, a.Symbol, kind, term, owner)
	}
	owners[key] = a.Symbol
	return nil
}

func isTicker(s string) bool {
	words := termWords(s)
	return len(words) == 1 && words[0] == s && len(s) <= maxTickerBytes
}

// assetLine finds the line on which the asset at the index begins.
func assetLine(text []byte, index int) int {
	var file struct {
		Assets []yaml.Node `yaml:"assets"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil || index >= len(file.Assets) {
		return 1
	}
	return file.Assets[index].Line
}
