"""Chance for the pair kernels: numbers that depend on a seed and a place only, and Walker's alias tables."""

from typing import Any

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_A, _B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW_24 = np.uint64(0xFFFFFF)
_TO_UNIT = np.float32(1 / 2**24)


@numba.njit(inline="always")
def mix(z: Any) -> Any:
    """SplitMix64's output function: a permutation of 64-bit numbers that scatters neighbours."""
    z = (z ^ (z >> _S30)) * _A
    z = (z ^ (z >> _S27)) * _B
    return z ^ (z >> _S31)


@numba.njit(inline="always")
def random_bits(key: Any, position: Any) -> Any:
    """64 random bits that depend on `key` and `position` only, whatever was drawn before (SplitMix64)."""
    return mix(key + (np.uint64(position) + np.uint64(1)) * _GOLDEN)


@numba.njit(inline="always")
def unit_float(bits: Any) -> Any:
    """A float32 in [0, 1) from the low 24 bits."""
    return np.float32(bits & _LOW_24) * _TO_UNIT


@numba.njit(inline="always")
def draw_below(bits: Any, n: Any) -> Any:
    """An integer in [0, n) from the high 32 bits; n below 2**31."""
    return np.int64(((bits >> _S32) * np.uint64(n)) >> _S32)


@compiled()
def alias_table(weights):
    """Walker's table: draw i uniformly, keep it with chance[i], else take other[i] (Vose's construction).

    Parameters
    ----------
    weights : float64 (n,)
        Not negative, not all zero.

    Returns
    -------
    chance : float32 (n,)
    other : int32 (n,)
    """
    n = weights.shape[0]
    scaled = weights * (n / weights.sum())
    chance = np.ones(n, np.float32)
    other = np.arange(n).astype(np.int32)
    small, large = np.empty(n, np.int64), np.empty(n, np.int64)
    n_small = n_large = 0
    for i in range(n):
        if scaled[i] < 1.0:
            small[n_small] = i
            n_small += 1
        else:
            large[n_large] = i
            n_large += 1
    while n_small and n_large:
        n_small -= 1
        i, j = small[n_small], large[n_large - 1]
        chance[i], other[i] = scaled[i], j
        scaled[j] -= 1.0 - scaled[i]
        if scaled[j] < 1.0:
            n_large -= 1
            small[n_small] = j
            n_small += 1
    return chance, other


@compiled()
def thin(tokens, start, stop, keep, key, halo, out):
    """Copy the tokens that survive the thinning of frequent rows, with `halo` survivors on either side.

    Whether a token survives depends on `key` and its place alone, so that neighbouring pieces agree about
    the tokens that both see.

    Parameters
    ----------
    tokens : int32 (n_tokens,)
        Rows; -1 ends a sentence.
    start, stop : int
        The piece: ``tokens[start:stop]``.
    keep : float32 (n_rows,)
        The chance of survival of each row.
    key : uint64
        Of this epoch.
    halo : int
        How many survivors to add before and after the piece, as far as its sentence goes.
    out : int32 (stop - start + 2 * halo,) or longer
        Written.

    Returns
    -------
    n, first, last : int
        ``out[:n]`` is written, ``out[first:last]`` is the piece itself.
    """
    begin, found = start, 0
    while begin > 0 and found < halo and tokens[begin - 1] >= 0:
        begin -= 1
        if unit_float(random_bits(key, begin)) < keep[tokens[begin]]:
            found += 1
    n, first, last, end = 0, 0, -1, tokens.shape[0]
    for i in range(begin, end):
        if i == start:
            first = n
        if i == stop:
            last = n
        token = tokens[i]
        if i >= stop and (token < 0 or n - last >= halo):
            break
        if token < 0:
            out[n] = -1
            n += 1
        elif unit_float(random_bits(key, i)) < keep[token]:
            out[n] = token
            n += 1
    return n, first, n if last < 0 else last
