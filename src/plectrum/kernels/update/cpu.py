"""Updates of rows on the CPU: ids are grouped by row, each row is read once, stepped and written once.

Every function here takes addresses, because one call serves many tables. ``jobs`` is an int64 array with a
row per table whose columns are named below. Rows that occur once are stepped on where they are met in the
batch, a block of it at a time, and their gradients are read where they stand. The others leave a key each,
``row << 32 | position``, and are sorted, so that equal rows stand together in the order of the batch; so are
all where a gradient must be converted or scaled anyway. Sums come out the same whatever the number of
threads.

A thread takes a table at a time. Where there are fewer tables than threads they share each: they note which
rows occur in their part of the batch, put together what all have noted, step on blocks of the batch, and last
on the rows that occur again, of which each turn takes those that a number made of the row gives it.

All arrays are pointers, whose items Numba reads without asking whether an index is negative.
"""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from functools import cache, lru_cache
from typing import NamedTuple

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import NO, ZERO, compiled_body, inlined
from plectrum.kernels.native._cpu_lanes import POINTERS, WIDTH, load, spread, store
from plectrum.kernels.native._cpu_memory import (
    int32_at,
    int64_at,
    leave,
    pointer_like,
    prefetch_row,
    take_turn,
    wait_for,
)
from plectrum.kernels.update._cpu_repeats import (
    COUNTS,
    FOLD,
    are_bad,
    may_occur_again,
    merge_and_fold,
    n_marks_for,
    note_rows,
    sort_by_row,
)
from plectrum.kernels.update._cpu_rules import RULES, SIGN, spread_out

# columns of `jobs`
TABLE, STATE1, STATE2, N_ROWS, DIM = 0, 1, 2, 3, 4
IDS, ID_STRIDE, N_IDS = 5, 6, 7  # stride in numbers
VALUES, VALUE_STRIDE = 8, 9  # stride in bytes
BAG_OF, SCALE = 10, 11  # row of the values that an id's gradient stands in, and its factor; 0 for none
LAST, NOW = 12, 13
CHANCE = 14  # where all chance of a table of 16 bits comes from
ARE_MANY = 15  # whether the call asks for many rows; see `prefetch_row`
N_COLUMNS = 16

_AHEAD = 16  # rows ahead for which memory is asked
_BLOCK, _BLOCK_BYTES = 256, 2**16  # at most: rows that are found before one is stepped on, and their sums
_POSITION = 0xFFFFFFFF
_SPREAD = 0x9E3779B1  # 2**32 over the golden ratio: bits of a product from the 32nd on depend on all below


@inlined
def take_left(left_at, counts_at, n_each, n_blocks, part, n_parts, keys):
    """Write to `keys` those of one part's rows that blocks have left, in order; return how many.

    Which part a row belongs to is as good as random: ids that are all even fall to all parts.
    """
    n = 0
    for k in range(n_blocks):
        some = int64_at(left_at + k * n_each * 8)
        for j in range(wait_for(counts_at + 8 * k)):
            keys[n] = some[j]  # written anyway: no branch to guess wrong
            n += ((some[j] >> 32) * _SPREAD >> 32 & (n_parts - 1)) == part
    return n


@inlined
def gradient_at(gradients, key, like):
    """Return where the gradient of a key stands, and its factor."""
    values, stride, bag_of, scale, sign = gradients
    place = key & _POSITION
    at = values + (int64_at(bag_of)[place] if bag_of else place) * stride
    return at, spread(sign * pointer_like(scale, like)[place] if scale else sign)


@inlined
def add_up(gradients, keys, i, after, k, n, like, numbers, to):
    """Write to `to` the sum of `n` numbers, from the k-th on, of the gradients that keys [i, after) name."""
    sum_of = spread(numbers[0] - numbers[0])
    for j in range(i, after):
        at, factor = gradient_at(gradients, keys[j], numbers)
        sum_of = sum_of + factor * load(at + k * like.itemsize, n, like)
    store(to + k * numbers.itemsize, n, numbers, sum_of)


@inlined
def add_up_four(gradients, keys, i, after, k, like, numbers, to):
    """As `add_up`, for 64 numbers at once."""
    a = b = c = d = spread(numbers[0] - numbers[0])
    width = WIDTH * like.itemsize
    for j in range(i, after):
        at, factor = gradient_at(gradients, keys[j], numbers)
        at += k * like.itemsize
        a = a + factor * load(at, WIDTH, like)
        b = b + factor * load(at + width, WIDTH, like)
        c = c + factor * load(at + 2 * width, WIDTH, like)
        d = d + factor * load(at + 3 * width, WIDTH, like)
    at, width = to + k * numbers.itemsize, WIDTH * numbers.itemsize
    store(at, WIDTH, numbers, a)
    store(at + width, WIDTH, numbers, b)
    store(at + 2 * width, WIDTH, numbers, c)
    store(at + 3 * width, WIDTH, numbers, d)


@inlined
def add_up_row(gradients, keys, i, after, dim, like, numbers, to):
    """Write to `to` the sum of the gradients that keys [i, after) name."""
    whole, fours = dim // WIDTH * WIDTH, dim // (4 * WIDTH) * (4 * WIDTH)
    for k in range(ZERO, fours, 4 * WIDTH):
        add_up_four(gradients, keys, i, after, k, like, numbers, to)
    for k in range(fours, whole, WIDTH):
        add_up(gradients, keys, i, after, k, WIDTH, like, numbers, to)
    if whole < dim:
        add_up(gradients, keys, i, after, whole, dim - whole, like, numbers, to)


@inlined
def is_read_as_it_is(job, like, numbers):
    """Return True where a step can read a gradient where it stands."""
    return numbers[SIGN] == 1 and not job[SCALE] and like.itemsize == numbers.itemsize


@inlined
def list_alone(job, first, end, folded, left, room):
    """List the rows of ids [first, end) that occur once, and where their gradients stand; leave the rest.

    Returns how many are listed and how many left.
    """
    rows, gradients, _ = room
    ids, stride, values, value_stride = int64_at(job[IDS]), job[ID_STRIDE], job[VALUES], job[VALUE_STRIDE]
    n_folded = n_marks_for(job[N_IDS]) // (32 * FOLD)
    n = n_left = 0
    for i in range(first, end):  # short, for memory waits for it: positions now, addresses below
        row = ids[i * stride]
        is_left = may_occur_again(folded, n_folded, row)
        rows[n], gradients[n], left[n_left] = row, i, row << 32 | i  # written anyway, as in `take_left`
        n += 1 - is_left
        n_left += is_left
    if job[BAG_OF]:
        bag_of = int64_at(job[BAG_OF])
        for k in range(n):
            gradients[k] = bag_of[gradients[k]]
    for k in range(n):
        gradients[k] = values + gradients[k] * value_stride
    return n, n_left


@inlined
def list_sums(job, dim, keys, i, n_keys, n_rows, like, numbers, room):
    """List the next `n_rows` rows at most, and where each one's gradient stands; sum it in `sums` if need be.

    Returns how many rows there are, and the first key that is left.
    """
    rows, gradients, sums = room
    gradient = (job[VALUES], job[VALUE_STRIDE], job[BAG_OF], job[SCALE], numbers[SIGN])
    value_bytes, sum_bytes = dim * like.itemsize, dim * numbers.itemsize
    as_it_is = is_read_as_it_is(job, like, numbers)
    count = 0
    while i < n_keys and count < n_rows:
        row, after = keys[i] >> 32, i
        while after < n_keys and keys[after] >> 32 == row:
            if after + _AHEAD < n_keys:
                ahead, _ = gradient_at(gradient, keys[after + _AHEAD], numbers)
                prefetch_row(ahead, value_bytes, NO)
            after += 1
        rows[count] = row
        if as_it_is and after == i + 1:
            gradients[count], _ = gradient_at(gradient, keys[i], numbers)
        else:
            gradients[count] = sums + count * sum_bytes
            add_up_row(gradient, keys, i, after, dim, like, numbers, sums + count * sum_bytes)
        count += 1
        i = after
    return count, i


@inlined
def ask_for_first(states_of, job, dim, a_list, n, like, numbers):
    """Ask for the first of the n rows of a list, their states and gradients."""
    rows, gradients, _ = a_list
    row_bytes, (first, second), are_many = dim * like.itemsize, states_of(dim, numbers), job[ARE_MANY] != 0
    for k in range(min(n, _AHEAD)):
        row = rows[k]
        prefetch_row(job[TABLE] + row * row_bytes, row_bytes, are_many)
        prefetch_row(job[STATE1] + row * first, first, are_many)
        prefetch_row(job[STATE2] + row * second, second, are_many)
        prefetch_row(gradients[k], dim * numbers.itemsize, NO)


@inlined
def let_follow(a_list, n, following, n_following):
    """Write behind the n rows of a list those to be asked for meanwhile: the first of the list that follows.

    Where none follows, its own last row, which asks for nothing more.
    """
    rows, gradients, _ = a_list
    next_rows, next_gradients, _ = following if n_following > 0 else a_list
    for k in range(_AHEAD):
        which = min(k, n_following - 1) if n_following > 0 else n - 1
        rows[n + k], gradients[n + k] = next_rows[which], next_gradients[which]


@inlined
def step_rows(step, states_of, job, dim, a_list, n, like, numbers):
    """Step on the n rows of a list; nothing here depends on what the rows are, so that reads overlap.

    Each step asks for a row ahead, number by number as it goes: a few lines at a time are waited for less.
    """
    rows, gradients, _ = a_list
    row_bytes, hp, are_many = dim * like.itemsize, spread_out(numbers), job[ARE_MANY] != 0
    table, state1, state2, chance = job[TABLE], job[STATE1], job[STATE2], job[CHANCE]
    first, second = states_of(dim, numbers)
    for k in range(n):
        row = rows[k]
        where = (table + row * row_bytes, state1 + row * first, state2 + row * second, gradients[k])
        later, g = rows[k + _AHEAD], gradients[k + _AHEAD]
        ahead = (table + later * row_bytes, state1 + later * first, state2 + later * second, g, are_many)
        step(where, ahead, dim, like, numbers, hp, chance + row * dim)
    if job[LAST]:
        last = int32_at(job[LAST])
        for k in range(n):
            last[rows[k]] = job[NOW]


# kinds of turns, one after the other
_NOTE, _MERGE, _STEP, _STEP_ON_LEFT, _OVER = range(5)
# arguments of a body of `update_tables`
TURN, SEAT, BAD, JOBS, N_JOBS, N_PARTS, NUMBERS, FLAGS = range(8)
N_MOST, N_EACH, DESKS, DESK_BYTES, LIST_BYTES, MARKS, FOLDED, LEFT = range(8, 16)


class Layout(NamedTuple):
    """How the memory is laid out that a step works with, in bytes; and how it is shared out."""

    n_bytes: int
    n_flags: int  # numbers that threads who share tables leave for each other
    arguments: tuple[int, ...]  # from `N_MOST` on, counted from the start of the memory


@lru_cache(64)
def lay_out(
    n_most: int, dim_most: int, number_bytes: int, n_jobs: int, n_parts: int, n_threads: int
) -> Layout:
    """Return the layout for so many tables of which the largest has `n_most` ids.

    A block of the batch has few enough positions for all threads to have some.
    """
    n_each = max(8, min(_BLOCK, _BLOCK_BYTES // (dim_most * number_bytes), -(-n_most // (4 * n_threads))))
    keys, counts, rows = 2 * 8 * n_most, 8 * COUNTS, 2 * 8 * (_BLOCK + _AHEAD)
    list_bytes = _whole_lines(rows + max(_BLOCK_BYTES, dim_most * number_bytes))
    desk_bytes = _whole_lines(keys + counts + 2 * list_bytes)
    are_shared = n_parts > 1
    n_tables = n_jobs if are_shared else n_threads  # that are worked on at once
    marks = n_threads * desk_bytes
    mark_bytes = n_marks_for.py_func(n_most) // 4
    folded = marks + n_tables * n_parts * mark_bytes
    left = folded + _whole_lines(n_tables * mark_bytes // FOLD)
    n_flags = n_jobs * (_STEP * n_parts + -(-n_most // n_each)) if are_shared else 0
    sizes = (n_most, n_each, 0, desk_bytes, list_bytes, marks, folded, left)
    return Layout(left + 8 * n_tables * n_most * are_shared, n_flags, sizes)


def _whole_lines(n_bytes: int) -> int:
    return -(-n_bytes // 64) * 64


@inlined
def desk_at(at, n_most, list_bytes):
    """Return what a thread works with: keys, spare, counts, and two lists."""
    spare, counts = at + 8 * n_most, at + 2 * 8 * n_most
    lists = counts + 8 * COUNTS
    return int64_at(at), int64_at(spare), int64_at(counts), list_at(lists), list_at(lists + list_bytes)


@inlined
def list_at(at):
    """Return a list: room for rows, for where their gradients stand, and for the sums of some."""
    n_bytes = 8 * (_BLOCK + _AHEAD)
    return int64_at(at), int64_at(at + n_bytes), at + 2 * n_bytes


@inlined
def flags_of(flags, table, kind, n_parts, n_blocks):
    """Return where the turns of one kind on one table leave their flags, an int64 each."""
    return flags + (table * (_STEP * n_parts + n_blocks) + kind * n_parts) * 8


@inlined
def read_turn(turn, n_jobs, n_parts, n_blocks):
    """Return of which kind a turn is, on which table, and which of those it is."""
    kind, n_of_kind = _NOTE, n_parts
    while kind < _OVER and turn >= n_jobs * n_of_kind:
        turn, kind = turn - n_jobs * n_of_kind, kind + 1 if n_parts > 1 else _OVER
        n_of_kind = n_blocks if kind == _STEP else n_parts
    return kind, turn // n_of_kind if kind < _OVER else ZERO, turn % n_of_kind


@inlined
def wait_for_all(flags, n):
    """Wait until n flags have been left; return 1 if one of them says that an id is bad, else 0."""
    found = ZERO
    for k in range(n):
        found |= wait_for(flags + 8 * k)
    return found


@inlined
def look_for_alone(kind, job, k, n_parts, marks_at, folded, like, numbers):
    """Take the k-th turn of a kind before `_STEP`; return 1 for a bad id, else 0."""
    n_ids, mask = job[N_IDS], n_marks_for(job[N_IDS]) - 1
    first, end, n_bytes = n_ids * k // n_parts, n_ids * (k + 1) // n_parts, (mask + 1) // 4
    as_it_is, wanted = is_read_as_it_is(job, like, numbers), (int64_at(job[IDS]), job[ID_STRIDE], job[N_ROWS])
    if kind == _NOTE:
        if as_it_is:
            return note_rows(wanted, first, end, int64_at(marks_at + k * n_bytes), mask)
        return are_bad(wanted, first, end)
    n_folded = n_bytes // (8 * FOLD)
    first_word, end_word = n_folded * k // n_parts, n_folded * (k + 1) // n_parts
    if as_it_is:
        merge_and_fold(marks_at, n_bytes, n_parts, n_folded, first_word, end_word, folded)
    else:
        for f in range(first_word, end_word):
            folded[f] = -1  # all are left, to be summed
    return ZERO


@inlined
def update_in_turns(step, states_of, n_columns, arguments, like, numbers):
    """Take tables in turn until none is left, or shares of them; say in `BAD` which table has a bad id.

    All tables have `n_columns`, unless it is 0. Where `N_PARTS`, a power of two, is more than one, threads
    share tables, and turns are of four kinds, one after the other: a part of a batch is noted, a part of what
    was noted merged, a block of the batch stepped on, and a part of the rows that blocks left. A turn waits
    until those of the kind before have done with its table, the last until every block has said what it
    leaves; all those turns have been taken by then, and whoever takes one leaves its flag, whatever happens.
    No row is stepped on in two turns, and none of a table that has a bad id.

    A list of rows is stepped on when the next is there, whose first rows it asks for: those are on their way
    while the one after is made. Meanwhile keys, marks and what is left serve the next list, for a list points
    to sums of its own and to gradients alone; and nobody waits for it, since flags are left when it is made.
    """
    a = int64_at(arguments)
    n_jobs, n_parts, n_most, n_each = a[N_JOBS], a[N_PARTS], a[N_MOST], a[N_EACH]
    are_shared, n_blocks, seat = n_parts > 1, (n_most + n_each - 1) // n_each, take_turn(arguments + 8 * SEAT)
    keys_at = a[DESKS] + seat * a[DESK_BYTES]
    others, spare, counts, ready, listed = desk_at(keys_at, n_most, a[LIST_BYTES])
    n_ready, job_ready, table_ready = ZERO, int64_at(a[JOBS]), ZERO
    while True:
        kind, table, k = read_turn(take_turn(arguments), n_jobs, n_parts, n_blocks)
        job, place = int64_at(a[JOBS] + table * N_COLUMNS * 8), table if are_shared else seat
        marks_at = a[MARKS] + place * n_parts * (n_marks_for(n_most) // 4)
        folded = int64_at(a[FOLDED] + place * (n_marks_for(n_most) // (4 * FOLD)))
        left_at = a[LEFT] + place * n_most * 8
        counts_at = flags_of(a[FLAGS], table, _STEP, n_parts, n_blocks)  # of keys that blocks leave
        first = end = n_others = is_bad = ZERO
        if are_shared and _NOTE < kind <= _STEP:
            is_bad = wait_for_all(flags_of(a[FLAGS], table, kind - 1, n_parts, n_blocks), n_parts)
        if kind < _STEP:
            for stage in range(kind, kind + 1 if are_shared else _STEP):
                if not is_bad:
                    is_bad = look_for_alone(stage, job, k, n_parts, marks_at, folded, like, numbers)
            if is_bad:
                a[BAD] = table
            if are_shared:
                leave(flags_of(a[FLAGS], table, kind, n_parts, n_blocks) + 8 * k, is_bad)
            elif not is_bad:
                end = job[N_IDS]
        elif kind == _STEP:
            if not is_bad:
                first, end = min(k * n_each, job[N_IDS]), min((k + 1) * n_each, job[N_IDS])
            if first == end:
                leave(counts_at + 8 * k, 0)
        elif kind == _STEP_ON_LEFT:
            n_others = take_left(left_at, counts_at, n_each, n_blocks, k, n_parts, others)
        dim, keys, n_keys, i = n_columns or job[DIM], others, ZERO, ZERO
        at_once = min(_BLOCK, max(_BLOCK_BYTES // (dim * numbers.itemsize), 1))
        while True:
            n = ZERO
            if first < end:
                after = min(first + n_each, end)
                to = int64_at(left_at + 8 * first if are_shared else keys_at + 8 * n_others)
                n, more = list_alone(job, first, after, folded, to, listed)
                first = after
                if are_shared:
                    leave(counts_at + 8 * k, more)
                else:
                    n_others += more
            elif n_others > 0:
                end_in_spare = sort_by_row(job[N_ROWS], others, n_others, spare, counts)
                keys, n_keys, n_others = spare if end_in_spare else others, n_others, ZERO
                continue
            elif i < n_keys:
                n, i = list_sums(job, dim, keys, i, n_keys, at_once, like, numbers, listed)
            elif kind < _OVER or n_ready == 0:
                break  # else the last list is stepped on here too: a second copy would take long to compile
            if n == 0 and kind < _OVER:
                continue
            n_following = n if n_ready >= _AHEAD and table == table_ready else ZERO
            if n_following == 0:
                ask_for_first(states_of, job, dim, listed, n, like, numbers)
            if n_ready > 0:
                let_follow(ready, n_ready, listed, n_following)
                dim_ready = n_columns or job_ready[DIM]  # a number that kernels know stays known
                step_rows(step, states_of, job_ready, dim_ready, ready, n_ready, like, numbers)
            n_ready, job_ready, table_ready = n, job, table
            ready, listed = listed, ready
        if kind == _OVER:
            return


@cache
def update_tables(rule: str, dtype: str, n_columns: int) -> compiled_body:
    """Return the compiled step on the tables of a job: of one of `RULES`, on tables of this dtype.

    All have `n_columns`, or any number where it is 0; see `dispatch.known_columns`.
    """
    (step, states_of), (table_at, numbers_at) = RULES[rule], POINTERS[dtype]
    known = np.int64(n_columns)  # no literal: Numba would compile for each

    def body(arguments):
        at = int64_at(arguments)[NUMBERS]
        like = numba.carray(table_at(at), (1,))
        update_in_turns(step, states_of, known, arguments, like, numba.carray(numbers_at(at), (1,)))

    body.__qualname__ = f"update_{rule}_{dtype}_{n_columns or 'any'}"  # its name in the cache
    return compiled_body(body)
