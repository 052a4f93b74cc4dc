"""The linear half: words and pairs of neighbouring words, weighted by rarity, each post scaled to length one."""

import collections

import numpy as np
import scipy.optimize
import scipy.sparse

import network

ITERATIONS = 100


class Linear:
    """Features are word ids, and pairs of them as keys first * size + second, numbered from size on."""

    def __init__(self, size, l2=1e-5, pairs=60_000):
        self.size, self.l2, self.most_pairs = size, l2, pairs
        self.pairs = {}

    def fit(self, rows, labels, two_classes, weights, report=print):
        """Fit with every pair seen twice, keep the pairs with the largest weights, and fit again with those."""
        counts = collections.Counter(key for row in rows for key in self.keys(row))
        self.pairs = {key: i for i, key in enumerate(sorted(k for k, n in counts.items() if n >= 2))}
        self._fit(rows, labels, two_classes, weights, report)
        kept = np.argsort(-np.abs(self.weights[:, self.size:]).max(0))[:self.most_pairs] + self.size
        keys = np.array(list(self.pairs))[kept - self.size]
        self.pairs = {int(key): i for i, key in enumerate(np.sort(keys))}
        self._fit(rows, labels, two_classes, weights, report)

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

    def _fit(self, rows, labels, two_classes, weights, report):
        counts = self.matrix(rows)
        present = np.bincount(counts.indices, minlength=counts.shape[1])
        self.rarity = (1 + np.log(len(rows) / (1 + present))) / 10
        self.weights, self.bias, loss = regress(self.scale(counts), labels, two_classes, weights, self.l2)
        report(f"linear: {counts.shape[1]} features, loss {loss:.4f}")

    def predict(self, rows):
        """Logits of each row, from the same table as the exported model's."""
        sums = self.matrix(rows) @ self.table().astype(float)
        return sums[:, :3] / np.sqrt(np.maximum(sums[:, 3:], 1e-9)) + self.bias

    def table(self):
        """For each feature, its rarity times its three weights and its squared rarity, in 16 bits. Padding and unknown: 0."""
        table = np.concatenate([self.weights * self.rarity, self.rarity[None] ** 2]).T
        table[[network.PADDING, network.UNKNOWN]] = 0
        return table.astype(np.float16)


def regress(features, labels, two_classes, weights, l2):
    """Softmax regression by L-BFGS. The neutral class is masked in the loss of posts of two-class sources."""
    posts, size = features.shape
    transposed = features.T.tocsr()
    target = np.eye(3)[labels]
    mask = np.zeros((posts, 3))
    mask[np.asarray(two_classes), network.NEUTRAL] = -1e9
    weight = (weights / np.sum(weights))[:, None]

    def loss(flat):
        theta = flat.reshape(3, size + 1)
        logits = features @ theta[:, :size].T + theta[:, size] + mask
        logits -= logits.max(1, keepdims=True)
        normal = np.log(np.exp(logits).sum(1, keepdims=True))
        error = weight * (np.exp(logits - normal) - target)
        gradient = np.empty_like(theta)
        gradient[:, :size] = (transposed @ error).T + l2 * theta[:, :size]
        gradient[:, size] = error.sum(0)
        value = -(weight * target * (logits - normal)).sum() + l2 * (theta[:, :size] ** 2).sum() / 2
        return value, gradient.ravel()

    found = scipy.optimize.minimize(loss, np.zeros(3 * (size + 1)), jac=True, method="L-BFGS-B",
                                    options={"maxiter": ITERATIONS})
    theta = found.x.reshape(3, size + 1)
    return theta[:, :size], theta[:, size], found.fun
