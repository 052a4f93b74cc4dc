"""The trained model as one ONNX graph: split posts in, probabilities of mood and of kind out."""

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

    def answer(self, logits, name):
        """An output of the graph: probabilities from logits."""
        self.nodes.append(helper.make_node("Softmax", [logits], [name], axis=1))

    def save(self, path, inputs, outputs):
        graph = helper.make_graph(self.nodes, "rcas", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        onnx.save(helper.make_model(graph, producer_name="rcas", opset_imports=opsets, ir_version=IR), str(path))


NAMES = {"mood": "probabilities", "kind": "kinds"}


def build(path, vocabulary, net, line, heads, mixes):
    """Write the graph: the logits of the voices times their shares, summed.

    vocabulary maps words to ids; heads maps each output to the heads whose network and linear logits are its voices, in the order of
    its mix in mixes.
    """
    g = Graph()
    ids = lookup(g, vocabulary)
    pooled = convolution(g, ids, net)
    order = [name for names in heads.values() for name in names]
    sums, scale = features(g, ids, line, order)
    voices, at = {}, 0
    for name in order:
        answers = len(line.bias[name])
        voted = g("Add", g("Mul", g.slice(sums, at, at + answers), scale), line.bias[name].astype(np.float32))
        voices[name] = [head(g, pooled, net, name), voted]
        at += answers
    named = g("Min", g.slice(sums, -2, -1), np.array(1, np.float32))
    for output, names in heads.items():
        join(g, [voice for name in names for voice in voices[name]], mixes[output], named, NAMES[output])
    g.save(path, [helper.make_tensor_value_info("words", TensorProto.STRING, ["posts"])],
           [helper.make_tensor_value_info(NAMES[output], TensorProto.FLOAT, ["posts", len(line.bias[names[0]])])
            for output, names in heads.items()])


def join(g, voices, mix, named, output):
    """An output of the graph from its voices; see mixing.Mix."""
    def total(shares):
        shared = [g("Mul", voice, np.array(share, np.float32)) for voice, share in zip(voices, shares) if share]
        return g("Sum", *shared)

    logits = total(mix.shares)
    if mix.named_shares is not None:
        other = g("Add", total(mix.named_shares), mix.moved.astype(np.float32))
        logits = g("Add", logits, g("Mul", named, g("Sub", other, logits)))
    g.answer(logits, output)


def lookup(g, vocabulary):
    """Word ids of posts, one row each, with a column of padding on either side. A negated form without an id has its word's."""
    ids = {word + "~": number for word, number in vocabulary.items() if word[-1] != "~" and (word[0].isalnum() or word[0] == "#")}
    ids |= vocabulary
    ids[""] = network.PADDING
    words = g("StringSplit", "words", delimiter=" ", outputs=2)
    found = g("LabelEncoder", words, domain="ai.onnx.ml", keys_strings=list(ids), values_int64s=list(ids.values()),
              default_int64=network.UNKNOWN)
    return g("Pad", found, np.array([0, 1, 0, 1]))


def convolution(g, ids, net):
    """What the network sees in each post: the convolution's maximum and its sum.

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
    return g("Concat", g("ReduceMax", gated, np.array([1]), keepdims=0), total, axis=1)


def head(g, pooled, net, name):
    """The network's logits of one head."""
    hidden, output = net.hidden[name], net.output[name]
    inner = g("Relu", g("Gemm", pooled, hidden.weight.detach().numpy(), hidden.bias.detach().numpy(), transB=1))
    return g("Gemm", inner, output.weight.detach().numpy(), output.bias.detach().numpy(), transB=1)


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


def features(g, ids, line, heads):
    """The sums of the linear half over words and pairs of words, and what scales them. A pair is found by one number.

    The columns of the sums are the answers of each head, whether a coin was named, and the squared rarity.
    """
    first, second = g.slice(ids, 1, -2), g.slice(ids, 2, -1)
    keys = g("Add", g("Mul", first, np.array(line.size)), second)
    pairs = g("LabelEncoder", keys, domain="ai.onnx.ml", keys_int64s=list(line.pairs),
              values_int64s=[line.size + number for number in line.pairs.values()], default_int64=network.PADDING)
    table = g("Cast", line.table(heads), to=TensorProto.FLOAT)
    sums = g.sum(g("Gather", table, g("Concat", ids, pairs, axis=1)))
    norm = g("Sqrt", g("Max", g.slice(sums, -1, 0), np.array(1e-9, np.float32)))
    return sums, g("Div", np.array(1, np.float32), norm)
