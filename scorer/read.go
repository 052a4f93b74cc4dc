package scorer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"rcas/market"
	"rcas/store"
)

// Reader reads posts: how each feels about each of its coins, who speaks, and what of it is worth counting.
type Reader struct {
	// Model judges.
	Model Model
	// Kinds is asked who speaks where Model does not tell; nil: nobody is.
	Kinds Model
	// Matcher finds where a post names its coins.
	Matcher *market.Matcher
	// Terms finds the words worth counting.
	Terms *Terms
	// MinConfidence as in [Service].
	MinConfidence float32
}

// Read reads posts: each post once, in the order given, those that the model can't judge with the reason.
func (r *Reader) Read(ctx context.Context, tweets []*market.Tweet) ([]store.ScoredPost, error) {
	posts := make([]store.ScoredPost, 0, len(tweets))
	coinsOfAll := 0
	for _, t := range tweets {
		coinsOfAll += len(t.Symbols)
	}
	sentiments := make([]market.Sentiment, coinsOfAll)
	questions := make([]Question, 0, coinsOfAll)
	asked := make([][2]int, 0, coinsOfAll) // post and place among its coins, of each question
	languages := r.Model.Languages()
	type key struct { // of the post's row
		source, id string
		micros     int64
	}
	seen := make(map[key]struct{}, len(tweets))
	for _, t := range tweets {
		if seen[key{t.Source, t.ID, t.Time.UnixMicro()}] = struct{}{}; len(seen) == len(posts) { // it was there
			continue
		}
		coins := r.Matcher.Mentions(t.Text)
		post := store.ScoredPost{Tweet: t, AuthorHash: authorHash(t), TextHash: textHash(t, coins)}
		n := len(t.Symbols)
		post.Sentiments, sentiments = sentiments[:n:n], sentiments[n:]
		skipped := skips(languages, t)
		for i, symbol := range t.Symbols {
			post.Sentiments[i].Skipped = skipped
			if skipped == "" {
				questions = append(questions, Question{Text: t.Text, Symbol: symbol, Coins: coins})
				asked = append(asked, [2]int{len(posts), i})
			}
		}
		posts = append(posts, post)
	}
	answers, err := r.Model.Score(ctx, questions)
	if err != nil {
		return nil, fmt.Errorf("score %d posts with %s: %w", len(posts), r.Model.Name(), err)
	}
	if len(answers) != len(questions) {
		return nil, errors.New("the model returned another number of answers than it was asked questions")
	}
	for i, a := range answers {
		s := &posts[asked[i][0]].Sentiments[asked[i][1]]
		s.Negative, s.Neutral, s.Positive = a.Negative, a.Neutral, a.Positive
		if max(a.Negative, a.Neutral, a.Positive) < r.MinConfidence {
			s.Skipped = SkippedConfidence
		}
	}
	kinds, err := r.kinds(ctx, questions, answers)
	if err != nil {
		return nil, err
	}
	for i, kind := range kinds {
		posts[asked[i][0]].Sentiments[asked[i][1]].Kind = kind
	}
	var space []string // for the words of many posts at once
	for i := range posts {
		if post := &posts[i]; len(post.Sentiments) > 0 && wordsCount(languages, post.Tweet, post.Sentiments[0].Kind) {
			if cap(space) < maxTerms {
				space = make([]string, 0, 16*maxTerms)
			}
			post.Terms = slices.Clip(r.Terms.Of(post.Tweet.Text, space))
			space = space[len(post.Terms):len(post.Terms)]
		}
	}
	return posts, nil
}

// kinds tells who speaks in the text of each question: of one text, the same for each of its coins.
func (r *Reader) kinds(ctx context.Context, questions []Question, answers []Judgement) ([]market.Kind, error) {
	kinds := make([]market.Kind, len(questions))
	if !r.Model.TellsKinds() && r.Kinds != nil {
		var err error
		if answers, err = r.Kinds.Score(ctx, questions); err != nil {
			return nil, fmt.Errorf("ask %s who speaks: %w", r.Kinds.Name(), err)
		}
	}
	for i := range questions {
		if kinds[i] = answers[i].Kind; i > 0 && questions[i].Text == questions[i-1].Text {
			kinds[i] = kinds[i-1]
		}
	}
	return kinds, nil
}

// wordsCount tells whether the words of a post are worth counting: a person's, in one of the model's languages.
func wordsCount(languages []string, t *market.Tweet, kind market.Kind) bool {
	return (kind == "" || kind == market.Person) && speaks(languages, t.Lang)
}

// TellsKinds says whether the reader learns who speaks.
func (r *Reader) TellsKinds() bool {
	return r.Model.TellsKinds() || r.Kinds != nil && r.Kinds.TellsKinds()
}

// skips is why a model of these languages does not judge a post; empty where it does.
func skips(languages []string, t *market.Tweet) string {
	switch {
	case !Judgeable(t.Text):
		return SkippedNoText
	case !speaks(languages, t.Lang):
		return SkippedLanguage
	}
	return ""
}

// speaks tells whether a model of these languages judges one. A text whose language nobody knows (often too short to tell) is judged.
func speaks(languages []string, lang string) bool {
	return lang == "" || len(languages) == 0 || slices.Contains(languages, lang)
}
