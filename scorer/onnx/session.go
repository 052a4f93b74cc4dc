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

// Tensor is what a graph is fed: a [Vector] or a [Matrix] of a type that graphs know.
type Tensor interface{ value() (ort.Value, error) }

// Vector is a vector; its length is its shape.
type Vector[T ort.TensorData] []T

func (v Vector[T]) value() (ort.Value, error) { return value(v, len(v)) }

// Matrix is a dense matrix, row after row.
type Matrix[T ort.TensorData] struct {
	Rows, Columns int
	Data          []T
}

func (m Matrix[T]) value() (ort.Value, error) { return value(m.Data, m.Rows, m.Columns) }

// value is a tensor over the data, which must live as long.
func value[T ort.TensorData](data []T, shape ...int) (ort.Value, error) {
	dimensions := make(ort.Shape, len(shape))
	for i, n := range shape {
		dimensions[i] = int64(n)
	}
	tensor, err := ort.NewTensor(dimensions, data)
	if err != nil {
		return nil, err // and no tensor of a type that is nil
	}
	return tensor, nil
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

// Outputs lists the graph's outputs, in the order in which Run returns them.
func (s *Session) Outputs() []Port { return s.outputs }

// Run feeds each input, in the order of [Session.Inputs], and returns the first so many outputs, each of which must be a float matrix.
func (s *Session) Run(wanted int, inputs ...Tensor) ([]Matrix[float32], error) {
	values, outputs := make([]ort.Value, 0, len(inputs)), make([]ort.Value, len(s.outputs))
	defer func() { destroy(values); destroy(outputs) }()
	for i, input := range inputs {
		tensor, err := input.value()
		if err != nil {
			return nil, fmt.Errorf("input %d of the model: %w", i+1, err)
		}
		values = append(values, tensor)
	}
	if err := s.session.Run(values, outputs); err != nil {
		return nil, fmt.Errorf("run the model: %w", err)
	}
	matrices := make([]Matrix[float32], wanted) // of memory of Go's: the binding copies what the runtime gave
	for i := range matrices {
		tensor, ok := outputs[i].(*ort.Tensor[float32])
		shape := outputs[i].GetShape()
		if !ok || len(shape) != 2 {
			return nil, fmt.Errorf("the model's output %s is no matrix of floats", s.outputs[i])
		}
		matrices[i] = Matrix[float32]{Rows: int(shape[0]), Columns: int(shape[1]), Data: tensor.GetData()}
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
