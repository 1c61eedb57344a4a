"""Updates of rows on the CPU: ids are sorted by row, each row is read once, stepped and written once.

Every function here takes addresses, because one call serves many tables. ``jobs`` is an int64 array with a
row per table whose columns are named below; a job's keys are ``row << 32 | position``, sorted, so that
equal rows stand together in the order of the batch: sums come out the same whatever the number of threads.

All arrays are pointers, whose items Numba reads without asking whether an index is negative.
"""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
from functools import cache

import numba

from plectrum.kernels.native._cpu_compile import compiled_body
from plectrum.kernels.native._cpu_lanes import LANES, load, spread, store
from plectrum.kernels.native._cpu_memory import (
    float32_at,
    float64_at,
    int16_at,
    int32_at,
    int64_at,
    pointer_like,
    prefetch_row,
    prefetch_row_to_write,
    take_turn,
    uint16_at,
)
from plectrum.kernels.update._cpu_rules import RULES, SIGN, has_row_state, step_row

# columns of `jobs`
TABLE, STATE1, STATE2, N_ROWS, DIM = 0, 1, 2, 3, 4
IDS, ID_STRIDE, N_IDS = 5, 6, 7  # stride in numbers
VALUES, VALUE_STRIDE = 8, 9  # stride in bytes
BAG_OF, SCALE = 10, 11  # row of the values that an id's gradient stands in, and its factor; 0 for none
LAST, NOW = 12, 13
CHANCE = 14  # where all chance of a table of 16 bits comes from
N_COLUMNS = 15

_AHEAD = 12  # rows ahead for which memory is asked
_BLOCK, _BLOCK_BYTES = 256, 2**16  # rows whose gradients are summed before any of them is stepped on
_BITS, _MOST_PASSES = 11, 3  # of the row sorted by in one pass; 31 bits need three
_POSITION = 0xFFFFFFFF


@numba.njit
def sort_by_row(job, part, n_parts, keys, spare, counts):
    """Sort the job's ids whose row is `part` modulo `n_parts`, a power of two.

    Returns 1 if the sorted keys stand in `spare`, 0 if in `keys`, -1 for a bad id; and how many there are.
    """
    ids, n_rows, stride = int64_at(job[IDS]), job[N_ROWS], job[ID_STRIDE]
    n_bits = 1
    while n_rows > 1 << n_bits:
        n_bits += 1
    n_passes = (n_bits + _BITS - 1) // _BITS
    per_pass = (n_bits + n_passes - 1) // n_passes
    mask = (1 << per_pass) - 1
    for j in range(n_passes << _BITS):
        counts[j] = 0
    n = 0
    for i in range(job[N_IDS]):
        row = ids[i * stride]
        if row < 0 or row >= n_rows:
            return -1, 0
        keys[n] = row << 32 | i
        is_ours = (row & (n_parts - 1)) == part
        n += is_ours
        for k in range(n_passes):
            counts[(k << _BITS) + ((row >> k * per_pass) & mask)] += is_ours
    source, to = keys, spare
    for k in range(n_passes):
        start, total, shift = k << _BITS, 0, 32 + k * per_pass
        for j in range(start, start + mask + 1):
            here = counts[j]
            counts[j] = total
            total += here
        for i in range(n):
            key = source[i]
            digit = start + ((key >> shift) & mask)
            to[counts[digit]] = key
            counts[digit] += 1
        source, to = to, source
    return n_passes & 1, n


@numba.njit(forceinline=True)
def add_up(values, stride, bag_of, scale, sign, keys, i, after, k, n, like, numbers, to):
    """Write to `to` the sum of `n` numbers, from the k-th on, of the gradients that keys [i, after) name."""
    bags, scales = int64_at(bag_of), pointer_like(scale, numbers)
    sum_of = spread(numbers[0] - numbers[0])
    for j in range(i, after):
        place = keys[j] & _POSITION
        g = load(values + (bags[place] if bag_of else place) * stride + k * like.itemsize, n, like)
        sum_of = sum_of + spread(sign * scales[place] if scale else sign) * g
    store(to + k * numbers.itemsize, n, numbers, sum_of)


@numba.njit(forceinline=True)
def sum_up(job, dim, keys, i, n_keys, n_rows, like, numbers, rows, gradients, sums):
    """Note the next `n_rows` rows at most, and where each one's gradient stands; sum it in `sums` if need be.

    Returns how many rows there are, and the first key that is left.
    """
    sign, values, stride, bag_of, scale = (
        numbers[SIGN],
        job[VALUES],
        job[VALUE_STRIDE],
        job[BAG_OF],
        job[SCALE],
    )
    value_bytes, sum_bytes = dim * like.itemsize, dim * numbers.itemsize
    bags = int64_at(bag_of)
    as_it_is = sign == 1 and not scale and like.itemsize == numbers.itemsize
    whole, count = dim // LANES * LANES, 0
    while i < n_keys and count < n_rows:
        row, after = keys[i] >> 32, i
        while after < n_keys and keys[after] >> 32 == row:
            if after + _AHEAD < n_keys:
                ahead = keys[after + _AHEAD] & _POSITION
                prefetch_row(values + (bags[ahead] if bag_of else ahead) * stride, value_bytes)
            after += 1
        rows[count] = row
        if as_it_is and after == i + 1:
            place = keys[i] & _POSITION
            gradients[count] = values + (bags[place] if bag_of else place) * stride
        else:
            to = sums + count * sum_bytes
            for k in range(0, whole, LANES):
                add_up(values, stride, bag_of, scale, sign, keys, i, after, k, LANES, like, numbers, to)
            if whole < dim:
                n = dim - whole
                add_up(values, stride, bag_of, scale, sign, keys, i, after, whole, n, like, numbers, to)
            gradients[count] = to
        count += 1
        i = after
    return count, i


@numba.njit(forceinline=True)
def step_rows(rule, job, dim, rows, gradients, n, like, numbers):
    """Step on n rows by their gradients; nothing here depends on what the rows are, so that reads overlap."""
    row_bytes, g_bytes = dim * like.itemsize, dim * numbers.itemsize
    table, state1, state2, chance = job[TABLE], job[STATE1], job[STATE2], job[CHANCE]
    state_bytes = numbers.itemsize if has_row_state(rule) else g_bytes
    for k in range(n):
        if k + _AHEAD < n:
            row = rows[k + _AHEAD]
            prefetch_row_to_write(table + row * row_bytes, row_bytes)
            if state1:
                prefetch_row_to_write(state1 + row * state_bytes, state_bytes)
            if state2:
                prefetch_row_to_write(state2 + row * g_bytes, g_bytes)
            prefetch_row(gradients[k + _AHEAD], g_bytes)
        row = rows[k]
        where = (table + row * row_bytes, state1 + row * state_bytes, state2 + row * g_bytes, gradients[k])
        step_row(rule, where, dim, like, numbers, chance + row * dim)
    if job[LAST]:
        last = int32_at(job[LAST])
        for k in range(n):
            last[rows[k]] = job[NOW]


@numba.njit(forceinline=True)
def update_rows(rule, job, dim, keys, n_keys, like, numbers, rows, gradients, sums):
    """Step on the rows of the first `n_keys` keys, a block at a time."""
    at_once, i = min(_BLOCK, max(_BLOCK_BYTES // (dim * numbers.itemsize), 1)), 0
    while i < n_keys:
        n, i = sum_up(job, dim, keys, i, n_keys, at_once, like, numbers, rows, gradients, sums)
        step_rows(rule, job, dim, rows, gradients, n, like, numbers)


# arguments of a body of `update_tables`
TURN, SEAT, BAD, JOBS, N_JOBS, N_PARTS, NUMBERS, N_MOST, DESKS, DESK_BYTES = range(10)


def desk_bytes(n_most: int, dim_most: int, number_bytes: int) -> int:
    """Return how many bytes each thread needs to work with."""
    keys = 2 * 8 * (n_most + 1)
    counts, rows = 8 * (_MOST_PASSES << _BITS), 2 * 8 * _BLOCK
    return -(-(keys + counts + rows + max(_BLOCK_BYTES, dim_most * number_bytes)) // 64) * 64


@numba.njit(forceinline=True)
def update_in_turns(rule, arguments, like, numbers):
    """Take parts of tables in turn, until none is left; say in `BAD` which table has a bad id.

    A row belongs to one part of its table, so that no two threads meet; `N_PARTS` is a power of two.
    """
    a = int64_at(arguments)
    n_parts, desk = a[N_PARTS], a[DESKS] + take_turn(arguments + 8 * SEAT) * a[DESK_BYTES]
    keys, spare = int64_at(desk), int64_at(desk + 8 * (a[N_MOST] + 1))
    desk += 16 * (a[N_MOST] + 1)
    counts, rows, gradients = (
        int64_at(desk),
        int64_at(desk + 8 * (_MOST_PASSES << _BITS)),
        int64_at(desk + 8 * (_MOST_PASSES << _BITS) + 8 * _BLOCK),
    )
    sums = desk + 8 * (_MOST_PASSES << _BITS) + 16 * _BLOCK
    while True:
        turn = take_turn(arguments)
        table = turn // n_parts
        if table >= a[N_JOBS]:
            return
        job = int64_at(a[JOBS] + table * N_COLUMNS * 8)
        which, n = sort_by_row(job, turn % n_parts, n_parts, keys, spare, counts)
        if which < 0:
            a[BAD] = table
            return
        found = spare if which else keys
        # a loop over a number of columns that the compiler knows takes half the time
        if job[DIM] == 64:
            update_rows(rule, job, 64, found, n, like, numbers, rows, gradients, sums)
        elif job[DIM] == 32:
            update_rows(rule, job, 32, found, n, like, numbers, rows, gradients, sums)
        else:
            update_rows(rule, job, job[DIM], found, n, like, numbers, rows, gradients, sums)


_POINTERS = {  # dtype -> how the table lies in memory, and what it is computed in
    "float32": (float32_at, float32_at),
    "float64": (float64_at, float64_at),
    "float16": (int16_at, float32_at),
    "bfloat16": (uint16_at, float32_at),
}


@cache
def update_tables(rule_name: str, dtype: str) -> compiled_body:
    """Return the compiled step of a rule on the tables of a job, of this dtype."""
    rule, (table_at, numbers_at) = RULES[rule_name], _POINTERS[dtype]

    @compiled_body
    def body(arguments):
        at = int64_at(arguments)[NUMBERS]
        like = numba.carray(table_at(at), (1,))
        update_in_turns(rule, arguments, like, numba.carray(numbers_at(at), (1,)))

    return body
