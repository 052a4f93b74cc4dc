"""The trained model as one ONNX graph: split posts in, probabilities out."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import network
import vectors

OPSET, ML_OPSET, IR = 20, 2, 9  # StringSplit came with opset 20
BARRIER = -1e4  # far below what any word carries


class Graph:
    """Collects nodes and constants; each call returns the name of its result."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, array):
        self.count += 1
        name = f"c{self.count}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def __call__(self, operator, *inputs, outputs=1, **attributes):
        names = []
        for _ in range(outputs):
            self.count += 1
            names.append(f"v{self.count}")
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[0]

    def slice(self, array, begin, end, axis=1):
        """array[:, begin:end], or along another axis; an end of zero is the end."""
        return self("Slice", array, np.array([begin]), np.array([end or 2**31]), np.array([axis]))

    def sum(self, array, keep=False):
        """The sum over the second axis."""
        return self("ReduceSum", array, np.array([1]), keepdims=int(keep))

    def save(self, path, inputs, outputs):
        graph = helper.make_graph(self.nodes, "rcas", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        onnx.save(helper.make_model(graph, producer_name="rcas", opset_imports=opsets, ir_version=IR), str(path))


def build(path, vocabulary, net, line, mix):
    """Write the graph: the network's logits and the linear half's, each times its share of mix, summed.

    vocabulary maps words to ids.
    """
    g = Graph()
    ids = lookup(g, vocabulary)
    total = g("Add", convolution(g, ids, net, mix[0]), linear(g, ids, line, mix[1]))
    g.nodes.append(helper.make_node("Softmax", [total], ["probabilities"], axis=1))
    g.save(path, [helper.make_tensor_value_info("words", TensorProto.STRING, ["posts"])],
           [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["posts", 3])])


def lookup(g, vocabulary):
    """Word ids of posts, one row each, with a column of padding on either side. A negated form without an id has its word's."""
    ids = {word + "~": number for word, number in vocabulary.items() if word[-1] != "~" and (word[0].isalnum() or word[0] == "#")}
    ids |= vocabulary
    ids[""] = network.PADDING
    words = g("StringSplit", "words", delimiter=" ", outputs=2)
    found = g("LabelEncoder", words, domain="ai.onnx.ml", keys_strings=list(ids), values_int64s=list(ids.values()),
              default_int64=network.UNKNOWN)
    return g("Pad", found, np.array([0, 1, 0, 1]))


def convolution(g, ids, net, share):
    """The network's logits, times share.

    What a word adds to the convolution at each of its three places is a constant of the word, so it is written as a product of
    two constants: the runtime folds it into one table for each place when it opens the file, and the convolution at run time is
    three look-ups and two sums. The file keeps the small factor, with 8-bit vectors.
    """
    state = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    words = word_vectors(g, net)
    terms = []
    for place in range(network.WIDTH):
        table = g("MatMul", words, kernel(state, net.channels, place))
        if place == network.WIDTH // 2:
            table = g("Add", table, state["convolution.bias"])
        terms.append(g("Gather", table, g.slice(ids, place, place - network.WIDTH + 1)))
    both = g("Add", g("Add", terms[0], terms[1]), terms[2])
    carried, gate = g.slice(both, 0, net.channels, axis=2), g.slice(both, net.channels, 0, axis=2)
    gated = g("Mul", g("Relu", carried), g("Sigmoid", gate))
    words = g.sum(g("Cast", g("Cast", ids, to=TensorProto.BOOL), to=TensorProto.FLOAT), keep=True)
    total = g("Div", g.sum(gated), g("Sqrt", words))
    pooled = g("Concat", g("ReduceMax", gated, np.array([1]), keepdims=0), total, axis=1)
    hidden = g("Relu", g("Gemm", pooled, state["hidden.weight"], state["hidden.bias"], transB=1))
    share = np.float32(share)
    return g("Gemm", hidden, share * state["output.weight"], share * state["output.bias"], transB=1)


def word_vectors(g, net):
    """The word table, with one more column, which is one for padding alone. The rest of padding is zero."""
    integers, scale = vectors.integers(net.table.weight.detach().numpy())
    integers = np.pad(integers, ((0, 0), (0, 1)))
    integers[network.PADDING] = 0
    integers[network.PADDING, -1] = scale[network.PADDING] = 1
    return g("Mul", g("Cast", integers, to=TensorProto.FLOAT), scale)


def kernel(state, channels, place):
    """The matrix from word vectors to what a word adds at one place of the convolution.

    Its columns are the channels that carry and then those that gate. What padding carries in the middle place is far below zero,
    which keeps padding out of maximum and sum.
    """
    padding = np.zeros((1, 2 * channels), np.float32)
    padding[:, :channels] = BARRIER * (place == network.WIDTH // 2)
    return np.concatenate([state["convolution.weight"][:, :, place].T, padding])


def linear(g, ids, line, share):
    """The linear half's logits, times share. A pair of words is found by one number."""
    first, second = g.slice(ids, 1, -2), g.slice(ids, 2, -1)
    keys = g("Add", g("Mul", first, np.array(line.size)), second)
    pairs = g("LabelEncoder", keys, domain="ai.onnx.ml", keys_int64s=list(line.pairs),
              values_int64s=[line.size + number for number in line.pairs.values()], default_int64=network.PADDING)
    table = g("Cast", line.table(), to=TensorProto.FLOAT)
    sums = g.sum(g("Gather", table, g("Concat", ids, pairs, axis=1)))
    norm = g("Sqrt", g("Max", g.slice(sums, 3, 4), np.array(1e-9, np.float32)))
    scaled = g("Div", g.slice(sums, 0, 3), norm)
    return g("Add", g("Mul", scaled, np.array(share, np.float32)), (share * line.bias).astype(np.float32))
