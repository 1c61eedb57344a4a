"""How often words stand near each other, within a bound of memory."""

import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plectrum.kernels.cooccurrence import cpu
from plectrum.text._tokens import Tokens

_MOST_DENSE = 4096  # rows whose pairs among themselves are summed in a table at once
_ENTRY = 12  # bytes: a key and a count


class Pairs(NamedTuple):
    """Pairs of rows by rising ``row * n_rows + other row`` (row <= other row), and their counts."""

    keys: NDArray[np.int64]
    counts: NDArray[np.float32]


def count_cooccurrences(tokens: Tokens, n_rows: int, *, window: int, memory: int) -> Pairs:
    """Return all pairs of words within `window` of each other, each occurrence counting 1 / distance.

    Parameters
    ----------
    tokens : int32 (n,)
        Rows; -1 ends a sentence.
    n_rows, window : int
    memory : int
        Bytes to work in; what needs more is kept in temporary files, which go when the result does.

    Examples
    --------
    >>> pairs = count_cooccurrences(np.array([2, 0, 2], np.int32), 3, window=2, memory=1 << 20)
    >>> pairs.keys.tolist(), pairs.counts.tolist()
    ([2, 8], [2.0, 0.5])
    """
    n_dense = min(n_rows, _MOST_DENSE, int((memory / 4 / 8) ** 0.5))
    dense = np.zeros((n_dense, n_dense))
    room = np.empty(max(memory // 4 // 8, 16 * window), np.int64)
    runs: list[Pairs] = []
    at = 0
    while at < len(tokens):
        at, n = cpu.note_pairs(tokens, at, window, n_rows, dense, room)
        room[:n].sort()
        keys, counts = np.empty(n, np.int64), np.empty(n, np.float32)
        n = cpu.sum_sorted(room[:n], keys, counts)
        runs.append(Pairs(keys[:n].copy(), counts[:n].copy()))
        while len(runs) > 1 and len(runs[-2].keys) <= 2 * len(runs[-1].keys):
            runs.append(_merged(runs.pop(-2), runs.pop(), memory))
    runs.append(_from_dense(dense, n_rows))
    while len(runs) > 1:
        runs.append(_merged(runs.pop(-2), runs.pop(), memory))
    return runs[0]


def _from_dense(dense: NDArray[np.float64], n_rows: int) -> Pairs:
    low, high = np.nonzero(dense)
    return Pairs(low * np.int64(n_rows) + high, dense[low, high].astype(np.float32))


def _merged(a: Pairs, b: Pairs, memory: int) -> Pairs:
    n = len(a.keys) + len(b.keys)
    on_disk = _ENTRY * n > memory // 2
    keys, counts = _room(n, np.int64, on_disk=on_disk), _room(n, np.float32, on_disk=on_disk)
    n = cpu.merge_sums(*a, *b, keys, counts)
    return Pairs(keys[:n], counts[:n])


def _room(n: int, dtype: Any, *, on_disk: bool) -> NDArray[Any]:
    if not on_disk or n == 0:
        return np.empty(n, dtype)
    with tempfile.TemporaryFile(prefix="plectrum-pairs-") as file:
        return np.memmap(file, dtype, "w+", shape=(n,))  # the map keeps the file


def shuffled(pairs: Pairs, n_at_once: int, generator: np.random.Generator) -> Iterator[Pairs]:
    """Yield all entries in random order, some at a time, each time from all over the sequence.

    Reads runs of neighbours, so that entries on disk come in pages, not one by one.
    """
    n = len(pairs.keys)
    n_rounds = max(1, -(-n // n_at_once))
    n_regions = min(256, max(1, n // max(n_rounds, 1)))
    edges = np.linspace(0, n, n_regions * n_rounds + 1).astype(np.int64)
    turns = np.argsort(generator.random((n_regions, n_rounds)), axis=1)
    for turn in range(n_rounds):
        pieces = [region * n_rounds + int(turns[region, turn]) for region in range(n_regions)]
        keys = np.concatenate([pairs.keys[edges[p] : edges[p + 1]] for p in pieces])
        counts = np.concatenate([pairs.counts[edges[p] : edges[p + 1]] for p in pieces])
        order = generator.permutation(len(keys))
        yield Pairs(keys[order], counts[order])
