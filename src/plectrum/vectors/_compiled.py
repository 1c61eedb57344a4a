"""Exact search by the compiled kernel: threads share out the matrix, queries are taken in passes."""

import os
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]

_WORTH = 2e10  # multiplications and additions; below it NumPy is done before Numba is imported
_QUERY_NUMBERS_AT_ONCE = 1 << 17  # 512 KB of queries stay in a core's cache while the matrix goes by
_FOUND_AT_ONCE = 1 << 20  # places in the heaps of one thread
_ROWS_AT_ONCE = 16_384  # of a matrix that has to become float32 first


def is_worth_it(n_numbers: int, n_queries: int) -> bool:
    """Return whether the search of a matrix of so many numbers is large enough for the compiled kernel."""
    return 2.0 * n_numbers * n_queries >= _WORTH


def best_rows(
    matrix: NDArray[Any], norms: NDArray[np.float32], units: NDArray[np.float32], rows: Rows, scores: Scores
) -> None:
    """Fill `rows` and `scores` (n_queries, k), best first, equal scores by row.

    The queries `units` (n_queries, dim) have length 1. Extra memory: a heap of `k` places for each query and
    thread, and 32 rows.
    """
    dim, k = units.shape[1], rows.shape[1]
    at_once = max(96, min(_QUERY_NUMBERS_AT_ONCE // max(1, dim), _FOUND_AT_ONCE // k))
    for first in range(0, len(units), at_once):
        part = slice(first, first + at_once)
        rows[part], scores[part] = _best_of_pass(matrix, norms, units[part], k)


def _best_of_pass(
    matrix: NDArray[Any], norms: NDArray[np.float32], units: NDArray[np.float32], k: int
) -> tuple[Rows, Scores]:
    from plectrum.kernels._threads import run_in_threads
    from plectrum.kernels.nearest import cpu

    n_threads = min(os.cpu_count() or 1, 8)
    cuts = [len(matrix) * i // n_threads for i in range(n_threads + 1)]
    queries = np.zeros((-(-len(units) // cpu.TILE) * cpu.TILE, units.shape[1]), np.float32)
    queries[: len(units)] = units
    search = _Search(matrix, norms, queries, len(units), k)
    found = run_in_threads(search.best_of_share, list(pairwise(cuts)), n_threads)
    rows, scores = (np.concatenate([part[i] for part in found], axis=1) for i in range(2))
    order = np.lexsort((rows, -scores), axis=-1)[:, :k]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)


class _Search(NamedTuple):
    """What the threads of one pass share; only the first `n_queries` of the queries are real."""

    matrix: NDArray[Any]
    norms: NDArray[np.float32]
    queries: NDArray[np.float32]
    n_queries: int
    k: int

    def best_of_share(self, first: int, last: int) -> tuple[Rows, Scores]:
        """Return what lies best among rows [first, last), in no order; unfilled places hold row -1."""
        from plectrum.kernels.nearest import cpu

        rows = np.full((len(self.queries), self.k), -1, np.int64)
        scores = np.full((len(self.queries), self.k), -np.inf, np.float32)
        bounds = np.full(len(self.queries), -np.inf, np.float32)
        bounds[self.n_queries :] = np.inf
        is_ready = self.matrix.dtype == np.float32 and self.matrix.flags.c_contiguous
        step = max(1, last - first) if is_ready else _ROWS_AT_ONCE
        for start in range(first, last, step):
            block = np.ascontiguousarray(self.matrix[start : min(start + step, last)], np.float32)
            lengths = self.norms[start : start + len(block)]
            cpu.nearest_rows(block, lengths, start, self.queries, bounds, scores, rows)
        return rows[: self.n_queries], scores[: self.n_queries]
