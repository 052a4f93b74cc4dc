package twitter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"rcas/ingestor/feed"
	"rcas/market"
)

// Limits of the filtered stream and of the recent search.
const (
	maxRules     = 1000
	maxRuleBytes = 1024
	maxQuery     = 512
)

// Rule is a filter of the stream. Its tag is the symbol of the coin.
type Rule struct {
	ID    string `json:"id,omitempty"`
	Value string `json:"value"`
	Tag   string `json:"tag"`
}

// Rules makes the rules of coins: any of its cashtags, hashtags, keywords or its name, none of the exclusions of these, and the
// filter (such as "lang:en -is:retweet"; may be empty). A coin has as many rules as its words need at limit bytes a rule.
// Ambiguous words count only as hashtags: by themselves they would bring, and bill, mostly posts about other things. So would
// hashtags that the matcher takes for the coin only in company, or in upper case, which X does not know: these are asked for
// beside words of the coin's context.
func Rules(assets []market.Asset, filter string, limit int) ([]Rule, error) {
	var rules []Rule
	for i := range assets {
		asset := &assets[i]
		list, tail := terms(asset), ""
		for _, exclusion := range asset.Exclusions {
			if spoils(exclusion, list) {
				tail += " -" + phrase(exclusion)
			}
		}
		if filter != "" {
			tail += " " + filter
		}
		values, err := split(list, tail, limit)
		if err != nil {
			return nil, fmt.Errorf("rules of %s: %w", asset.Symbol, err)
		}
		for _, value := range values {
			rules = append(rules, Rule{Value: value, Tag: asset.Symbol})
		}
	}
	if len(rules) > maxRules {
		return nil, fmt.Errorf("the assets file needs %d rules, X allows %d: name fewer coins", len(rules), maxRules)
	}
	return rules, nil
}

// spoils tells whether the exclusion holds words that are asked for. Any other would only keep posts away that have a tag too.
func spoils(exclusion string, terms []string) bool {
	return slices.ContainsFunc(terms, func(term string) bool {
		words, ok := strings.CutPrefix(term, `"`)
		return ok && strings.Contains(strings.ToLower(exclusion), strings.ToLower(strings.TrimSuffix(words, `"`)))
	})
}

// companions is how many words of the context stand beside a hashtag that needs company.
const companions = 8

// terms returns the alternatives by which a post speaks of the coin, as X's operators, without repeats. X knows no letter case.
func terms(a *market.Asset) []string {
	var list []string
	seen := map[string]bool{}
	add := func(term string) {
		if lower := strings.ToLower(term); !seen[lower] {
			seen[lower] = true
			list = append(list, term)
		}
	}
	matcher := market.NewMatcher([]market.Asset{*a})
	addHashtag := func(tag string) {
		company := slices.Clone(a.Context[:min(companions, len(a.Context))])
		counts := func(company string) bool { return matcher.Match("#"+strings.ToLower(tag)+" "+company) != nil }
		switch {
		case counts(""):
			add("#" + tag)
		case len(company) > 0 && counts(company[0]):
			for i, word := range company {
				company[i] = phrase(word)
			}
			add(fmt.Sprintf(`(#%s (%s))`, tag, strings.Join(company, " OR ")))
		}
	}
	for _, ticker := range append([]string{a.Symbol}, a.Cashtags...) {
		add("$" + ticker)
		addHashtag(ticker)
	}
	ambiguous := func(term string) bool {
		return slices.ContainsFunc(a.Ambiguous, func(x string) bool { return strings.EqualFold(x, term) })
	}
	for _, word := range append([]string{a.Name}, a.Keywords...) {
		if !ambiguous(word) {
			add(phrase(word))
		}
	}
	for _, tag := range append(append(slices.Clone(a.Hashtags), a.Name), a.Ambiguous...) {
		if joined := strings.Map(letters, tag); joined != "" {
			addHashtag(joined)
		}
	}
	return list
}

// letters drops what a hashtag can't hold.
func letters(r rune) rune {
	if strings.ContainsRune(" -.'\"", r) {
		return -1
	}
	return r
}

// phrase quotes words that are to stand together.
func phrase(words string) string { return `"` + strings.ReplaceAll(words, `"`, "") + `"` }

// split joins terms by OR into as few rules of at most limit bytes as their order allows.
func split(terms []string, tail string, limit int) ([]string, error) {
	var values []string
	group := ""
	for _, term := range terms {
		if len("()")+len(term)+len(tail) > limit {
			return nil, fmt.Errorf("%s with exclusions and filter exceeds %d bytes: shorten them", term, limit)
		}
		if longer := group + " OR " + term; group != "" && len("()")+len(longer)+len(tail) <= limit {
			group = longer
			continue
		}
		if group != "" {
			values = append(values, "("+group+")"+tail)
		}
		group = term
	}
	if group != "" {
		values = append(values, "("+group+")"+tail)
	}
	return values, nil
}

// syncRules makes the stream's rules those wanted: what is missing is added, then what is not wanted is deleted, so that no
// coin is ever without its rules. Rules of the same app that RCAS did not make go too.
func (r *reader) syncRules(ctx context.Context) error {
	var answer struct {
		Data []Rule `json:"data"`
		Meta *meta  `json:"meta"`
	}
	if err := r.get(ctx, "/2/tweets/search/stream/rules", &answer); err != nil {
		return fmt.Errorf("read the stream's rules: %w", err)
	}
	if answer.Meta == nil {
		return fmt.Errorf("read the stream's rules: %w: no list of rules", feed.ErrMalformed)
	}
	same := func(a, b Rule) bool { return a.Value == b.Value && a.Tag == b.Tag }
	var add []Rule
	for _, rule := range r.rules {
		if !slices.ContainsFunc(answer.Data, func(x Rule) bool { return same(x, rule) }) {
			add = append(add, rule)
		}
	}
	var remove []string
	for i, rule := range answer.Data {
		wanted := slices.ContainsFunc(r.rules, func(x Rule) bool { return same(x, rule) })
		repeated := slices.ContainsFunc(answer.Data[:i], func(x Rule) bool { return same(x, rule) })
		if !wanted || repeated {
			remove = append(remove, rule.ID)
		}
	}
	for batch := range slices.Chunk(add, 100) {
		if err := r.postRules(ctx, map[string]any{"add": batch}); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(remove, 100) {
		if err := r.postRules(ctx, map[string]any{"delete": map[string]any{"ids": batch}}); err != nil {
			return err
		}
	}
	if len(add)+len(remove) > 0 {
		r.log.Info("stream rules changed", "added", len(add), "deleted", len(remove), "rules", len(r.rules))
	}
	return nil
}

func (r *reader) postRules(ctx context.Context, change any) error {
	body, err := json.Marshal(change)
	if err != nil {
		return feed.Fatal(err)
	}
	request, err := r.request(ctx, http.MethodPost, "/2/tweets/search/stream/rules", bytes.NewReader(body))
	if err != nil {
		return feed.Fatal(err)
	}
	var answer struct {
		Errors []struct {
			Title   string   `json:"title"`
			Value   string   `json:"value"`
			Details []string `json:"details"`
		} `json:"errors"`
	}
	if _, err := r.rest.Do(request, &answer); err != nil {
		if isStatus(err, http.StatusBadRequest) {
			return feed.Fatal(fmt.Errorf("x refuses the stream's rules, change the assets file or the filter: %w", err))
		}
		return fmt.Errorf("change the stream's rules: %w", limited(err))
	}
	for _, e := range answer.Errors {
		if e.Title == "DuplicateRule" {
			continue
		}
		r.sink.Count(Source, "refused", 1)
		r.log.Error("x refused a rule", "rule", e.Value, "reason", e.Title, "details", e.Details)
	}
	return nil
}
