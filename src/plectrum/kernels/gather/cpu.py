"""Rows of many tables laid side by side, on the CPU: copies that ask for memory ahead of time."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from functools import cache

import numpy as np

from plectrum.kernels.native._cpu_compile import compiled_body, inlined
from plectrum.kernels.native._cpu_memory import (
    FOUR_LINES,
    copy_row,
    int64_at,
    prefetch_row,
    prefetch_to_second,
    stream_row,
    take_turn,
)

# columns of `jobs`, one row per table
TABLE, N_ROWS, ROW_BYTES, IDS, ID_STRIDE, OUT_OFFSET = range(6)  # stride in numbers, the rest in bytes
ARE_MANY = 6  # whether the call asks for many rows; see `prefetch_row`
N_COLUMNS = 7

_AHEAD = 24  # rows
_APART = 8  # rows from one line that is asked for to the next
_LEAD_APART = _AHEAD + 3 * _APART  # rows from the one copied to the last of those that `ask_apart` asks for


@inlined
def row_at(job, i, row_bytes):
    """Return where the row of the i-th id of a table stands, which may be a bad one."""
    return job[TABLE] + int64_at(job[IDS])[i * job[ID_STRIDE]] * row_bytes


@inlined
def ask_for(job, i, row_bytes):
    """Ask for the row of the i-th id."""
    prefetch_row(row_at(job, i, row_bytes), row_bytes, job[ARE_MANY] != 0)


@inlined
def ask_apart(job, i, row_bytes):
    """Ask for a line of each of four rows from the i-th id's on: in four calls for all of a row.

    For lines side by side the processor would fetch those that follow, too: up to a tenth of a lookup.
    """
    prefetch_to_second(row_at(job, i, row_bytes))
    prefetch_to_second(row_at(job, i + _APART, row_bytes) + 64)
    prefetch_to_second(row_at(job, i + 2 * _APART, row_bytes) + 128)
    prefetch_to_second(row_at(job, i + 3 * _APART, row_bytes) + 192)


@inlined
def copy_rows(job, then, known_bytes, out, out_stride, first, end, lead, has_next, is_streamed):
    """Copy the rows of ids [first, end) of one table; return False where an id is bad.

    Meanwhile ask for rows some ids ahead, `lead` of them where they are asked for apart: at the end for the
    first ones of table `then`, if there is one.
    """
    table, n_rows, stride = job[TABLE], job[N_ROWS], job[ID_STRIDE]
    row_bytes, then_bytes = known_bytes or job[ROW_BYTES], known_bytes or then[ROW_BYTES]
    ids, to = int64_at(job[IDS]), out + job[OUT_OFFSET]
    for i in range(first, end):
        ahead = i + _AHEAD
        if lead > _AHEAD and i + lead < end:
            ask_apart(job, ahead, row_bytes)
        elif ahead < end:
            ask_for(job, ahead, row_bytes)
        elif has_next:
            k = first + (ahead - end) * (lead // _AHEAD)
            for j in range(k, min(k + lead // _AHEAD, end)):
                ask_for(then, j, then_bytes)
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
    job, lead = int64_at(jobs), _AHEAD
    if known_bytes == FOUR_LINES and job[ARE_MANY]:
        lead = _LEAD_APART
    for i in range(first, min(first + lead, end)):
        ask_for(job, i, known_bytes or job[ROW_BYTES])
    for t in range(n_jobs):
        job = int64_at(jobs + t * N_COLUMNS * 8)
        then = int64_at(jobs + min(t + 1, n_jobs - 1) * N_COLUMNS * 8)
        has_next = t + 1 < n_jobs
        if not copy_rows(job, then, known_bytes, out, out_stride, first, end, lead, has_next, is_streamed):
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
