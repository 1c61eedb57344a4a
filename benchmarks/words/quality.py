"""Analogies among the 30,000 most frequent words, and two sets of word pairs, for vectors of any tool.

One implementation for both sides, so that neither gains by its own conventions.
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

DATA = Path(__file__).parents[3] / "shared" / "data" / "text"


def load(stem):
    """Keys and matrix as a contender left them."""
    return json.loads(stem.with_suffix(".json").read_text()), np.load(stem.with_suffix(".npy"))


def analogies(keys, unit, path, restrict=30_000):
    """3CosAdd over the first `restrict` words; a question with a word outside is left out."""
    rows = {key: row for row, key in enumerate(keys[:restrict])}
    questions = []
    for line in path.read_text().splitlines():
        words = line.lower().split()
        if not line.startswith(":") and all(word in rows for word in words):
            questions.append([rows[word] for word in words])
    questions = np.array(questions)
    right = 0
    for q in np.array_split(questions, max(1, len(questions) // 500)):
        scores = (unit[q[:, 1]] - unit[q[:, 0]] + unit[q[:, 2]]) @ unit[:restrict].T
        for column in range(3):
            scores[np.arange(len(q)), q[:, column]] = -np.inf
        right += int((scores.argmax(1) == q[:, 3]).sum())
    return right / len(questions), len(questions)


def word_pairs(keys, unit, path):
    """Spearman's correlation of cosines with human scores; pairs with an unknown word are left out."""
    rows = {key: row for row, key in enumerate(keys)}
    found, human = [], []
    for line in path.read_text().splitlines():
        fields = line.split("\t")
        if line.startswith("#") or len(fields) < 3:
            continue
        a, b = (rows.get(field.lower()) for field in fields[:2])
        if a is not None and b is not None:
            found.append(unit[a] @ unit[b])
            human.append(float(fields[2]))
    return float(spearmanr(found, human)[0]), len(found)


def scores(keys, matrix, order):
    """The scores of vectors; `order` has the words by frequency, as tools break ties differently."""
    rows = {key: row for row, key in enumerate(keys)}
    keys = [key for key in order if key in rows]
    matrix = matrix[[rows[key] for key in keys]]
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    share, n = analogies(keys, unit, DATA / "questions-words.txt")
    return {
        "analogies": share,
        "n_questions": n,
        "wordsim353": word_pairs(keys, unit, DATA / "wordsim353.tsv")[0],
        "simlex999": word_pairs(keys, unit, DATA / "simlex999.txt")[0],
    }
