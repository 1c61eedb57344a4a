"""Nearest rows on the CPU: scores and the choice of the best in one pass over the matrix."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import numpy as np

from plectrum.kernels.native._cpu_compile import called, compiled
from plectrum.kernels.nearest._cpu_tile import PANEL, TILE, score_tile

__all__ = ["TILE", "nearest_rows"]


@called
def _fill_panel(panel, matrix, norms, first, last, dim):
    """Lay rows on their side, divided by their lengths; columns without a row (or a finite one) are zeros."""
    unit = np.zeros(dim, np.float32)
    for j in range(PANEL):
        row = first + j
        if row < last and np.isfinite(norms[row]):
            norm = norms[row]
            for d in range(dim):
                unit[d] = matrix[row, d] / norm
        else:
            unit[:] = 0
        for d in range(dim):
            panel[d * PANEL + j] = unit[d]


@called
def _replace_worst(scores, rows, n, score, row):
    """Put a better score in the place of the worst one (of equals the last row): the first of the heap."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        other = child + 1
        if other < n and (
            scores[other] < scores[child] or (scores[other] == scores[child] and rows[other] > rows[child])
        ):
            child = other
        if scores[child] > score or (scores[child] == score and rows[child] <= row):
            break
        scores[at], rows[at] = scores[child], rows[child]
        at = child
    scores[at], rows[at] = score, row


@compiled(error_model="numpy")
def nearest_rows(matrix, norms, first_row, queries, bounds, best_scores, best_rows):
    """Take the rows of `matrix` into what each query has found so far.

    Called for block after block of a large matrix, rows rising. A score must be above the bound of its query
    to be taken, so that of equal scores the lower rows stay.

    Parameters
    ----------
    matrix : (n, dim) float32, contiguous
    norms : (n,) float32
    first_row : int
        The number of the first row of `matrix`.
    queries : (n_queries, dim) float32, contiguous
        `n_queries` is a multiple of `TILE`.
    bounds : (n_queries,) float32, changed
        The lowest score of each query's heap; plus infinity for a query that only fills up a tile.
    best_scores, best_rows : (n_queries, k) float32 and int64, changed
        A heap for each query, the worst first; begins with scores of minus infinity and rows -1.
    """
    n, dim = matrix.shape
    n_queries, k = best_scores.shape
    panel = np.empty(dim * PANEL, np.float32)
    flat = queries.reshape(-1)
    scores = np.empty(TILE * PANEL, np.float32)
    for first in range(0, n, PANEL):
        _fill_panel(panel, matrix, norms, first, n, dim)
        n_rows = min(PANEL, n - first)
        for tile in range(0, n_queries, TILE):
            above = score_tile(panel, flat, tile * dim, dim, bounds, tile, scores)
            if above == 0:
                continue
            for q in range(TILE):
                if (above >> q) & 1:
                    query = tile + q
                    for j in range(n_rows):
                        score = scores[q * PANEL + j]
                        if score > bounds[query]:
                            _replace_worst(
                                best_scores[query], best_rows[query], k, score, first_row + first + j
                            )
                            bounds[query] = best_scores[query, 0]
