"""Updates of rows on the CPU: ids are grouped by row, each row is read once, stepped and written once.

Every function here takes addresses, because one call serves many tables. ``jobs`` is an int64 array with a
row per table whose columns are named below; a job's keys are ``row << 32 | position``. Rows that occur once
are stepped on where they are met in the batch, and their gradients are read where they stand. The others are
sorted, so that equal rows stand together in the order of the batch; so are all where a gradient must be
converted or scaled anyway. Sums come out the same whatever the number of threads.

A thread takes a table at a time. Where there are fewer tables than threads it takes a part of a table's rows:
it finds those that occur once, leaves them on a list for all, and steps on the others. Then come blocks of
the batch: whoever takes one steps on its rows that occur once. So a thread reads the gradients of a block,
which lie side by side, and not every second one of the whole batch, of which the processor fetches them all.

All arrays are pointers, whose items Numba reads without asking whether an index is negative.
"""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from functools import cache

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import NO, YES, ZERO, compiled_body, inlined
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
from plectrum.kernels.update._cpu_rules import RULES, SIGN

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
_MARKS = 16  # for each id, to note whether its row occurs once
_BITS, _MOST_PASSES = 11, 3  # of the row sorted by in one pass; 31 bits need three
_POSITION = 0xFFFFFFFF
_SPREAD = 0x9E3779B1  # 2**32 over the golden ratio: bits of a product from the 32nd on depend on all below


@inlined
def take_keys(job, part, n_parts, keys):
    """Write to `keys` those of one part's rows, in the order of the batch; return how many, -1 for a bad id.

    Which part a row belongs to is as good as random: ids that are all even fall to all parts.
    """
    ids, stride, n_rows, mask, n = int64_at(job[IDS]), job[ID_STRIDE], job[N_ROWS], n_parts - 1, 0
    for i in range(job[N_IDS]):
        row = ids[i * stride]
        if row < 0 or row >= n_rows:
            return -1
        keys[n] = row << 32 | i  # written anyway: no branch to guess wrong
        n += (row * _SPREAD >> 32 & mask) == part
    return n


@inlined
def n_marks_for(n_ids):
    """Return for how many rows `note_rows` notes whether they have occurred: a power of two."""
    n = 64
    while n < _MARKS * n_ids:
        n *= 2
    return n


@inlined
def note_rows(keys, n, marks, mask):
    """Note for every row, by its lowest bits, whether it occurs not at all, once (1) or again (3).

    Two bits each. Rows that share them count as one that occurs again.
    """
    for j in range((mask >> 5) + 1):
        marks[j] = 0
    for i in range(n):
        row = keys[i] >> 32
        place, shift = (row & mask) >> 5, (row & 31) << 1
        seen = marks[place] >> shift & 3
        marks[place] |= (seen << 1 | 1) << shift & (3 << shift)


@inlined
def sort_by_row(n_rows, keys, n, spare, counts):
    """Sort n keys by their row, those of a row in the order they have; return 1 if they end in `spare`."""
    n_bits = 1
    while n_rows > 1 << n_bits:
        n_bits += 1
    n_passes = (n_bits + _BITS - 1) // _BITS
    per_pass = (n_bits + n_passes - 1) // n_passes
    mask = (1 << per_pass) - 1
    for j in range(n_passes << _BITS):
        counts[j] = 0
    for i in range(n):
        row = keys[i] >> 32
        for k in range(n_passes):
            counts[(k << _BITS) + (row >> k * per_pass & mask)] += 1
    source, to = keys, spare
    for k in range(n_passes):
        start, total, shift = k << _BITS, 0, 32 + k * per_pass
        for j in range(start, start + mask + 1):
            here = counts[j]
            counts[j] = total
            total += here
        for i in range(n):
            key = source[i]
            digit = start + (key >> shift & mask)
            to[counts[digit]] = key
            counts[digit] += 1
        source, to = to, source
    return n_passes & 1


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
def ask_for_row(states_of, job, row, dim, like, numbers):
    """Ask for a row and its states."""
    row_bytes, (first, second), are_many = dim * like.itemsize, states_of(dim, numbers), job[ARE_MANY] != 0
    prefetch_row(job[TABLE] + row * row_bytes, row_bytes, are_many)
    prefetch_row(job[STATE1] + row * first, first, are_many)
    prefetch_row(job[STATE2] + row * second, second, are_many)


@inlined
def is_read_as_it_is(job, like, numbers):
    """Return True where a step can read a gradient where it stands."""
    return numbers[SIGN] == 1 and not job[SCALE] and like.itemsize == numbers.itemsize


@inlined
def set_alone_apart(keys, n, marks, mask, others):
    """Keep in `keys` those whose rows occur once, write the rest to `others`; return how many each has."""
    n_alone = n_others = 0
    for i in range(n):
        key = keys[i]
        row = key >> 32
        is_alone = (marks[(row & mask) >> 5] >> ((row & 31) << 1) & 3) == 1
        keys[n_alone], others[n_others] = key, key  # written anyway, as in `take_keys`
        n_alone += is_alone
        n_others += not is_alone
    return n_alone, n_others


@inlined
def find_alone(job, part, n_parts, keys, others, marks, like, numbers):
    """Write a part's keys whose rows occur once to `keys`, the rest to `others`; return how many each has.

    All go to the rest where gradients must be summed anyway. -1 and 0 for a bad id.
    """
    as_it_is = is_read_as_it_is(job, like, numbers)
    n = take_keys(job, part, n_parts, keys if as_it_is else others)
    if n < 0:
        return n, ZERO
    if not as_it_is:
        return ZERO, n
    mask = n_marks_for(n) - 1
    note_rows(keys, n, marks, mask)
    return set_alone_apart(keys, n, marks, mask, others)


@inlined
def take_block(first, n_each, lists, n_in_lists, n_most, n_lists, keys):
    """Write to `keys` those on the lists whose positions are in [first, first + n_each); return how many."""
    count = 0
    for k in range(n_lists):
        some, n = int64_at(lists + k * 8 * n_most), wait_for(n_in_lists + 8 * k)
        i, end = 0, n
        while i < end:  # of all keys before `i` the position is less, from `end` on it is not
            middle = (i + end) // 2
            if some[middle] & _POSITION < first:
                i = middle + 1
            else:
                end = middle
        while i < n and some[i] & _POSITION < first + n_each:
            keys[count] = some[i]
            count += 1
            i += 1
    return count


@inlined
def note_alone(states_of, job, dim, keys, i, n_keys, n_rows, like, numbers, work):
    """Note the next `n_rows` rows at most, which occur once, and where their gradients stand.

    Only where gradients are read as they are. Returns as `sum_up` does.
    """
    rows, gradients, _ = work
    gradient = (job[VALUES], job[VALUE_STRIDE], job[BAG_OF], job[SCALE], numbers[SIGN])
    n = min(n_keys - i, n_rows)
    for k in range(n):
        rows[k] = keys[i + k] >> 32
        gradients[k], _ = gradient_at(gradient, keys[i + k], numbers)
        if k < _AHEAD:  # the first to be stepped on
            ask_for_row(states_of, job, rows[k], dim, like, numbers)
            prefetch_row(gradients[k], dim * like.itemsize, NO)
    return n, i + n


@inlined
def sum_up(states_of, job, dim, keys, i, n_keys, n_rows, like, numbers, work):
    """Note the next `n_rows` rows at most, and where each one's gradient stands; sum it in `sums` if need be.

    Returns how many rows there are, and the first key that is left.
    """
    rows, gradients, sums = work
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
        if count < _AHEAD:  # the first to be stepped on
            ask_for_row(states_of, job, row, dim, like, numbers)
        if as_it_is and after == i + 1:
            gradients[count], _ = gradient_at(gradient, keys[i], numbers)
        else:
            gradients[count] = sums + count * sum_bytes
            add_up_row(gradient, keys, i, after, dim, like, numbers, sums + count * sum_bytes)
        count += 1
        i = after
    return count, i


@inlined
def step_rows(step, states_of, job, dim, rows, gradients, n, like, numbers):
    """Step on n rows by their gradients; nothing here depends on what the rows are, so that reads overlap."""
    row_bytes, g_bytes = dim * like.itemsize, dim * numbers.itemsize
    table, state1, state2, chance = job[TABLE], job[STATE1], job[STATE2], job[CHANCE]
    first, second = states_of(dim, numbers)
    for k in range(n):
        if k + _AHEAD < n:
            ask_for_row(states_of, job, rows[k + _AHEAD], dim, like, numbers)
            prefetch_row(gradients[k + _AHEAD], g_bytes, NO)
        row = rows[k]
        where = (table + row * row_bytes, state1 + row * first, state2 + row * second, gradients[k])
        step(where, dim, like, numbers, chance + row * dim)
    if job[LAST]:
        last = int32_at(job[LAST])
        for k in range(n):
            last[rows[k]] = job[NOW]


@inlined
def update_rows(step, states_of, job, dim, keys, n_keys, are_alone, like, numbers, work):
    """Step on the rows of the first `n_keys` keys, a block at a time: all occur once, or keys are sorted."""
    at_once, i = min(_BLOCK, max(_BLOCK_BYTES // (dim * numbers.itemsize), 1)), ZERO
    while i < n_keys:
        if are_alone:
            n, i = note_alone(states_of, job, dim, keys, i, n_keys, at_once, like, numbers, work)
        else:
            n, i = sum_up(states_of, job, dim, keys, i, n_keys, at_once, like, numbers, work)
        step_rows(step, states_of, job, dim, work[0], work[1], n, like, numbers)


@inlined
def update_found(step, states_of, job, dim, keys, n, others, n_others, like, numbers, desk):
    """Step on the rows of n keys, each of which occurs once, and then on those of the others."""
    _, _, spare, counts, _, work = desk
    are_alone = YES
    while True:  # twice at most; written so that `update_rows` stands here, and is compiled, once
        update_rows(step, states_of, job, dim, keys, n, are_alone, like, numbers, work)
        if n_others == 0:
            return
        end_in_spare = sort_by_row(job[N_ROWS], others, n_others, spare, counts)
        keys, n, n_others, are_alone = spare if end_in_spare else others, n_others, ZERO, NO


# arguments of a body of `update_tables`
TURN, SEAT, BAD, JOBS, N_JOBS, N_PARTS, NUMBERS, N_MOST, DESKS, DESK_BYTES = range(10)
LISTS, N_IN_LISTS, N_EACH = 10, 11, 12


def desk_bytes(n_most: int, dim_most: int, number_bytes: int) -> int:
    """Return how many bytes each thread needs to work with; see `desk_at`."""
    marks, keys = n_marks_for.py_func(n_most) // 4, 2 * 8 * n_most
    counts, rows = 8 * (_MOST_PASSES << _BITS), 3 * 8 * _BLOCK
    return -(-(marks + keys + counts + rows + max(_BLOCK_BYTES, dim_most * number_bytes)) // 64) * 64


@inlined
def desk_at(at, n_most):
    """Return what a thread works with: marks, others, spare, counts, a block, and rows, gradients, sums."""
    others = at + n_marks_for(n_most) // 4
    spare = others + 8 * n_most
    counts = spare + 8 * n_most
    block = counts + 8 * (_MOST_PASSES << _BITS)
    rows, gradients, sums = block + 8 * _BLOCK, block + 2 * 8 * _BLOCK, block + 3 * 8 * _BLOCK
    work = (int64_at(rows), int64_at(gradients), sums)
    return int64_at(at), int64_at(others), int64_at(spare), int64_at(counts), int64_at(block), work


def n_lists(n_jobs: int, n_parts: int, n_threads: int) -> int:
    """Return how many lists of keys there are: of each part of each table, or of each thread."""
    return n_jobs * n_parts if n_parts > 1 else n_threads


def n_each(n_most: int, dim_most: int, number_bytes: int, n_threads: int) -> int:
    """Return how many positions a block of the batch has: few enough for all threads to have some."""
    share = -(-n_most // (4 * n_threads))
    return max(8, min(_BLOCK, _BLOCK_BYTES // (dim_most * number_bytes), share))


@inlined
def update_in_turns(step, states_of, n_columns, arguments, like, numbers):
    """Take tables, or parts and then blocks of them, in turn, until none is left; say in `BAD` which is bad.

    All tables have `n_columns`, unless it is 0. A row belongs to one part of its table, or to one block, so
    that no two threads meet; `N_PARTS` is a power of two. Parts come first: a block waits only for threads
    that are at theirs.
    """
    a = int64_at(arguments)
    n_parts, n_most, each, seat = a[N_PARTS], a[N_MOST], a[N_EACH], take_turn(arguments + 8 * SEAT)
    are_shared, n_part_turns = n_parts > 1, a[N_JOBS] * n_parts
    n_blocks = (n_most + each - 1) // each if are_shared else 0
    desk = desk_at(a[DESKS] + seat * a[DESK_BYTES], n_most)
    marks, others, _, _, block, _ = desk
    while True:
        turn = take_turn(arguments)
        if turn >= n_part_turns + a[N_JOBS] * n_blocks:
            return
        is_part = turn < n_part_turns
        table, k = turn // n_parts, turn % n_parts
        if not is_part:
            table, k = (turn - n_part_turns) // n_blocks, (turn - n_part_turns) % n_blocks
        job = int64_at(a[JOBS] + table * N_COLUMNS * 8)
        first_list = table * n_parts if are_shared else seat
        lists, n_in_lists = a[LISTS] + first_list * 8 * n_most, a[N_IN_LISTS] + first_list * 8
        if is_part:
            keys = int64_at(lists + k * 8 * n_most)
            n, n_others = find_alone(job, k, n_parts, keys, others, marks, like, numbers)
            if are_shared:
                leave(n_in_lists + 8 * k, max(n, 0))
            if n < 0:
                a[BAD] = table
                return
            if are_shared:
                n = ZERO
        else:
            keys, n_others = block, ZERO
            n = take_block(k * each, each, lists, n_in_lists, n_most, n_parts, keys)
        dim = n_columns or job[DIM]
        update_found(step, states_of, job, dim, keys, n, others, n_others, like, numbers, desk)


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
