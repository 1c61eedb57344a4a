"""Directions of largest extent: the map in the plane, and the best lower rank."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 65_536


def directions(
    matrix: NDArray[Any], weights: NDArray[np.float64] | None = None, *, centred: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the orthonormal directions of largest weighted extent, their energies, and the centre.

    With rows ``x_i``, weights ``w_i`` and centre ``c`` (the weighted mean, or 0 when not centred):
    eigenvectors of ``sum_i w_i (x_i - c)(x_i - c)^T``, which are the right singular vectors of the weighted
    matrix. Each is turned so that its entry of largest size is positive: the same matrix gives the same
    signs.

    Returns
    -------
    directions : (embedding_dim, embedding_dim) float64
        One per column, largest energy first.
    energies : (embedding_dim,) float64
        The weighted sum of squares along each.
    centre : (embedding_dim,) float64

    Notes
    -----
    Cost: one pass over the matrix, ``n * embedding_dim**2`` operations in float64, no copy of the matrix.
    """
    n, dim = matrix.shape
    weights = np.ones(n) if weights is None else weights
    centre = weights @ matrix / weights.sum() if centred and weights.sum() > 0 else np.zeros(dim)
    moments = np.zeros((dim, dim))
    for first in range(0, n, _ROWS_AT_ONCE):
        rows = np.asarray(matrix[first : first + _ROWS_AT_ONCE], np.float64) - centre
        moments += rows.T @ (rows * weights[first : first + len(rows), None])
    energies, vectors = np.linalg.eigh(moments)
    energies, vectors = np.maximum(energies[::-1], 0.0), vectors[:, ::-1]
    if dim:
        largest = np.abs(vectors).argmax(axis=0)
        vectors = vectors * np.where(vectors[largest, np.arange(dim)] < 0, -1.0, 1.0)
    return vectors, energies, np.asarray(centre, np.float64)


def plane(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Return the (n, 2) coordinates of the rows on their two principal components."""
    coordinates = np.zeros((len(matrix), 2))
    if matrix.size:
        vectors, _, centre = directions(matrix, centred=True)
        n_axes = min(2, matrix.shape[1])
        coordinates[:, :n_axes] = (matrix - centre) @ vectors[:, :n_axes]
    return coordinates
