"""Pooling on the CPU: rows are asked for ahead of time, and added four at a time."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import numba

from plectrum.kernels.native._cpu_compile import compiled_body
from plectrum.kernels.native._cpu_memory import (
    float32_at,
    float64_at,
    int64_at,
    pointer_like,
    prefetch_row,
    take_turn,
)

_AHEAD = 16
_FLAGS = {"contract", "reassoc", "nsz"}


@numba.njit(fastmath=_FLAGS, error_model="numpy")
def pool_range(
    table_at, n_rows, dim, ids_at, n_ids, bounds_at, scale_at, is_mean, padding, out, out_at, first, end
):
    """Fill the vectors of bags [first, end); return False when there is a bad id.

    `out` is an array of the dtype of the table, for its dtype alone.
    """
    row_bytes = dim * out.itemsize
    ids, bounds = numba.carray(int64_at(ids_at), (n_ids,)), numba.carray(int64_at(bounds_at), (end + 1,))
    scales = numba.carray(pointer_like(scale_at, out), (n_ids,))
    one = out.dtype.type(1)
    for i in range(bounds[first], min(bounds[first] + _AHEAD, n_ids)):
        prefetch_row(table_at + ids[i] * row_bytes, row_bytes)
    for b in range(first, end):
        to = numba.carray(pointer_like(out_at + b * row_bytes, out), (dim,))
        for j in range(dim):
            to[j] = 0
        n_counted = 0
        i, after = bounds[b], bounds[b + 1]
        while i < after:
            n_here = 4 if i + 4 <= after else 1
            for k in range(i, i + n_here):
                if k + _AHEAD < n_ids:
                    prefetch_row(table_at + ids[k + _AHEAD] * row_bytes, row_bytes)
                if ids[k] < 0 or ids[k] >= n_rows:
                    return False
                n_counted += ids[k] != padding
            if n_here == 4 and padding < 0 and not scale_at:
                r0 = numba.carray(pointer_like(table_at + ids[i] * row_bytes, out), (dim,))
                r1 = numba.carray(pointer_like(table_at + ids[i + 1] * row_bytes, out), (dim,))
                r2 = numba.carray(pointer_like(table_at + ids[i + 2] * row_bytes, out), (dim,))
                r3 = numba.carray(pointer_like(table_at + ids[i + 3] * row_bytes, out), (dim,))
                for j in range(dim):
                    to[j] += (r0[j] + r1[j]) + (r2[j] + r3[j])
            else:
                for k in range(i, i + n_here):
                    if ids[k] != padding:
                        row = numba.carray(pointer_like(table_at + ids[k] * row_bytes, out), (dim,))
                        factor = scales[k] if scale_at else one
                        for j in range(dim):
                            to[j] += factor * row[j]
            i += n_here
        if is_mean and n_counted > 1:
            share = one / n_counted
            for j in range(dim):
                to[j] *= share
    return True


# arguments of `pool_in_turns`
TURN, IS_BAD, TABLE, N_ROWS, DIM, IDS, N_IDS, BOUNDS, SCALE, IS_MEAN, PADDING, OUT, N_BAGS, N_EACH = range(14)


@numba.njit
def pool_in_turns(arguments, out):
    """Fill `N_EACH` bags in turn, until none is left; say in `IS_BAD` that there is a bad id."""
    a = numba.carray(int64_at(arguments), (14,))
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= a[N_BAGS]:
            return
        end = min(first + a[N_EACH], a[N_BAGS])
        ids = (a[IDS], a[N_IDS], a[BOUNDS], a[SCALE], a[IS_MEAN] != 0, a[PADDING])
        if not pool_range(a[TABLE], a[N_ROWS], a[DIM], *ids, out, a[OUT], first, end):
            a[IS_BAD] = 1


@compiled_body
def pool_float32(arguments):
    """Pool the rows of a table in single precision."""
    out = numba.carray(int64_at(arguments), (14,))[OUT]
    pool_in_turns(arguments, numba.carray(float32_at(out), (1,)))


@compiled_body
def pool_float64(arguments):
    """Pool the rows of a table in double precision."""
    out = numba.carray(int64_at(arguments), (14,))[OUT]
    pool_in_turns(arguments, numba.carray(float64_at(out), (1,)))
