#!/usr/bin/python3
"""Train the bundled model: train.py --labels DIR… --out DIR.

Runs on Debian's own packages (python3-torch, python3-scipy, python3-onnx) and the Go toolchain, whose programs here split the
texts exactly as the scorer does and run what was exported.
"""

import argparse
import collections
import concurrent.futures
import json
import multiprocessing
import pathlib
import shutil
import subprocess
import tempfile
import time

import numpy as np
import scipy.special
import torch

import company
import data
import export
import figures
import linear
import mixing
import network

HERE = pathlib.Path(__file__).parent
MAX_WORDS = 60  # of the text; as limit in words/main.go
MIN_COUNT = 2  # times that a word must occur
NEGATED_COUNT = 60  # times that a word must occur to have a negated form that was never seen
COINS = ["<coin>", "#<coin>", "<other>", "#<other>"]
TOLERANCE = 1e-4  # of a probability, between the exported model and the computation here

# The heads whose voices make each output.
HEADS = {"mood": ["mood", "coin"], "kind": ["kind"]}

# How much posts weigh in the lesson of mood. A source of n posts weighs n**SOURCE_POWER, classes balanced within it. The invented
# phrases, which teach what turns a meaning, weigh little.
SOURCE_POWER = 0.75
PHRASES_WEIGHT = 0.5
# The lesson of the mood towards the coin is of read posts, whose classes weigh by the root of their rarity, half-way between as frequent
# as they are and balanced, and of posts on coins whose labels mean nearly the same, with so much of the weight of the read posts.
COIN_SOURCES = {"stocktwits_ethx_train": 0.3, "afterrain_bitcoin_all": 0.2, "phrases": 0.55}
# Of these lessons beside that of mood.
COIN_WEIGHT, KIND_WEIGHT = 0.5, 0.3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--labels", required=True, nargs="+", help="folders of label files (label, tab, text) and of the texts of read posts")
    parser.add_argument("--answers", default=HERE / "labels", help="folder of the readers' answers")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="model directory to write")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # The matrices are small: a second thread gains little, and loses much where the machine has other work.
    torch.set_num_threads(1)
    start = time.time(), time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        train(options, scratch)
        options.out.mkdir(parents=True, exist_ok=True)
        for name in (export.GRAPH, export.WORDS, export.PAIRS, "config.json", "validation.json"):
            shutil.move(scratch / name, options.out / name)
    report(f"done in {time.time() - start[0]:.0f} s, {time.process_time() - start[1]:.0f} s of processor time")


def train(options, directory):
    """Train, export and check a model, and write its files into the directory."""
    splitter = [build("words", directory)]
    posts, near = data.set_aside(data.read(options.labels, options.answers, splitter))
    training = [p for p in posts if not p.part]
    validation = [p for p in posts if p.part]
    report(f"{len(training)} training posts, {len(validation)} for validation, {near} near-duplicates dropped")
    ids = count_words(training)
    rows, held = (encode([post.words for post in part], ids) for part in (training, validation))
    unlabelled = encode(data.read_unlabelled(options.labels, options.answers, splitter), ids)
    known = company.vectors([row for row, post in zip(rows, training) if post.source != "phrases"] + unlabelled, max(ids.values()) + 1)
    report(f"{len(unlabelled)} texts without labels, vectors of words by their company")
    lessons = {"mood": mood_lesson(training), "coin": coin_lesson(training), "kind": kind_lesson(training)}

    coins = [ids[word] for word in COINS if word in ids]
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)
    net = network.Network(ids, {"mood": len(data.CLASSES), "coin": len(data.CLASSES), "kind": len(data.KINDS)})
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as other:
        line = other.submit(fit_line, linear.Linear(ids, known, coins, sharing=("coin", "kind")), rows, lessons)
        network.fit(net, rows, lessons, report=report)
        line = line.result()
    net.fold()

    voices = {output: [voice for head in heads for voice in (network.predict(net, held, head).astype(float), line.predict(held, head))]
              for output, heads in HEADS.items()}
    named = np.array([bool(set(row) & set(coins)) for row in held])
    mixes = mix(voices, validation, named)
    export.build(directory, ids, net, line, HEADS, mixes)
    write_json(directory / "config.json", configuration())
    found = figures.describe(voices, validation, named, mix)
    found["mix"] = {output: {name: [] if value is None else value.round(3).tolist() for name, value in vars(mix).items()}
                    for output, mix in mixes.items()}
    logits = {output: mixes[output](voices[output], named) for output in HEADS}
    found["largest_difference"] = check(directory, logits, validation)
    write_json(directory / "validation.json", found)
    report(json.dumps(found, indent=2))


def fit_line(line, rows, lessons):
    """Fit the linear half: in a process of its own, for the network needs a core for itself."""
    line.fit(rows, lessons, report=report)
    return line


def report(line):
    print(line, flush=True)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def build(name, directory):
    """Build a Go program of this folder into the directory, and return its path."""
    path = str(directory / name)
    subprocess.run(["go", "build", "-o", path, f"./{name}"], cwd=HERE, check=True)
    return path


def count_words(posts):
    """Ids of words: first those seen twice, negated or not, by their number, then negated forms.

    A negated form has an id if it was seen twice itself, or if its word is common enough to be met negated one day.
    """
    forms = collections.Counter(word for post in posts for word in post.words)
    words = collections.Counter()
    for form, n in forms.items():
        words[form.removesuffix("~")] += n
    common = [word for word, n in sorted(words.items(), key=lambda item: (-item[1], item[0])) if n >= MIN_COUNT]
    negated = [form for form, n in sorted(forms.items(), key=lambda item: (-item[1], item[0])) if n >= MIN_COUNT and form.endswith("~")]
    known = set(negated)
    negated += [word + "~" for word in common if words[word] >= NEGATED_COUNT and word[0].isalpha() and word + "~" not in known]
    return {word: network.UNKNOWN + 1 + i for i, word in enumerate(common + negated)}


def encode(texts, ids):
    """The ids of the words of each text. A negated form that has no id takes its word's."""
    def number(word):
        return ids.get(word, ids.get(word.removesuffix("~"), network.UNKNOWN))

    return [[number(word) for word in words] for words in texts]


def mood_lesson(posts):
    """The mood of texts as wholes, of all labels but those of read posts. Neutral is left out of the loss of sources without it."""
    weights = data.weights(posts, SOURCE_POWER)
    weights[[post.source == data.READ for post in posts]] = 0
    weights[[post.source == "phrases" for post in posts]] *= PHRASES_WEIGHT
    return lesson(posts, weights)


def coin_lesson(posts):
    """The mood towards the coin that is asked about."""
    labels = np.array([post.label for post in posts])
    sources = np.array([post.source for post in posts])
    weights = np.zeros(len(posts))
    read = sources == data.READ
    if read.any():
        rare = 1 / np.sqrt(np.bincount(labels[read], minlength=3) + 1)[labels[read]]
        weights[read] = rare / rare.sum()
    balanced = data.weights(posts, 1)
    for source, share in COIN_SOURCES.items():
        here = sources == source
        weights[here] = balanced[here] / max(balanced[here].sum(), 1e-9) * share
    return lesson(posts, weights, COIN_WEIGHT)


def lesson(posts, weights, share=1.0):
    masks = np.zeros((len(posts), len(data.CLASSES)))
    masks[[post.source in data.TWO_CLASSES for post in posts], mixing.NEUTRAL] = -1e9
    return network.Lesson(np.eye(len(data.CLASSES))[[post.label for post in posts]], weights / weights.mean() * share, masks)


def kind_lesson(posts):
    """Only read posts tell of kinds; classes weigh by a power of their rarity."""
    kinds = np.array([post.kind for post in posts])
    told = kinds >= 0
    targets, weights = np.zeros((len(posts), len(data.KINDS))), np.zeros(len(posts))
    targets[told, kinds[told]] = 1
    weights[told] = ((np.bincount(kinds[told], minlength=len(data.KINDS)) + 1.0) ** -0.3)[kinds[told]]
    return network.Lesson(targets, weights * KIND_WEIGHT / max(weights.mean(), 1e-9))


def mix(voices, posts, named):
    """How the voices are joined for each output."""
    read = np.array([post.part == data.READ for post in posts])
    return {"mood": mixing.mood(voices["mood"], posts, named),
            "kind": mixing.kind([voice[read] for voice in voices["kind"]], [post for post in posts if post.part == data.READ])}


def check(directory, logits, posts):
    """Score the posts as RCAS does, by the model in the directory, and return the largest difference of a probability."""
    scored = data.pipe([build("probabilities", directory), str(directory)], [f"{post.asked}\t{post.text}" for post in posts])
    scored = np.array([line.split() for line in scored], float)
    wanted = np.concatenate([scipy.special.softmax(logits["mood"], axis=1),
                             scipy.special.softmax(logits["kind"], axis=1).max(1, keepdims=True)], axis=1)
    bare = scored[:, mixing.NEUTRAL] == 1  # names of coins and no more: RCAS knows by itself
    difference = np.abs(scored - wanted)[~bare].max()
    if not difference < TOLERANCE:
        raise ValueError(f"the exported model's probabilities differ by {difference:.2g} from those computed here")
    return float(f"{difference:.1g}")


def configuration():
    return {
        "model_type": "rcas-words",
        "languages": ["en"],
        "id2label": {str(i): label for i, label in enumerate(data.CLASSES)},
        "kinds": data.KINDS,
        "max_words": MAX_WORDS,
    }


if __name__ == "__main__":
    main()
