"""The figures of validation: how well the model agrees with labels it has not seen."""

import collections

import numpy as np
import scipy.special

import data
import mixing


def describe(parts, posts, named, mix):
    """The figures. Where shares matter, each post is judged by shares that were fitted without its half."""
    half = np.array([data.fraction("half " + post.key) < 0.5 for post in posts])
    logits = {head: np.empty_like(values[0]) for head, values in parts.items()}
    for here in (half, ~half):
        others = np.flatnonzero(~here)
        mixes = mix({head: [part[others] for part in values] for head, values in parts.items()}, [posts[i] for i in others], named[others])
        for head, values in parts.items():
            logits[head][here] = mixes[head]([part[here] for part in values], named[here])
    labelled = [i for i, post in enumerate(posts) if post.part in data.PARTS]
    read = [i for i, post in enumerate(posts) if post.part == data.READ]
    return {"posts": collections.Counter(post.part for post in posts), "macro_recall": recalls(logits["mood"], posts),
            "network_alone": recalls(parts["mood"][0], posts), "linear_alone": recalls(parts["mood"][1], posts),
            "reliability": calibration(mixing.masked(logits["mood"], posts)[labelled], [posts[i].label for i in labelled]),
            "read": described(logits["mood"][read], logits["kind"][read], [posts[i] for i in read])}


def recalls(logits, posts):
    """Macro recall for each part of validation, and the mean of the six that have always been judged."""
    predicted = mixing.masked(logits, posts).argmax(1)
    labels = np.array([post.label for post in posts])
    parts = np.array([post.part for post in posts])
    figures = {part: round(macro_recall(labels[parts == part], predicted[parts == part]), 4) for part in dict.fromkeys(parts.tolist())}
    six = [figures[part] for part in data.PARTS if part in figures]
    figures["mean of six"] = round(float(np.mean(six)), 4) if six else None
    return figures


def macro_recall(labels, predicted):
    return float(np.mean([(predicted[labels == k] == k).mean() for k in np.unique(labels)]))


def kappa(labels, predicted):
    """Cohen's kappa: agreement beyond what the frequencies of the answers make by chance."""
    size = max(labels.max(), predicted.max()) + 1
    table = np.zeros((size, size))
    np.add.at(table, (labels, predicted), 1 / len(labels))
    chance = table.sum(0) @ table.sum(1)
    return float((np.trace(table) - chance) / (1 - chance))


def confusion(labels, predicted, names):
    return {name: {other: int(((labels == i) & (predicted == j)).sum()) for j, other in enumerate(names)} for i, name in enumerate(names)}


def described(mood, kind, posts):
    """Agreement with readers on read posts, of mood and of kind; calibration of the mood by kind."""
    if not posts:
        return {}
    moods, kinds = np.array([post.label for post in posts]), np.array([post.kind for post in posts])
    probabilities = scipy.special.softmax(mood, axis=1)
    said, spoke = mood.argmax(1), kind.argmax(1)
    people = kinds == data.KINDS.index("person")
    judged_people = spoke == data.KINDS.index("person")
    return {
        "posts": len(posts),
        "macro_recall": round(macro_recall(moods, said), 4), "kappa": round(kappa(moods, said), 4),
        "agreement": round(float((moods == said).mean()), 4), "confusion": confusion(moods, said, data.CLASSES),
        "people": {"posts": int(people.sum()), "macro_recall": round(macro_recall(moods[people], said[people]), 4),
                   "kappa": round(kappa(moods[people], said[people]), 4)},
        "net_mood": {"readers": round(float((moods - 1)[people].mean()), 4),
                     "model": round(float((probabilities[:, 2] - probabilities[:, 0])[judged_people].mean()), 4)},
        "calibration_error_by_kind": {name: calibration(mood[kinds == k], moods[kinds == k])["error"] for k, name in enumerate(data.KINDS)},
        "calibration": calibration(mood, moods),
        "kind": {"kappa": round(kappa(kinds, spoke), 4), "agreement": round(float((kinds == spoke).mean()), 4),
                 "confusion": confusion(kinds, spoke, data.KINDS), "advert": advert(kind, kinds),
                 "calibration_error": calibration(kind, kinds)["error"]},
    }


def advert(logits, kinds):
    """Recall and precision of adverts by the likeliest kind, and the most recall at a precision of 0.85."""
    number = data.KINDS.index("advert")
    is_advert, said = kinds == number, logits.argmax(1) == number
    order = np.argsort(-scipy.special.softmax(logits, axis=1)[:, number])
    hits = np.cumsum(is_advert[order])
    recall, precision = hits / is_advert.sum(), hits / np.arange(1, len(order) + 1)
    return {"recall": round(float((said & is_advert).sum() / is_advert.sum()), 4),
            "precision": round(float((said & is_advert).sum() / max(said.sum(), 1)), 4),
            "recall_at_precision_0.85": round(float(recall[precision >= 0.85].max(initial=0)), 4)}


def calibration(logits, labels):
    """For each tenth of confidence: how many posts, the mean confidence, and the share that was right; and the expected error."""
    probabilities = scipy.special.softmax(logits, axis=1)
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == np.asarray(labels)
    tenth = np.minimum((confidence * 10).astype(int), 9)
    rows = [{"from": t / 10, "posts": int((tenth == t).sum()), "confidence": round(float(confidence[tenth == t].mean()), 3),
             "accuracy": round(float(right[tenth == t].mean()), 3)} for t in np.unique(tenth).tolist()]
    return {"error": round(sum(r["posts"] * abs(r["confidence"] - r["accuracy"]) for r in rows) / max(len(right), 1), 4), "tenths": rows}
