"""The network: a gated convolution over the words of a post, and a head for each question about it."""

import copy
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import vectors

PADDING, UNKNOWN = 0, 1  # the first two ids of a vocabulary
WIDTH = 3  # words under the convolution
TABLE_RATE = 4  # word vectors learn this much faster than the rest: each is seen more rarely


class Network(nn.Module):
    """Words to vectors, a convolution over three words with a gate, its maximum and its sum over the post, a head a question."""

    def __init__(self, vocabulary, heads, start=None, dimensions=40, channels=48, hidden=64, dropout=0.4, word_dropout=0.08):
        """heads maps the name of each question to the number of its answers; start maps words to the vectors that they begin with."""
        super().__init__()
        self.channels, self.word_dropout = channels, word_dropout
        self.table = vectors.Vectors(vocabulary, dimensions, start or {})
        self.convolution = nn.Conv1d(dimensions, 2 * channels, WIDTH, padding=WIDTH // 2)
        self.hidden = nn.ModuleDict({name: nn.Linear(2 * channels, hidden) for name in heads})
        self.output = nn.ModuleDict({name: nn.Linear(hidden, answers) for name, answers in heads.items()})
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids, heads):
        """ids: (posts, words), filled with padding. Returns logits for each head asked: (posts, answers)."""
        mask = (ids != PADDING).float().unsqueeze(2)
        if self.training:
            lost = torch.rand(ids.shape, device=ids.device) < self.word_dropout
            ids = torch.where(lost & (ids != PADDING), torch.full_like(ids, UNKNOWN), ids)
        words = self.dropout(self.table(ids) * mask)
        both = self.convolution(words.transpose(1, 2)).transpose(1, 2)
        gated = F.relu(both[..., :self.channels]) * torch.sigmoid(both[..., self.channels:]) * mask
        pooled = self.dropout(torch.cat([gated.max(1)[0], gated.sum(1) / mask.sum(1).sqrt()], 1))
        return {name: self.output[name](self.dropout(F.relu(self.hidden[name](pooled)))) for name in heads}

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


class Lesson:
    """What posts teach about one question: for each post the probabilities of the answers, the weight, and answers left out.

    targets are (posts, answers), weights (posts,): zero where a post teaches nothing; masks (posts, answers) are added to the logits.
    """

    def __init__(self, targets, weights, masks=None):
        self.targets = torch.from_numpy(np.asarray(targets, np.float32))
        self.weights = torch.from_numpy(np.asarray(weights, np.float32))
        self.masks = torch.zeros_like(self.targets) if masks is None else torch.from_numpy(np.asarray(masks, np.float32))

    def to(self, device):
        moved = copy.copy(self)
        moved.targets, moved.weights, moved.masks = (part.to(device) for part in (self.targets, self.weights, self.masks))
        return moved

    def loss(self, logits, chosen):
        log = F.log_softmax(logits + self.masks[chosen], 1)
        return -(self.weights[chosen] * (self.targets[chosen] * log).sum(1)).mean()


def fit(network, rows, lessons, epochs=5, batch=128, rate=1.5e-3, report=print):
    """Train by Adam with a falling rate, on a GPU where there is one. lessons maps heads to what the rows teach about them."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device)
    lessons = {name: lesson.to(device) for name, lesson in lessons.items()}
    table = list(network.table.parameters())
    others = [parameter for name, parameter in network.named_parameters() if not name.startswith("table.")]
    optimiser = torch.optim.Adam([{"params": others, "rate": rate}, {"params": table, "rate": TABLE_RATE * rate}])
    lengths = np.array([len(row) for row in rows])
    steps, step = epochs * -(-len(rows) // batch), 0
    for epoch in range(epochs):
        network.train()
        start, total = time.time(), 0.0
        order = np.argsort(lengths + np.random.uniform(0, 6, len(rows)))  # similar lengths together
        batches = [order[i:i + batch] for i in range(0, len(order), batch)]
        np.random.shuffle(batches)
        for chosen in batches:
            for group in optimiser.param_groups:
                group["lr"] = group["rate"] * min(1, 2 * (1 - step / steps) + 0.02)
            step += 1
            logits = network(pad([rows[i] for i in chosen]).to(device), lessons)
            loss = sum(lesson.loss(logits[name], chosen) for name, lesson in lessons.items())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        report(f"epoch {epoch + 1} of {epochs}: loss {total / len(batches):.3f}, {time.time() - start:.0f} s")
    network.to("cpu")


def predict(network, rows, head, batch=256):
    """Logits of one head for each row, as an array."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(pad(rows[i:i + batch]), [head])[head] for i in range(0, len(rows), batch)]).numpy()
