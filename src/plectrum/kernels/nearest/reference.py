"""The definition: which rows are nearest to a query."""

import numpy as np
from numpy.typing import NDArray


def nearest_rows(
    matrix: NDArray[np.float32], norms: NDArray[np.float32], queries: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the `k` rows of highest score for every query, best first, and the scores.

    ``score[q, i] = queries[q] . (matrix[i] / norms[i])``; equal scores are ordered by row. A row whose norm
    is not finite has the score 0.

    Parameters
    ----------
    matrix : (n, dim)
    norms : (n,)
    queries : (n_queries, dim)
    k : int
        At most n.

    Returns
    -------
    rows, scores : (n_queries, k)
    """
    finite = np.isfinite(norms)
    units = np.zeros_like(matrix)
    units[finite] = matrix[finite] / norms[finite, None]
    scores = queries @ units.T
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(scores, rows, axis=1)
