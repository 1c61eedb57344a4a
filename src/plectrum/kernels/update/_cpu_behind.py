"""Which rows of a table are behind the clock, on the CPU, and how threads share the catching up."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from typing import Any

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import compiled_body, inlined
from plectrum.kernels.native._cpu_lanes import POINTERS
from plectrum.kernels.native._cpu_memory import int32_at, int64_at, prefetch, take_turn

_AHEAD = 32  # one number a row, and nothing to do meanwhile
NEVER_BEHIND = 2**31 - 1


@inlined
def find_behind(wanted, part, mask, clock, nowhere, rows, lasts):
    """Write a part's distinct rows that are behind to `rows`, their last steps to `lasts`; return how many.

    Marks them as up to date, which is what makes them distinct: they must be moved. A row is of part
    ``row & mask``, so that no two threads meet. No branch hangs on an id, for half of them would be guessed
    wrong: other rows are looked up `nowhere`, where `NEVER_BEHIND` stands, and what is not behind is written
    over. Every row has taken the steps before `start`, whatever a file says.
    """
    (ids_at, stride, n), (last_at, n_rows, start, now) = wanted, clock
    ids, count = int64_at(ids_at), 0
    for i in range(n):
        if i + _AHEAD < n:
            ahead = ids[(i + _AHEAD) * stride]
            prefetch(last_at + 4 * ahead if (ahead & mask) == part else nowhere)
        row = ids[i * stride]
        is_ours = (row >= 0) & (row < n_rows) & ((row & mask) == part)
        last = int32_at(last_at + 4 * row if is_ours else nowhere)
        then = last[0]
        rows[count], lasts[count] = row, max(then, start)
        last[0] = max(then, now)
        count += then < now
    return count


@inlined
def find_all_behind(first, end, clock, rows, lasts):
    """As `find_behind`, of the rows in [first, end)."""
    last_at, _, start, now = clock
    last, count = int32_at(last_at), 0
    for row in range(first, end):
        if last[row] < now:
            rows[count], lasts[count] = row, max(last[row], start)
            last[row] = now
            count += 1
    return count


# arguments of a body that catches rows up
TURN, SEAT, N_PARTS, IDS, ID_STRIDE, FIRST, N_WANTED, LAST, N_ROWS = range(9)  # IDS 0: the rows from FIRST on
TABLE, STATE1, STATE2, DIM, START, NOW, CHANCE, DESKS, DESK_BYTES, N_MOST = range(9, 19)
SUMS, KNOWN, CLOCK = range(19, 22)
# arguments of a body that adds a step to a clock
NUMBERS, POSITION, OPEN, ITS_CLOCK = range(4)
N_KEPT = 0  # of what stands at `CLOCK`, which goes on with where the numbers begin that the rule keeps


def desk_bytes(n_most: int) -> int:
    """Return how many bytes each thread needs to work with; `n_most` rows may be behind in one part."""
    return 64 + -(-16 * n_most // 64) * 64


@inlined
def catch_up_in_turns(sum_up, catch_up_rows, n_sums, n_columns, arguments, like, numbers):
    """Bring parts of the rows in turn to the present, until none is left.

    ``sum_up(a, s, at, numbers)`` writes to address `at` what absence since step `s` comes to, `n_sums`
    numbers; ``catch_up_rows(a, rows, lasts, n, dim, like, numbers, sums_at)`` moves the rows, each of which
    finds those numbers in row `s` of what stands at `sums_at`. Rows have `n_columns`, unless it is 0.
    """
    a = int64_at(arguments)
    seat, n_kept = take_turn(arguments + 8 * SEAT), int64_at(a[CLOCK])[N_KEPT]
    desk, known = a[DESKS] + seat * a[DESK_BYTES], int64_at(a[KNOWN] + seat * n_kept * 8)
    sums_at = a[SUMS] + seat * n_kept * n_sums * numbers.itemsize
    rows, lasts = int64_at(desk + 64), int64_at(desk + 64 + 8 * a[N_MOST])
    int32_at(desk)[0] = NEVER_BEHIND
    wanted, clock = (a[IDS], a[ID_STRIDE], a[N_WANTED]), (a[LAST], a[N_ROWS], a[START], a[NOW])
    while True:
        part = take_turn(arguments)
        if part >= a[N_PARTS]:
            return
        if a[IDS]:
            n = find_behind(wanted, part, a[N_PARTS] - 1, clock, desk, rows, lasts)
        else:
            first, end = part * a[N_MOST], min((part + 1) * a[N_MOST], a[N_WANTED])
            n = find_all_behind(a[FIRST] + first, a[FIRST] + end, clock, rows, lasts)
        for i in range(n):
            s = lasts[i] - a[START]
            if known[s] != a[NOW]:
                sum_up(a, s, sums_at + s * n_sums * numbers.itemsize, numbers)
                known[s] = a[NOW]
        catch_up_rows(a, rows, lasts, n, n_columns or a[DIM], like, numbers, sums_at)


def catching_up(
    rule: str, sum_up: Any, catch_up_rows: Any, n_sums: int, dtype: str, n_columns: int
) -> compiled_body:
    """Return the compiled catching up of a rule's rows, in tables of this dtype; see `catch_up_in_turns`."""
    table_at, numbers_at = POINTERS[dtype]
    each, known = np.int64(n_sums), np.int64(n_columns)  # no literals: Numba would compile for each

    def body(arguments):
        at = int64_at(arguments)[SUMS]
        like, numbers = numba.carray(table_at(at), (1,)), numba.carray(numbers_at(at), (1,))
        catch_up_in_turns(sum_up, catch_up_rows, each, known, arguments, like, numbers)

    body.__qualname__ = f"catch_up_{rule}_{dtype}_{n_columns or 'any'}"  # its name in the cache
    return compiled_body(body)
