"""Rows of many tables laid side by side, on the CPU: copies that ask for memory ahead of time."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import numba

from plectrum.kernels.native._cpu_compile import compiled_body
from plectrum.kernels.native._cpu_memory import copy_bytes, int64_at, prefetch_row, take_turn

# columns of `jobs`, one row per table
TABLE, N_ROWS, ROW_BYTES, IDS, ID_STRIDE, OUT_OFFSET = range(6)  # stride in numbers, the rest in bytes
N_COLUMNS = 6

_AHEAD = 12


@numba.njit
def gather_range(jobs, out, out_stride, first, end):
    """Copy the rows of ids [first, end) of every table; return the number of a table with a bad id, or -1."""
    n_tables = len(jobs)
    ahead_ids = 1 if n_tables >= _AHEAD else (_AHEAD + n_tables - 1) // n_tables
    for i in range(first, end):
        for t in range(n_tables):
            stride, row_bytes = jobs[t, ID_STRIDE], jobs[t, ROW_BYTES]
            ids = numba.carray(int64_at(jobs[t, IDS]), (end * stride,))
            if i + ahead_ids < end:
                prefetch_row(jobs[t, TABLE] + ids[(i + ahead_ids) * stride] * row_bytes, row_bytes)
            row = ids[i * stride]
            if row < 0 or row >= jobs[t, N_ROWS]:
                return t
            copy_bytes(
                out + i * out_stride + jobs[t, OUT_OFFSET], jobs[t, TABLE] + row * row_bytes, row_bytes
            )
    return -1


# arguments of `gather_in_turns`
TURN, BAD, JOBS, N_JOBS, OUT, OUT_STRIDE, N_IDS, N_EACH = range(8)


@compiled_body
def gather_in_turns(arguments):
    """Copy ranges of `N_EACH` ids in turn, until none is left; say in `BAD` which table has a bad id."""
    a = numba.carray(int64_at(arguments), (8,))
    jobs = numba.carray(int64_at(a[JOBS]), (a[N_JOBS], N_COLUMNS))
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= a[N_IDS]:
            return
        bad = gather_range(jobs, a[OUT], a[OUT_STRIDE], first, min(first + a[N_EACH], a[N_IDS]))
        if bad >= 0:
            a[BAD] = bad
