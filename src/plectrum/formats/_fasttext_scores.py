"""The labels' probabilities of a supervised fastText model, as fastText computes them."""

import numpy as np
from numpy.typing import NDArray

from plectrum.formats._fasttext_model import FastTextModel

_TABLE_SIZE, _LARGEST_SCORE = 512, 8
_ADDED = 1e-5  # fastText's, before it takes a logarithm (loss.cc: std_log)


def label_probabilities(
    model: FastTextModel, lines: NDArray[np.float32], *, as_predicted: bool = False
) -> NDArray[np.float64]:
    """Return the probability of every label for the vectors of some lines.

    Softmax: ``exp(s) / sum exp(s)`` with scores ``s = output_rows @ line``. Hierarchical softmax: the product
    of the branches' probabilities down a Huffman tree over the labels' counts. One against all: a sigmoid per
    label, read from fastText's table of 512 places, so that the numbers are its own.
    Source: loss.cc, functions computeOutput, dfs and buildTree.

    Parameters
    ----------
    lines : (n_lines, embedding_dim)
        What `FastTextLines.vector` gives.
    as_predicted : bool
        Whether to return the numbers that fastText's ``predict`` returns. It adds 1e-5 to each probability
        (and to that of each branch of a tree) lest it take the logarithm of 0, so that they add up to a
        little more than 1.

    Returns
    -------
    (n_lines, n_labels) float64
    """
    scores = lines @ np.asarray(model.output_rows[np.arange(len(model.labels))], np.float32).T
    loss = model.arguments["loss"]
    added = _ADDED if as_predicted else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        if loss == "hs":
            return _by_tree(scores.astype(np.float64), model.label_counts, added)
        if loss == "ova":
            return _table_sigmoid(scores) + added
        powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, initial=-np.inf, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True) + added)


def _table_sigmoid(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sigmoid at the next lower of 512 places between -8 and 8; 0 and 1 outside."""
    places = np.arange(_TABLE_SIZE + 1) * (2 * _LARGEST_SCORE) / _TABLE_SIZE - _LARGEST_SCORE
    table = 1 / (1 + np.exp(-places))
    inside = np.clip(np.nan_to_num(scores), -_LARGEST_SCORE, _LARGEST_SCORE)
    at = ((inside + _LARGEST_SCORE) * (_TABLE_SIZE / _LARGEST_SCORE / 2)).astype(np.int64)
    return np.where(scores < -_LARGEST_SCORE, 0.0, np.where(scores > _LARGEST_SCORE, 1.0, table[at]))


def _by_tree(scores: NDArray[np.float64], counts: NDArray[np.int64], added: float) -> NDArray[np.float64]:
    """Scores of inner node i stand in column i; leaves are the labels, by falling count."""
    n = len(counts)
    children = huffman_children(counts)
    found = np.empty((len(scores), 2 * n - 1))
    found[:, -1:] = 1.0
    for node in range(2 * n - 2, n - 1, -1):  # parents stand behind their children
        left, right = children[node - n]
        yes = 1 / (1 + np.exp(-scores[:, node - n]))
        found[:, right] = found[:, node] * (yes + added)
        found[:, left] = found[:, node] * (1 - yes + added)
    return found[:, :n]


def huffman_children(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (left, right) children of each inner node of fastText's Huffman tree, lowest nodes first.

    Parameters
    ----------
    counts : (n,) int64
        Falling, as fastText sorts its dictionary.

    Returns
    -------
    (n - 1, 2) int64
        Nodes below n are leaves; inner node i has number n + i.
    """
    n = len(counts)
    weight = [*counts.tolist(), *[10**15] * max(0, n - 1)]  # fastText's own "larger than any count"
    children = np.empty((max(0, n - 1), 2), np.int64)
    leaf, node = n - 1, n
    for parent in range(n, 2 * n - 1):
        for side in range(2):
            if leaf >= 0 and weight[leaf] < weight[node]:
                children[parent - n, side] = leaf
                leaf -= 1
            else:
                children[parent - n, side] = node
                node += 1
        weight[parent] = weight[children[parent - n, 0]] + weight[children[parent - n, 1]]
    return children
