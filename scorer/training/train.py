#!/usr/bin/python3
"""Train the bundled model: train.py --labels DIR --out DIR.

Runs on Debian's own packages (python3-torch, python3-scipy, python3-onnx) and the Go toolchain, whose programs here split the
texts exactly as the scorer does and run what was exported.
"""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

import numpy as np
import scipy.optimize
import scipy.special
import torch

import data
import export
import linear
import network

MAX_WORDS = 60
MIN_COUNT = 2
SOURCE_POWER = 0.75
TOLERANCE = 1e-4  # of a probability, between the exported model and the computation here


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--labels", required=True, help="folder of label files: label, tab, text")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="model directory to write")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # The matrices are small: a second thread gains little, and loses much where the machine has other work.
    torch.set_num_threads(1)
    start = time.time(), time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        train(options.labels, options.seed, scratch)
        options.out.mkdir(parents=True, exist_ok=True)
        for name in ("model.onnx", "config.json", "validation.json"):
            shutil.move(scratch / name, options.out / name)
    report(f"done in {time.time() - start[0]:.0f} s, {time.process_time() - start[1]:.0f} s of processor time")


def train(labels, seed, directory):
    """Train, export and check a model, and write its files into the directory."""
    posts, near = data.set_aside(data.read(labels, [build("words", directory)]))
    training = [p for p in posts if not p.kind]
    validation = [p for p in posts if p.kind]
    report(f"{len(training)} training posts, {len(validation)} for validation, {near} near-duplicates dropped")
    ids = count_words(training)
    size = network.UNKNOWN + 1 + len(ids)
    rows, held = encode(training, ids), encode(validation, ids)
    lesson = (rows, np.array([p.label for p in training]), np.array([p.source in data.TWO_CLASSES for p in training]),
              data.weights(training, SOURCE_POWER))

    line = linear.Linear(size)
    line.fit(*lesson, report=report)
    torch.manual_seed(seed)
    np.random.seed(seed)
    net = network.Network(ids)
    network.fit(net, *lesson, report=report)
    net.fold()

    parts = [network.predict(net, held).astype(float), line.predict(held)]
    mix = blend(parts, validation)
    export.build(directory / "model.onnx", ids, net, line, mix)
    write_json(directory / "config.json", configuration())
    figures = describe(parts, mix, validation)
    figures["largest_difference"] = check(directory, combine(parts, mix), validation)
    write_json(directory / "validation.json", figures)
    report(json.dumps(figures, indent=2))


def report(line):
    print(line, flush=True)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")



def build(name, directory):
    """Build a Go program of this folder into the directory, and return its path."""
    path = str(directory / name)
    subprocess.run(["go", "build", "-o", path, f"./{name}"], cwd=pathlib.Path(__file__).parent, check=True)
    return path


def count_words(posts):
    """Ids of words: first those seen twice, negated or not, by their number, then negated forms seen twice themselves."""
    forms = collections.Counter(word for post in posts for word in post.words)
    words = collections.Counter()
    for form, n in forms.items():
        words[form.removesuffix("~")] += n
    common = [[word for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if n >= MIN_COUNT]
              for counts in (words, {form: n for form, n in forms.items() if form.endswith("~")})]
    return {word: network.UNKNOWN + 1 + i for i, word in enumerate(common[0] + common[1])}


def encode(posts, ids):
    """A negated form that has no id takes its word's."""
    def number(word):
        return ids.get(word, ids.get(word.removesuffix("~"), network.UNKNOWN))

    return [[number(word) for word in post.words[:MAX_WORDS]] for post in posts]


def combine(parts, mix):
    """The logits of the whole model."""
    return sum(share * part for share, part in zip(mix, parts))


def masked(logits, posts):
    """The logits with neutral far below zero for posts of two-class kinds."""
    logits = logits.copy()
    logits[[post.kind in data.TWO_CLASS_KINDS for post in posts], network.NEUTRAL] = -1e9
    return logits


def blend(parts, posts):
    """The share of each part's logits, so that decisions are even-handed and probabilities are calibrated.

    The ratio of the shares has the least cross-entropy with classes balanced in each kind; their sum, the inverse of a
    temperature (Guo et al., 2017), has the least with classes as frequent as they are. Kinds weigh the same, and two-class kinds
    count with neutral masked.
    """
    parts = [masked(part, posts) for part in parts]
    balanced = data.weights(posts, 0, group=lambda post: post.kind)
    size = collections.Counter(post.kind for post in posts)
    even = np.array([len(posts) / len(size) / size[post.kind] for post in posts])
    shares = scipy.optimize.minimize(lambda x: cross_entropy(combine(parts, x), posts, balanced),
                                     np.full(len(parts), 1 / len(parts)), method="Nelder-Mead").x
    return shares * scipy.optimize.minimize_scalar(lambda x: cross_entropy(x * combine(parts, shares), posts, even),
                                                   bounds=(0.1, 10), method="bounded").x


def cross_entropy(logits, posts, weights):
    log = scipy.special.log_softmax(logits, axis=1)
    return -np.mean(weights * log[np.arange(len(posts)), [post.label for post in posts]])


def describe(parts, mix, posts):
    """The figures of validation. Where shares matter, each post is judged by shares that were fitted without its half."""
    half = np.array([data.fraction("half " + post.key) < 0.5 for post in posts])
    logits = np.empty_like(parts[0])
    for here in (half, ~half):
        others = np.flatnonzero(~here)
        shares = blend([part[others] for part in parts], [posts[i] for i in others])
        logits[here] = combine([part[here] for part in parts], shares)
    rows = reliability(logits, posts)
    return {"posts": collections.Counter(post.kind for post in posts), "macro_recall": judge(logits, posts),
            "network_alone": judge(parts[0], posts), "linear_alone": judge(parts[1], posts),
            "mix": [round(float(share), 3) for share in mix], "reliability": rows,
            "calibration_error": round(sum(r["posts"] * abs(r["confidence"] - r["accuracy"]) for r in rows) / len(posts), 4)}


def judge(logits, posts):
    """Macro recall for each kind of validation part, and the mean of the six kinds."""
    predicted = masked(logits, posts).argmax(1)
    labels = np.array([post.label for post in posts])
    figures = {}
    for kind in data.KINDS + ["general, small"]:
        here = np.array([post.kind == kind for post in posts])
        recalls = [(predicted[here & (labels == k)] == k).mean() for k in np.unique(labels[here])]
        figures[kind] = round(float(np.mean(recalls)), 4)
    figures["mean of six"] = round(float(np.mean([figures[kind] for kind in data.KINDS])), 4)
    return figures


def reliability(logits, posts):
    """For each tenth of confidence: how many posts, the mean confidence, and the share that was right."""
    probabilities = scipy.special.softmax(masked(logits, posts), axis=1)
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == np.array([post.label for post in posts])
    tenth = np.minimum((confidence * 10).astype(int), 9)
    return [{"from": t / 10, "posts": int((tenth == t).sum()), "confidence": round(float(confidence[tenth == t].mean()), 3),
             "accuracy": round(float(right[tenth == t].mean()), 3)} for t in np.unique(tenth).tolist()]


def check(directory, logits, posts):
    """Score the posts as RCAS does, by the model in the directory, and return the largest difference of a probability."""
    scored = data.pipe([build("probabilities", directory), str(directory)], [post.text for post in posts])
    scored = np.array([line.split() for line in scored], float)
    difference = np.abs(scored - scipy.special.softmax(logits, axis=1)).max()
    if not difference < TOLERANCE:
        raise ValueError(f"the exported model's probabilities differ by {difference:.2g} from those computed here")
    return float(f"{difference:.1g}")


def configuration():
    return {
        "model_type": "rcas-words",
        "languages": ["en"],
        "id2label": {str(i): label for i, label in enumerate(data.CLASSES)},
        "max_words": MAX_WORDS,
    }


if __name__ == "__main__":
    main()
