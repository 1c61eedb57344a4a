"""Absent rows on the CPU under SGD: the products that bring them up to date; see `_series`."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from functools import cache

from plectrum.kernels.native._cpu_compile import ONE, YES, ZERO, compiled_body, inlined
from plectrum.kernels.native._cpu_lanes import WIDTH, load, spread, store, store_at_random
from plectrum.kernels.native._cpu_memory import float64_at, int64_at, pointer_like, prefetch_row
from plectrum.kernels.update._cpu_behind import (
    CHANCE,
    CLOCK,
    ITS_CLOCK,
    N_KEPT,
    NOW,
    NUMBERS,
    OPEN,
    POSITION,
    START,
    STATE1,
    TABLE,
    catching_up,
    desk_bytes,
)
from plectrum.kernels.update._series import BLOCK

__all__ = ["N_SUMS", "OPEN", "add_step", "catch_up", "desk_bytes"]

_AHEAD = 12
N_SUMS = 4  # of a last step: a matrix
INNER, OUTER = 1, 2  # what a `LinearSeries` keeps, in the order of its `_kept`, after `N_KEPT`


@inlined
def sum_up(a, s, at, numbers):
    """Write to address `at` the matrix by which absence since step `s` moves a row and its momentum."""
    c, block = int64_at(a[CLOCK]), s // BLOCK
    inner, n = float64_at(c[INNER]), c[N_KEPT]
    ww, wb, bw, bb = inner[s], inner[n + s], inner[2 * n + s], inner[3 * n + s]
    if block < (a[NOW] - a[START] - 1) // BLOCK:
        outer, n = float64_at(c[OUTER]), n // BLOCK
        o_ww, o_wb, o_bw, o_bb = outer[block], outer[n + block], outer[2 * n + block], outer[3 * n + block]
        ww, wb, bw, bb = (
            *(o_ww * ww + o_wb * bw, o_ww * wb + o_wb * bb),
            *(o_bw * ww + o_bb * bw, o_bw * wb + o_bb * bb),
        )
    sums = pointer_like(at, numbers)
    sums[0], sums[1], sums[2], sums[3] = ww, wb, bw, bb


@inlined
def catch_up_sgd_lanes(w_at, b_at, k, n, like, numbers, matrix, key):
    """Bring `n` numbers of a row, from the k-th on, and their momentum to the present."""
    ww, wb, bw, bb = matrix
    place, buffer = w_at + k * like.itemsize, b_at + k * numbers.itemsize
    w = load(place, n, like)
    if b_at:
        b = load(buffer, n, numbers)
        store(buffer, n, numbers, bw * w + bb * b)
        store_at_random(place, n, like, ww * w + wb * b, key + k)
    else:
        store_at_random(place, n, like, ww * w, key + k)


@inlined
def catch_up_sgd_rows(a, rows, lasts, n, dim, like, numbers, sums_at):
    """Bring n rows to the present."""
    buffer, row_bytes, state_bytes = a[STATE1], dim * like.itemsize, dim * numbers.itemsize
    whole = dim // WIDTH * WIDTH
    for i in range(n):
        if i + _AHEAD < n:
            prefetch_row(a[TABLE] + rows[i + _AHEAD] * row_bytes, row_bytes, YES)
            if buffer:
                prefetch_row(buffer + rows[i + _AHEAD] * state_bytes, state_bytes, YES)
        w_at, b_at = a[TABLE] + rows[i] * row_bytes, buffer + rows[i] * state_bytes if buffer else 0
        known = pointer_like(sums_at + (lasts[i] - a[START]) * N_SUMS * numbers.itemsize, numbers)
        matrix = spread(known[0]), spread(known[1]), spread(known[2]), spread(known[3])
        key = a[CHANCE] + rows[i] * dim
        for k in range(ZERO, whole, WIDTH):
            catch_up_sgd_lanes(w_at, b_at, k, WIDTH, like, numbers, matrix, key)
        if whole < dim:
            catch_up_sgd_lanes(w_at, b_at, whole, dim - whole, like, numbers, matrix, key)


@cache
def catch_up(dtype: str, n_columns: int) -> compiled_body:
    """Return the compiled catching up under SGD of the rows of a table of this dtype.

    It has `n_columns`, or any number where that is 0; see `dispatch.known_columns`.
    """
    return catching_up("sgd", sum_up, catch_up_sgd_rows, N_SUMS, dtype, n_columns)


@inlined
def multiply(matrix, products, stride, first, end):
    """Multiply the matrices [first, end) of `products`, whose numbers lie `stride` apart, from the left."""
    for s in range(first, end):
        for k in range(s, s + 2 * stride, stride):
            by_w, by_b = products[k], products[2 * stride + k]
            products[k] = matrix[0] * by_w + matrix[1] * by_b
            products[2 * stride + k] = matrix[2] * by_w + matrix[3] * by_b


@inlined
def put_unit(products, stride, s):
    """Let the matrix at `s` be the unit matrix."""
    products[s] = products[3 * stride + s] = 1.0
    products[stride + s] = products[2 * stride + s] = 0.0


@compiled_body
def add_step(arguments):
    """Multiply the products of a `LinearSeries` by the matrix of one more step, as its `_add_step` does."""
    a = int64_at(arguments)
    c, t, first, matrix = int64_at(a[ITS_CLOCK]), a[POSITION], a[OPEN], float64_at(a[NUMBERS])
    n_kept = c[N_KEPT]
    inner, outer, n_full = float64_at(c[INNER]), float64_at(c[OUTER]), t // BLOCK
    put_unit(inner, n_kept, t)
    if n_full > 0 and t == first:
        put_unit(outer, n_kept // BLOCK, n_full - ONE)
    multiply(matrix, inner, n_kept, first, t + ONE)
    multiply(matrix, outer, n_kept // BLOCK, ZERO, n_full)
