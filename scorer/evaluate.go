package scorer

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"rcas/market"
)

// Class is one of the three moods.
type Class int

// The classes.
const (
	Negative Class = iota
	Neutral
	Positive
)

// classNames are the classes as labels and results spell them.
var classNames = [...]string{"negative", "neutral", "positive"}

// String is the class's name: negative, neutral or positive.
func (c Class) String() string { return classNames[c] }

// Labelled is a text with the class that people gave it.
type Labelled struct {
	Class Class
	Text  string
	// Kind is who speaks, empty where nobody said.
	Kind market.Kind
	// Symbol is the coin that people were asked about; empty: the text as a whole.
	Symbol string
}

// maxLabelledBytes bounds one line of a labels file.
const maxLabelledBytes = 1 << 20

// ReadLabelled reads labelled texts, one a line: the label (negative, neutral or positive, or -1, 0 or 1), a tab, the text. Where it is
// known who speaks, label, kind, coin and text are parted by tabs; the coin may be empty. Lines that begin with a brace are objects, as
// [Answer] is written. Empty lines and a byte order mark are passed over. The error names the file and the line.
func ReadLabelled(name string, r io.Reader) ([]Labelled, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLabelledBytes)
	var rows []Labelled
	number := 0
	for lines.Scan() {
		number++
		line := lines.Bytes()
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		row, err := parseLabelled(string(line))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("%s:%d: the line is longer than %d bytes", name, number+1, maxLabelledBytes)
	} else if err != nil {
		return nil, fmt.Errorf("read labels from %s: %w", name, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s holds no labelled text: each line must be a label, a tab and a text", name)
	}
	return rows, nil
}

func parseLabelled(line string) (Labelled, error) {
	if line[0] == '{' {
		var answer Answer
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			return Labelled{}, fmt.Errorf("the line is no JSON object of key, coin, text, kind and mood: %w", err)
		}
		return labelled(strconv.Itoa(answer.Mood), string(answer.Kind), answer.Coin, answer.Text)
	}
	label, text, found := strings.Cut(line, "\t")
	if !found {
		return Labelled{}, errors.New("the line has no tab between label and text")
	}
	if parts := strings.SplitN(text, "\t", 3); len(parts) == 3 && slices.Contains(market.Kinds, market.Kind(parts[0])) {
		return labelled(label, parts[0], parts[1], parts[2])
	}
	return labelled(label, "", "", text)
}

func labelled(label, kind, symbol, text string) (Labelled, error) {
	label = strings.ToLower(strings.TrimSpace(label))
	class := slices.Index(classNames[:], label)
	if class < 0 {
		class = slices.Index([]string{"-1", "0", "1"}, label)
	}
	if class < 0 {
		return Labelled{}, fmt.Errorf("the label is %.40q, not negative, neutral or positive", label)
	}
	if kind != "" && !slices.Contains(market.Kinds, market.Kind(kind)) {
		return Labelled{}, fmt.Errorf("the kind is %.40q, not one of %v", kind, market.Kinds)
	}
	return Labelled{Class: Class(class), Text: strings.ToValidUTF8(text, "\ufffd"), Kind: market.Kind(kind), Symbol: symbol}, nil
}

// Evaluation is how well a model agrees with labels. Shares lie in [0, 1]. A file without a neutral label is judged on two
// classes: the prediction is the larger of negative and positive, its confidence their share of the two.
type Evaluation struct {
	Model string `json:"model"`
	// Texts is how many were judged; Unjudgeable how many of them hold nothing to judge and count as neutral.
	Texts       int `json:"texts"`
	Unjudgeable int `json:"unjudgeable"`
	// Classes are those that the labels name.
	Classes []string `json:"classes"`
	// Recall is the share of each class's texts that the model found, MacroRecall its plain mean over the classes.
	Recall      map[string]float64 `json:"recall"`
	MacroRecall float64            `json:"macro_recall"`
	MacroF1     float64            `json:"macro_f1"`
	Accuracy    float64            `json:"accuracy"`
	// Confusion counts texts by label, then by prediction.
	Confusion map[string]map[string]int `json:"confusion"`
	// Reliability compares what the model claimed with what was right; CalibrationError is the mean distance between the two,
	// each bin weighing as much as it holds texts (the expected calibration error of Guo et al., 2017).
	Reliability      []ReliabilityBin `json:"reliability"`
	CalibrationError float64          `json:"calibration_error"`
	// Kappa is the agreement beyond chance (Cohen).
	Kappa float64 `json:"kappa"`
	// Kinds is how well the model tells who speaks; nil where the labels do not say or the model does not.
	Kinds *KindEvaluation `json:"kinds,omitempty"`
	// Mistakes are the texts whose mood or kind the model got wrong, the surest first.
	Mistakes []Mistake `json:"mistakes,omitempty"`
	// TextsPerSecond is the speed of this run, one call after the other.
	TextsPerSecond float64 `json:"texts_per_second"`
}

// KindEvaluation is how well a model tells who speaks.
type KindEvaluation struct {
	Texts    int     `json:"texts"`
	Accuracy float64 `json:"accuracy"`
	Kappa    float64 `json:"kappa"`
	// Recall and Precision are by kind; a kind that was never said, or never labelled, has none.
	Recall    map[market.Kind]float64 `json:"recall"`
	Precision map[market.Kind]float64 `json:"precision"`
	// Confusion counts texts by label, then by what was said.
	Confusion map[market.Kind]map[market.Kind]int `json:"confusion"`
}

// Mistake is a text that the model got wrong.
type Mistake struct {
	Question string  `json:"question"` // mood or kind
	Label    string  `json:"label"`
	Said     string  `json:"said"`
	Sure     float64 `json:"sure"` // the probability of what was said
	Text     string  `json:"text"`
}

// ReliabilityBin gathers the predictions whose confidence lies in [From, To).
type ReliabilityBin struct {
	From       float64 `json:"from"`
	To         float64 `json:"to"`
	Texts      int     `json:"texts"`
	Confidence float64 `json:"confidence"` // mean
	Accuracy   float64 `json:"accuracy"`
}

const (
	reliabilityBins = 10
	evaluationBatch = 256
)

// Evaluate judges the model on labelled texts.
func Evaluate(ctx context.Context, model Model, rows []Labelled) (Evaluation, error) {
	if len(rows) == 0 {
		return Evaluation{}, errors.New("evaluate a model: there are no labelled texts")
	}
	counts := newTally(rows)
	var elapsed time.Duration
	for batch := range slices.Chunk(rows, evaluationBatch) {
		start := time.Now()
		questions := make([]Question, len(batch))
		for i, row := range batch {
			questions[i] = Ask(row.Text)[0]
			questions[i].Symbol = row.Symbol
		}
		results, err := model.Score(ctx, questions)
		if err != nil {
			return Evaluation{}, fmt.Errorf("evaluate model %s: %w", model.Name(), err)
		}
		elapsed += time.Since(start)
		for i, row := range batch {
			counts.add(row, results[i])
		}
	}
	evaluation := counts.evaluation()
	evaluation.Model = model.Name()
	evaluation.TextsPerSecond = float64(len(rows)) / elapsed.Seconds()
	return evaluation, nil
}

// tally counts predictions.
type tally struct {
	present     [3]bool // classes that the labels name
	confusion   [3][3]int
	bins        [reliabilityBins]struct{ texts, right, confidence float64 }
	kinds       map[market.Kind]map[market.Kind]int
	mistakes    []Mistake
	unjudgeable int
}

func newTally(rows []Labelled) *tally {
	t := &tally{kinds: map[market.Kind]map[market.Kind]int{}}
	for _, row := range rows {
		t.present[row.Class] = true
	}
	return t
}

func (t *tally) add(row Labelled, j Judgement) {
	if !Judgeable(row.Text) {
		t.unjudgeable++
	}
	predicted, confidence := t.predict(j.Probabilities)
	t.confusion[row.Class][predicted]++
	bin := &t.bins[min(int(confidence*reliabilityBins), reliabilityBins-1)]
	bin.texts++
	bin.confidence += confidence
	if predicted == row.Class {
		bin.right++
	} else {
		t.mistakes = append(t.mistakes, Mistake{"mood", row.Class.String(), predicted.String(), confidence, row.Text})
	}
	if row.Kind == "" || j.Kind == "" {
		return
	}
	if t.kinds[row.Kind] == nil {
		t.kinds[row.Kind] = map[market.Kind]int{}
	}
	t.kinds[row.Kind][j.Kind]++
	if row.Kind != j.Kind {
		t.mistakes = append(t.mistakes, Mistake{"kind", string(row.Kind), string(j.Kind), float64(j.KindProbability), row.Text})
	}
}

// predict takes the likeliest class, of those two that a two-class file knows.
func (t *tally) predict(p Probabilities) (Class, float64) {
	shares := [3]float64{float64(p.Negative), float64(p.Neutral), float64(p.Positive)}
	if !t.present[Neutral] {
		sum := shares[Negative] + shares[Positive]
		if sum == 0 { // plainly neutral: a coin would do as well
			return Negative, 0.5
		}
		shares = [3]float64{shares[Negative] / sum, 0, shares[Positive] / sum}
	}
	best := Negative
	for _, class := range []Class{Neutral, Positive} {
		if shares[class] > shares[best] {
			best = class
		}
	}
	return best, shares[best]
}

func (t *tally) evaluation() Evaluation {
	e := Evaluation{Unjudgeable: t.unjudgeable, Recall: map[string]float64{}, Confusion: map[string]map[string]int{}}
	right := 0
	for class := range classNames {
		if !t.present[class] {
			continue
		}
		name := classNames[class]
		labelled, predicted := 0, 0
		e.Confusion[name] = map[string]int{}
		for other := range classNames {
			labelled += t.confusion[class][other]
			predicted += t.confusion[other][class]
			if t.present[Neutral] || t.present[other] {
				e.Confusion[name][classNames[other]] = t.confusion[class][other]
			}
		}
		hits := t.confusion[class][class]
		right += hits
		e.Texts += labelled
		e.Classes = append(e.Classes, name)
		e.Recall[name] = float64(hits) / float64(labelled)
		e.MacroRecall += e.Recall[name]
		e.MacroF1 += 2 * float64(hits) / float64(labelled+predicted)
	}
	e.MacroRecall /= float64(len(e.Classes))
	e.MacroF1 /= float64(len(e.Classes))
	e.Accuracy = float64(right) / float64(e.Texts)
	e.Kappa = kappa(e.Confusion)
	e.Kinds = t.kind()
	slices.SortStableFunc(t.mistakes, func(a, b Mistake) int { return cmp.Compare(b.Sure, a.Sure) })
	e.Mistakes = t.mistakes
	t.reliability(&e)
	return e
}

// kappa is Cohen's: how much of the agreement that chance does not make is there. Where nothing is left to agree on it is zero.
func kappa[K comparable](confusion map[K]map[K]int) float64 {
	labelled, said, right, all := map[K]float64{}, map[K]float64{}, 0., 0.
	for label, row := range confusion {
		for other, n := range row {
			labelled[label] += float64(n)
			said[other] += float64(n)
			all += float64(n)
			if label == other {
				right += float64(n)
			}
		}
	}
	chance := 0.
	for key, n := range labelled {
		chance += n * said[key] / all
	}
	if all == chance {
		return 0
	}
	return (right - chance) / (all - chance)
}

// kind sums up what was said of kinds.
func (t *tally) kind() *KindEvaluation {
	if len(t.kinds) == 0 {
		return nil
	}
	e := &KindEvaluation{Recall: map[market.Kind]float64{}, Precision: map[market.Kind]float64{}, Confusion: t.kinds, Kappa: kappa(t.kinds)}
	right := 0
	for _, kind := range market.Kinds {
		labelled, said := 0, 0
		for _, other := range market.Kinds {
			labelled += t.kinds[kind][other]
			said += t.kinds[other][kind]
		}
		hits := t.kinds[kind][kind]
		e.Texts += labelled
		right += hits
		if labelled > 0 {
			e.Recall[kind] = float64(hits) / float64(labelled)
		}
		if said > 0 {
			e.Precision[kind] = float64(hits) / float64(said)
		}
	}
	e.Accuracy = float64(right) / float64(e.Texts)
	return e
}

// reliability adds the bins that hold any text.
func (t *tally) reliability(e *Evaluation) {
	for i, bin := range t.bins {
		if bin.texts == 0 {
			continue
		}
		row := ReliabilityBin{From: float64(i) / reliabilityBins, To: float64(i+1) / reliabilityBins, Texts: int(bin.texts),
			Confidence: bin.confidence / bin.texts, Accuracy: bin.right / bin.texts}
		e.Reliability = append(e.Reliability, row)
		e.CalibrationError += bin.texts / float64(e.Texts) * max(row.Confidence-row.Accuracy, row.Accuracy-row.Confidence)
	}
}
