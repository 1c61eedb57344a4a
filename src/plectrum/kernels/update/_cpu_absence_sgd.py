"""Absent rows on the CPU under SGD: the products that bring them up to date."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from functools import cache

import numba

from plectrum.kernels.native._cpu_compile import YES, ZERO, compiled_body, inlined
from plectrum.kernels.native._cpu_lanes import POINTERS, WIDTH, load, spread, store, store_at_random
from plectrum.kernels.native._cpu_memory import int64_at, pointer_like, prefetch_row, take_turn

_AHEAD = 12


# arguments of a body of `catch_up_sgd`
TURN, ROWS, MATRICES, N_BEHIND, N_EACH, TABLE, BUFFER, DIM, CHANCE = range(9)


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
def catch_up_sgd_rows(a, first, end, like, numbers):
    """Bring the rows in [first, end) to the present."""
    rows, matrices, dim, buffer = int64_at(a[ROWS]), pointer_like(a[MATRICES], numbers), a[DIM], a[BUFFER]
    row_bytes, state_bytes, whole = dim * like.itemsize, dim * numbers.itemsize, dim // WIDTH * WIDTH
    for i in range(first, end):
        if i + _AHEAD < end:
            prefetch_row(a[TABLE] + rows[i + _AHEAD] * row_bytes, row_bytes, YES)
            if buffer:
                prefetch_row(buffer + rows[i + _AHEAD] * state_bytes, state_bytes, YES)
        w_at, b_at = a[TABLE] + rows[i] * row_bytes, buffer + rows[i] * state_bytes if buffer else 0
        matrix = (
            *(spread(matrices[4 * i]), spread(matrices[4 * i + 1])),
            *(spread(matrices[4 * i + 2]), spread(matrices[4 * i + 3])),
        )
        key = a[CHANCE] + rows[i] * dim
        for k in range(ZERO, whole, WIDTH):
            catch_up_sgd_lanes(w_at, b_at, k, WIDTH, like, numbers, matrix, key)
        if whole < dim:
            catch_up_sgd_lanes(w_at, b_at, whole, dim - whole, like, numbers, matrix, key)


@inlined
def catch_up_sgd_in_turns(arguments, like, numbers):
    """Bring `N_EACH` rows in turn to the present, until none is left."""
    a = int64_at(arguments)
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= a[N_BEHIND]:
            return
        catch_up_sgd_rows(a, first, min(first + a[N_EACH], a[N_BEHIND]), like, numbers)


@cache
def catch_up_sgd(dtype: str) -> compiled_body:
    """Return the compiled catching up under SGD of the rows of a table of this dtype."""
    table_at, numbers_at = POINTERS[dtype]

    def body(arguments):
        at = int64_at(arguments)[MATRICES]
        numbers = numba.carray(numbers_at(at), (1,))
        catch_up_sgd_in_turns(arguments, numba.carray(table_at(at), (1,)), numbers)

    body.__qualname__ = f"catch_up_sgd_{dtype}"
    return compiled_body(body)
