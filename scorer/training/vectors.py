"""Word vectors that know the letters of their words, so that rare words and misspellings learn from others."""

import collections

import numpy as np
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
        self.lengths = torch.tensor([len(each) for each in members])
        self.starts = torch.cumsum(self.lengths, 0) - self.lengths
        self.members = torch.tensor([run for each in members for run in each])
        self.own = nn.Embedding(size, dimensions, sparse=True)
        self.letters = nn.Embedding(len(numbers), dimensions, sparse=True)
        nn.init.normal_(self.own.weight, 0, 0.1)
        nn.init.normal_(self.letters.weight, 0, 0.03)
        with torch.no_grad():
            for word, vector in start.items():
                self.own.weight[vocabulary[word]] = torch.from_numpy(vector)

    def forward(self, ids):
        """The vectors of a tensor of ids, in one more dimension."""
        words, places = torch.unique(ids, return_inverse=True)
        lengths = self.lengths[words]
        bags = torch.cumsum(lengths, 0) - lengths
        inside = torch.arange(int(lengths.sum())) - torch.repeat_interleave(bags, lengths)
        members = self.members[torch.repeat_interleave(self.starts[words], lengths) + inside]
        letters = F.embedding_bag(members, self.letters.weight, bags, mode="sum", sparse=True)
        vectors = self.own(words) + letters / lengths.clamp(min=1).sqrt().unsqueeze(1)
        return F.embedding(places, vectors)

    def fold(self):
        """The vectors of all words, as a matrix."""
        with torch.no_grad():
            return self(torch.arange(len(self.lengths))).numpy()


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
