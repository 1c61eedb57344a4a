"""Exact nearest rows by cosine: blocked matrix products, and a threshold that spares most of the sorting."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]

_ROWS_AT_ONCE = 16_384
_QUERIES_AT_ONCE = 256


def row_norms(matrix: NDArray[Any]) -> NDArray[np.float32]:
    """Return the length of every row; 1 for a row of zeros, whose cosine with anything is then 0."""
    norms = np.empty(len(matrix), np.float32)
    for first in range(0, len(matrix), _ROWS_AT_ONCE):
        part = np.asarray(matrix[first : first + _ROWS_AT_ONCE], np.float32)
        norms[first : first + len(part)] = np.sqrt(np.einsum("ij,ij->i", part, part))
    norms[norms == 0] = 1.0
    return norms


def unit_rows(matrix: NDArray[Any]) -> NDArray[np.float32]:
    """Return a float32 copy whose rows have length 1 (rows of zeros stay zeros)."""
    rows = np.asarray(matrix, np.float32)
    return rows / row_norms(rows)[:, None]


def nearest_rows(
    matrix: NDArray[Any],
    norms: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    *,
    excluded: list[Rows] | None = None,
) -> tuple[Rows, Scores]:
    """Return the `k` rows of highest cosine for every query, best first, and their cosines.

    ``score[q, i] = (queries[q] / |queries[q]|) . (matrix[i] / |matrix[i]|)``; equal scores are ordered by
    row.
    Cost: the matrix is read once per 256 queries; extra memory about 20 MB whatever its size.

    Parameters
    ----------
    matrix : (n, embedding_dim)
    norms : (n,)
        What `row_norms` gives.
    queries : (n_queries, embedding_dim) float32
    k : int
        At most n is returned; fewer when `excluded` leaves fewer.
    excluded : list of int64 arrays, one per query
        Rows that must not be answered.

    Returns
    -------
    rows, scores : (n_queries, k) int64 and float32
        Places that could not be filled hold row -1 and score -inf.
    """
    n_excluded = max((len(rows) for rows in excluded), default=0) if excluded else 0
    k_found = min(k + n_excluded, len(matrix))
    units = unit_rows(queries)
    rows = np.full((len(units), k_found), -1, np.int64)
    scores = np.full((len(units), k_found), -np.inf, np.float32)
    if k_found > 0:
        for first in range(0, len(units), _QUERIES_AT_ONCE):
            part = slice(first, first + _QUERIES_AT_ONCE)
            _best_of_block(matrix, norms, units[part], rows[part], scores[part])
    if excluded:
        rows, scores = _without(rows, scores, excluded)
    return rows[:, :k], scores[:, :k]


def _best_of_block(
    matrix: NDArray[Any],
    norms: NDArray[np.float32],
    units: NDArray[np.float32],
    rows: Rows,
    scores: Scores,
) -> None:
    """Fill `rows` and `scores` (n_queries, k) in place, going once over the matrix."""
    for first in range(0, len(matrix), _ROWS_AT_ONCE):
        block = np.asarray(matrix[first : first + _ROWS_AT_ONCE], np.float32)
        found = units @ block.T  # (n_queries, n_block)
        found /= norms[first : first + len(block)]
        # Only what beats the k-th best so far can matter; after the first blocks that is almost nothing.
        better = np.flatnonzero(found.max(axis=1) > scores[:, -1])
        for query in better:
            at = np.flatnonzero(found[query] > scores[query, -1])
            _merge(rows[query], scores[query], at + first, found[query, at])


def _merge(rows: Rows, scores: Scores, new_rows: Rows, new_scores: Scores) -> None:
    """Put the best of the old and the new into `rows` and `scores` (k,), best first, lower rows first."""
    k = len(rows)
    if len(new_scores) > 4 * k:
        least = np.partition(new_scores, len(new_scores) - k)[len(new_scores) - k]
        keep = new_scores >= least
        new_rows, new_scores = new_rows[keep], new_scores[keep]
    all_scores = np.concatenate([scores, new_scores])
    all_rows = np.concatenate([rows, new_rows])
    order = np.lexsort((all_rows, -all_scores))[:k]
    rows[:], scores[:] = all_rows[order], all_scores[order]


def _without(rows: Rows, scores: Scores, excluded: list[Rows]) -> tuple[Rows, Scores]:
    """Move excluded rows out: behind the others, as unfilled places."""
    for query, taken in enumerate(excluded):
        if len(taken):
            gone = np.isin(rows[query], taken)
            order = np.argsort(gone, kind="stable")
            scores[query, gone], rows[query, gone] = -np.inf, -1
            rows[query], scores[query] = rows[query, order], scores[query, order]
    return rows, scores


def cosines(
    matrix: NDArray[Any], norms: NDArray[np.float32], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the cosine of every row with one vector, shape (n,)."""
    unit = unit_rows(query[None])[0]
    scores = np.empty(len(matrix), np.float32)
    for first in range(0, len(matrix), _ROWS_AT_ONCE):
        block = np.asarray(matrix[first : first + _ROWS_AT_ONCE], np.float32)
        scores[first : first + len(block)] = block @ unit
    return scores / norms


def multiplied(
    matrix: NDArray[Any], norms: NDArray[np.float32], added: NDArray[np.float32], taken: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return 3CosMul of every row: product of (1 + cos) / 2 with `added` by that with `taken` plus 0.001."""
    scores, below = np.ones(len(matrix), np.float32), np.ones(len(matrix), np.float32)
    for unit in added:
        scores *= (1 + cosines(matrix, norms, unit)) / 2
    for unit in taken:
        below *= (1 + cosines(matrix, norms, unit)) / 2
    return np.asarray(scores / (below + np.float32(0.001)))
