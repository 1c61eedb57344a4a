"""What a gather means, in NumPy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def gather_forward(tables: Sequence[Array], ids: NDArray[np.int64]) -> Array:
    """Return ``concatenate([tables[t][ids[:, t]] for t])``: the rows of each column's table, side by side.

    Parameters
    ----------
    tables : sequence of float arrays (n_rows_t, embedding_dim_t)
    ids : int64 array (n, n_tables)

    Examples
    --------
    >>> import numpy as np
    >>> from plectrum.kernels.gather.reference import gather_forward
    >>> gather_forward([np.eye(2), np.array([[7.0], [8.0]])], np.array([[1, 0], [0, 1]]))
    array([[0., 1., 7.],
           [1., 0., 8.]])
    """
    return np.concatenate([table[ids[:, t]] for t, table in enumerate(tables)], axis=1)


def gather_backward(gradient: Array, dims: Sequence[int]) -> list[Array]:
    """Return for each table the gradients of the rows in its column, shape (n, embedding_dim_t): views."""
    return np.split(gradient, np.cumsum(dims)[:-1], axis=1)
