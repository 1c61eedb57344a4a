"""Which rows of a table are behind the clock, on the CPU."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from plectrum.kernels.native._cpu_compile import compiled, inlined
from plectrum.kernels.native._cpu_memory import int32_at, int64_at, prefetch

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


@compiled()
def rows_behind(wanted, clock, nowhere, rows_at, lasts_at):
    """As `find_behind`, for one thread."""
    return find_behind(wanted, 0, 0, clock, nowhere, int64_at(rows_at), int64_at(lasts_at))


@compiled()
def all_rows_behind(first, end, clock, rows_at, lasts_at):
    """As `find_all_behind`, for one thread."""
    return find_all_behind(first, end, clock, int64_at(rows_at), int64_at(lasts_at))
