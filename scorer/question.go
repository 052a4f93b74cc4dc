package scorer

import (
	"sync"

	"rcas/market"
)

// Question asks a model how a text feels about one coin.
type Question struct {
	// Text is the post.
	Text string
	// Symbol is the coin that is asked about; empty asks for the mood of the text as a whole.
	Symbol string
	// Coins are the places where the text names coins, the one that is asked about and others, as [market.Matcher.Mentions] finds
	// them; nil where nobody looked.
	Coins []market.Mention
}

// usual finds the coins that RCAS knows without being told.
var usual = sync.OnceValue(func() *market.Matcher {
	assets, err := market.DefaultAssets()
	if err != nil {
		panic(err) // the file is part of the program
	}
	return market.NewMatcher(assets)
})

// Ask asks for the mood of texts as wholes: towards any of the coins that RCAS ships with where they name one.
func Ask(texts ...string) []Question {
	questions := make([]Question, len(texts))
	for i, text := range texts {
		questions[i] = Question{Text: text, Coins: usual().Mentions(text)}
	}
	return questions
}

// Probabilities are what a model reads in one text. They sum to one.
type Probabilities struct {
	Negative float32 `json:"negative"`
	Neutral  float32 `json:"neutral"`
	Positive float32 `json:"positive"`
}

// Judgement is a model's answer to a question.
type Judgement struct {
	Probabilities
	// Kind is the likeliest kind of speaker and KindProbability how likely it is; empty and zero of a model that tells no kinds.
	Kind            market.Kind `json:"kind,omitempty"`
	KindProbability float32     `json:"kind_probability,omitempty"`
}

// neutral is the answer where a text holds nothing to judge.
var neutral = Judgement{Probabilities: Probabilities{Neutral: 1}}

// distinctTexts are the texts of questions, those that follow each other with one text once, and each question's place among them.
func distinctTexts(questions []Question) (texts []string, places []int) {
	texts, places = make([]string, 0, len(questions)), make([]int, len(questions))
	for i, question := range questions {
		if i == 0 || question.Text != questions[i-1].Text {
			texts = append(texts, question.Text)
		}
		places[i] = len(texts) - 1
	}
	return texts, places
}
