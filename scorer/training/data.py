"""Labelled posts: reading, splitting into words, removing duplicates, and setting validation parts aside."""

import dataclasses
import hashlib
import pathlib
import subprocess

import numpy as np

CLASSES = ["negative", "neutral", "positive"]

# What the labels of a source leave out. Authors' own tags know bullish and bearish, but no "neither": such a source says
# nothing about the neutral class, and its posts must not teach that there is none.
TWO_CLASSES = {"stocktwits_ethx_train", "stocktwits_stocks_2020", "surge_stock_tweets"}

# Whole files kept for validation.
HELD_OUT = {"semeval_val": "general", "sentiment140_manual_test": "general, small", "surge_stock_tweets": "stock-market tweets"}

# Shares carved out of training files for validation, and the kind that each stands for.
CARVED = {
    "afterrain_bitcoin_all": (0.20, "crypto comments"),
    "stocktwits_ethx_train": (0.15, "crypto StockTwits"),
    "tfns_train": (0.12, "finance tweets"),
    "semeval2017t5_microblogs_train": (0.30, "finance microblogs"),
    "fiqa_posts": (0.30, "finance microblogs"),
}

# The six kinds that the model is for.
KINDS = ["general", "crypto comments", "crypto StockTwits", "finance tweets", "stock-market tweets", "finance microblogs"]

# Kinds judged on two classes, as the sets that they stand for are.
TWO_CLASS_KINDS = {"crypto comments", "crypto StockTwits", "stock-market tweets"}

# Two posts are near-duplicates if they share this part of their runs of three words.
NEAR = 0.5


@dataclasses.dataclass
class Post:
    source: str
    label: int
    text: str  # on one line
    words: list  # of str; a tilde ends those that a negation reaches
    kind: str = ""  # the validation part that the post belongs to; empty: training

    @property
    def key(self):
        """The plain words: what makes two posts the same post."""
        return " ".join(w.removesuffix("~") for w in self.words if w.isascii() and w[0].isalnum())


def read(directory, splitter):
    """Read every labels file of the directory; splitter is the command of the Go program that splits texts into words."""
    posts = []
    for path in sorted(pathlib.Path(directory).glob("*.tsv")):
        source = path.stem.removeprefix("labels_")
        rows = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").split("\n") if line]
        texts = [text.replace("\r", " ") for _, text in rows]
        for (label, _), text, line in zip(rows, texts, pipe(splitter, texts)):
            if line:
                posts.append(Post(source, CLASSES.index(label), text, line.split(" ")))
    return posts


def pipe(command, texts):
    """Run a program that reads texts, one a line, and return the line that it writes for each."""
    done = subprocess.run(command, input="".join(text + "\n" for text in texts).encode(), stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode().split("\n")[:-1]
    if len(lines) != len(texts):
        raise ValueError(f"{command[0]} answered {len(texts)} texts with {len(lines)} lines")
    return lines


def fraction(text):
    """A number in [0, 1) that depends on the text alone, so that a post keeps its part whatever else is read."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def set_aside(posts):
    """Mark the validation posts, and drop repeated posts and training posts that nearly repeat a validation post."""
    unique, seen = [], set()
    for post in sorted(posts, key=lambda p: p.source not in HELD_OUT):  # held-out files first: they keep their posts
        if post.key and post.key in seen:
            continue
        seen.add(post.key)
        unique.append(post)
    for post in unique:
        share, kind = CARVED.get(post.source, (0, ""))
        if post.source in HELD_OUT:
            post.kind = HELD_OUT[post.source]
        elif fraction(post.key) < share and not (kind in TWO_CLASS_KINDS and post.label == 1):
            post.kind = kind
    return drop_near(unique)


def shingles(post):
    words = post.key.split(" ")
    return {" ".join(words[i:i + 3]) for i in range(max(1, len(words) - 2))}


def drop_near(posts):
    """Drop training posts that share half of their shingles, or a validation post's, with a validation post."""
    owners = {}
    sizes = {}
    for number, post in enumerate(posts):
        if post.kind:
            parts = shingles(post)
            sizes[number] = len(parts)
            for part in parts:
                owners.setdefault(part, []).append(number)
    kept = []
    for post in posts:
        if not post.kind:
            parts, shared = shingles(post), {}
            for part in parts:
                for number in owners.get(part, ()):
                    shared[number] = shared.get(number, 0) + 1
            if any(n >= NEAR * min(len(parts), sizes[number]) and n > 1 for number, n in shared.items()):
                continue
        kept.append(post)
    return kept, len(posts) - len(kept)


def weights(posts, power, group=lambda post: post.source):
    """Weights that balance the classes inside each group and give a group of n posts the mass n**power; their mean is one."""
    groups = np.array([group(post) for post in posts])
    label = np.array([post.label for post in posts])
    weight = np.zeros(len(posts))
    for name in np.unique(groups):
        here = groups == name
        present = np.unique(label[here])
        for k in present:
            of = here & (label == k)
            weight[of] = here.sum() ** power / len(present) / of.sum()
    return weight / weight.mean()
