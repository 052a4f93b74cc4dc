"""How the two halves of the model are joined and calibrated."""

import collections
import dataclasses

import numpy as np
import scipy.optimize
import scipy.special

import data

NEUTRAL = 1
READ_SHARE = 0.8
RARITY = 0.85  # 0 leaves the classes of read posts as frequent as they are, 1 balances them


@dataclasses.dataclass
class Mix:
    """The shares of the voices whose logits are summed: the network's and the linear half's, for one head or two.

    Posts that name a coin have shares of their own, and what is added to their logits.
    """

    shares: np.ndarray
    named_shares: np.ndarray | None = None  # None: posts that name a coin are as others
    moved: np.ndarray | None = None  # for each answer

    def __call__(self, voices, named):
        """The logits of the whole model. named tells of each post whether it names a coin."""
        logits = sum(share * voice for share, voice in zip(self.shares, voices))
        if self.named_shares is None:
            return logits
        return np.where(named[:, None], sum(share * voice for share, voice in zip(self.named_shares, voices)) + self.moved, logits)


def masked(logits, posts):
    """The logits with neutral far below zero for posts of two-class parts."""
    logits = logits.copy()
    logits[[post.part in data.TWO_CLASS_PARTS for post in posts], NEUTRAL] = -1e9
    return logits


def cross_entropy(logits, labels, weights):
    log = scipy.special.log_softmax(logits, axis=1)
    return -np.mean(weights * log[np.arange(len(labels)), labels])


def mood(voices, posts, named):
    """The mix for the mood of four voices: network and linear half about texts as wholes, and both about the coin.

    Posts that name no coin are judged by the first two. The ratio of the shares has the least cross-entropy with classes balanced in
    each part of validation, so that decisions are even-handed; their sum, the inverse of a temperature (Guo et al., 2017), has the
    least with classes as frequent as they are, so that probabilities are calibrated. Parts weigh the same, and two-class parts count
    with neutral masked. In posts that name a coin all four have the least cross-entropy; see balanced.
    """
    voices = [masked(voice, posts) for voice in voices]
    labels = np.array([post.label for post in posts])
    read = np.array([post.part == data.READ for post in posts])
    whole = ~read & ~np.array([post.part.startswith("elsewhere") for post in posts])
    some = np.flatnonzero(whole)
    shares = whole_shares([voice[some] for voice in voices[:2]], [posts[i] for i in some], labels[some])
    shares = np.concatenate([shares, np.zeros(len(voices) - 2)])
    some = np.flatnonzero(named & (read | whole))
    if not read[some].any():
        return Mix(shares)
    weights = balanced([posts[i] for i in some], read[some])
    here = [voice[some] for voice in voices]

    def loss(x):
        logits = sum(share * voice for share, voice in zip(x, here)) + np.array([x[-2], 0, x[-1]])
        return cross_entropy(logits, labels[some], weights) + 0.002 * np.square(x).sum()  # the voices say nearly the same

    found = scipy.optimize.minimize(loss, np.full(len(voices) + 2, 0.3), method="L-BFGS-B").x
    return Mix(shares, found[:-2], np.array([found[-2], 0, found[-1]]))


def balanced(posts, read):
    """Weights of posts that name a coin: READ_SHARE of read ones, their classes by a power of their rarity; others balanced in their parts."""
    labels = np.array([post.label for post in posts])
    rare = (np.bincount(labels[read], minlength=3) + 1.0) ** -RARITY
    of_read, others = np.where(read, rare[labels], 0), np.where(read, 0, data.weights(posts, 1, group=lambda post: post.part))
    return (READ_SHARE * of_read / of_read.sum() + (1 - READ_SHARE) * others / max(others.sum(), 1e-9)) * len(posts)


def whole_shares(voices, posts, labels):
    balanced = data.weights(posts, 0, group=lambda post: post.part)
    size = collections.Counter(post.part for post in posts)
    even = np.array([len(posts) / len(size) / size[post.part] for post in posts])
    shares = scipy.optimize.minimize(lambda x: cross_entropy(Mix(x)(voices, None), labels, balanced),
                                     np.full(len(voices), 1 / len(voices)), method="Nelder-Mead").x
    return shares * scipy.optimize.minimize_scalar(lambda x: cross_entropy(Mix(x * shares)(voices, None), labels, even),
                                                   bounds=(0.1, 10), method="bounded").x


def kind(voices, posts):
    """The mix for the kind: the least cross-entropy on read posts."""
    labels = np.array([post.kind for post in posts])
    return Mix(scipy.optimize.minimize(lambda x: cross_entropy(Mix(x)(voices, None), labels, 1), np.full(len(voices), 1 / len(voices)),
                                       method="Nelder-Mead").x)
