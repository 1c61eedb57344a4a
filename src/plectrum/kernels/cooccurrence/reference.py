"""What the kernels of co-occurrence compute, in NumPy."""

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray


def count_pairs(tokens: NDArray[np.int32], window: int) -> dict[tuple[int, int], float]:
    """Sum 1 / distance over all pairs of places within `window` in one sentence; keys (smaller, larger).

    Examples
    --------
    >>> count_pairs(np.array([2, 0, 2, -1, 0]), window=2)
    {(0, 2): 2.0, (2, 2): 0.5}
    """
    found: dict[tuple[int, int], float] = defaultdict(float)
    for p, a in enumerate(tokens.tolist()):
        for distance in range(1, window + 1):
            b = int(tokens[p - distance]) if p >= distance else -1
            if a < 0 or b < 0:
                break
            found[min(a, b), max(a, b)] += 1 / distance
    return dict(found)


def adagrad_step(
    tables: list[Any],
    squares: list[Any],
    i: int,
    j: int,
    count: float,
    *,
    rate: float,
    x_max: float,
    alpha: float,
) -> float:
    """One entry of GloVe: weighted least squares of w_i . c_j + a_i + b_j to log(count), by AdaGrad.

    Parameters
    ----------
    tables, squares : list of four arrays
        w and c (n, dim), a and b (n,); and their sums of squared steps. Changed.

    Returns
    -------
    float
        The weighted squared error before the step.
    """
    w, c, a, b = tables
    error = w[i] @ c[j] + a[i] + b[j] - np.log(count)
    weighted = min(1.0, (count / x_max) ** alpha) * error
    loss = float(0.5 * weighted * error)
    steps = [rate * weighted * c[j], rate * weighted * w[i], rate * weighted, rate * weighted]
    for table, square, row, step in zip(tables, squares, (i, j, i, j), steps, strict=True):
        table[row] -= step / np.sqrt(square[row])
        square[row] += step * step
    return loss
