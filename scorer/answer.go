package scorer

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"rcas/market"
)

// Answer is what a person said about a post: one JSON object a line, which [ReadLabelled] and the training read.
type Answer struct {
	// Key tells the post from others: source and id.
	Key string `json:"key"`
	// Coin is the symbol of the coin asked about.
	Coin string `json:"coin"`
	Text string `json:"text"`
	// Author lets the training keep an author's posts on one side.
	Author string      `json:"author,omitempty"`
	Kind   market.Kind `json:"kind"`
	// Mood is -1, 0 or 1, towards the coin.
	Mood int `json:"mood"`
}

// Lesson is a question that a person's answer would teach a model something about, with what the model says now.
type Lesson struct {
	Answer // without kind and mood
	Said   Judgement
}

// Lessons returns at most so many questions about the posts, those first whose answers teach most: where the model is unsure, of mood or
// of kind, and where what it says is rare. Posts that read alike are asked about once.
func Lessons(ctx context.Context, model Model, matcher *market.Matcher, tweets []*market.Tweet, most int) ([]Lesson, error) {
	var lessons []Lesson
	var questions []Question
	seen := map[int64]bool{}
	languages := model.Languages()
	for _, t := range tweets {
		coins := matcher.Mentions(t.Text)
		if hash := textHash(t, coins); len(t.Symbols) == 0 || seen[hash] || !Judgeable(t.Text) || !speaks(languages, t.Lang) {
			continue
		} else {
			seen[hash] = true
		}
		symbol := t.Symbols[len(lessons)%len(t.Symbols)]
		questions = append(questions, Question{Text: t.Text, Symbol: symbol, Coins: coins})
		lessons = append(lessons, Lesson{Answer: Answer{Key: t.Source + ":" + t.ID, Coin: symbol, Text: t.Text, Author: t.Author}})
	}
	answers, err := model.Score(ctx, questions)
	if err != nil {
		return nil, fmt.Errorf("ask model %s what it is unsure of: %w", model.Name(), err)
	}
	type said struct {
		mood Class
		kind market.Kind
	}
	common := map[said]float64{}
	for i, a := range answers {
		lessons[i].Said = a
		common[said{a.class(), a.Kind}]++
	}
	worth := func(l Lesson) float64 {
		doubt := 1 - float64(max(l.Said.Negative, l.Said.Neutral, l.Said.Positive))
		if l.Said.Kind != "" {
			doubt += 1 - float64(l.Said.KindProbability)
		}
		return doubt / math.Sqrt(common[said{l.Said.class(), l.Said.Kind}])
	}
	slices.SortStableFunc(lessons, func(a, b Lesson) int { return cmp.Compare(worth(b), worth(a)) })
	return lessons[:min(most, len(lessons))], nil
}

// class is the likeliest mood.
func (p Probabilities) class() Class {
	switch {
	case p.Negative > p.Neutral && p.Negative > p.Positive:
		return Negative
	case p.Positive > p.Neutral && p.Positive > p.Negative:
		return Positive
	}
	return Neutral
}
