"""Word vectors that know the letters of their words, so that rare words and misspellings learn from others."""

import collections

import numpy as np
import scipy.sparse
import torch
import torch.nn as nn
import torch.nn.functional as F

SHORTEST, LONGEST = 3, 5  # letters of a run
MIN_WORDS = 3  # words that must share a run
NEGATED = ["~"]  # what all negated words share


class Vectors(nn.Module):
    """A word's own vector, and the sum of those of the runs of letters in it over the root of their number.

    After Bojanowski et al., 2017. All of it is a constant of the word: once trained, it is folded into one table.
    """

    def __init__(self, vocabulary, dimensions, start):
        """vocabulary maps words to ids; ids below the least of them have no letters. start maps some words to their first vectors."""
        super().__init__()
        size = max(vocabulary.values()) + 1
        runs = [[] for _ in range(size)]
        for word, number in vocabulary.items():
            runs[number] = letter_runs(word)
        counts = collections.Counter(run for each in runs for run in each)
        numbers = {run: i for i, run in enumerate(sorted(run for run, n in counts.items() if n >= MIN_WORDS))}
        members = [[numbers[run] for run in each if run in numbers] for each in runs]
        self.own = nn.Parameter(torch.empty(size, dimensions).normal_(0, 0.1))
        self.letters = nn.Parameter(torch.empty(len(numbers), dimensions).normal_(0, 0.03))
        sharing = scipy.sparse.csr_matrix(shares(members), (size, len(numbers)), np.float32)
        self.sharing, self.shared = Constant(sharing), Constant(sharing.T.tocsr())
        with torch.no_grad():
            for word, vector in start.items():
                self.own[vocabulary[word]] = torch.from_numpy(vector)

    def forward(self, ids):
        """The vectors of a tensor of ids, in one more dimension."""
        return F.embedding(ids, self.all())

    def all(self):
        """The vectors of all words. One product with a constant matrix costs less than finding the runs of a batch."""
        return self.own + Product.apply(self.letters, self.sharing(), self.shared())

    def fold(self):
        """The vectors of all words, as a matrix."""
        with torch.no_grad():
            return self.all().cpu().numpy()


class Constant(nn.Module):
    """A sparse matrix that moves with its module to another device, and that nothing learns."""

    def __init__(self, matrix):
        super().__init__()
        self.shape = matrix.shape
        self.register_buffer("starts", torch.from_numpy(matrix.indptr.astype(np.int64)), persistent=False)
        self.register_buffer("columns", torch.from_numpy(matrix.indices.astype(np.int64)), persistent=False)
        self.register_buffer("values", torch.from_numpy(matrix.data), persistent=False)

    def forward(self):
        return torch.sparse_csr_tensor(self.starts, self.columns, self.values, self.shape)


class Product(torch.autograd.Function):
    """A constant sparse matrix times a dense one. Its transpose is given, so that the gradient is such a product, too."""

    @staticmethod
    def forward(context, dense, constant, transposed):
        context.transposed = transposed
        return constant @ dense

    @staticmethod
    def backward(context, gradient):
        return context.transposed @ gradient.contiguous(), None, None


def shares(members):
    """The cells of the matrix that sums the runs of each word over the root of their number: values, and (rows, columns)."""
    rows = np.repeat(np.arange(len(members)), [len(each) for each in members])
    values = np.concatenate([np.full(len(each), len(each) ** -0.5) for each in members if each])
    return values, (rows, np.concatenate([each for each in members if each]).astype(np.int64))


def letter_runs(word):
    """The runs of letters in a word, its ends marked by < and >: not the whole of it, and none of a placeholder or emoji.

    That a word is negated counts as one more.
    """
    if not (word[0].isalpha() or word[0] == "#"):
        return []
    marked = "<" + word.removesuffix("~").removeprefix("#") + ">"
    runs = {marked[i:i + n] for n in range(SHORTEST, LONGEST + 1) for i in range(len(marked) - n + 1)}
    return sorted(runs - {marked}) + NEGATED * word.endswith("~")


def integers(table):
    """A table of vectors as 8-bit integers, and a scale for each row, as the exported model keeps it."""
    scale = np.maximum(np.abs(table).max(1, keepdims=True) / 127, 1e-8).astype(np.float32)
    return np.rint(table / scale).astype(np.int8), scale
