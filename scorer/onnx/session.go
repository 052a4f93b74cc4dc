package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrNotStarted is what [Open] returns before [Start] has succeeded.
var ErrNotStarted = errors.New("the ONNX Runtime is not loaded: call onnx.Start first")

// starting guards the library, which the binding keeps in variables of its own: one per process, never unloaded, because
// sessions may live as long as the process does.
var starting sync.Mutex

// Start loads the library at path into the process, once; later calls return at once whatever their path. The error of a
// file that is no ONNX Runtime, or too old a one, says what to do.
func Start(path string) error {
	starting.Lock()
	defer starting.Unlock()
	if ort.IsInitialized() {
		return nil
	}
	ort.SetSharedLibraryPath(path)
	err := ort.InitializeEnvironment(ort.WithLogLevelFatal())
	if err == nil {
		return nil
	}
	reason := "it is missing, damaged or no ONNX Runtime"
	if strings.Contains(err.Error(), "API base: 2") { // GetApi(24) gave NULL
		reason = "it is older than version 1.24"
	}
	return fmt.Errorf("cannot use %s as the ONNX Runtime: %s; let %s name a libonnxruntime.so of version 1.24 or newer, or "+
		"unset it and remove the file, and RCAS fetches version %s: %w", path, reason, LibraryVariable, Version, err)
}

// Options of a session. The zero value is right for one of several workers that share the machine.
type Options struct {
	// Threads used inside one Run; zero means one, the caller's own.
	Threads int
}

// Port is a named input or output of a graph.
type Port struct {
	// Name as in the graph.
	Name string
	// Type of the elements, in ONNX's words: int64, float, string, ….
	Type string
	// Shape has -1 for every dimension that is free.
	Shape []int64
}

// String describes the port as an error message wants it: name, type and shape.
func (p Port) String() string { return fmt.Sprintf("%s %s%v", p.Name, p.Type, p.Shape) }

// Matrix is a dense matrix, row after row.
type Matrix[T any] struct {
	Rows, Columns int
	Data          []T
}

// Session is a loaded graph. It may be used by many goroutines at once.
type Session struct {
	session *ort.DynamicAdvancedSession
	inputs  []Port
	outputs []Port
}

// Open loads the model file at path. The inputs and outputs that a Run uses are the graph's own, in the graph's order.
func Open(path string, options Options) (*Session, error) {
	return open(options, fmt.Sprintf("load model %s", path),
		func(o *ort.SessionOptions) ([]ort.InputOutputInfo, []ort.InputOutputInfo, error) {
			return ort.GetInputOutputInfoWithOptions(path, o)
		},
		func(in, out []string, o *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
			return ort.NewDynamicAdvancedSession(path, in, out, o)
		})
}

// OpenBytes loads a model from memory.
func OpenBytes(model []byte, options Options) (*Session, error) {
	return open(options, "load model",
		func(*ort.SessionOptions) ([]ort.InputOutputInfo, []ort.InputOutputInfo, error) {
			return ort.GetInputOutputInfoWithONNXData(model)
		},
		func(in, out []string, o *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
			return ort.NewDynamicAdvancedSessionWithONNXData(model, in, out, o)
		})
}

type (
	describe func(*ort.SessionOptions) (inputs, outputs []ort.InputOutputInfo, err error)
	load     func(inputs, outputs []string, o *ort.SessionOptions) (*ort.DynamicAdvancedSession, error)
)

func open(options Options, what string, describe describe, load load) (*Session, error) {
	if !ort.IsInitialized() {
		return nil, ErrNotStarted
	}
	settings, err := sessionOptions(options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer trim()
	defer settings.Destroy()
	// The binding opens a session of its own to list the ports; unoptimised, that costs little more than reading the file.
	plain, err := sessionOptions(options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer plain.Destroy()
	if err := plain.SetGraphOptimizationLevel(ort.GraphOptimizationLevelDisableAll); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	inputs, outputs, err := describe(plain)
	if err != nil {
		return nil, fmt.Errorf("%s: it is damaged or no ONNX file that this runtime reads: %w", what, err)
	}
	s := &Session{inputs: ports(inputs), outputs: ports(outputs)}
	if s.session, err = load(names(s.inputs), names(s.outputs), settings); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return s, nil
}

func sessionOptions(options Options) (*ort.SessionOptions, error) {
	settings, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	threads := max(options.Threads, 1)
	err = errors.Join(settings.SetIntraOpNumThreads(threads), settings.SetInterOpNumThreads(1),
		settings.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll))
	if err != nil {
		return nil, errors.Join(err, settings.Destroy())
	}
	return settings, nil
}

func ports(infos []ort.InputOutputInfo) []Port {
	list := make([]Port, len(infos))
	for i, info := range infos {
		kind := strings.ToLower(strings.TrimPrefix(info.DataType.String(), "ONNX_TENSOR_ELEMENT_DATA_TYPE_"))
		list[i] = Port{Name: info.Name, Type: kind, Shape: slices.Clone([]int64(info.Dimensions))}
	}
	return list
}

func names(ports []Port) []string {
	list := make([]string, len(ports))
	for i, port := range ports {
		list[i] = port.Name
	}
	return list
}

// Inputs lists the graph's inputs, in the order in which Run takes them.
func (s *Session) Inputs() []Port { return s.inputs }

// Outputs lists the graph's outputs. Run returns the first, RunTexts all.
func (s *Session) Outputs() []Port { return s.outputs }

// Run feeds one matrix of 64-bit integers to each input, in the order of [Session.Inputs], and returns the first output,
// which must be a float matrix.
func (s *Session) Run(inputs ...Matrix[int64]) (Matrix[float32], error) {
	values := make([]ort.Value, 0, len(inputs))
	defer func() { destroy(values) }()
	for i, input := range inputs {
		tensor, err := ort.NewTensor(ort.NewShape(int64(input.Rows), int64(input.Columns)), input.Data)
		if err != nil {
			return Matrix[float32]{}, fmt.Errorf("input %d of the model: %w", i+1, err)
		}
		values = append(values, tensor)
	}
	matrices, err := s.run(values, 1)
	if err != nil {
		return Matrix[float32]{}, err
	}
	return matrices[0], nil
}

// RunTexts feeds a vector of strings, which must be valid UTF-8, to the only input and returns every output, each of which must
// be a float matrix.
func (s *Session) RunTexts(texts []string) ([]Matrix[float32], error) {
	tensor, err := ort.NewStringTensor(ort.NewShape(int64(len(texts))))
	if err != nil {
		return nil, fmt.Errorf("input of the model: %w", err)
	}
	defer tensor.Destroy()
	if err := tensor.SetContents(texts); err != nil {
		return nil, fmt.Errorf("input of the model: %w", err)
	}
	return s.run([]ort.Value{tensor}, len(s.outputs))
}

// run returns the first so many outputs.
func (s *Session) run(inputs []ort.Value, wanted int) ([]Matrix[float32], error) {
	outputs := make([]ort.Value, len(s.outputs))
	defer func() { destroy(outputs) }()
	if err := s.session.Run(inputs, outputs); err != nil {
		return nil, fmt.Errorf("run the model: %w", err)
	}
	matrices := make([]Matrix[float32], wanted)
	for i := range matrices {
		tensor, ok := outputs[i].(*ort.Tensor[float32])
		shape := outputs[i].GetShape()
		if !ok || len(shape) != 2 {
			return nil, fmt.Errorf("the model's output %s is no matrix of floats", s.outputs[i])
		}
		matrices[i] = Matrix[float32]{Rows: int(shape[0]), Columns: int(shape[1]), Data: slices.Clone(tensor.GetData())}
	}
	return matrices, nil
}

// destroy frees tensors; nil ones are what a failed run left.
func destroy(values []ort.Value) {
	for _, value := range values {
		if value != nil {
			_ = value.Destroy()
		}
	}
}

// Close frees the graph. No Run may be under way or follow.
func (s *Session) Close() error {
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	return err
}
