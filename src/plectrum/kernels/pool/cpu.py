"""Pooling on the CPU: rows are asked for ahead of time, and added four at a time."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import numba

from plectrum.kernels.native._cpu_compile import compiled
from plectrum.kernels.native._cpu_memory import int64_at, pointer_like, prefetch_row

_AHEAD = 16
_FLAGS = {"contract", "reassoc", "nsz"}


@compiled(fastmath=_FLAGS, error_model="numpy")
def pool_range(
    table_at, n_rows, dim, ids_at, n_ids, bounds, scale_at, is_mean, padding, out, out_at, first, end
):
    """Fill the vectors of bags [first, end); return the position of a bad id, or -1.

    `out` is an array of the dtype of the table, for its dtype alone.
    """
    row_bytes = dim * out.itemsize
    ids = numba.carray(int64_at(ids_at), (n_ids,))
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
                    return k
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
    return -1
