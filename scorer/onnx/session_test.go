package onnx_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"rcas/scorer/onnx"
)

// startVariable makes the test program try a library and tell, in a process of its own: a library stays loaded for good.
const startVariable = "RCAS_TEST_START_LIBRARY"

func TestMain(m *testing.M) {
	if path := os.Getenv(startVariable); path != "" {
		fmt.Println(onnx.Start(path))
		_, err := onnx.OpenBytes([]byte("graph"), onnx.Options{})
		fmt.Println(err)
		return
	}
	os.Exit(m.Run())
}

// start runs Start and then OpenBytes in another process, and returns the two errors as printed.
func start(t *testing.T, library string) string {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), startVariable+"="+library)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return string(output)
}

// compile makes a shared library of C source.
func compile(t *testing.T, source string) string {
	t.Helper()
	folder := t.TempDir()
	input, library := filepath.Join(folder, "library.c"), filepath.Join(folder, "library.so")
	require.NoError(t, os.WriteFile(input, []byte(source), 0o600))
	output, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, input).CombinedOutput()
	require.NoError(t, err, "cc, which building RCAS needs as well: %s", output)
	return library
}

func TestStartRefusesWhatIsNoRuntime(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text.so")
	require.NoError(t, os.WriteFile(text, []byte("no library"), 0o600))
	for name, library := range map[string]string{
		"missing":         filepath.Join(t.TempDir(), "absent.so"),
		"text":            text,
		"another library": compile(t, "int other(void) { return 1; }"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output := start(t, library)
			require.Contains(t, output, "it is missing, damaged or no ONNX Runtime; let "+onnx.LibraryVariable+" name")
			require.Contains(t, output, onnx.ErrNotStarted.Error())
		})
	}
}

func TestStartRefusesAnOldRuntime(t *testing.T) {
	t.Parallel()
	// What a release before 1.24 answers to a program that asks for a newer interface than it has: none.
	library := compile(t, `
		#include <stdint.h>
		#include <stddef.h>
		static const void *get(uint32_t version) { return NULL; }
		static const char *version(void) { return "1.16.3"; }
		static const struct { const void *(*get)(uint32_t); const char *(*version)(void); } base = {get, version};
		const void *OrtGetApiBase(void) { return &base; }`)
	require.Contains(t, start(t, library), "it is older than version 1.24")
}

// open starts the real runtime and loads a graph of scorer/testdata.
func open(t *testing.T, file string) *onnx.Session {
	t.Helper()
	library, err := onnx.Install(context.Background(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, onnx.Start(library))
	session, err := onnx.Open(filepath.Join("..", "testdata", file), onnx.Options{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, session.Close())
		require.NoError(t, session.Close(), "closing twice is fine")
	})
	return session
}

func TestRunMatrices(t *testing.T) {
	t.Parallel()
	session := open(t, "sums.onnx")
	require.Equal(t, []onnx.Port{{"input_ids", "int64", []int64{-1, -1}}, {"attention_mask", "int64", []int64{-1, -1}}}, session.Inputs())
	require.Equal(t, "sums float[-1 2]", session.Outputs()[0].String())

	ids := onnx.Matrix[int64]{Rows: 2, Columns: 3, Data: []int64{1, 2, 3, 4, 5, 6}}
	mask := onnx.Matrix[int64]{Rows: 2, Columns: 3, Data: []int64{1, 1, 1, 1, 0, 0}}
	sums, err := session.Run(1, ids, mask)
	require.NoError(t, err)
	require.Equal(t, []onnx.Matrix[float32]{{Rows: 2, Columns: 2, Data: []float32{6, 3, 15, 1}}}, sums)

	_, err = session.Run(1, ids)
	require.Error(t, err, "one input is missing")
	_, err = session.Run(1, onnx.Matrix[int64]{Rows: 3, Columns: 3, Data: ids.Data}, mask)
	require.ErrorContains(t, err, "input 1", "the data are too short for the shape")
	_, err = session.Run(1, onnx.Vector[int64]{1}, mask)
	require.Error(t, err, "a vector is no matrix")
	_, err = session.Run(1, onnx.Matrix[int32]{Rows: 2, Columns: 3, Data: make([]int32, 6)}, mask)
	require.Error(t, err, "the type is another")
}

// moods are the inputs of graphs of scorer/testdata for posts of one word each, of these ids.
func moods(ids ...int32) []onnx.Tensor {
	return []onnx.Tensor{onnx.Vector[int32]{0}, onnx.Matrix[int32]{Rows: 1, Columns: 1, Data: []int32{0}},
		onnx.Matrix[int32]{Rows: len(ids), Columns: 1, Data: ids}}
}

func TestRunFromManyGoroutines(t *testing.T) {
	t.Parallel()
	session := open(t, "moods.onnx")
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			inputs := moods(2, 3, 4, 1)
			if worker%2 == 1 {
				inputs = moods(2)
			}
			for range 50 {
				outputs, err := session.Run(1, inputs...)
				if err != nil || len(outputs) != 1 || outputs[0].Rows != len(inputs[2].(onnx.Matrix[int32]).Data) || outputs[0].Data[2] < 0.9 {
					t.Errorf("worker %d: %v, %v", worker, outputs, err)
					return
				}
			}
		})
	}
	workers.Wait()
	_, err := session.Run(1, moods(5)...)
	require.Error(t, err, "the graph knows no word of this id")
}

func TestRunRefusesAnOutputThatIsNoMatrixOfFloats(t *testing.T) {
	t.Parallel()
	_, err := open(t, "integers.onnx").Run(1, moods(2)...)
	require.ErrorContains(t, err, "probabilities int64[-1 3] is no matrix of floats")
}
