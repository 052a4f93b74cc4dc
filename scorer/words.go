package scorer

import (
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

// wordsModelType is the model_type of RCAS's own form: a vocabulary, and a graph from the ids of a post's words to probabilities.
const wordsModelType = "rcas-words"

const (
	// wordsBatch is how many words of posts, padding included, one run of the graph takes, if not one post alone has more. Fewer pay the
	// call too often; more are in no cache near the core.
	wordsBatch = 2048
	// mostWords bounds what config.json may ask for, and with it the memory of a run.
	mostWords = 1024
)

// wordsModel runs a graph that takes the ids of posts' words.
type wordsModel struct {
	name       string
	languages  []string
	vocabulary *vocabulary
	session    *onnx.Session
	maxWords   int
	columns    [3]int        // where the graph's output has negative, neutral and positive
	kinds      []market.Kind // what the columns of the graph's second output mean; none: it tells no kinds
	scratch    sync.Pool
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
	vocabulary, err := readVocabulary(files)
	if err != nil {
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
	model := &wordsModel{name: config.Name, languages: config.Languages, vocabulary: vocabulary, session: session,
		maxWords: own.MaxWords, columns: columns, kinds: own.Kinds}
	model.scratch.New = func() any { return &wordsScratch{vocabulary: vocabulary, at: make([]int32, vocabulary.wordIDs)} }
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

// graphInputs are what a graph of this form takes: the ids of a batch's words, each once and the first of them padding; for each post
// where its words stand among these, with padding before and after; and for each post the ids of its words and pairs of words.
var graphInputs = [...]string{"words", "places", "features"}

// probe runs the graph on the greatest ids, so that a file that cannot work fails when it is loaded.
func (m *wordsModel) probe() error {
	inputs := m.session.Inputs()
	for i, input := range inputs {
		if len(inputs) != len(graphInputs) || input.Name != graphInputs[i] || input.Type != "int32" {
			return fmt.Errorf("the graph takes %v, not %v of int32: is it a model of another kind than config.json says?", inputs, graphInputs)
		}
	}
	last := int32(m.vocabulary.wordIDs + m.vocabulary.pairIDs)
	outputs, err := m.answer(last - 1)
	if err != nil {
		return fmt.Errorf("the graph does not take the ids of %s and %s, to %d: %w", wordsFile, pairsFile, last-1, err)
	}
	if _, err := m.answer(last); err == nil {
		return fmt.Errorf("the graph knows more words and pairs than %s and %s, which hold %d: they belong to different models, or are damaged",
			wordsFile, pairsFile, last-firstWordID)
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

// answer runs the graph on two posts of one word, the vocabulary's last and an unknown one, the first of which has this feature besides.
func (m *wordsModel) answer(feature int32) ([]onnx.Matrix[float32], error) {
	last := int32(m.vocabulary.wordIDs) - 1
	words := onnx.Vector[int32]{paddingID, last, unknownID}
	places := onnx.Matrix[int32]{Rows: 2, Columns: 3, Data: []int32{0, 1, 0, 0, 2, 0}}
	features := onnx.Matrix[int32]{Rows: 2, Columns: 2, Data: []int32{last, feature, unknownID, paddingID}}
	return m.session.Run(len(m.session.Outputs()), words, places, features)
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
	vocabulary *vocabulary
	words      lexer.Words
	coins      []lexer.Coin
	ids, pairs []int32 // of all posts, one after the other
	posts      []splitPost
	batch      wordsInputs
	at         []int32 // where in the batch's words each id is; zero: nowhere
}

// wordsInputs are what the graph is fed; see graphInputs.
type wordsInputs struct{ words, places, features []int32 }

// splitPost is a text ready for the graph, written as the question about it wants.
type splitPost struct {
	place      int // among the results
	ids, pairs []int32
	bare       bool // nothing but names of coins, links and the like: no mood, whatever the graph says
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
	slices.SortFunc(scratch.posts, func(a, b splitPost) int { return cmp.Compare(len(a.ids), len(b.ids)) })
	for posts := scratch.posts; len(posts) > 0; {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("score texts: %w", err)
		}
		n := 1
		for n < len(posts) && (n+1)*len(posts[n].ids) <= wordsBatch {
			n++
		}
		if err := m.run(scratch, posts[:n], results); err != nil {
			return nil, fmt.Errorf("score texts with model %s: %w", m.name, err)
		}
		posts = posts[n:]
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
	s.posts, s.ids, s.pairs = s.posts[:0], s.ids[:0], s.pairs[:0]
	places = make([]int, len(questions))
	for i, question := range questions {
		s.coins = s.coins[:0]
		for _, c := range question.Coins {
			s.coins = append(s.coins, lexer.Coin{Start: c.Start, End: c.End, Asked: question.Symbol == "" || question.Symbol == c.Symbol})
		}
		s.words.Split(question.Text, limit, s.coins...)
		post := splitPost{place: i, ids: s.look(), bare: bare(&s.words)}
		if n := len(s.posts); n > 0 && i > 0 && s.posts[n-1].place == places[i-1] && slices.Equal(s.posts[n-1].ids, post.ids) {
			places[i], s.ids = places[i-1], s.ids[:len(s.ids)-len(post.ids)]
			continue
		}
		places[i] = i
		if len(post.ids) > 0 {
			post.pairs = s.pair(post.ids)
			s.posts = append(s.posts, post)
		}
	}
	return places
}

// look returns the ids of the words that were just split.
func (s *wordsScratch) look() []int32 {
	from := len(s.ids)
	for i := range s.words.Len() {
		s.ids = append(s.ids, s.vocabulary.id(s.words.At(i)))
	}
	return s.ids[from:]
}

// pair returns the ids of the pairs of neighbouring words that have one.
func (s *wordsScratch) pair(ids []int32) []int32 {
	from := len(s.pairs)
	for i, id := range ids[1:] {
		if pair := s.vocabulary.pair(ids[i], id); pair != 0 {
			s.pairs = append(s.pairs, pair)
		}
	}
	return s.pairs[from:]
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

// run judges one batch of posts, the longest of which is the last.
func (m *wordsModel) run(scratch *wordsScratch, posts []splitPost, results []Judgement) error {
	scratch.lay(posts)
	batch := &scratch.batch
	outputs, err := m.session.Run(len(m.session.Outputs()), onnx.Vector[int32](batch.words),
		onnx.Matrix[int32]{Rows: len(posts), Columns: len(batch.places) / len(posts), Data: batch.places},
		onnx.Matrix[int32]{Rows: len(posts), Columns: len(batch.features) / len(posts), Data: batch.features})
	if err != nil {
		return err
	}
	for row, post := range posts {
		results[post.place] = m.judgement(outputs, row)
		if post.bare {
			results[post.place].Probabilities = neutral.Probabilities
		}
	}
	return nil
}

// lay writes the posts as the graph's inputs.
func (s *wordsScratch) lay(posts []splitPost) {
	width, most := len(posts[len(posts)-1].ids)+2, 0
	for _, post := range posts {
		most = max(most, len(post.ids)+len(post.pairs))
	}
	b := &s.batch
	b.words, b.places, b.features = append(b.words[:0], paddingID), zeros(b.places, len(posts)*width), zeros(b.features, len(posts)*most)
	for row, post := range posts {
		places := b.places[row*width+1:]
		for i, id := range post.ids {
			if s.at[id] == 0 {
				s.at[id] = int32(len(b.words))
				b.words = append(b.words, id)
			}
			places[i] = s.at[id]
		}
		features := b.features[row*most:]
		copy(features[copy(features, post.ids):], post.pairs)
	}
	for _, id := range b.words {
		s.at[id] = 0
	}
}

// zeros returns so many zeros, in the slice's place where it is long enough.
func zeros(slice []int32, n int) []int32 {
	slice = slices.Grow(slice[:0], n)[:n]
	clear(slice)
	return slice
}
