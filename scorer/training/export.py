"""The trained model as a directory: words.txt and pairs.txt, from which the scorer learns the ids of words and of pairs of neighbouring
words, and an ONNX graph from these ids to probabilities of mood and of kind."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import network
import vectors

OPSET, IR = 20, 9
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
        opsets = [helper.make_opsetid("", OPSET)]
        onnx.save(helper.make_model(graph, producer_name="rcas", opset_imports=opsets, ir_version=IR), str(path))


NAMES = {"mood": "probabilities", "kind": "kinds"}
WORDS, PAIRS, GRAPH = "words.txt", "pairs.txt", "model.onnx"


def inputs():
    """What a graph of this form takes, all numbers of 32 bits.

    words are the ids of the words of a batch, each once, the first of them padding: so what is computed of a word is computed once in a
    batch. places tell for each post where its words stand among these, with padding before and after. features are the ids of each post's
    words and pairs, filled with padding.
    """
    return [helper.make_tensor_value_info(name, TensorProto.INT32, shape)
            for name, shape in (("words", ["words"]), ("places", ["posts", "places"]), ("features", ["posts", "features"]))]


def build(directory, vocabulary, net, line, heads, mixes):
    """Write the files. The graph sums the logits of the voices, each times its share.

    vocabulary maps words to ids; heads maps each output to the heads whose network and linear logits are its voices, in the order of
    its mix in mixes.
    """
    write_vocabulary(directory, vocabulary, line)
    g = Graph()
    order = [name for names in heads.values() for name in names]
    sums = features(g, line, order)
    norm = g("Sqrt", g("Max", g.slice(sums, -1, 0), np.array(1e-9, np.float32)))
    voted = g("Div", g.slice(sums, 0, -2), norm)
    spoken = g("Concat", hidden(g, convolution(g, net), net, order), voted, axis=1)
    named = g("Min", g.slice(sums, -2, -1), np.array(1, np.float32))
    voices = Voices(net, line, order)
    for output, names in heads.items():
        join(g, spoken, voices, names, mixes[output], named, NAMES[output])
    g.save(directory / GRAPH, inputs(),
           [helper.make_tensor_value_info(NAMES[output], TensorProto.FLOAT, ["posts", len(line.bias[names[0]])])
            for output, names in heads.items()])


def write_vocabulary(directory, vocabulary, line):
    """Write the words, one a line, by their ids from the first after UNKNOWN on, and the pairs, two words a line, by theirs."""
    words = sorted(vocabulary, key=vocabulary.get)
    if [vocabulary[word] for word in words] != list(range(network.UNKNOWN + 1, line.size)) or list(line.pairs) != sorted(line.pairs):
        raise ValueError("ids of words and keys of pairs must follow each other")
    names = [None] * (network.UNKNOWN + 1) + words
    (directory / WORDS).write_text("".join(word + "\n" for word in words), encoding="utf-8", newline="\n")
    (directory / PAIRS).write_text("".join(f"{names[key // line.size]} {names[key % line.size]}\n" for key in line.pairs), encoding="utf-8", newline="\n")


class Voices:
    """The voices' logits as linear functions: of the hidden layers of all heads side by side, and of the scaled sums after them."""

    def __init__(self, net, line, order):
        self.net, self.line, self.order = net, line, order
        self.widths = [net.output[name].in_features for name in order] + [len(line.bias[name]) for name in order]

    def total(self, names, shares, moved=0):
        """Matrix and bias of the sum of the voices of these heads, network and linear half of each, times their shares."""
        answers = len(self.line.bias[names[0]])
        parts, bias = [np.zeros((width, answers)) for width in self.widths], np.zeros(answers) + moved
        for name, network_share, line_share in zip(names, shares[::2], shares[1::2]):
            at, output = self.order.index(name), self.net.output[name]
            parts[at] += network_share * output.weight.detach().numpy().T
            parts[len(self.order) + at] += line_share * np.eye(answers)
            bias += network_share * output.bias.detach().numpy() + line_share * self.line.bias[name]
        return np.concatenate(parts), bias


def join(g, spoken, voices, names, mix, named, output):
    """An output of the graph from its voices; see mixing.Mix."""
    def linear(matrix, bias):
        return g("Gemm", spoken, matrix.astype(np.float32), bias.astype(np.float32))

    matrix, bias = voices.total(names, mix.shares)
    logits = linear(matrix, bias)
    if mix.named_shares is not None:
        other, moved = voices.total(names, mix.named_shares, mix.moved)
        logits = g("Add", logits, g("Mul", named, linear(other - matrix, moved - bias)))
    g.answer(logits, output)


def convolution(g, net):
    """What the network sees in each post: the convolution's maximum and its sum.

    What a word adds to the convolution at each of its three places depends on the word alone, so it is computed once for each word of the
    batch: the convolution is three look-ups and two sums. Tables of it for all words would make the look-ups slower than the little
    product: 64 MB are in no cache.
    """
    state = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    words = word_vectors(g, net)
    places = [g.slice("places", place, place - network.WIDTH + 1) for place in range(network.WIDTH)]

    def summed(begin, end):
        tables = [g("MatMul", words, kernel(state, place)[:, begin:end]) for place in range(network.WIDTH)]
        middle = network.WIDTH // 2
        tables[middle] = g("Add", tables[middle], state["convolution.bias"][begin:end])
        first, *others = (g("Gather", table, place) for table, place in zip(tables, places))
        for other in others:
            first = g("Add", first, other)
        return first

    gated = g("Mul", g("Relu", summed(0, net.channels)), g("Sigmoid", summed(net.channels, 2 * net.channels)))
    words = g.sum(g("Cast", g("Cast", "places", to=TensorProto.BOOL), to=TensorProto.FLOAT), keep=True)
    total = g("Div", g.sum(gated), g("Sqrt", words))
    return g("Concat", g("ReduceMax", gated, np.array([1]), keepdims=0), total, axis=1)


def hidden(g, pooled, net, order):
    """The hidden layers of these heads side by side."""
    def together(kind):
        return np.concatenate([getattr(net.hidden[name], kind).detach().numpy() for name in order])

    return g("Relu", g("Gemm", pooled, together("weight"), together("bias"), transB=1))


def word_vectors(g, net):
    """The vectors of the batch's words, with one more column, which is one for padding alone. The rest of padding is zero."""
    integers, scale = vectors.integers(net.table.weight.detach().numpy())
    integers = np.pad(integers, ((0, 0), (0, 1)))
    integers[network.PADDING] = 0
    integers[network.PADDING, -1] = scale[network.PADDING] = 1
    return g("Mul", g("Cast", g("Gather", integers, "words"), to=TensorProto.FLOAT), g("Gather", scale, "words"))


def kernel(state, place):
    """The matrix from word vectors to what a word adds at one place of the convolution.

    Its columns are the channels that carry and then those that gate. What padding carries in the middle place is far below zero,
    which keeps padding out of maximum and sum.
    """
    weight = state["convolution.weight"][:, :, place].T
    padding = np.zeros((1, weight.shape[1]), np.float32)
    padding[:, :weight.shape[1] // 2] = BARRIER * (place == network.WIDTH // 2)
    return np.concatenate([weight, padding])


def features(g, line, heads):
    """The sums of the linear half over words and pairs of words.

    The columns are the answers of each head, whether a coin was named, and the squared rarity.
    """
    rows = g("Gather", line.table(heads), "features")
    return g.sum(g("Cast", rows, to=TensorProto.FLOAT))
