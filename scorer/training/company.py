"""Vectors of words by the company that they keep, from texts that nobody needs to label.

Words that stand beside the same words get like vectors, so that what labels teach about one carries over to its like. Pairs within a few
words of each other are counted, their positive pointwise mutual information is taken, contexts smoothed (Levy et al., 2015), and the matrix
is cut down by its singular values.
"""

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

import network

WINDOW = 4  # words to either side
SMOOTHED = 0.75  # power of the contexts' frequencies
DIMENSIONS = 200


def vectors(rows, size):
    """A matrix with a row of length one for each word id below size; that of a word that was never seen is zero, as those of placeholders."""
    information = mutual_information(counts(rows, size))
    # The start is fixed, so that training is repeatable.
    left, values, _ = scipy.sparse.linalg.svds(information, DIMENSIONS, v0=np.full(size, size**-0.5), tol=1e-3)
    table = left * np.sqrt(np.maximum(values, 0))
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)
    table[[network.PADDING, network.UNKNOWN]] = 0
    return table


def counts(rows, size):
    """How often two words stand within WINDOW words of each other, near ones counting more."""
    gap = [network.PADDING] * WINDOW
    words = np.fromiter((word for row in rows for part in (row, gap) for word in part), np.int32)
    found = scipy.sparse.csr_matrix((size, size))
    for distance in range(1, WINDOW + 1):
        first, second = words[:-distance], words[distance:]
        known = (first > network.UNKNOWN) & (second > network.UNKNOWN)
        found += scipy.sparse.csr_matrix((np.full(known.sum(), distance**-0.5), (first[known], second[known])), (size, size))
    return (found + found.T).tocoo()


def mutual_information(counts):
    words = np.bincount(counts.row, counts.data, counts.shape[0])
    contexts = words**SMOOTHED / (words**SMOOTHED).sum()
    values = np.log(counts.data / (words[counts.row] * contexts[counts.col]))
    positive = values > 0
    return scipy.sparse.csr_matrix((values[positive], (counts.row[positive], counts.col[positive])), counts.shape)
