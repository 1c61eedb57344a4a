"""A linear classifier on the mean of a text's rows, by stochastic gradient descent (as fastText's)."""

import math

import numpy as np

from plectrum.kernels.native._cpu_compile import compiled
from plectrum.kernels.pairs._cpu_vector import add_row, add_weighted_sum, dot_rows, write_weighted_sum

_ONE = np.float32(1)


@compiled(error_model="numpy")
def classify(inputs, labels, n_labels, starts, rows, targets, order, longest, rate_first, rate_last):
    """Train on the texts of `order`, one after the other, while the learning rate falls.

    Parameters
    ----------
    inputs, labels : float32 (n_rows * dim,), (n_labels * dim,)
        Flat, dim a multiple of 16. Written.
    starts, rows : int64 (n_texts + 1,), int32
        Text t has the input rows ``rows[starts[t]:starts[t + 1]]``.
    targets : int64 (n_texts,)
    order : int64 (n,)
    longest : int
        Rows of the longest text.
    rate_first, rate_last : float

    Returns
    -------
    float
        The sum of ``-log p(target)``.
    """
    dim = labels.shape[0] // n_labels
    n_vectors = dim // 16
    label_rows = np.zeros(n_labels + 8, np.int64)
    label_rows[:n_labels] = np.arange(n_labels) * dim
    text_rows = np.zeros(longest + 1, np.int64)
    error = np.zeros(n_labels + 16, np.float32)
    hidden, change = np.empty(dim, np.float32), np.empty(dim, np.float32)
    share, at_zero = np.ones(1, np.float32), np.zeros(1, np.int64)
    loss = 0.0
    n = order.shape[0]
    for step in range(n):
        text = order[step]
        first, n_rows = starts[text], starts[text + 1] - starts[text]
        if n_rows == 0:
            continue
        rate = np.float32(rate_first + (rate_last - rate_first) * step / n)
        for q in range(n_rows):
            text_rows[q] = np.int64(rows[first + q]) * dim
        share[0] = _ONE / np.float32(n_rows)
        write_weighted_sum(hidden, 0, inputs, text_rows, 0, share, at_zero, 0, 0, n_rows, n_vectors)
        dot_rows(error, 0, hidden, 0, labels, label_rows, 0, n_labels, n_vectors)
        most = error[0]
        for k in range(n_labels):
            most = max(most, error[k])
        total = 0.0
        for k in range(n_labels):
            error[k] = math.exp(error[k] - most)
            total += error[k]
        loss -= math.log(max(error[targets[text]] / total, 1e-30))
        for k in range(n_labels):
            error[k] = -rate * error[k] / np.float32(total)
        error[targets[text]] += rate
        write_weighted_sum(change, 0, labels, label_rows, 0, error, at_zero, 0, 1, n_labels, n_vectors)
        for k in range(n_labels):
            add_weighted_sum(labels, label_rows[k], hidden, at_zero, 0, error, at_zero, k, 0, 1, n_vectors)
        for k in range(dim):
            change[k] *= share[0]
        for q in range(n_rows):
            add_row(inputs, text_rows[q], change, 0, n_vectors)
    return loss
