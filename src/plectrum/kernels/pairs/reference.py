"""What the pair kernels compute, in NumPy: the definition that the compiled ones are held to.

Slow and plain. Arithmetic in the dtype of the tables given (float64 in the tests); chance is the same bits as
in the compiled kernels, so that whole trainings can be compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

REACH = 6  # positions per centre among which the centres of a block are looked for
_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15

Table = NDArray[Any]


def mix(z: int) -> int:
    """SplitMix64's output function.

    Examples
    --------
    >>> hex(mix(1))
    '0x5692161d100b05e5'
    """
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
    return z ^ (z >> 31)


def random_bits(key: int, position: int) -> int:
    """64 bits that depend on key and position only."""
    return mix((key + (position + 1) * _GOLDEN) & _WORD)


def draw_below(bits: int, n: int) -> int:
    """An integer in [0, n) from the high 32 bits."""
    return ((bits >> 32) * n) >> 32


def draw_negative(bits: int, chance: Table, other: Table) -> int:
    """One draw from Walker's alias table."""
    drawn = draw_below(bits, len(chance))
    return drawn if (bits & 0xFFFFFF) / 2**24 < chance[drawn] else int(other[drawn])


def sigmoid(x: Table) -> Table:
    """1 / (1 + exp(-x))."""
    result: Table = 1 / (1 + np.exp(-x))
    return result


@dataclass
class Centre:
    """A centre of a block: its key, its contexts, and how many contexts it has in all parts."""

    key: int
    contexts: list[int]  # keys
    n_all: int


def window_of(tokens: Table, p: int, *, window: int, shrinks: bool, key: int) -> list[int]:
    """The places of the contexts of place p: up to `window` on either side, within its sentence."""
    reach = 1 + draw_below(random_bits(key, p), window) if shrinks else window
    places = []
    for step in (-1, 1):
        side = []
        at = p + step
        while 0 <= at < len(tokens) and tokens[at] >= 0 and abs(at - p) <= reach:
            side.append(at)
            at += step
        places += side[::step]
    return places


def blocks(
    tokens: Table,
    *,
    first: int,
    last: int,
    window: int,
    shrinks: bool,
    key: int,
    block: int,
    part: tuple[int, int, int],
) -> Iterator[list[Centre]]:
    """The centres of each block, at most `block`; `part` is (in_part, out_part, n_parts)."""
    in_part, out_part, n_parts = part
    p = first
    while p < last:
        centres: list[Centre] = []
        end = min(p + REACH * block, last)
        while p < end and len(centres) < block:
            token = int(tokens[p])
            if token >= 0 and token % n_parts == in_part:
                near = [
                    int(tokens[at]) for at in window_of(tokens, p, window=window, shrinks=shrinks, key=key)
                ]
                mine = [other for other in near if other % n_parts == out_part]
                if near:
                    centres.append(Centre(token, mine, len(near)))
            p += 1
        yield centres


def skip_gram(
    inputs: Table, outputs: Table, bags: list[list[int]], tokens: Table, *, first: int, last: int,
    window: int, shrinks: bool, chance: Table, other: Table, mass: float, negative: int, n_shared: int,
    block: int, learning_rate: float, key: int, part: tuple[int, int, int] = (0, 0, 1),
) -> None:  # fmt: skip
    """Skip-gram with negatives that the centres of a block share; `inputs` and `outputs` are changed.

    For each block, with x_j the mean of the input rows of centre j, y_o output rows, N the negatives, all as
    they were before the block, and w = negative * mass / n_shared:

        e(j, o) = learning_rate (1 - sigmoid(x_j . y_o))            for each context o of j
        e(j, n) = -learning_rate w m(j, n) sigmoid(x_j . y_n)       for each n in N,

    m(j, n) being the number of pairs of j less those whose context is n; then every input row of centre j
    gains ``sum_o e(j, o) y_o + sum_n e(j, n) y_n``, and every output row gains ``sum_j e(j, .) x_j``.
    """
    in_part, out_part, n_parts = part
    state = mix((key + in_part * n_parts + out_part + 1) & _WORD)
    n_drawn = 0
    weight = negative * mass / n_shared
    for centres in blocks(
        tokens, first=first, last=last, window=window, shrinks=shrinks, key=key, block=block, part=part
    ):
        negatives = []
        for _ in range(n_shared):
            drawn = draw_negative(random_bits(state, n_drawn), chance, other)
            negatives.append(drawn * n_parts + out_part)
            n_drawn += 1
        old_inputs, old_outputs = inputs.copy(), outputs.copy()
        for centre in centres:
            x = old_inputs[bags[centre.key]].mean(0)
            change = np.zeros_like(x)
            for context in centre.contexts:
                error = learning_rate * (1 - sigmoid(x @ old_outputs[context]))
                change += error * old_outputs[context]
                outputs[context] += error * x
            for n in negatives:
                pairs = centre.n_all - centre.contexts.count(n)
                error = -learning_rate * weight * pairs * sigmoid(x @ old_outputs[n])
                change += error * old_outputs[n]
                outputs[n] += error * x
            for row in bags[centre.key]:
                inputs[row] += change


def cbow(
    inputs: Table, outputs: Table, bags: list[list[int]], tokens: Table, *, first: int, last: int,
    window: int, shrinks: bool, chance: Table, other: Table, negative: int, n_shared: int,
    block: int, learning_rate: float, key: int,
) -> None:  # fmt: skip
    """CBOW likewise: h_j is the mean of the input rows of all contexts of j, and predicts j's output row.

    Each input row gains the whole gradient of h_j, undivided, as in word2vec. A block is `block` places.
    """
    state, n_drawn = mix((key + 1) & _WORD), 0
    weight = negative / n_shared
    for start in range(first, last, block):
        centres = []
        for p in range(start, min(start + block, last)):
            places = window_of(tokens, p, window=window, shrinks=shrinks, key=key) if tokens[p] >= 0 else []
            if places:
                centres.append((int(tokens[p]), [row for at in places for row in bags[tokens[at]]]))
        if not centres:
            continue
        negatives = [draw_negative(random_bits(state, n_drawn + k), chance, other) for k in range(n_shared)]
        n_drawn += n_shared
        old_inputs, old_outputs = inputs.copy(), outputs.copy()
        for centre, rows in centres:
            hidden = old_inputs[rows].mean(0)
            error = learning_rate * (1 - sigmoid(hidden @ old_outputs[centre]))
            change = error * old_outputs[centre]
            outputs[centre] += error * hidden
            for n in negatives:
                if n != centre:
                    error = -learning_rate * weight * sigmoid(hidden @ old_outputs[n])
                    change += error * old_outputs[n]
                    outputs[n] += error * hidden
            for row in rows:
                inputs[row] += change


def hierarchical_softmax(
    inputs: Table, nodes: Table, bags: list[list[int]], tokens: Table, *, first: int, last: int,
    window: int, shrinks: bool, paths: list[tuple[list[int], list[int]]], averages: bool,
    learning_rate: float, key: int,
) -> None:  # fmt: skip
    """Each target is a way through a tree: at node v with turn b, ``log sigmoid((1 - 2b) x . v)``."""
    for p in range(first, last):
        places = window_of(tokens, p, window=window, shrinks=shrinks, key=key) if tokens[p] >= 0 else []
        if not places:
            continue
        sources, targets = (places, [p]) if averages else ([p], places)
        rows = [row for at in sources for row in bags[tokens[at]]]
        x = inputs[rows].mean(0)
        change = np.zeros_like(x)
        for at in targets:
            path, turns = paths[tokens[at]]
            error = learning_rate * (1 - np.array(turns) - sigmoid(nodes[path] @ x))
            change += error @ nodes[path]
            nodes[path] += np.outer(error, x)
        for row in rows:
            inputs[row] += change


def classify(
    inputs: Table, labels: Table, texts: list[list[int]], targets: list[int], rates: list[float]
) -> float:
    """Softmax of ``labels @ x``, x the mean of a text's input rows, each of which gains its share of x's."""
    loss = 0.0
    for rows, target, rate in zip(texts, targets, rates, strict=True):
        if not rows:
            continue
        x = inputs[rows].mean(0)
        scores = np.exp(labels @ x - (labels @ x).max())
        p = scores / scores.sum()
        loss -= float(np.log(p[target]))
        error = rate * (np.eye(len(labels))[target] - p)
        change = error @ labels / len(rows)
        labels += np.outer(error, x)
        for row in rows:
            inputs[row] += change
    return loss
