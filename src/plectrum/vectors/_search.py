"""Exact nearest rows by cosine: blocked matrix products, and a threshold that spares most of the sorting.

Large searches go to the compiled kernel, which does both in one pass; `kernels/nearest` holds its definition.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.vectors import _compiled

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]

_ROWS_AT_ONCE = 16_384
_QUERIES_AT_ONCE = 256
_FEW_QUERIES = (
    4  # up to here a product of matrix and vector, query by query, reads no more than one of blocks
)


def row_norms(matrix: NDArray[Any]) -> NDArray[np.float32]:
    """Return the length of every row; 1 for a row of zeros, whose cosine with anything is then 0."""
    norms = np.empty(len(matrix), np.float32)
    for first in range(0, len(matrix), _ROWS_AT_ONCE):
        part = np.asarray(matrix[first : first + _ROWS_AT_ONCE], np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            norms[first : first + len(part)] = np.sqrt(np.einsum("ij,ij->i", part, part))
    norms[norms == 0] = 1.0
    return norms


def unit_rows(matrix: NDArray[Any]) -> NDArray[np.float32]:
    """Return a float32 copy whose rows have length 1 (rows of zeros stay zeros)."""
    rows = np.asarray(matrix, np.float32)
    with np.errstate(invalid="ignore"):  # a row that is not finite has no direction
        return np.asarray(rows / row_norms(rows)[:, None])


def nearest_rows(
    matrix: NDArray[Any],
    norms: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    *,
    excluded: Rows | None = None,
) -> tuple[Rows, Scores]:
    """Return the `k` rows of highest cosine for every query, best first, and their cosines.

    ``score[q, i] = (queries[q] / |queries[q]|) . (matrix[i] / |matrix[i]|)``; equal scores are ordered by
    row.
    Cost: the matrix is read once per 256 queries, or once per 1,310 of 100 numbers by the compiled kernel;
    extra memory about 20 MB whatever the matrix's size.

    Parameters
    ----------
    matrix : (n, embedding_dim)
    norms : (n,)
        What `row_norms` gives.
    queries : (n_queries, embedding_dim) float32
    k : int
        At most n is returned; fewer when `excluded` leaves fewer.
    excluded : (n_queries, n_excluded) int64
        Rows that each query must not get; -1 stands for none.

    Returns
    -------
    rows, scores : (n_queries, k) int64 and float32
        Places that could not be filled hold row -1 and score -inf.
    """
    k_found = min(k + (0 if excluded is None else excluded.shape[1]), len(matrix))
    units = unit_rows(queries)
    rows = np.full((len(units), k_found), -1, np.int64)
    scores = np.full((len(units), k_found), -np.inf, np.float32)
    if k_found > 0 and len(units) <= _FEW_QUERIES:
        for query, unit in enumerate(units):
            _best_of_one(cosines(matrix, norms, unit), rows[query : query + 1], scores[query : query + 1])
    elif k_found > 0 and _compiled.is_worth_it(matrix.size, len(units)):
        _compiled.best_rows(matrix, norms, units, rows, scores)
    elif k_found > 0:
        for first in range(0, len(units), _QUERIES_AT_ONCE):
            part = slice(first, first + _QUERIES_AT_ONCE)
            _best_of_block(matrix, norms, units[part], rows[part], scores[part])
    if excluded is not None:
        _leave_out(rows, scores, excluded)
    return rows[:, :k], scores[:, :k]


def _best_of_block(
    matrix: NDArray[Any], norms: NDArray[np.float32], units: NDArray[np.float32], rows: Rows, scores: Scores
) -> None:
    """Fill `rows` and `scores` (n_queries, k) in place, going once over the matrix."""
    for first in range(0, len(matrix), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        found = units @ _unit_block(matrix[part], norms[part]).T  # (n_queries, n_block)
        # Only what beats the k-th best so far can matter; after the first blocks that is almost nothing.
        if first == 0:
            chosen = found >= _lower_bound(found, rows.shape[1])[:, None]
        else:
            chosen = found > scores[:, -1:]
        queries, at = np.nonzero(chosen)
        if len(queries):
            _merge(rows, scores, queries, at + first, found[queries, at])


def _best_of_one(found: Scores, rows: Rows, scores: Scores) -> None:
    """Fill `rows` and `scores` (1, k) from the scores (n,) of all rows."""
    at = np.flatnonzero(found >= _lower_bound(found[None], rows.shape[1])[0])
    _merge(rows, scores, np.zeros(len(at), np.int64), at, found[at])


def _unit_block(block: NDArray[Any], norms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of length 1, float32; a row that is not finite becomes zeros, whose cosines are 0."""
    with np.errstate(invalid="ignore"):
        units = np.asarray(block, np.float32) / norms[:, None]
    if not np.isfinite(norms).all():
        units[~np.isfinite(norms)] = 0.0
    return units


def _lower_bound(found: Scores, k: int) -> Scores:
    """Return, for every query, a score that at least `k` of its scores (n_queries, n) reach.

    The k-th largest of the maxima of runs of columns is one, and cheaper to find than the k-th largest score.
    """
    n = found.shape[1]
    n_runs = min(n, max(4 * k, 64))
    if n <= k:
        return np.full(len(found), -np.inf, np.float32)
    length = n // n_runs
    maxima = found[:, : n_runs * length].reshape(len(found), n_runs, length).max(axis=2)
    return np.asarray(np.partition(maxima, n_runs - k, axis=1)[:, n_runs - k])


def _merge(rows: Rows, scores: Scores, queries: Rows, new_rows: Rows, new_scores: Scores) -> None:
    """Put the best of the old and the new into `rows` and `scores` (n_queries, k), best first, lower rows
    first.

    Parameters
    ----------
    queries, new_rows, new_scores : (n_new,)
        Which query a new row is for (rising), its number and its score.
    """
    k = rows.shape[1]
    touched = np.unique(queries)
    all_queries = np.concatenate([np.repeat(touched, k), queries])
    all_rows = np.concatenate([rows[touched].reshape(-1), new_rows])
    all_scores = np.concatenate([scores[touched].reshape(-1), new_scores])
    order = np.lexsort((all_rows, -all_scores, all_queries))
    counts = np.bincount(all_queries)[touched]
    starts = np.cumsum(counts) - counts
    best = order[starts[:, None] + np.arange(k)]
    rows[touched], scores[touched] = all_rows[best], all_scores[best]


def _leave_out(rows: Rows, scores: Scores, excluded: Rows) -> None:
    """Move excluded rows behind the others, as unfilled places."""
    gone: NDArray[np.bool_] = np.zeros(rows.shape, bool)
    for column in excluded.T:
        gone |= rows == column[:, None]
    gone &= rows >= 0
    scores[gone], rows[gone] = -np.inf, -1
    order = np.argsort(gone, axis=1, kind="stable")
    rows[:] = np.take_along_axis(rows, order, axis=1)
    scores[:] = np.take_along_axis(scores, order, axis=1)


def cosines(
    matrix: NDArray[Any], norms: NDArray[np.float32], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the cosine of every row with one vector, shape (n,)."""
    unit = unit_rows(query[None])[0]
    scores = np.empty(len(matrix), np.float32)
    at_once = len(matrix) if matrix.dtype == np.float32 else _ROWS_AT_ONCE
    for first in range(0, len(matrix), max(1, at_once)):
        block = np.asarray(matrix[first : first + at_once], np.float32)
        np.matmul(block, unit, out=scores[first : first + len(block)])
    with np.errstate(invalid="ignore"):
        scores /= norms
    if not np.isfinite(norms).all():
        scores[~np.isfinite(norms)] = 0.0
    return scores


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
