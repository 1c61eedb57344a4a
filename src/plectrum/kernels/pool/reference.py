"""What pooling means, in NumPy."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Ids = NDArray[np.int64]


def pool_forward(
    table: Array, ids: Ids, bounds: Ids, *, scale: Array | None = None, mode: str = "sum", padding: int = -1
) -> Array:
    """Return one vector per bag, shape (n_bags, embedding_dim).

    ``out[b] = sum(scale[i] * table[ids[i]] for i in range(bounds[b], bounds[b+1]))``, without the ids that
    equal `padding`; "mean" divides by how many are left, "max" takes the largest number of each column. A bag
    with nothing in it gives zeros.

    Parameters
    ----------
    table : float array (n_rows, embedding_dim)
    ids : int64 array (n,)
    bounds : int64 array (n_bags + 1,)
        Where each bag begins; the last one is n.
    scale : float array (n,), optional
    mode : {"sum", "mean", "max"}
    padding : int
        A row that does not count; -1 for none.

    Examples
    --------
    >>> import numpy as np
    >>> from plectrum.kernels.pool.reference import pool_forward
    >>> pool_forward(np.eye(3), np.array([0, 2, 2]), np.array([0, 2, 3]))
    array([[1., 0., 1.],
           [0., 0., 1.]])
    """
    out = np.zeros((len(bounds) - 1, table.shape[1]), table.dtype)
    for b in range(len(out)):
        places = [i for i in range(bounds[b], bounds[b + 1]) if ids[i] != padding]
        for i in places:
            out[b] += table[ids[i]] if scale is None else scale[i] * table[ids[i]]
        if mode == "max" and places:
            out[b] = table[ids[places]].max(axis=0)
        if mode == "mean" and places:
            out[b] /= len(places)
    return out


def pool_backward(
    gradient: Array,
    ids: Ids,
    bounds: Ids,
    *,
    scale: Array | None = None,
    mode: str = "sum",
    padding: int = -1,
) -> tuple[Ids, Array]:
    """Return ids and, for each, the gradient of its row: `gradient` has shape (n_bags, embedding_dim)."""
    rows, values = [], []
    for b in range(len(bounds) - 1):
        places = [i for i in range(bounds[b], bounds[b + 1]) if ids[i] != padding]
        for i in places:
            share = (1.0 if scale is None else scale[i]) / (len(places) if mode == "mean" else 1)
            rows.append(ids[i])
            values.append(gradient[b] * gradient.dtype.type(share))
    return np.array(rows, np.int64), np.array(values, gradient.dtype).reshape(-1, gradient.shape[1])
