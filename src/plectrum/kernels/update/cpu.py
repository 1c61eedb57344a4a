"""Updates of rows on the CPU: ids are sorted by row, each row is read once, stepped and written once.

Every function here takes addresses, because one call serves many tables. ``jobs`` is an int64 array with a
row per table whose columns are named below; a job's keys are ``row << 32 | position``, sorted, so that
equal rows stand together in the order of the batch: sums come out the same whatever the number of threads.
"""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import math

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import compiled_body
from plectrum.kernels.native._cpu_memory import (
    float32_at,
    float64_at,
    int32_at,
    int64_at,
    pointer_like,
    prefetch_row,
    prefetch_row_early,
    prefetch_row_to_write,
    take_turn,
)

# columns of `jobs`
TABLE, STATE1, STATE2, N_ROWS, DIM = 0, 1, 2, 3, 4
IDS, ID_STRIDE, N_IDS = 5, 6, 7  # stride in numbers
VALUES, VALUE_STRIDE = 8, 9  # stride in bytes
BAG_OF, SCALE = 10, 11  # row of the values that an id's gradient stands in, and its factor; 0 for none
LAST, NOW = 12, 13
N_COLUMNS = 14

RULES = {"sgd": 0, "adagrad": 1, "rowwise_adagrad": 2, "adam": 3, "adamw": 4}
_SGD, _ADAGRAD, _ROWWISE, _ADAM, _ADAMW = 0, 1, 2, 3, 4

_AHEAD = 12  # rows ahead for which memory is asked
_BLOCK, _BLOCK_BYTES = 256, 2**16  # rows whose gradients are summed before any of them is stepped on
_BITS = 11  # of the row sorted by in one pass
_POSITION = 0xFFFFFFFF
_FLAGS = {"contract", "reassoc", "nsz"}  # let sums over a row be vectorised; no other freedom


@numba.njit
def sort_by_row(job, part, n_parts, keys, spare, counts):
    """Sort the job's ids whose row is `part` modulo `n_parts`, a power of two.

    Returns which of the two arrays holds them (-1 for a bad id), and how many there are.
    """
    n, n_rows, stride = job[N_IDS], job[N_ROWS], job[ID_STRIDE]
    ids = numba.carray(int64_at(job[IDS]), (n * stride,))
    n_kept = 0
    for i in range(n):
        row = ids[i * stride]
        if row < 0 or row >= n_rows:
            return -1, 0
        keys[n_kept] = row << 32 | i
        n_kept += (row & (n_parts - 1)) == part
    n = n_kept
    n_bits = 1
    while n_rows > 1 << n_bits:
        n_bits += 1
    n_passes = (n_bits + _BITS - 1) // _BITS
    per_pass = (n_bits + n_passes - 1) // n_passes
    mask = (1 << per_pass) - 1
    source, to = keys, spare
    for k in range(n_passes):
        shift = 32 + k * per_pass
        for j in range(mask + 1):
            counts[j] = 0
        for i in range(n):
            counts[(source[i] >> shift) & mask] += 1
        total = 0
        for j in range(mask + 1):
            here = counts[j]
            counts[j] = total
            total += here
        for i in range(n):
            key = source[i]
            digit = (key >> shift) & mask
            to[counts[digit]] = key
            counts[digit] += 1
        source, to = to, source
    return n_passes & 1, n


@numba.njit(fastmath=_FLAGS, error_model="numpy", forceinline=True)
def step_row(rule, w, s1, s2, g, n, hp):
    """Take one step on one row, in place; `hp` holds the numbers that `hyperparameters` lays out."""
    lr, decay, eps, momentum, undamped = hp[0], hp[1], hp[2], hp[5], hp[6]
    new1, keep2, new2, correction = hp[3], hp[4], hp[8], hp[9]
    if rule == _SGD:
        if momentum == 0:  # no momentum
            for j in range(n):
                w[j] -= lr * (g[j] + decay * w[j])
        elif hp[7] == 0:
            for j in range(n):
                b = momentum * s1[j] + undamped * (g[j] + decay * w[j])
                s1[j] = b
                w[j] -= lr * b
        else:
            for j in range(n):
                d = g[j] + decay * w[j]
                b = momentum * s1[j] + undamped * d
                s1[j] = b
                w[j] -= lr * (d + momentum * b)
    elif rule == _ADAGRAD:
        for j in range(n):
            d = g[j] + decay * w[j]
            s = s1[j] + d * d
            s1[j] = s
            w[j] -= lr * d / (math.sqrt(s) + eps)
    elif rule == _ROWWISE:
        total = lr - lr
        for j in range(n):
            d = g[j] + decay * w[j]
            total += d * d
        s1[0] += total / n
        s = s1[0]  # read back in the table's precision
        rate = lr / (math.sqrt(s) + eps)
        for j in range(n):
            w[j] -= rate * (g[j] + decay * w[j])
    elif rule == _ADAM:
        for j in range(n):
            d = g[j] + decay * w[j]
            m = s1[j] + new1 * (d - s1[j])
            v = keep2 * s2[j] + new2 * d * d
            s1[j] = m
            s2[j] = v
            w[j] -= lr * m / (math.sqrt(v) * correction + eps)
    else:
        for j in range(n):
            d = g[j]
            m = s1[j] + new1 * (d - s1[j])
            v = keep2 * s2[j] + new2 * d * d
            s1[j] = m
            s2[j] = v
            w[j] = decay * w[j] - lr * m / (math.sqrt(v) * correction + eps)


@numba.njit(fastmath=_FLAGS, error_model="numpy")
def sum_up(job, keys, i, n_keys, n_rows, hp, rows, gradients, sums):
    """Note the next `n_rows` rows at most, and where each one's gradient stands; sum it in `sums` if need be.

    Returns how many rows there are, and the first key that is left.
    """
    dim, sign = job[DIM], hp[10]
    row_bytes = dim * hp.itemsize
    table, values, stride, bag_of, scale = job[TABLE], job[VALUES], job[VALUE_STRIDE], job[BAG_OF], job[SCALE]
    bags = numba.carray(int64_at(bag_of), (1,))
    scales = numba.carray(pointer_like(scale, hp), (1,))
    as_it_is = sign == 1 and not scale
    count = 0
    while i < n_keys and count < n_rows:
        row, after = keys[i] >> 32, i + 1
        rows[count] = row
        prefetch_row_early(table + row * row_bytes, row_bytes)
        if as_it_is and (after == n_keys or keys[after] >> 32 != row):
            place = keys[i] & _POSITION
            gradients[count] = values + (bags[place] if bag_of else place) * stride
        else:
            total = sums[count * dim : (count + 1) * dim]
            for j in range(dim):
                total[j] = 0
            after = i
            while after < n_keys and keys[after] >> 32 == row:
                if after + _AHEAD < n_keys:
                    ahead = keys[after + _AHEAD] & _POSITION
                    prefetch_row(values + (bags[ahead] if bag_of else ahead) * stride, row_bytes)
                place = keys[after] & _POSITION
                g_at = values + (bags[place] if bag_of else place) * stride
                g = numba.carray(pointer_like(g_at, hp), (dim,))
                factor = sign * scales[place] if scale else sign
                for j in range(dim):
                    total[j] += factor * g[j]
                after += 1
            gradients[count] = total.ctypes.data
        count += 1
        i = after
    return count, i


@numba.njit(fastmath=_FLAGS, error_model="numpy")
def step_rows(job, rows, gradients, n, rule, hp):
    """Step on n rows by their gradients; nothing here depends on what the rows are, so that reads overlap."""
    dim = job[DIM]
    row_bytes, state_dim = dim * hp.itemsize, 1 if rule == _ROWWISE else dim
    state_bytes = state_dim * hp.itemsize
    table, state1, state2 = job[TABLE], job[STATE1], job[STATE2]
    for k in range(n):
        if k + _AHEAD < n:
            row = rows[k + _AHEAD]
            prefetch_row(gradients[k + _AHEAD], row_bytes)
            prefetch_row_to_write(table + row * row_bytes, row_bytes)
            if state1:
                prefetch_row_to_write(state1 + row * state_bytes, state_bytes)
            if state2:
                prefetch_row_to_write(state2 + row * row_bytes, row_bytes)
        row = rows[k]
        w = numba.carray(pointer_like(table + row * row_bytes, hp), (dim,))
        s1 = numba.carray(pointer_like(state1 + row * state_bytes, hp), (state_dim,))
        s2 = numba.carray(pointer_like(state2 + row * row_bytes, hp), (dim,))
        g = numba.carray(pointer_like(gradients[k], hp), (dim,))
        step_row(rule, w, s1, s2, g, dim, hp)
    if job[LAST]:
        last = numba.carray(int32_at(job[LAST]), (1,))
        for k in range(n):
            last[rows[k]] = job[NOW]


@numba.njit
def update_rows(job, keys, n_keys, rule, hp, rows, gradients, sums):
    """Step on the rows of the first `n_keys` keys, a block at a time."""
    at_once, i = min(len(rows), len(sums) // job[DIM]), 0
    while i < n_keys:
        n, i = sum_up(job, keys, i, n_keys, at_once, hp, rows, gradients, sums)
        step_rows(job, rows, gradients, n, rule, hp)


# arguments of `update_tables`
TURN, BAD, JOBS, N_JOBS, N_PARTS, RULE, NUMBERS, N_MOST, DIM_MOST = range(9)
N_NUMBERS = 11


@numba.njit
def update_in_turns(arguments, hp):
    """Take parts of tables in turn, until none is left; say in `BAD` which table has a bad id.

    A row belongs to one part of its table, so that no two threads meet; `N_PARTS` is a power of two.
    """
    a = numba.carray(int64_at(arguments), (9,))
    jobs, n_parts = numba.carray(int64_at(a[JOBS]), (a[N_JOBS], N_COLUMNS)), a[N_PARTS]
    keys, spare = np.empty(a[N_MOST] + 1, np.int64), np.empty(a[N_MOST] + 1, np.int64)
    counts, rows, gradients = (
        np.empty(1 << _BITS, np.int64),
        np.empty(_BLOCK, np.int64),
        np.empty(_BLOCK, np.int64),
    )
    sums = np.empty(max(_BLOCK_BYTES // hp.itemsize, a[DIM_MOST]), hp.dtype)
    while True:
        turn = take_turn(arguments)
        table = turn // n_parts
        if table >= len(jobs):
            return
        which, n = sort_by_row(jobs[table], turn % n_parts, n_parts, keys, spare, counts)
        if which < 0:
            a[BAD] = table
            return
        update_rows(jobs[table], spare if which else keys, n, a[RULE], hp, rows, gradients, sums)


@compiled_body
def update_tables_float32(arguments):
    """Step on the tables of a job, in single precision."""
    at = numba.carray(int64_at(arguments), (9,))[NUMBERS]
    update_in_turns(arguments, numba.carray(float32_at(at), (N_NUMBERS,)))


@compiled_body
def update_tables_float64(arguments):
    """Step on the tables of a job, in double precision."""
    at = numba.carray(int64_at(arguments), (9,))[NUMBERS]
    update_in_turns(arguments, numba.carray(float64_at(at), (N_NUMBERS,)))
