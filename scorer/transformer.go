package scorer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rcas/scorer/onnx"
	"rcas/scorer/tokenizer"
)

const (
	// transformerBatch is how many texts one run of the graph takes; with texts of like length together, more gain nothing.
	transformerBatch = 8
	// mostTokens bounds a text's length where neither the tokenizer nor config.json does, and whatever they say.
	mostTokens = 512
)

// graphFiles are where an export may keep its graph, the exact one before the smaller one.
var graphFiles = [...]string{"model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx"}

// transformer is a text classifier as Hugging Face exports it: token ids go in, one logit for each label comes out.
type transformer struct {
	name      string
	languages []string
	session   *onnx.Session
	tokenizer *tokenizer.Tokenizer
	// classes tells what each column of the logits is: Negative, Neutral or Positive.
	classes   []Class
	said      string   // what config.json says of them, for when the graph says otherwise
	feeds     []string // the graph's inputs, in its order
	maxLength int
	padID     int64
	padLeft   bool
	masked    bool // the graph can tell padding from text
}

// transformerConfig is what config.json says beside what every model needs.
type transformerConfig struct {
	Label2ID     map[string]int `json:"label2id"`
	NumLabels    int            `json:"num_labels"`
	MaxPositions int            `json:"max_position_embeddings"`
	PadID        *int64         `json:"pad_token_id"`
	Vocabulary   int64          `json:"vocab_size"`
	Problem      string         `json:"problem_type"`
}

// loadTransformer opens a text classifier as Hugging Face exports it, and runs it once: what cannot work fails here.
func loadTransformer(dir string, config modelConfig, options Options) (Model, error) {
	var own transformerConfig
	if err := json.Unmarshal(config.Raw, &own); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	classes, err := labelClasses(config.ID2Label, own)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	graph, err := findGraph(dir)
	if err != nil {
		return nil, err
	}
	tokens, err := tokenizer.Load(dir)
	if err != nil {
		return nil, err
	}
	m := &transformer{name: config.Name, languages: config.Languages, tokenizer: tokens, classes: classes,
		said: labelsSaid(config.ID2Label, own), padLeft: tokens.PadLeft(), maxLength: maxTokens(config.ModelType, own, tokens)}
	if err := m.setPadding(own); err != nil {
		return nil, err
	}
	if m.session, err = onnx.Open(graph, onnx.Options{Threads: options.Threads}); err != nil {
		return nil, err
	}
	err = m.setInputs()
	if err == nil {
		err = m.probe()
	}
	if err != nil {
		return nil, errors.Join(err, m.session.Close())
	}
	return m, nil
}

func findGraph(dir string) (string, error) {
	for _, name := range graphFiles {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("it holds none of %s: export the model to ONNX first", strings.Join(graphFiles[:], ", "))
}

// labelNames are the words that models use for the classes, in lower case.
var labelNames = map[string]Class{
	"negative": Negative, "neg": Negative, "bearish": Negative, "bear": Negative,
	"neutral": Neutral, "neu": Neutral,
	"positive": Positive, "pos": Positive, "bullish": Positive, "bull": Positive,
}

// labelClasses tells what each column of the logits is. Labels without a meaning, LABEL_0 and so on, are read as negative,
// neutral, positive where there are three and as negative, positive where there are two: the order of all well-known models
// that keep them. A config.json without id2label has as many such as its num_labels says, or two, for that is when transformers
// leaves it out.
func labelClasses(labels map[string]string, config transformerConfig) ([]Class, error) {
	if config.Problem == "multi_label_classification" || config.Problem == "regression" {
		return nil, fmt.Errorf("problem_type is %q; only a model that chooses one label can be run", config.Problem)
	}
	if len(labels) == 0 {
		return plainClasses(config.NumLabels)
	}
	if len(labels) != 2 && len(labels) != 3 {
		return nil, fmt.Errorf("id2label has %d labels; a model of sentiment has two or three: negative, neutral, positive",
			len(labels))
	}
	names := make([]string, len(labels))
	for key, label := range labels {
		column, err := strconv.Atoi(key)
		if err != nil || column < 0 || column >= len(labels) || names[column] != "" {
			return nil, fmt.Errorf("id2label has the key %q; the keys of %d labels must be 0 to %d", key, len(labels), len(labels)-1)
		}
		if other, found := config.Label2ID[label]; found && other != column {
			return nil, fmt.Errorf("id2label says that %q is column %d, label2id that it is %d; correct the wrong one", label,
				column, other)
		}
		names[column] = strings.ToLower(strings.TrimSpace(label))
		if names[column] == "" {
			return nil, fmt.Errorf("id2label has no name for column %d", column)
		}
	}
	return nameClasses(names)
}

// plainClasses are the classes of a config.json that names none.
func plainClasses(count int) ([]Class, error) {
	switch count {
	case 0, 2:
		return []Class{Negative, Positive}, nil
	case 3:
		return []Class{Negative, Neutral, Positive}, nil
	}
	return nil, fmt.Errorf("num_labels is %d; a model of sentiment has two or three labels: negative, neutral, positive", count)
}

// labelsSaid is what config.json says of its labels.
func labelsSaid(labels map[string]string, config transformerConfig) string {
	switch {
	case len(labels) > 0:
		return fmt.Sprintf("config.json has %d labels", len(labels))
	case config.NumLabels > 0:
		return fmt.Sprintf("config.json's num_labels is %d", config.NumLabels)
	}
	return `config.json names no labels: add what each logit means, such as "id2label": {"0": "negative", "1": "neutral", "2": "positive"}`
}

func nameClasses(names []string) ([]Class, error) {
	classes := make([]Class, len(names))
	plain := 0
	for column, name := range names {
		if name == fmt.Sprintf("label_%d", column) {
			plain++
		}
	}
	if plain == len(names) {
		return plainClasses(plain)
	}
	var seen [3]bool
	for column, name := range names {
		class, known := labelNames[name]
		if !known {
			return nil, fmt.Errorf("id2label calls column %d %q; known are negative, neutral, positive, bearish, bullish and LABEL_0, "+
				"LABEL_1, …: rename it in config.json", column, name)
		}
		if seen[class] {
			return nil, fmt.Errorf("id2label has two labels for one class: %s", strings.Join(names, ", "))
		}
		seen[class], classes[column] = true, class
	}
	if !seen[Negative] || !seen[Positive] {
		return nil, fmt.Errorf("id2label lacks negative or positive: it has %s", strings.Join(names, ", "))
	}
	return classes, nil
}

// maxTokens is the greatest number of tokens that the tokenizer and the model take.
func maxTokens(modelType string, config transformerConfig, tokens *tokenizer.Tokenizer) int {
	length := mostTokens
	if n := tokens.MaxLength(); n > 0 {
		length = min(length, n)
	}
	if n := config.MaxPositions; n > 0 {
		switch modelType {
		case "roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "roberta-prelayernorm", "data2vec-text", "longformer",
			"mpnet", "ibert", "xmod":
			// These count positions from the padding's id plus one.
			n -= 2
			if config.PadID != nil {
				n = config.MaxPositions - int(*config.PadID) - 1
			}
		}
		length = min(length, n)
	}
	return length
}

// setPadding finds the id of padding, and checks that the model knows all ids of the tokenizer.
func (m *transformer) setPadding(config transformerConfig) error {
	if id, known := m.tokenizer.PadID(); known {
		m.padID = id
	} else if config.PadID != nil {
		m.padID = max(0, *config.PadID)
	}
	if n := m.tokenizer.VocabularySize(); config.Vocabulary > 0 && n > config.Vocabulary {
		return fmt.Errorf("the tokenizer has %d tokens, but config.json's vocab_size is %d: they belong to different models", n,
			config.Vocabulary)
	}
	if shortest := len(m.tokenizer.Encode("", 0)) + 1; m.maxLength < shortest {
		return fmt.Errorf("a text may have %d tokens (model_max_length, max_position_embeddings), which leaves no room for words",
			m.maxLength)
	}
	return nil
}

// setInputs checks that the graph takes what the tokenizer can give.
func (m *transformer) setInputs() error {
	for _, port := range m.session.Inputs() {
		switch port.Name {
		case "input_ids", "attention_mask", "token_type_ids":
		default:
			return fmt.Errorf("the graph has the input %s; known are input_ids, attention_mask and token_type_ids", port)
		}
		if port.Type != "int64" || len(port.Shape) != 2 {
			return fmt.Errorf("the graph's input %s is no matrix of int64", port)
		}
		if port.Shape[0] > 0 || port.Shape[1] > 0 {
			return fmt.Errorf("the graph's input %s has a fixed size: export the model with dynamic axes", port)
		}
		m.feeds = append(m.feeds, port.Name)
	}
	m.masked = slices.Contains(m.feeds, "attention_mask")
	if !slices.Contains(m.feeds, "input_ids") {
		return errors.New("the graph has no input input_ids: it is no text classifier")
	}
	output := m.session.Outputs()[0]
	if output.Type != "float" || len(output.Shape) != 2 {
		return fmt.Errorf("the graph's first output is %s, not a row of logits for each text: export the model for the task "+
			"text-classification, in float32 or int8", output)
	}
	return nil
}

// probe runs the graph on the longest texts and the greatest ids that it may get.
func (m *transformer) probe() error {
	ids := m.tokenizer.Encode("", 0)
	for len(ids) < m.maxLength {
		ids = append(ids, m.tokenizer.VocabularySize()-1)
	}
	batch := []tokenized{{ids: ids}}
	if m.masked {
		batch = append(batch, tokenized{ids: ids[:1]})
	}
	output, err := m.run(batch)
	if err != nil {
		return fmt.Errorf("the graph does not take texts of %d tokens with ids to %d, as config.json and tokenizer say: %w",
			m.maxLength, m.tokenizer.VocabularySize()-1, err)
	}
	if output.Rows != len(batch) {
		return fmt.Errorf("the graph returns %d rows for %d texts", output.Rows, len(batch))
	}
	if output.Columns != len(m.classes) {
		return fmt.Errorf("the graph returns %d logits for each text, but %s", output.Columns, m.said)
	}
	for _, logit := range output.Data {
		if math.IsNaN(float64(logit)) || math.IsInf(float64(logit), 0) {
			return errors.New("the graph returns logits that are no numbers")
		}
	}
	return nil
}

func (m *transformer) Name() string        { return m.name }
func (m *transformer) Languages() []string { return slices.Clone(m.languages) }
func (m *transformer) Close() error        { return m.session.Close() }

// tokenized is a text ready for the graph.
type tokenized struct {
	text int // its place among the texts
	ids  []int64
}

// TellsKinds is false: text classifiers of others know moods alone.
func (m *transformer) TellsKinds() bool { return false }

// Score judges texts as wholes, whatever the coin.
func (m *transformer) Score(ctx context.Context, questions []Question) ([]Judgement, error) {
	results := make([]Judgement, len(questions))
	texts, places := distinctTexts(questions)
	answers := make([]Judgement, len(texts))
	for i := range answers {
		answers[i] = neutral
	}
	err := m.logits(ctx, texts, func(text int, logits []float32) { answers[text].Probabilities = m.probabilities(logits) })
	if err != nil {
		return nil, fmt.Errorf("score texts with model %s: %w", m.name, err)
	}
	for i, place := range places {
		results[i] = answers[place]
	}
	return results, nil
}

// logits runs the graph on all texts that are more than white space, and hands out what it returns for each.
func (m *transformer) logits(ctx context.Context, texts []string, each func(text int, logits []float32)) error {
	nothing := len(m.tokenizer.Encode("", 0))
	queue := make([]tokenized, 0, len(texts))
	for i, text := range texts {
		if strings.TrimSpace(text) == "" {
			continue
		}
		if ids := m.tokenizer.Encode(text, m.maxLength); len(ids) > nothing {
			queue = append(queue, tokenized{text: i, ids: ids})
		}
	}
	// Texts of like length go together, so that little of a batch is padding.
	slices.SortStableFunc(queue, func(a, b tokenized) int { return cmp.Compare(len(a.ids), len(b.ids)) })
	for len(queue) > 0 {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n := m.batchSize(queue)
		output, err := m.run(queue[:n])
		if err != nil {
			return err
		}
		if output.Rows != n || output.Columns != len(m.classes) {
			return fmt.Errorf("the graph returned a %d×%d matrix for %d texts", output.Rows, output.Columns, n)
		}
		for row, t := range queue[:n] {
			each(t.text, output.Data[row*output.Columns:][:output.Columns])
		}
		queue = queue[n:]
	}
	return nil
}

// batchSize is how many texts, sorted by length, the graph takes next. Where it cannot tell padding from text, no text of the
// batch may need any.
func (m *transformer) batchSize(queue []tokenized) int {
	n := min(len(queue), transformerBatch)
	if m.masked {
		return n
	}
	for i := range n {
		if len(queue[i].ids) != len(queue[0].ids) {
			return i
		}
	}
	return n
}

// run pads a batch to its longest text and runs the graph.
func (m *transformer) run(batch []tokenized) (onnx.Matrix[float32], error) {
	length := 0
	for _, t := range batch {
		length = max(length, len(t.ids))
	}
	size := len(batch) * length
	ids, mask := slices.Repeat([]int64{m.padID}, size), make([]int64, size)
	for row, t := range batch {
		start := row * length
		if m.padLeft {
			start += length - len(t.ids)
		}
		copy(ids[start:], t.ids)
		for i := range t.ids {
			mask[start+i] = 1
		}
	}
	inputs := make([]onnx.Tensor, len(m.feeds))
	for i, name := range m.feeds {
		input := onnx.Matrix[int64]{Rows: len(batch), Columns: length}
		switch name {
		case "input_ids":
			input.Data = ids
		case "attention_mask":
			input.Data = mask
		default: // token_type_ids: one text, hence all zero
			input.Data = make([]int64, size)
		}
		inputs[i] = input
	}
	outputs, err := m.session.Run(1, inputs...)
	if err != nil {
		return onnx.Matrix[float32]{}, err
	}
	return outputs[0], nil
}

// probabilities is the softmax of the logits. A model of two classes knows no neutral.
func (m *transformer) probabilities(logits []float32) Probabilities {
	highest := slices.Max(logits)
	var shares [3]float64
	sum := 0.0
	for column, class := range m.classes {
		shares[class] = math.Exp(float64(logits[column] - highest))
		sum += shares[class]
	}
	return Probabilities{float32(shares[Negative] / sum), float32(shares[Neutral] / sum), float32(shares[Positive] / sum)}
}
