package market

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestDefaultAssets(t *testing.T) {
	t.Parallel()
	assets, err := DefaultAssets()
	require.NoError(t, err)
	require.Len(t, assets, 30)
	m := NewMatcher(assets)
	for _, a := range assets {
		require.Equal(t, []string{a.Symbol}, m.Match("$"+a.Symbol), "each coin is found by its cashtag")
		require.Equal(t, []string{a.Symbol}, m.Match("#"+a.Symbol), "and by its hashtag")
		require.Contains(t, m.Match("the token "+a.Name), a.Symbol, "and by its name in the company of a context word")
	}
}

func TestLoadAssetsRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ yaml, want string }{
		"nothing":              {"", "no coin is listed"},
		"no list":              {"assets: []", "no coin is listed"},
		"unknown key":          {"assets:\n- {symbol: A, name: A, colour: red}", "line 2: field colour not found"},
		"unknown top key":      {"coins:\n- {symbol: A, name: A}", "line 1: field coins not found"},
		"repeated key":         {"assets:\n- symbol: A\n  name: A\n  name: B", `line 4: mapping key "name" already defined`},
		"wrong type":           {"assets:\n- symbol: {}\n  name: A", "line 2: cannot unmarshal"},
		"no symbol":            {"assets:\n- name: A", `line 2: bad asset: the symbol "" must`},
		"lower case symbol":    {"assets:\n- {symbol: btc, name: Bitcoin}", `line 2: bad asset: the symbol "btc" must`},
		"symbol with dollar":   {"assets:\n- {symbol: $BTC, name: Bitcoin}", `line 2: bad asset: the symbol "$BTC" must`},
		"no name":              {"assets:\n- {symbol: A}", "line 2: bad asset: A has no name"},
		"repeated symbol":      {"assets:\n- {symbol: A, name: A}\n- {symbol: A, name: B}", `line 3: bad asset: A: the cashtag "A" is already one of A`},
		"taken cashtag":        {"assets:\n- {symbol: A, name: A}\n- {symbol: B, name: B, cashtags: [a]}", `line 3: bad asset: B: the cashtag "a" is already one of A`},
		"taken keyword":        {"assets:\n- {symbol: A, name: A, keywords: [x y]}\n- {symbol: B, name: B, ambiguous: [x-y]}", `line 3: bad asset: B: the keyword "x-y" is already`},
		"cashtag with dollar":  {"assets:\n- {symbol: A, name: A, cashtags: [$B]}", "without the dollar sign"},
		"hashtag of two words": {"assets:\n- {symbol: A, name: A, hashtags: [b c]}", "must be 1 to 8 words"},
		"keyword of no word":   {"assets:\n- {symbol: A, name: A, keywords: ['!']}", "must be 1 to 8 words"},
		"repeated exclusion":   {"assets:\n- {symbol: A, name: A, exclusions: [b, B]}", `the exclusion "B" is already one of A`},
		"keyword too long":     {"assets:\n- {symbol: A, name: A, keywords: [a b c d e f g h i]}", "must be 1 to 8 words"},
		"no YAML":              {"assets: [", "line 1: did not find expected node content"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := LoadAssets(strings.NewReader(test.yaml))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestLoadAssetsPassesReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	_, err := LoadAssets(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
}

func TestValidateAssets(t *testing.T) {
	t.Parallel()
	require.NoError(t, ValidateAssets([]Asset{{Symbol: "A", Name: "A"}, {Symbol: "1INCH", Name: "1inch"}}))
	require.ErrorIs(t, ValidateAssets([]Asset{{Symbol: "A", Name: "A"}, {Symbol: "A", Name: "A"}}), ErrBadAsset)
}

func FuzzLoadAssets(f *testing.F) {
	f.Add("assets:\n- {symbol: A, name: A, keywords: [b, c d], exclusions: [e f]}")
	f.Add(defaultAssets[:600])
	f.Fuzz(func(t *testing.T, text string) {
		assets, err := LoadAssets(strings.NewReader(text))
		if err != nil {
			return
		}
		m := NewMatcher(assets)
		for _, a := range assets {
			require.Contains(t, m.Match("$"+a.Symbol), a.Symbol)
		}
	})
}
