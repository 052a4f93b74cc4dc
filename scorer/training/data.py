"""Labelled posts: reading, splitting into words, removing duplicates, and setting validation parts aside."""

import collections
import dataclasses
import hashlib
import html
import json
import pathlib
import subprocess

import numpy as np

import phrases

CLASSES = ["negative", "neutral", "positive"]
KINDS = ["person", "advert", "bot", "news"]

# What the labels of a source leave out. Authors' own tags know bullish and bearish, but no "neither": such a source says
# nothing about the neutral class, and its posts must not teach that there is none.
TWO_CLASSES = {"stocktwits_ethx_train", "stocktwits_stocks_2020", "surge_stock_tweets", "stockemotions", "stocktwits_2021",
               "stocktwits_small"}

# Sources whose posts are about one coin, and its symbol.
ASKED = {"stocktwits_ethx_train": "ETH"}

# Whole files kept for validation.
HELD_OUT = {"semeval_val": "general", "sentiment140_manual_test": "general, small", "surge_stock_tweets": "stock-market tweets"}

# Shares carved out of training files for validation, and the part that each stands for.
CARVED = {
    "afterrain_bitcoin_all": (0.20, "crypto comments"),
    "stocktwits_ethx_train": (0.15, "crypto StockTwits"),
    "tfns_train": (0.12, "finance tweets"),
    "semeval2017t5_microblogs_train": (0.30, "finance microblogs"),
    "fiqa_posts": (0.30, "finance microblogs"),
}

# Files of other kinds and other labellers, of which nothing is learned: how much of what was learned carries over. Each with the
# number of its posts that are judged. Learning from them as well was tried: it helps their own kind alone.
ELSEWHERE = {"emoji2vec_tweets": 3000, "tweet_extraction": 2500, "airline": 2000, "goemotions": 2000, "brands_sxsw": 0, "entity_tweets": 0,
             "stockemotions": 2500, "stocktwits_2021": 5031, "stocktwits_small": 1476}

# Posts without labels, or labelled by an emoji or emoticon that they had: of use for their words alone.
UNLABELLED = {"distant_emoji", "distant_sentiment140", "unlabelled_tweeteval", "unlabelled_stocktwits_2021"}

# The six parts that the mood has always been judged on, and posts that were read for this model.
PARTS = ["general", "crypto comments", "crypto StockTwits", "finance tweets", "stock-market tweets", "finance microblogs"]
READ = "read posts"
READ_SHARE = 0.20

# Parts judged on two classes, as the sets that they stand for are.
TWO_CLASS_PARTS = {"crypto comments", "crypto StockTwits", "stock-market tweets", "elsewhere: stockemotions", "elsewhere: stocktwits_2021",
                   "elsewhere: stocktwits_small"}

# Two posts are near-duplicates if they share this part of their runs of three words.
NEAR = 0.5


@dataclasses.dataclass
class Post:
    source: str
    label: int  # of CLASSES
    text: str  # on one line
    words: list = ()  # of str; a tilde ends those that a negation reaches
    asked: str = ""  # the symbol of the coin that the text is asked about; empty: none in particular
    kind: int = -1  # of KINDS; -1 where nobody said
    author: str = ""
    part: str = ""  # the validation part that the post belongs to; empty: training

    @property
    def key(self):
        """The plain words: what makes two posts the same post. In invented ones every word counts, for which coin comes first does."""
        if self.source == "phrases":
            return " ".join(self.words)
        return " ".join(w.removesuffix("~") for w in self.words if w.isascii() and w[0].isalnum())


def files(directories, suffix):
    return [path for directory in directories for path in sorted(pathlib.Path(directory).glob("*" + suffix))]


def rows(path):
    """The lines of a labels file as pairs of label and text."""
    return [line.replace("\r", " ").split("\t", 1) for line in path.read_text(encoding="utf-8").split("\n") if line]


def source_of(path):
    return path.stem.removeprefix("labels_")


def read(directories, answers, splitter):
    """Read every file of labels in the directories, the answers of readers, and the invented phrases.

    splitter is the command of the Go program that splits texts into words.
    """
    posts = []
    for path in files(directories, ".tsv"):
        source = source_of(path)
        if source in UNLABELLED or ELSEWHERE.get(source) == 0:
            continue
        posts += [Post(source, CLASSES.index(label), text, asked=ASKED.get(source, "")) for label, text in rows(path)]
    posts += read_answers(directories, answers)
    posts += [Post("phrases", label, text, asked=symbol) for symbol, label, text in phrases.sentences()]
    for post, words in zip(posts, split(splitter, [(post.asked, post.text) for post in posts])):
        post.words = words
    return [post for post in posts if post.words]


def read_answers(directories, answers):
    """Posts with the answers of readers.

    The texts are in files *.jsonl of the directories, one object a line: key and text, perhaps author. The answers are in files of the
    folder answers, key, coin, kind and mood parted by tabs, or beside the text, as `rcas label` writes them.
    """
    texts, posts = {}, []
    for path in files(directories, ".jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            texts[entry["key"]] = entry
            if "mood" in entry:
                posts.append(answered(entry, entry["coin"], entry["kind"], entry["mood"]))
    missing = 0
    for path in files([answers], ".tsv"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line or line.startswith("#"):
                continue
            key, coin, kind, mood = line.split("\t")[:4]
            if kind not in KINDS:  # set aside by the reader
                continue
            if key in texts:
                posts.append(answered(texts[key], coin, kind, mood))
            else:
                missing += 1
    if missing:
        print(f"{missing} read posts are left out: no *.jsonl file here has their texts", flush=True)
    return posts


def answered(entry, coin, kind, mood):
    text = " ".join(html.unescape(entry["text"]).split())
    return Post(READ, int(mood) + 1, text, asked=coin, kind=KINDS.index(kind), author=entry.get("author") or "")


def split(splitter, asked):
    """The words of texts, given as pairs of the symbol asked about and the text."""
    lines = pipe(splitter, [f"{symbol}\t{text}" for symbol, text in asked])
    return [line.split(" ") if line else [] for line in lines]


def pipe(command, texts):
    """Run a program that reads texts, one a line, and return the line that it writes for each."""
    done = subprocess.run(command, input="".join(text + "\n" for text in texts).encode(), stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode().split("\n")[:-1]
    if len(lines) != len(texts):
        raise ValueError(f"{command[0]} answered {len(texts)} texts with {len(lines)} lines")
    return lines


def read_unlabelled(directories, answers, splitter):
    """The words of the texts that have no label here: of files of hints, of posts without labels, and of posts that nobody read."""
    asked = []
    for path in files(directories, ".tsv"):
        if source_of(path) in UNLABELLED:
            asked += [("", text) for _, text in rows(path)]
    read = {line.split("\t", 1)[0] for path in files([answers], ".tsv") for line in path.read_text(encoding="utf-8").splitlines()}
    for path in files(directories, ".jsonl"):
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        asked += [(entry.get("coin") or "", " ".join(html.unescape(entry["text"]).split())) for entry in entries
                  if "mood" not in entry and entry["key"] not in read]
    return [words for words in split(splitter, asked) if words]


def fraction(text):
    """A number in [0, 1) that depends on the text alone, so that a post keeps its part whatever else is read."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def set_aside(posts):
    """Mark the validation posts, and drop repeated posts and training posts that nearly repeat a validation post."""
    unique, seen, judged = [], set(), collections.Counter()
    for post in sorted(posts, key=lambda p: (p.source != READ, p.source in ELSEWHERE, p.source not in HELD_OUT)):
        # Read posts keep their place, and then the files held out.
        key = post.key + (" " + post.asked if post.source == READ else "")
        if post.key and key in seen:
            continue
        seen |= {key, post.key}
        post.part = part_of(post)
        if post.source in ELSEWHERE and judged[post.source] == ELSEWHERE[post.source]:
            continue
        judged[post.source] += 1
        unique.append(post)
    return drop_near(unique)


def part_of(post):
    """The validation part that a post belongs to. Read posts go by author, so that none is on both sides."""
    if post.source == READ:
        return READ if fraction("author " + post.author if post.author else post.key) < READ_SHARE else ""
    if post.source in ELSEWHERE:
        return "elsewhere: " + post.source
    if post.source in HELD_OUT:
        return HELD_OUT[post.source]
    share, part = CARVED.get(post.source, (0, ""))
    return part if fraction(post.key) < share and not (part in TWO_CLASS_PARTS and post.label == 1) else ""


def shingles(post):
    words = post.key.split(" ")
    return {" ".join(words[i:i + 3]) for i in range(max(1, len(words) - 2))}


def drop_near(posts):
    """Drop training posts that share half of their shingles, or a validation post's, with a validation post."""
    owners = {}
    sizes = {}
    for number, post in enumerate(posts):
        if post.part:
            parts = shingles(post)
            sizes[number] = len(parts)
            for part in parts:
                owners.setdefault(part, []).append(number)
    kept = []
    for post in posts:
        if not post.part and post.source != "phrases":
            parts, shared = shingles(post), {}
            for part in parts:
                for number in owners.get(part, ()):
                    shared[number] = shared.get(number, 0) + 1
            if any(n >= NEAR * min(len(parts), sizes[number]) and n > 1 for number, n in shared.items()):
                continue
        kept.append(post)
    return kept, len(posts) - len(kept)


def weights(posts, power, group=lambda post: post.source, natural=()):
    """Weights that balance the classes inside each group and give a group of n posts the mass n**power; their mean is one.

    In groups named natural, classes stay as frequent as they are.
    """
    groups = np.array([group(post) for post in posts])
    label = np.array([post.label for post in posts])
    weight = np.zeros(len(posts))
    for name in np.unique(groups):
        here = groups == name
        present = np.unique(label[here])
        for k in present:
            of = here & (label == k)
            weight[of] = here.sum() ** power / (here.sum() if name in natural else len(present) * of.sum())
    return weight / weight.mean()
