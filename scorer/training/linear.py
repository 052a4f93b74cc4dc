"""The linear half: words, their letters, and pairs of neighbouring words, weighted by rarity, each post scaled to length one."""

import collections

import numpy as np
import scipy.optimize
import scipy.sparse

import network
import vectors

VECTORS = 0.5  # length of the words' vectors, where runs of letters have length one
ROUGH, FINE = 25, 60  # steps of the fit that chooses the pairs, and of the last


class Linear:
    """Features are word ids, and pairs of them as keys first * size + second, numbered from size on."""

    def __init__(self, vocabulary, vectors, coins=(), sharing=(), l2=1e-5, l2_sharing=5e-5, pairs=60_000):
        """vocabulary maps words to ids; vectors has a row for each; coins are the ids of the words that stand for a coin.

        In the heads that are sharing, runs of letters and the dimensions of the words' vectors have weights as well, which words of like
        letters or meaning share: what few posts teach about a word carries over to its like. They are a constant of the word, so they
        are folded into its weight.
        """
        self.size, self.coins, self.sharing, self.most_pairs = max(vocabulary.values()) + 1, list(coins), sharing, pairs
        self.l2, self.l2_sharing = l2, l2_sharing
        self.shared = scipy.sparse.hstack([letters(vocabulary, self.size), VECTORS * vectors]).tocsr()
        self.pairs, self.weights, self.bias = {}, {}, {}

    def fit(self, rows, lessons, report=print):
        """Fit every head with every pair seen twice, keep the pairs with the largest weights, and fit again with those."""
        counts = collections.Counter(key for row in rows for key in self.keys(row))
        self.pairs = {key: i for i, key in enumerate(sorted(k for k, n in counts.items() if n >= 2))}
        self._fit(rows, lessons, ROUGH, report)
        largest = np.max([np.abs(weights[:, self.size:]).max(0) for weights in self.weights.values()], axis=0)
        kept = np.argsort(-largest)[:self.most_pairs]
        keys = np.array(list(self.pairs))[kept]
        self.pairs = {int(key): i for i, key in enumerate(np.sort(keys))}
        self._fit(rows, lessons, FINE, report)

    def keys(self, row):
        return [a * self.size + b for a, b in zip(row, row[1:]) if a != network.UNKNOWN and b != network.UNKNOWN]

    def matrix(self, rows):
        columns, starts = [], [0]
        for row in rows:
            columns += [i for i in row if i != network.UNKNOWN]
            columns += [self.size + self.pairs[key] for key in self.keys(row) if key in self.pairs]
            starts.append(len(columns))
        shape = (len(rows), self.size + len(self.pairs))
        return scipy.sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape)

    def scale(self, counts):
        """Multiply each occurrence by its rarity and divide by the root of the post's squared rarities."""
        norm = np.sqrt(np.maximum(counts @ self.rarity**2, 1e-9))
        return (scipy.sparse.diags(1 / norm) @ counts @ scipy.sparse.diags(self.rarity)).tocsr()

    def _fit(self, rows, lessons, steps, report):
        counts = self.matrix(rows)
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        self.rarity = (1 + np.log(len(rows) / (1 + present))) / 10
        scaled = self.scale(counts)
        for head, lesson in lessons.items():
            weights = lesson.weights.numpy().astype(float)
            taught = np.flatnonzero(weights)
            seen, l2 = scaled[taught], self.l2
            if head in self.sharing:
                l2 = self.l2_sharing
                seen = scipy.sparse.hstack([seen, seen[:, :self.size] @ self.shared]).tocsr()
            found, self.bias[head], loss = regress(seen, lesson.targets.numpy().astype(float)[taught],
                                                   lesson.masks.numpy().astype(float)[taught], weights[taught], l2, steps)
            self.weights[head] = found[:, :scaled.shape[1]]
            if head in self.sharing:
                self.weights[head][:, :self.size] += (self.shared @ found[:, scaled.shape[1]:].T).T
            report(f"linear, {head}: {counts.shape[1]} features, loss {loss:.4f}")

    def predict(self, rows, head):
        """Logits of each row, from the same table as the exported model's."""
        sums = self.matrix(rows) @ self.table([head]).astype(float)
        return sums[:, :-2] / np.sqrt(np.maximum(sums[:, -1:], 1e-9)) + self.bias[head]

    def table(self, heads):
        """For each feature, in 16 bits: its rarity times its weights for each head, whether it stands for a coin, its squared rarity.

        Padding and unknown are zero.
        """
        named = np.zeros((1, len(self.rarity)))
        named[0, self.coins] = 1
        table = np.concatenate([self.weights[head] * self.rarity for head in heads] + [named, self.rarity[None] ** 2]).T
        table[[network.PADDING, network.UNKNOWN]] = 0
        return table.astype(np.float16)


def letters(vocabulary, size):
    """Which runs of letters each word has, as a sparse matrix; a word's row has length one.

    The runs of negated words are their own: "not a scam" says the opposite of a scam.
    """
    runs = {number: [run + "~" * word.endswith("~") for run in vectors.letter_runs(word)] for word, number in vocabulary.items()}
    counts = collections.Counter(run for each in runs.values() for run in each)
    numbers = {run: i for i, run in enumerate(sorted(run for run, n in counts.items() if n >= vectors.MIN_WORDS))}
    cells = [(number, numbers[run]) for number, each in runs.items() for run in each if run in numbers]
    words, columns = np.array(cells).T
    values = 1 / np.sqrt(np.bincount(words, minlength=size))[words]
    return scipy.sparse.csr_matrix((values, (words, columns)), (size, len(numbers)))


def regress(features, target, mask, weights, l2, steps):
    """Softmax regression by L-BFGS. The mask is added to the logits."""
    classes, size = target.shape[1], features.shape[1]
    transposed = features.T.tocsr()
    weight = (weights / np.sum(weights))[:, None]

    def loss(flat):
        theta = flat.reshape(classes, size + 1)
        logits = features @ theta[:, :size].T + theta[:, size] + mask
        logits -= logits.max(1, keepdims=True)
        normal = np.log(np.exp(logits).sum(1, keepdims=True))
        error = weight * (np.exp(logits - normal) - target)
        gradient = np.empty_like(theta)
        gradient[:, :size] = (transposed @ error).T + l2 * theta[:, :size]
        gradient[:, size] = error.sum(0)
        value = -(weight * target * (logits - normal)).sum() + l2 * (theta[:, :size] ** 2).sum() / 2
        return value, gradient.ravel()

    found = scipy.optimize.minimize(loss, np.zeros(classes * (size + 1)), jac=True, method="L-BFGS-B",
                                    options={"maxiter": steps})
    theta = found.x.reshape(classes, size + 1)
    return theta[:, :size], theta[:, size], found.fun
