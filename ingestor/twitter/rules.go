package twitter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
// coin is ever without its rules. Rules of the same app that RCAS did not make go too. A rule that X refuses costs its own coin only;
// where it refuses all, that is an error, since the stream would bring nothing. Once done it is not done again, unless it is asked for.
func (r *reader) syncRules(ctx context.Context, again bool) error {
	r.ruling.Lock()
	defer r.ruling.Unlock()
	if r.ruled && !again {
		return nil
	}
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
	add, remove := r.difference(answer.Data)
	refused := map[string]string{}
	for batch := range slices.Chunk(add, 100) {
		if err := r.addRules(ctx, batch, refused); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(remove, 100) {
		if _, err := r.postRules(ctx, map[string]any{"delete": map[string]any{"ids": batch}}); err != nil {
			return fmt.Errorf("delete rules of the stream: %w", limited(err))
		}
	}
	r.ruled = len(refused) < len(r.rules)
	if !r.ruled {
		return feed.Later(fmt.Errorf("x refuses the rules of all coins; change the assets file or the filter, or X's plan: %s",
			refused[r.rules[0].Value]), r.cfg.Rules)
	}
	r.lacking = len(refused) > 0
	for i, rule := range r.rules {
		if why, ok := refused[rule.Value]; ok {
			r.state.LeaveOut(name("stream of", r.rules, i), "x refuses its rule: "+why)
		} else {
			r.state.TakeIn(name("stream of", r.rules, i))
		}
	}
	if len(add)-len(refused)+len(remove) > 0 {
		r.log.Info("stream rules changed", "added", len(add)-len(refused), "deleted", len(remove), "rules", len(r.rules))
	}
	return nil
}

// difference returns the rules to add to those there, and the identifiers of those to delete.
func (r *reader) difference(there []Rule) (add []Rule, remove []string) {
	same := func(a, b Rule) bool { return a.Value == b.Value && a.Tag == b.Tag }
	for _, rule := range r.rules {
		if !slices.ContainsFunc(there, func(x Rule) bool { return same(x, rule) }) {
			add = append(add, rule)
		}
	}
	for i, rule := range there {
		wanted := slices.ContainsFunc(r.rules, func(x Rule) bool { return same(x, rule) })
		repeated := slices.ContainsFunc(there[:i], func(x Rule) bool { return same(x, rule) })
		if !wanted || repeated {
			remove = append(remove, rule.ID)
		}
	}
	return add, remove
}

// addRules adds rules, and books those that X refuses with its reasons. Where X refuses a whole request for the sake of some, the
// others are sent again without these; where it names none, each half by itself.
func (r *reader) addRules(ctx context.Context, batch []Rule, refused map[string]string) error {
	problems, err := r.postRules(ctx, map[string]any{"add": batch})
	whole := isStatus(err, http.StatusBadRequest)
	if err != nil && !whole {
		return fmt.Errorf("add rules to the stream: %w", limited(err))
	}
	var others []Rule
	for _, rule := range batch {
		i := slices.IndexFunc(problems, func(p refusal) bool { return p.Value == rule.Value && p.Title != "DuplicateRule" })
		switch {
		case i >= 0:
			refused[rule.Value] = problems[i].reason()
		case whole && len(batch) == 1:
			refused[rule.Value] = said(err).Error()
		default:
			others = append(others, rule)
			continue
		}
		r.sink.Count(Source, "refused", 1)
	}
	switch half := len(others) / 2; {
	case !whole || len(others) == 0:
		return nil
	case len(others) < len(batch):
		return r.addRules(ctx, others, refused)
	default:
		return errors.Join(r.addRules(ctx, others[:half], refused), r.addRules(ctx, others[half:], refused))
	}
}

// postRules changes the stream's rules, and returns what X finds wrong with them, also with an error.
func (r *reader) postRules(ctx context.Context, change any) ([]refusal, error) {
	body, err := json.Marshal(change)
	if err != nil {
		return nil, feed.Fatal(err)
	}
	request, err := r.request(ctx, http.MethodPost, "/2/tweets/search/stream/rules", bytes.NewReader(body))
	if err != nil {
		return nil, feed.Fatal(err)
	}
	var answer struct {
		Errors []refusal `json:"errors"`
	}
	_, err = r.rest.Do(request, &answer)
	if status, ok := errors.AsType[*feed.StatusError](err); ok {
		_ = json.Unmarshal([]byte(status.Body), &answer) // a page of HTML names no rules
	}
	return answer.Errors, err
}

// retryRules tries refused rules again now and then, until ctx ends.
func (r *reader) retryRules(ctx context.Context) {
	for feed.Sleep(ctx, r.cfg.Rules) == nil {
		r.ruling.Lock()
		some := r.ruled && r.lacking
		r.ruling.Unlock()
		if !some {
			continue
		}
		if err := r.syncRules(ctx, true); err != nil && ctx.Err() == nil {
			r.log.Warn("rules that x refused could not be tried again", "err", err)
		}
	}
}

// name tells which of a coin's rules or queries one is.
func name(kind string, rules []Rule, i int) string {
	n := 1
	for _, earlier := range rules[:i] {
		if earlier.Tag == rules[i].Tag {
			n++
		}
	}
	if n > 1 {
		return fmt.Sprintf("%s %s (%d)", kind, rules[i].Tag, n)
	}
	return kind + " " + rules[i].Tag
}
