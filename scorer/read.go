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
	var questions []Question
	var asked [][2]int // post and place among its coins, of each question
	type key struct {  // of the post's row
		source, id string
		micros     int64
	}
	seen := make(map[key]bool, len(tweets))
	for _, t := range tweets {
		if k := (key{t.Source, t.ID, t.Time.UnixMicro()}); seen[k] {
			continue
		} else {
			seen[k] = true
		}
		post := store.ScoredPost{Tweet: t, AuthorHash: authorHash(t), TextHash: textHash(t), Terms: r.Terms.Of(t.Text)}
		post.Sentiments = make([]market.Sentiment, len(t.Symbols))
		skipped := r.skips(t)
		for i, symbol := range t.Symbols {
			post.Sentiments[i].Skipped = skipped
			if skipped == "" {
				questions = append(questions, Question{Text: t.Text, Symbol: symbol})
				asked = append(asked, [2]int{len(posts), i})
			}
		}
		if skipped == "" {
			coins := r.Matcher.Mentions(t.Text)
			for i := range t.Symbols {
				questions[len(questions)-1-i].Coins = coins
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
		s.Negative, s.Neutral, s.Positive, s.Kind = a.Negative, a.Neutral, a.Positive, a.Kind
		if max(a.Negative, a.Neutral, a.Positive) < r.MinConfidence {
			s.Skipped = SkippedConfidence
		}
	}
	return posts, nil
}

// skips is why the model does not judge a post; empty where it does.
func (r *Reader) skips(t *market.Tweet) string {
	switch {
	case !Judgeable(t.Text):
		return SkippedNoText
	case !speaks(r.Model, t.Lang):
		return SkippedLanguage
	}
	return ""
}

// speaks tells whether a model judges a language. A text whose language nobody knows (often too short to tell) is judged.
func speaks(model Model, lang string) bool {
	languages := model.Languages()
	return lang == "" || len(languages) == 0 || slices.Contains(languages, lang)
}
