"""Pooling on the CPU: rows are asked for ahead of time, and a bag's sum stays in registers."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from functools import cache

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import YES, ZERO, compiled_body, inlined
from plectrum.kernels.native._cpu_lanes import POINTERS, WIDTH, load, spread, store
from plectrum.kernels.native._cpu_memory import (
    int64_at,
    pointer_like,
    prefetch_row,
    take_turn,
)

_AHEAD = 16

# arguments of a body of `pool_tables`
TURN, IS_BAD, TABLE, N_ROWS, DIM, IDS, N_IDS, BOUNDS, SCALE, IS_MEAN, PADDING, OUT, N_BAGS, N_EACH = range(14)


@inlined
def sum_four(a, ids, first, end, k, factor_of_bag, like, numbers):
    """Return the weighted sums of 64 numbers, from the k-th on, of the rows that ids [first, end) name."""
    x = y = z = u = spread(numbers.dtype.type(0))
    row_bytes, step, at = a[DIM] * like.itemsize, WIDTH * like.itemsize, a[TABLE] + k * like.itemsize
    scales, padding, n_ids = pointer_like(a[SCALE], numbers), a[PADDING], a[N_IDS]
    for i in range(first, end):
        ahead = at + ids[min(i + _AHEAD, n_ids - 1)] * row_bytes
        prefetch_row(ahead, 4 * step, YES)
        if ids[i] != padding:
            here = at + ids[i] * row_bytes
            if a[SCALE]:
                factor = spread(scales[i])
                x, y = x + factor * load(here, WIDTH, like), y + factor * load(here + step, WIDTH, like)
                z = z + factor * load(here + 2 * step, WIDTH, like)
                u = u + factor * load(here + 3 * step, WIDTH, like)
            else:
                x, y = x + load(here, WIDTH, like), y + load(here + step, WIDTH, like)
                z, u = z + load(here + 2 * step, WIDTH, like), u + load(here + 3 * step, WIDTH, like)
    return factor_of_bag * x, factor_of_bag * y, factor_of_bag * z, factor_of_bag * u


@inlined
def sum_some(a, ids, first, end, k, n, factor_of_bag, like, numbers):
    """As `sum_four`, of at most 16 numbers."""
    x = spread(numbers.dtype.type(0))
    row_bytes, at = a[DIM] * like.itemsize, a[TABLE] + k * like.itemsize
    scales, padding, n_ids = pointer_like(a[SCALE], numbers), a[PADDING], a[N_IDS]
    for i in range(first, end):
        ahead = at + ids[min(i + _AHEAD, n_ids - 1)] * row_bytes
        prefetch_row(ahead, n * like.itemsize, YES)
        if ids[i] != padding:
            row = load(at + ids[i] * row_bytes, n, like)
            x = x + (spread(scales[i]) * row if a[SCALE] else row)
    return factor_of_bag * x


@inlined
def pool_bag(a, ids, first, end, to, dim, like, numbers):
    """Write the vector of the bag of ids [first, end) to address `to`."""
    share = numbers.dtype.type(1)
    if a[IS_MEAN]:
        n_counted = 0
        for i in range(first, end):
            n_counted += ids[i] != a[PADDING]
        if n_counted > 1:
            share = share / numbers.dtype.type(n_counted)
    factor, step = spread(share), WIDTH * like.itemsize
    whole, fours = dim // WIDTH * WIDTH, dim // (4 * WIDTH) * (4 * WIDTH)
    for k in range(ZERO, fours, 4 * WIDTH):
        x, y, z, u = sum_four(a, ids, first, end, k, factor, like, numbers)
        at = to + k * like.itemsize
        store(at, WIDTH, like, x)
        store(at + step, WIDTH, like, y)
        store(at + 2 * step, WIDTH, like, z)
        store(at + 3 * step, WIDTH, like, u)
    for k in range(fours, whole, WIDTH):
        store(
            to + k * like.itemsize, WIDTH, like, sum_some(a, ids, first, end, k, WIDTH, factor, like, numbers)
        )
    if whole < dim:
        n = dim - whole
        found = sum_some(a, ids, first, end, whole, n, factor, like, numbers)
        store(to + whole * like.itemsize, n, like, found)


@inlined
def pool_range(a, first, end, dim, like, numbers):
    """Fill the vectors of bags [first, end); return False when there is a bad id."""
    ids, bounds, row_bytes = int64_at(a[IDS]), int64_at(a[BOUNDS]), dim * like.itemsize
    n_rows, start = a[N_ROWS], bounds[first]
    for i in range(start, min(start + _AHEAD, a[N_IDS])):
        prefetch_row(a[TABLE] + ids[i] * row_bytes, row_bytes, YES)
    for b in range(first, end):
        for i in range(bounds[b], bounds[b + 1]):
            if ids[i] < 0 or ids[i] >= n_rows:
                return False
        pool_bag(a, ids, bounds[b], bounds[b + 1], a[OUT] + b * row_bytes, dim, like, numbers)
    return True


@inlined
def pool_in_turns(arguments, n_columns, like, numbers):
    """Fill `N_EACH` bags in turn, until none is left; say in `IS_BAD` that there is a bad id.

    Rows have `n_columns`, unless it is 0.
    """
    a = int64_at(arguments)
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= a[N_BAGS]:
            return
        end = min(first + a[N_EACH], a[N_BAGS])
        if not pool_range(a, first, end, n_columns or a[DIM], like, numbers):
            a[IS_BAD] = 1


@cache
def pool_tables(dtype: str, n_columns: int) -> compiled_body:
    """Return the compiled sums and means of the rows of a table of this dtype.

    It has `n_columns`, or any number where that is 0; see `dispatch.known_columns`.
    """
    table_at, numbers_at = POINTERS[dtype]
    known = np.int64(n_columns)  # no literal: Numba would compile for each

    def body(arguments):
        at = int64_at(arguments)[OUT]
        like, numbers = numba.carray(table_at(at), (1,)), numba.carray(numbers_at(at), (1,))
        pool_in_turns(arguments, known, like, numbers)

    body.__qualname__ = f"pool_{dtype}_{n_columns or 'any'}"  # its name in the cache
    return compiled_body(body)
