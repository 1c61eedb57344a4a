"""Rows of many tables laid side by side, on the CPU: copies that ask for memory ahead of time."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import numpy as np

from plectrum.kernels.native._cpu_compile import compiled_body, inlined
from plectrum.kernels.native._cpu_memory import (
    copy_row,
    int64_at,
    prefetch_row,
    stream_row,
    take_turn,
)

# columns of `jobs`, one row per table
TABLE, N_ROWS, ROW_BYTES, IDS, ID_STRIDE, OUT_OFFSET = range(6)  # stride in numbers, the rest in bytes
ARE_MANY = 6  # whether the call asks for many rows; see `prefetch_row`
N_COLUMNS = 7

_AHEAD = 24
# no literals: Numba would compile for each
_BYTES64, _BYTES128, _BYTES256, _BYTES512 = np.int64(64), np.int64(128), np.int64(256), np.int64(512)


@inlined
def ask_for(job, i, row_bytes):
    """Ask for the row of the i-th id of a table, which may be a bad one."""
    row = int64_at(job[IDS])[i * job[ID_STRIDE]]
    prefetch_row(job[TABLE] + row * row_bytes, row_bytes, job[ARE_MANY] != 0)


@inlined
def copy_rows(job, then, out, out_stride, first, end, row_bytes, is_streamed):
    """Copy the rows of ids [first, end) of one table; return False where an id is bad.

    Meanwhile ask for rows some ids ahead: at the end for the first ones of table `then`.
    """
    table, n_rows, stride = job[TABLE], job[N_ROWS], job[ID_STRIDE]
    ids, to = int64_at(job[IDS]), out + job[OUT_OFFSET]
    for i in range(first, end):
        ahead = i + _AHEAD
        if ahead < end:
            ask_for(job, ahead, row_bytes)
        elif ahead - end < end - first:
            ask_for(then, ahead - end + first, then[ROW_BYTES])
        row = ids[i * stride]
        if row < 0 or row >= n_rows:
            return False
        if is_streamed:
            stream_row(to + i * out_stride, table + row * row_bytes, row_bytes)
        else:
            copy_row(to + i * out_stride, table + row * row_bytes, row_bytes)
    return True


@inlined
def gather_range(jobs, n_jobs, out, out_stride, first, end, is_streamed):
    """Copy the rows of ids [first, end) of every table; return the number of a table with a bad id, or -1.

    A loop over a number of bytes that the compiler knows is twice as fast as one over any number.
    """
    for i in range(first, min(first + _AHEAD, end)):
        ask_for(int64_at(jobs), i, int64_at(jobs)[ROW_BYTES])
    for t in range(n_jobs):
        job = int64_at(jobs + t * N_COLUMNS * 8)
        then = int64_at(jobs + min(t + 1, n_jobs - 1) * N_COLUMNS * 8)
        row_bytes = job[ROW_BYTES]
        if row_bytes == _BYTES64:
            is_good = copy_rows(job, then, out, out_stride, first, end, _BYTES64, is_streamed)
        elif row_bytes == _BYTES128:
            is_good = copy_rows(job, then, out, out_stride, first, end, _BYTES128, is_streamed)
        elif row_bytes == _BYTES256:
            is_good = copy_rows(job, then, out, out_stride, first, end, _BYTES256, is_streamed)
        elif row_bytes == _BYTES512:
            is_good = copy_rows(job, then, out, out_stride, first, end, _BYTES512, is_streamed)
        else:
            is_good = copy_rows(job, then, out, out_stride, first, end, row_bytes, is_streamed)
        if not is_good:
            return t
    return -1


# arguments of `gather_in_turns`
TURN, BAD, JOBS, N_JOBS, OUT, OUT_STRIDE, N_IDS, N_EACH, IS_STREAMED = range(9)


@compiled_body
def gather_in_turns(arguments):
    """Copy ranges of `N_EACH` ids in turn, until none is left; say in `BAD` which table has a bad id."""
    a = int64_at(arguments)
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= a[N_IDS]:
            return
        end = min(first + a[N_EACH], a[N_IDS])
        bad = gather_range(a[JOBS], a[N_JOBS], a[OUT], a[OUT_STRIDE], first, end, a[IS_STREAMED] != 0)
        if bad >= 0:
            a[BAD] = bad
