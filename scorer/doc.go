// Package scorer turns posts into moods: it runs sentiment models and judges how good they are.
//
// A model is a directory: model.onnx, config.json and its words, as a vocabulary or, for a transformer, its tokenizer's files. [Bundled] opens the one inside
// the binary, [Load] any other. [Evaluate] measures a model on labelled texts and [Bench] its speed.
package scorer
