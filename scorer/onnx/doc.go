// Package onnx runs ONNX graphs on the ONNX Runtime, a shared library that is no part of the binary: [Install] brings it
// onto the machine on first use, [Start] loads it once per process, and [Open] makes a [Session] of a model file.
//
// Everything here takes and returns plain Go slices; the tensors behind them are freed before a call returns.
package onnx
