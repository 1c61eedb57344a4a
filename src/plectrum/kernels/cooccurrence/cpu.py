"""Counting pairs by sorting, and GloVe's weighted least squares, in Numba."""

import math

import numpy as np

from plectrum.kernels.native._cpu_compile import compiled

DISTANCE_BITS = 8  # a pair is noted as (smaller row * n + larger row) << 8 | distance
MAX_WINDOW = (1 << DISTANCE_BITS) - 1


@compiled()
def note_pairs(tokens, at, window, n_rows, dense, pairs):
    """Note the pairs of ``tokens[at:]`` with the tokens before them, until `pairs` might be full.

    Parameters
    ----------
    tokens : int32 (n,)
        Rows; -1 ends a sentence.
    at : int
        Where to begin; tokens before it are contexts.
    window, n_rows : int
    dense : float64 (n_dense, n_dense)
        Pairs of rows below n_dense are summed here at once.
    pairs : int64 (n_room,)
        The others are noted here, one for each occurrence. Written.

    Returns
    -------
    at, n : int
        Where it stopped, and how many pairs were noted.
    """
    n, n_dense = 0, dense.shape[0]
    while at < tokens.shape[0] and n + window <= pairs.shape[0]:
        a = tokens[at]
        if a >= 0:
            for distance in range(1, min(window, at) + 1):
                b = tokens[at - distance]
                if b < 0:
                    break
                low, high = min(a, b), max(a, b)
                if high < n_dense:
                    dense[low, high] += 1.0 / distance
                else:
                    pairs[n] = ((np.int64(low) * n_rows + high) << DISTANCE_BITS) | distance
                    n += 1
        at += 1
    return at, n


@compiled()
def sum_sorted(pairs, keys, counts):
    """Sum 1 / distance over equal pairs of a sorted note; return how many different ones there are."""
    n = 0
    mask = np.int64((1 << DISTANCE_BITS) - 1)
    i = 0
    while i < pairs.shape[0]:
        key, total = pairs[i] >> DISTANCE_BITS, 0.0
        while i < pairs.shape[0] and pairs[i] >> DISTANCE_BITS == key:
            total += 1.0 / (pairs[i] & mask)
            i += 1
        keys[n], counts[n] = key, total
        n += 1
    return n


@compiled()
def merge_sums(keys_a, counts_a, keys_b, counts_b, keys, counts):
    """Merge two rising sequences of keys, adding the counts of equal ones; return how many there are."""
    i = j = n = 0
    while i < keys_a.shape[0] or j < keys_b.shape[0]:
        takes_a = i < keys_a.shape[0] and (j >= keys_b.shape[0] or keys_a[i] <= keys_b[j])
        takes_b = j < keys_b.shape[0] and (i >= keys_a.shape[0] or keys_b[j] <= keys_a[i])
        total = np.float32(0)
        if takes_a:
            keys[n] = keys_a[i]
            total += counts_a[i]
            i += 1
        if takes_b:
            keys[n] = keys_b[j]
            total += counts_b[j]
            j += 1
        counts[n] = total
        n += 1
    return n


@compiled(fastmath=True, error_model="numpy")
def glove(keys, counts, n_rows, w, c, bias, square_w, square_c, square_bias, rate, x_max, alpha):
    """Go through entries once; each pair of different rows is trained both ways round.

    Parameters
    ----------
    keys, counts : int64, float32 (n,)
        ``row * n_rows + other row``.
    w, c : float32 (n_rows, dim)
    bias : float32 (n_rows, 2)
        Of the row as w, and as c.
    square_w, square_c, square_bias
        Sums of squared steps, from 1. All six are changed.

    Returns
    -------
    float
        The sum of ``0.5 f(count) error ** 2``.
    """
    dim = w.shape[1]
    loss = 0.0
    for entry in range(keys.shape[0]):
        low, high = keys[entry] // n_rows, keys[entry] % n_rows
        target = np.float32(math.log(counts[entry]))
        weight = np.float32(min(1.0, (counts[entry] / x_max) ** alpha))
        for turn in range(1 if low == high else 2):
            i, j = (low, high) if turn == 0 else (high, low)
            product = np.float32(0)
            for k in range(dim):
                product += w[i, k] * c[j, k]
            error = product + bias[i, 0] + bias[j, 1] - target
            loss += 0.5 * weight * error * error
            step = rate * weight * error
            for k in range(dim):
                step_w, step_c = step * c[j, k], step * w[i, k]
                w[i, k] -= step_w / np.sqrt(square_w[i, k])
                c[j, k] -= step_c / np.sqrt(square_c[j, k])
                square_w[i, k] += step_w * step_w
                square_c[j, k] += step_c * step_c
            bias[i, 0] -= step / np.sqrt(square_bias[i, 0])
            bias[j, 1] -= step / np.sqrt(square_bias[j, 1])
            square_bias[i, 0] += step * step
            square_bias[j, 1] += step * step
    return loss
