package scorer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"sync"

	"rcas/market"
	"rcas/scorer/lexer"
	"rcas/scorer/onnx"
)

// wordsModelType is the model_type of RCAS's own form: one graph from posts, split into words and joined by spaces, to
// probabilities. The vocabulary is inside the graph.
const wordsModelType = "rcas-words"

const (
	// wordsBatch is how many texts one run of the graph takes; more gain nothing, and fewer pay the call too often.
	wordsBatch = 32
	// mostWords bounds what config.json may ask for, and with it the memory of a run.
	mostWords = 1024
)

// wordsModel runs a graph that takes split posts.
type wordsModel struct {
	name      string
	languages []string
	session   *onnx.Session
	maxWords  int
	columns   [3]int        // where the graph's output has negative, neutral and positive
	kinds     []market.Kind // what the columns of the graph's second output mean; none: it tells no kinds
	scratch   sync.Pool
}

// loadWords opens a model of RCAS's own form and checks that graph and configuration fit each other.
func loadWords(files fs.FS, config modelConfig, options Options) (Model, error) {
	var own struct {
		MaxWords int           `json:"max_words"`
		Kinds    []market.Kind `json:"kinds"`
	}
	if err := json.Unmarshal(config.Raw, &own); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	if own.MaxWords < 1 || own.MaxWords > mostWords {
		return nil, fmt.Errorf("config.json: max_words is %d, not a number from 1 to %d", own.MaxWords, mostWords)
	}
	columns, err := threeColumns(config.ID2Label)
	if err != nil {
		return nil, err
	}
	if err := checkKinds(own.Kinds); err != nil {
		return nil, err
	}
	graph, err := fs.ReadFile(files, "model.onnx")
	if err != nil {
		return nil, fmt.Errorf("read its graph: %w", err)
	}
	session, err := onnx.OpenBytes(graph, onnx.Options{Threads: options.Threads})
	if err != nil {
		return nil, err
	}
	model := &wordsModel{name: config.Name, languages: config.Languages, session: session, maxWords: own.MaxWords,
		columns: columns, kinds: own.Kinds}
	model.scratch.New = func() any { return new(wordsScratch) }
	if err := model.probe(); err != nil {
		return nil, errors.Join(err, session.Close())
	}
	return model, nil
}

// threeColumns finds negative, neutral and positive among the labels of a graph's columns.
func threeColumns(labels map[string]string) (columns [3]int, err error) {
	names := [3]string{"negative", "neutral", "positive"}
	if len(labels) != len(names) {
		return columns, fmt.Errorf("config.json: id2label has %d labels, not negative, neutral and positive", len(labels))
	}
	var found [3]bool
	for key, label := range labels {
		column, err := strconv.Atoi(key)
		class := slices.Index(names[:], label)
		if err != nil || column < 0 || column >= len(names) || class < 0 || found[class] {
			return columns, fmt.Errorf("config.json: id2label says %q for column %q; it must name negative, neutral and positive "+
				"for columns 0 to 2, each once", label, key)
		}
		columns[class], found[class] = column, true
	}
	return columns, nil
}

// checkKinds wants each kind once, or none.
func checkKinds(kinds []market.Kind) error {
	if len(kinds) == 0 {
		return nil
	}
	if len(kinds) != len(market.Kinds) {
		return fmt.Errorf("config.json: kinds has %d names, not the %d of %v", len(kinds), len(market.Kinds), market.Kinds)
	}
	for i, kind := range kinds {
		if !slices.Contains(market.Kinds, kind) || slices.Contains(kinds[:i], kind) {
			return fmt.Errorf("config.json: kinds says %q; it must name %v, each once, in the order of the graph's columns", kind, market.Kinds)
		}
	}
	return nil
}

// probe runs the graph once, so that a file that cannot work fails when it is loaded.
func (m *wordsModel) probe() error {
	inputs := m.session.Inputs()
	if len(inputs) != 1 || inputs[0].Type != "string" || len(inputs[0].Shape) != 1 {
		return fmt.Errorf("the graph takes %v, not one vector of strings: is it a model of another kind than config.json says?", inputs)
	}
	outputs, err := m.session.RunTexts([]string{"good news", "why"})
	if err != nil {
		return err
	}
	if result := outputs[0]; result.Rows != 2 || result.Columns != 3 {
		return fmt.Errorf("the graph returned a %d×%d matrix for two texts, not 2×3 as config.json's labels say", result.Rows,
			result.Columns)
	}
	if len(m.kinds) > 0 {
		if len(outputs) < 2 {
			return errors.New("config.json names kinds, but the graph has no second output for them")
		}
		if result := outputs[1]; result.Rows != 2 || result.Columns != len(m.kinds) {
			return fmt.Errorf("the graph's second output is a %d×%d matrix for two texts, not 2×%d as config.json's kinds say", result.Rows,
				result.Columns, len(m.kinds))
		}
	}
	for _, output := range outputs[:1+min(len(m.kinds), 1)] {
		for row := range 2 {
			if values := output.Data[row*output.Columns:][:output.Columns]; !isDistribution(values) {
				return fmt.Errorf("the graph's output %v is no probabilities: it must end in a softmax", values)
			}
		}
	}
	return nil
}

// isDistribution tells whether the numbers are probabilities that sum to one.
func isDistribution(values []float32) bool {
	sum := float32(0)
	for _, v := range values {
		if !(v >= 0) { // nor NaN
			return false
		}
		sum += v
	}
	return sum > 0.99 && sum < 1.01
}

// judgement reads one row of the graph's outputs.
func (m *wordsModel) judgement(outputs []onnx.Matrix[float32], row int) Judgement {
	values := outputs[0].Data[row*outputs[0].Columns:]
	j := Judgement{Probabilities: Probabilities{values[m.columns[Negative]], values[m.columns[Neutral]], values[m.columns[Positive]]}}
	if len(m.kinds) > 0 {
		shares := outputs[1].Data[row*len(m.kinds):][:len(m.kinds)]
		for i, share := range shares {
			if i == 0 || share > j.KindProbability {
				j.Kind, j.KindProbability = m.kinds[i], share
			}
		}
	}
	return j
}

func (m *wordsModel) Name() string        { return m.name }
func (m *wordsModel) TellsKinds() bool    { return len(m.kinds) > 0 }
func (m *wordsModel) Languages() []string { return slices.Clone(m.languages) }
func (m *wordsModel) Close() error        { return m.session.Close() }

// wordsScratch is what one Score works with; it is used again.
type wordsScratch struct {
	words lexer.Words
	coins []lexer.Coin
	lines []byte // of all posts, one after the other
	posts []splitPost
	texts []string
}

// splitPost is a text ready for the graph, written as the question about it wants.
type splitPost struct {
	place int // among the results
	words int
	// from and to are the bytes of its line, among those of all.
	from, to int
	line     string
	bare     bool // nothing but names of coins, links and the like: no mood, whatever the graph says
}

func (m *wordsModel) Score(ctx context.Context, questions []Question) ([]Judgement, error) {
	scratch := m.scratch.Get().(*wordsScratch)
	defer m.scratch.Put(scratch)
	places := scratch.split(questions, m.maxWords)
	results := make([]Judgement, len(questions))
	for i := range results {
		results[i] = neutral
	}
	// Posts of like length go together, so that little of a batch is padding.
	slices.SortFunc(scratch.posts, func(a, b splitPost) int { return cmp.Compare(a.words, b.words) })
	for batch := range slices.Chunk(scratch.posts, wordsBatch) {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("score texts: %w", err)
		}
		if err := m.run(scratch, batch, results); err != nil {
			return nil, fmt.Errorf("score texts with model %s: %w", m.name, err)
		}
	}
	answers := make([]Judgement, len(questions))
	for i, place := range places {
		answers[i] = results[place]
	}
	return answers, nil
}

// split writes the questions as posts, those that read alike and follow each other once, and returns where the result of each
// question will be.
func (s *wordsScratch) split(questions []Question, limit int) (places []int) {
	s.posts, s.lines = s.posts[:0], s.lines[:0]
	places = make([]int, len(questions))
	for i, question := range questions {
		s.coins = s.coins[:0]
		for _, c := range question.Coins {
			s.coins = append(s.coins, lexer.Coin{Start: c.Start, End: c.End, Asked: question.Symbol == "" || question.Symbol == c.Symbol})
		}
		s.words.Split(question.Text, limit, s.coins...)
		from := len(s.lines)
		s.lines = s.words.Append(s.lines)
		line := s.lines[from:]
		if n := len(s.posts); n > 0 && i > 0 && s.posts[n-1].place == places[i-1] && bytes.Equal(s.lines[s.posts[n-1].from:s.posts[n-1].to], line) {
			places[i], s.lines = places[i-1], s.lines[:from]
			continue
		}
		places[i] = i
		if s.words.Len() > 0 {
			s.posts = append(s.posts, splitPost{place: i, words: s.words.Len(), from: from, to: len(s.lines), bare: bare(&s.words)})
		}
	}
	lines := string(s.lines)
	for i := range s.posts {
		s.posts[i].line = lines[s.posts[i].from:s.posts[i].to]
	}
	return places
}

// bare tells whether the words say nothing of any mood: no word, number or emoji beside names of coins, such as $BTC or $BTC.X.
func bare(words *lexer.Words) bool {
	named := false // by the word before
	for i := range words.Len() {
		word := words.At(i)
		switch string(word) {
		case lexer.Asked, lexer.Other, "#" + lexer.Asked, "#" + lexer.Other:
			named = true
			continue
		}
		if !silent(word) && !(named && string(word) == "x") {
			return false
		}
		named = false
	}
	return true
}

// run judges one batch.
func (m *wordsModel) run(scratch *wordsScratch, batch []splitPost, results []Judgement) error {
	scratch.texts = scratch.texts[:0]
	for _, post := range batch {
		scratch.texts = append(scratch.texts, post.line)
	}
	outputs, err := m.session.RunTexts(scratch.texts)
	if err != nil {
		return err
	}
	for row, post := range batch {
		results[post.place] = m.judgement(outputs, row)
		if post.bare {
			results[post.place].Probabilities = neutral.Probabilities
		}
	}
	return nil
}
