"""The network: a gated convolution over the words of a post."""

import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import vectors

PADDING, UNKNOWN = 0, 1  # the first two ids of a vocabulary
NEUTRAL = 1
WIDTH = 3  # words under the convolution
TABLE_RATE = 10  # word vectors learn this much faster than the rest: each is seen more rarely


class Network(nn.Module):
    """Words to vectors, a convolution over three words with a gate, its maximum and its sum over the post, three classes."""

    def __init__(self, vocabulary, dimensions=40, channels=48, hidden=64, dropout=0.4, word_dropout=0.08):
        super().__init__()
        self.channels, self.word_dropout = channels, word_dropout
        self.table = vectors.Vectors(vocabulary, dimensions)
        self.convolution = nn.Conv1d(dimensions, 2 * channels, WIDTH, padding=WIDTH // 2)
        self.hidden = nn.Linear(2 * channels, hidden)
        self.output = nn.Linear(hidden, 3)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids):
        """ids: (posts, words), filled with padding. Returns logits: (posts, 3)."""
        mask = (ids != PADDING).float().unsqueeze(2)
        if self.training:
            lost = torch.rand(ids.shape) < self.word_dropout
            ids = torch.where(lost & (ids != PADDING), torch.full_like(ids, UNKNOWN), ids)
        words = self.dropout(self.table(ids) * mask)
        both = self.convolution(words.transpose(1, 2)).transpose(1, 2)
        gated = F.relu(both[..., :self.channels]) * torch.sigmoid(both[..., self.channels:]) * mask
        pooled = torch.cat([gated.max(1)[0], gated.sum(1) / mask.sum(1).sqrt()], 1)
        return self.output(self.dropout(F.relu(self.hidden(self.dropout(pooled)))))

    def fold(self):
        """End the training: make one table of the word vectors, rounded as exported, so that figures are of what is exported."""
        integers, scale = vectors.integers(self.table.fold())
        self.table = nn.Embedding.from_pretrained(torch.from_numpy(integers * scale))


def pad(rows):
    """A list of lists of ids as one matrix."""
    matrix = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for i, row in enumerate(rows):
        matrix[i, :len(row)] = row
    return torch.from_numpy(matrix)


def fit(network, rows, labels, two_classes, weights, epochs=4, batch=64, rate=1e-3, report=print):
    """Train by Adam with a falling rate. Posts of two-class sources have the neutral class masked in their loss."""
    # Most words are not in a batch; a sparse optimiser spares them, and so most of the time.
    table = list(network.table.parameters())
    others = [parameter for name, parameter in network.named_parameters() if not name.startswith("table.")]
    optimisers = [(torch.optim.Adam(others), rate), (torch.optim.SparseAdam(table), TABLE_RATE * rate)]
    lengths = np.array([len(row) for row in rows])
    labels = torch.from_numpy(np.asarray(labels))
    weights = torch.from_numpy(np.asarray(weights)).float()
    masks = torch.zeros(len(rows), 3)
    masks[torch.from_numpy(np.asarray(two_classes)), NEUTRAL] = -1e9
    steps, step = epochs * -(-len(rows) // batch), 0
    for epoch in range(epochs):
        network.train()
        start, total = time.time(), 0.0
        order = np.argsort(lengths + np.random.uniform(0, 6, len(rows)))  # similar lengths together
        batches = [order[i:i + batch] for i in range(0, len(order), batch)]
        np.random.shuffle(batches)
        for chosen in batches:
            for optimiser, start_rate in optimisers:
                optimiser.param_groups[0]["lr"] = start_rate * min(1, 2 * (1 - step / steps) + 0.02)
                optimiser.zero_grad()
            step += 1
            logits = network(pad([rows[i] for i in chosen])) + masks[chosen]
            loss = (F.cross_entropy(logits, labels[chosen], reduction="none") * weights[chosen]).mean()
            loss.backward()
            for optimiser, _ in optimisers:
                optimiser.step()
            total += loss.item()
        report(f"epoch {epoch + 1} of {epochs}: loss {total / len(batches):.3f}, {time.time() - start:.0f} s")


def predict(network, rows, batch=256):
    """Logits of each row, as an array."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(pad(rows[i:i + batch])) for i in range(0, len(rows), batch)]).numpy()
