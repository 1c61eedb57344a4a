"""Rows of many tables laid side by side, on the CPU: copies that ask for memory ahead of time."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import numba

from plectrum.kernels.native._cpu_compile import compiled_body
from plectrum.kernels.native._cpu_memory import copy_row, int64_at, prefetch_row, stream_row, take_turn

# columns of `jobs`, one row per table
TABLE, N_ROWS, ROW_BYTES, IDS, ID_STRIDE, OUT_OFFSET = range(6)  # stride in numbers, the rest in bytes
N_COLUMNS = 6

_AHEAD = 24


@numba.njit(forceinline=True)
def copy_rows(job, out, out_stride, first, end, row_bytes, is_streamed):
    """Copy the rows of ids [first, end) of one table; return False where an id is bad."""
    table, n_rows, stride = job[TABLE], job[N_ROWS], job[ID_STRIDE]
    ids, to = numba.carray(int64_at(job[IDS]), (end * stride,)), out + job[OUT_OFFSET]
    for i in range(first, min(first + _AHEAD, end)):
        prefetch_row(table + ids[i * stride] * row_bytes, row_bytes)
    for i in range(first, end):
        if i + _AHEAD < end:
            prefetch_row(table + ids[(i + _AHEAD) * stride] * row_bytes, row_bytes)
        row = ids[i * stride]
        if row < 0 or row >= n_rows:
            return False
        if is_streamed:
            stream_row(to + i * out_stride, table + row * row_bytes, row_bytes)
        else:
            copy_row(to + i * out_stride, table + row * row_bytes, row_bytes)
    return True


@numba.njit
def gather_range(jobs, out, out_stride, first, end, is_streamed):
    """Copy the rows of ids [first, end) of every table; return the number of a table with a bad id, or -1.

    A loop over a number of bytes that the compiler knows is twice as fast as one over any number.
    """
    for t in range(len(jobs)):
        row_bytes = jobs[t, ROW_BYTES]
        if row_bytes == 64:
            is_good = copy_rows(jobs[t], out, out_stride, first, end, 64, is_streamed)
        elif row_bytes == 128:
            is_good = copy_rows(jobs[t], out, out_stride, first, end, 128, is_streamed)
        elif row_bytes == 256:
            is_good = copy_rows(jobs[t], out, out_stride, first, end, 256, is_streamed)
        elif row_bytes == 512:
            is_good = copy_rows(jobs[t], out, out_stride, first, end, 512, is_streamed)
        else:
            is_good = copy_rows(jobs[t], out, out_stride, first, end, row_bytes, is_streamed)
        if not is_good:
            return t
    return -1


# arguments of `gather_in_turns`
TURN, BAD, JOBS, N_JOBS, OUT, OUT_STRIDE, N_IDS, N_EACH, IS_STREAMED = range(9)


@compiled_body
def gather_in_turns(arguments):
    """Copy ranges of `N_EACH` ids in turn, until none is left; say in `BAD` which table has a bad id."""
    a = numba.carray(int64_at(arguments), (9,))
    jobs = numba.carray(int64_at(a[JOBS]), (a[N_JOBS], N_COLUMNS))
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= a[N_IDS]:
            return
        end = min(first + a[N_EACH], a[N_IDS])
        bad = gather_range(jobs, a[OUT], a[OUT_STRIDE], first, end, a[IS_STREAMED] != 0)
        if bad >= 0:
            a[BAD] = bad
