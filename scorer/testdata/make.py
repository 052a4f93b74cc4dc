#!/usr/bin/python3
"""Write the small graphs that the tests of scorer and scorer/onnx load: make.py, run in any folder."""

import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "training"))

import export  # noqa: E402

def output(name, *shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, ["posts", *shape])


def counts(g, table):
    """Sums over a post's words of a row for each: padding, unknown words, then "good", "bad" and "so"."""
    return g.sum(g("Gather", np.array(table, np.float32), "features"))


def finish(g, operator, value, *outputs, file, **attributes):
    g.nodes.append(helper.make_node(operator, [value], [outputs[0].name], **attributes))
    g.save(HERE / file, export.inputs(), list(outputs))


def main():
    # "good" is positive, "bad" negative, "so" neutral.
    moods = [[0, 0, 0], [0, 0, 0], [0, 0, 3], [3, 0, 0], [0, 3, 0]]
    g = export.Graph()
    finish(g, "Softmax", counts(g, moods), output("probabilities", 3), file="moods.onnx", axis=1)
    # The same with a second output: "bad" is an advert, "so" is news, unknown words a bot's.
    for shares, file in ((4, "kinds.onnx"), (3, "three_kinds.onnx")):
        kinds = [[0, 0, 0, 0], [0, 0, 4, 0], [4, 0, 0, 0], [0, 4, 0, 0], [0, 0, 0, 4]]
        g = export.Graph()
        spoken = counts(g, [row[:shares] for row in kinds])
        g.nodes.append(helper.make_node("Softmax", [spoken], ["kinds"], axis=1))
        finish(g, "Softmax", counts(g, moods), output("probabilities", 3), output("kinds", shares), file=file, axis=1)
    g = export.Graph()
    finish(g, "Identity", counts(g, moods), output("logits", 3), file="logits.onnx")
    g = export.Graph()
    finish(g, "Softmax", counts(g, [row[:2] for row in moods]), output("probabilities", 2), file="two_columns.onnx", axis=1)
    g = export.Graph()
    finish(g, "Cast", counts(g, moods), output("probabilities", 3, kind=TensorProto.INT64), file="integers.onnx", to=TensorProto.INT64)

    # Two matrices of numbers in, the sums of their rows out.
    ids = [helper.make_tensor_value_info(name, TensorProto.INT64, ["posts", "words"]) for name in ("input_ids", "attention_mask")]
    g = export.Graph()
    both = g("Concat", *(g("Unsqueeze", g("ReduceSum", port.name, np.array([1]), keepdims=0), np.array([1])) for port in ids), axis=1)
    g.nodes.append(helper.make_node("Cast", [both], ["sums"], to=TensorProto.FLOAT))
    g.save(HERE / "sums.onnx", ids, [output("sums", 2)])


if __name__ == "__main__":
    main()
