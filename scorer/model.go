package scorer

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"rcas/scorer/lexer"
	"rcas/scorer/onnx"
)

// Model judges texts. Its methods may be called by many goroutines at once, Close after all others have returned.
type Model interface {
	// Name identifies the model; sentiments are stored under it.
	Name() string
	// Languages are the ISO 639-1 codes that the model was made for; none means any language.
	Languages() []string
	// TellsKinds says whether the answers of Score say who speaks.
	TellsKinds() bool
	// Score answers each question, and returns as many answers in the same order; questions about one text that follow each other
	// cost a model that does not care about the coin no more than one. Any text is fine: empty, of any length, in any
	// script, invalid UTF-8. Where a text leaves the model nothing to read, the answer is plainly neutral; [Judgeable] tells
	// such texts beforehand. The error concerns the whole batch: a model that fails to run, or a context that ended.
	Score(ctx context.Context, questions []Question) ([]Judgement, error)
	// Close frees the model's memory.
	Close() error
}

// Options say how a model runs. The zero value is right for one of several workers on a machine.
type Options struct {
	// Threads that one call of Score may use; zero means one. Many callers with one thread each are faster than one with many.
	Threads int
	// Log gets a line when the ONNX Runtime had to be fetched; nil means slog.Default().
	Log *slog.Logger
}

// BundledName is the name of the model inside the binary.
const BundledName = "rcas-small-en"

//go:embed models
var bundled embed.FS

// Bundled opens the model inside the binary, fetching the ONNX Runtime first if this machine has none.
func Bundled(ctx context.Context, options Options) (Model, error) {
	files, err := fs.Sub(bundled, path.Join("models", BundledName))
	if err != nil {
		return nil, fmt.Errorf("open the bundled model: %w", err)
	}
	if err := start(ctx, options); err != nil {
		return nil, err
	}
	config, err := readConfig(files)
	if err != nil {
		return nil, fmt.Errorf("open the bundled model: %w", err)
	}
	config.Name = BundledName
	return loadWords(files, config, options)
}

// Load opens the model directory dir, fetching the ONNX Runtime first if this machine has none. The directory's name is the
// model's: what config.json may say of names would let two models share one. config.json says what kind of model it is: RCAS's
// own, or a text classifier as Hugging Face exports it. What cannot be run is refused with the reason.
func Load(ctx context.Context, dir string, options Options) (Model, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open the model directory: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is a file: name the directory that holds model.onnx and config.json", dir)
	}
	config, err := readConfig(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", dir, err)
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", dir, err)
	}
	config.Name = filepath.Base(absolute)
	if err := start(ctx, options); err != nil {
		return nil, err
	}
	if config.ModelType == wordsModelType {
		model, err := loadWords(os.DirFS(dir), config, options)
		if err != nil {
			return nil, fmt.Errorf("model %s: %w", dir, err)
		}
		return model, nil
	}
	model, err := loadTransformer(dir, config, options)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", dir, err)
	}
	return model, nil
}

// Judgeable tells whether a text holds anything that mood could be read from: a word, a number or an emoji, beside links, user
// names, cashtags and punctuation. A post without is kept and counted, but no model has a say on it.
func Judgeable(text string) bool {
	words := splitters.Get().(*lexer.Words)
	defer splitters.Put(words)
	limit := 1 // nearly always the first word decides
	if strings.IndexByte(text, '&') >= 0 {
		limit = 16 // few words' worth of bytes may end inside an entity
	}
	for ; ; limit *= 4 {
		words.Split(text, limit)
		for i := range words.Len() {
			if !silent(words.At(i)) {
				return true
			}
		}
		if words.Len() < limit {
			return false
		}
	}
}

var splitters = sync.Pool{New: func() any { return new(lexer.Words) }}

// silent tells of a word that says nothing by itself.
func silent(word []byte) bool {
	switch string(word) {
	case lexer.URL, lexer.User, lexer.Cashtag, "!", "!!", "?", "??", "?!", "...", "%", lexer.Title, lexer.Caps, lexer.Reply, lexer.Tags,
		lexer.Heap, lexer.Links, lexer.Ends, lexer.Calls, lexer.Faces, lexer.Sums:
		return true
	}
	return false
}

// start makes the ONNX Runtime ready.
func start(ctx context.Context, options Options) error {
	log := options.Log
	if log == nil {
		log = slog.Default()
	}
	library, err := onnx.Install(ctx, log)
	if err != nil {
		return err
	}
	return onnx.Start(library)
}

// modelConfig is what config.json says that every kind of model needs, and the model's name, which it does not say. Raw is the
// whole of it, for what one kind needs.
type modelConfig struct {
	Name      string            `json:"-"`
	ModelType string            `json:"model_type"`
	Languages []string          `json:"languages"`
	ID2Label  map[string]string `json:"id2label"`
	Raw       json.RawMessage   `json:"-"`
}

const configFile = "config.json"

func readConfig(files fs.FS) (modelConfig, error) {
	var config modelConfig
	content, err := fs.ReadFile(files, configFile)
	if errors.Is(err, fs.ErrNotExist) {
		return config, errors.New("it holds no config.json: export the model with its configuration")
	}
	if err != nil {
		return config, fmt.Errorf("read config.json: %w", err)
	}
	if err := json.Unmarshal(content, &config); err != nil {
		return config, fmt.Errorf("config.json is no valid configuration: %w", err)
	}
	config.Raw = content
	return config, nil
}
