"""Rows of many tables laid side by side, on the CPU: copies that ask for memory ahead of time."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from functools import cache

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


@inlined
def ask_for(job, i, row_bytes):
    """Ask for the row of the i-th id of a table, which may be a bad one."""
    row = int64_at(job[IDS])[i * job[ID_STRIDE]]
    prefetch_row(job[TABLE] + row * row_bytes, row_bytes, job[ARE_MANY] != 0)


@inlined
def copy_rows(job, then, known_bytes, out, out_stride, first, end, is_streamed):
    """Copy the rows of ids [first, end) of one table; return False where an id is bad.

    Meanwhile ask for rows some ids ahead: at the end for the first ones of table `then`.
    """
    table, n_rows, stride = job[TABLE], job[N_ROWS], job[ID_STRIDE]
    row_bytes = known_bytes or job[ROW_BYTES]
    ids, to = int64_at(job[IDS]), out + job[OUT_OFFSET]
    for i in range(first, end):
        ahead = i + _AHEAD
        if ahead < end:
            ask_for(job, ahead, row_bytes)
        elif ahead - end < end - first:
            ask_for(then, ahead - end + first, known_bytes or then[ROW_BYTES])
        row = ids[i * stride]
        if row < 0 or row >= n_rows:
            return False
        if is_streamed:
            stream_row(to + i * out_stride, table + row * row_bytes, row_bytes)
        else:
            copy_row(to + i * out_stride, table + row * row_bytes, row_bytes)
    return True


@inlined
def gather_range(jobs, n_jobs, known_bytes, out, out_stride, first, end, is_streamed):
    """Copy the rows of ids [first, end) of every table; return the number of a table with a bad id, or -1."""
    for i in range(first, min(first + _AHEAD, end)):
        ask_for(int64_at(jobs), i, known_bytes or int64_at(jobs)[ROW_BYTES])
    for t in range(n_jobs):
        job = int64_at(jobs + t * N_COLUMNS * 8)
        then = int64_at(jobs + min(t + 1, n_jobs - 1) * N_COLUMNS * 8)
        if not copy_rows(job, then, known_bytes, out, out_stride, first, end, is_streamed):
            return t
    return -1


# arguments of a body of `gather_tables`
TURN, BAD, JOBS, N_JOBS, OUT, OUT_STRIDE, N_IDS, N_EACH, IS_STREAMED = range(9)


@cache
def gather_tables(known_bytes: int) -> compiled_body:
    """Return the compiled copy of rows that all have so many bytes, or any number where it is 0.

    A loop over a number of bytes that the compiler knows is up to a fifth faster.
    """
    known = np.int64(known_bytes)  # no literal: Numba would compile for each

    def gather_in_turns(arguments):
        """Copy ranges of `N_EACH` ids in turn, until none is left; say in `BAD` which table has a bad id."""
        a = int64_at(arguments)
        while True:
            first = take_turn(arguments) * a[N_EACH]
            if first >= a[N_IDS]:
                return
            end = min(first + a[N_EACH], a[N_IDS])
            is_streamed = a[IS_STREAMED] != 0
            bad = gather_range(a[JOBS], a[N_JOBS], known, a[OUT], a[OUT_STRIDE], first, end, is_streamed)
            if bad >= 0:
                a[BAD] = bad

    gather_in_turns.__qualname__ = f"gather_{known_bytes or 'any'}"  # its name in the cache
    return compiled_body(gather_in_turns)
