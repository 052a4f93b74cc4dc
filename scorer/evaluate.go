package scorer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
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
}

// maxLabelledBytes bounds one line of a labels file.
const maxLabelledBytes = 1 << 20

// ReadLabelled reads labelled texts: one a line, the label (negative, neutral or positive), a tab, the text. Empty lines and a
// byte order mark are passed over. The error names the file and the line.
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
	label, text, found := strings.Cut(line, "\t")
	if !found {
		return Labelled{}, errors.New("the line has no tab between label and text")
	}
	class := slices.Index(classNames[:], strings.ToLower(strings.TrimSpace(label)))
	if class < 0 {
		return Labelled{}, fmt.Errorf("the label is %.40q, not negative, neutral or positive", label)
	}
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\ufffd")
	}
	return Labelled{Class: Class(class), Text: text}, nil
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
	// TextsPerSecond is the speed of this run, one call after the other.
	TextsPerSecond float64 `json:"texts_per_second"`
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
		questions := make([]Question, len(batch))
		for i, row := range batch {
			questions[i].Text = row.Text
		}
		start := time.Now()
		results, err := model.Score(ctx, questions)
		if err != nil {
			return Evaluation{}, fmt.Errorf("evaluate model %s: %w", model.Name(), err)
		}
		elapsed += time.Since(start)
		for i, row := range batch {
			counts.add(row, results[i].Probabilities)
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
	unjudgeable int
}

func newTally(rows []Labelled) *tally {
	t := new(tally)
	for _, row := range rows {
		t.present[row.Class] = true
	}
	return t
}

func (t *tally) add(row Labelled, p Probabilities) {
	if !Judgeable(row.Text) {
		t.unjudgeable++
	}
	predicted, confidence := t.predict(p)
	t.confusion[row.Class][predicted]++
	bin := &t.bins[min(int(confidence*reliabilityBins), reliabilityBins-1)]
	bin.texts++
	bin.confidence += confidence
	if predicted == row.Class {
		bin.right++
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
	t.reliability(&e)
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
