"""Absent rows on the CPU: which are behind, and the closed forms that bring them up to date."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import math
from functools import cache

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import compiled, compiled_body, inlined
from plectrum.kernels.native._cpu_lanes import (
    POINTERS,
    WIDTH,
    any_below,
    load,
    root,
    spread,
    store,
    store_at_random,
)
from plectrum.kernels.native._cpu_memory import (
    float64_at,
    int32_at,
    int64_at,
    pointer_like,
    prefetch,
    prefetch_row_to_write,
    take_turn,
)

_AHEAD = 12
_FEW = np.int64(8)  # rows; what is asked for while as many are moved
_AHEAD_OF_LAST = 32  # one number a row, and nothing to do meanwhile
_DIM64, _NONE = np.int64(64), np.int64(0)  # no literals: Numba would compile for each
N_TERMS = 6
TOLERANCE_32, TOLERANCE_64 = 1e-7, 1e-11  # as `torch_ops.TOLERANCE`
# columns of `sums`, one row per last step: M_0 .. M_5 and then
DECAY, SHRINK1, SHRINK2, MIDDLE, LEAST = 6, 7, 8, 9, 10
N_SUMS = 11


@compiled()
def rows_behind(ids_at, stride, n, last_at, n_rows, now, rows, lasts):
    """Write to `rows` the distinct rows behind `now`, to `lasts` their last steps; return how many.

    Marks them as up to date, which is what makes them distinct: the caller must move them.
    """
    ids = numba.carray(int64_at(ids_at), (n * stride,))
    last = numba.carray(int32_at(last_at), (n_rows,))
    count = 0
    for i in range(n):
        if i + _AHEAD_OF_LAST < n:
            prefetch(last_at + 4 * ids[(i + _AHEAD_OF_LAST) * stride])
        row = ids[i * stride]
        if 0 <= row < n_rows:
            then = last[row]
            rows[count], lasts[count] = row, then  # and written over, unless it is behind: to ask costs more
            last[row] = max(then, now)
            count += then < now
    return count


@compiled()
def all_rows_behind(last_at, first, end, now, rows, lasts):
    """As `rows_behind`, for the rows in [first, end)."""
    last = numba.carray(int32_at(last_at), (end,))
    count = 0
    for row in range(first, end):
        if last[row] < now:
            rows[count] = row
            lasts[count] = last[row]
            last[row] = now
            count += 1
    return count


@compiled()
def sum_up_absence(
    lasts, count, start, now, eps, moments, middle, closed, log_decay, log1, log2, limit, sums, known
):
    """Write to `sums` what absence since each of `lasts` comes to; `known[s]` says at which step.

    `LEAST` is the smallest v that the series serves: M_6 z^6, left out, must not exceed `limit` M_0.
    """
    t = now - start
    for i in range(count):
        s = lasts[i] - start
        if known[s] == now:
            continue
        known[s] = now
        after = math.exp(log_decay[t] - log_decay[closed[s]])
        for j in range(N_TERMS):
            sums[s, j] = moments[j, s] * after
        sums[s, DECAY] = math.exp(log_decay[t] - log_decay[s])
        sums[s, SHRINK1] = math.exp(log1[t] - log1[s])
        sums[s, SHRINK2] = math.exp(log2[t] - log2[s])
        sums[s, MIDDLE] = eps * middle[s]
        left_out = abs(moments[N_TERMS, s] / moments[0, s]) if moments[0, s] > 0 else 0.0
        sums[s, LEAST] = 0.0
        if left_out > limit:
            sums[s, LEAST] = (eps * middle[s] * ((left_out / limit) ** (1 / 6) - 1)) ** 2


@inlined
def replay(w, m, v, s, now, past):
    """Return sixteen numbers after the missed steps, one by one as far as they have any effect."""
    history, closed, log_decay, n_kept, numbers = past
    factor1, factor2, kind = 1.0, 1.0, numbers.dtype.type
    for k in range(s + 1, closed[s] + 1):
        factor1 *= history[3 * n_kept + k]
        factor2 *= history[4 * n_kept + k]
        correction = history[n_kept + k]
        rate, floor = history[k] * correction * factor1, history[5 * n_kept + k] * correction
        below = spread(kind(factor2)) * root(v) + spread(kind(floor))
        w = spread(kind(history[2 * n_kept + k])) * w - spread(kind(rate)) * m / below
    return spread(kind(math.exp(log_decay[now] - log_decay[closed[s]]))) * w


@inlined
def closed_form(w, m, v, h):
    """Return sixteen numbers after an absence, by the series that `_series` explains."""
    decay, middle, one, m0, m1, m2, m3, m4, m5 = h
    slope = one / (root(v) + middle)
    z = middle * slope
    total = m0 - z * (m1 - z * (m2 - z * (m3 - z * (m4 - z * m5))))
    return decay * w - m * slope * total


@inlined
def catch_up_lanes(at, k, n, like, numbers, h, shrinks, is_replayed, s, now, past, key):
    """Bring `n` numbers of a row, from the k-th on, and their moments to the present."""
    w_at, m_at, v_at = at[0] + k * like.itemsize, at[1] + k * numbers.itemsize, at[2] + k * numbers.itemsize
    w, m, v = load(w_at, n, like), load(m_at, n, numbers), load(v_at, n, numbers)
    w = replay(w, m, v, s, now, past) if is_replayed else closed_form(w, m, v, h)
    store_at_random(w_at, n, like, w, key + k)
    store(m_at, n, numbers, shrinks[0] * m)
    store(v_at, n, numbers, shrinks[1] * v)


@inlined
def catch_up_moving_row(at, dim, like, numbers, h, shrinks, is_replayed, s, now, past, key):
    """Bring one row that has moments to the present; `is_replayed` is a constant, so that no registers are
    kept for the other way."""
    whole = dim // WIDTH * WIDTH
    for k in range(_NONE, whole, WIDTH):
        catch_up_lanes(at, k, WIDTH, like, numbers, h, shrinks, is_replayed, s, now, past, key)
    if whole < dim:
        catch_up_lanes(at, whole, dim - whole, like, numbers, h, shrinks, is_replayed, s, now, past, key)


@inlined
def needs_replay(at, dim, numbers, least):
    """True for a row that the series serves badly: one whose v, where it moves, is below `least`."""
    bound, found = spread(least), False
    for k in range(_NONE, dim, WIDTH):
        n, place = min(WIDTH, dim - k), k * numbers.itemsize
        found |= any_below(load(at[2] + place, n, numbers), bound, load(at[1] + place, n, numbers))
    return found


@inlined
def catch_up_adam_row(at, dim, s, is_new, now, like, sums, past, key):
    """Bring one row to the present."""
    known = pointer_like(sums.ctypes.data + s * N_SUMS * sums.itemsize, sums)
    if is_new:  # it never took a step: its moments are zero
        decay = spread(known[DECAY])
        for k in range(_NONE, dim, WIDTH):
            place, n = at[0] + k * like.itemsize, min(WIDTH, dim - k)
            store_at_random(place, n, like, decay * load(place, n, like), key + k)
        return
    h = (
        *(spread(known[DECAY]), spread(known[MIDDLE]), spread(sums.dtype.type(1)), spread(known[0])),
        *(spread(known[1]), spread(known[2]), spread(known[3]), spread(known[4]), spread(known[5])),
    )
    shrinks = spread(known[SHRINK1]), spread(known[SHRINK2])
    if known[LEAST] > 0 and needs_replay(at, dim, sums, known[LEAST]):
        catch_up_moving_row(at, dim, like, sums, h, shrinks, True, s, now, past, key)
    else:
        catch_up_moving_row(at, dim, like, sums, h, shrinks, False, s, now, past, key)


# arguments of a body of `catch_up_adam`
TURN, ROWS, LASTS, N_BEHIND, N_EACH, TABLE, MEAN, SQUARE, DIM, START, NOW = range(11)
SUMS, N_KEPT, HISTORY, CLOSED, LOG_DECAY, CHANCE = range(11, 17)


@inlined
def ask_for_adam_row(a, row, row_bytes, state_bytes):
    """Ask for a row and its moments, in order to write them."""
    prefetch_row_to_write(a[TABLE] + row * row_bytes, row_bytes)
    prefetch_row_to_write(a[MEAN] + row * state_bytes, state_bytes)
    prefetch_row_to_write(a[SQUARE] + row * state_bytes, state_bytes)


@inlined
def catch_up_adam_rows(a, first, end, dim, like, sums):
    """Bring the rows in [first, end) to the present, a few at a time, the next few having been asked for.

    In a large table each row is on another page, whose address has to be found: many at once, if nothing
    stands between the questions.
    """
    rows, lasts, start, now = int64_at(a[ROWS]), int64_at(a[LASTS]), a[START], a[NOW] - a[START]
    past = (float64_at(a[HISTORY]), int64_at(a[CLOSED]), float64_at(a[LOG_DECAY]), a[N_KEPT], sums)
    row_bytes, state_bytes = dim * like.itemsize, dim * sums.itemsize
    for i in range(first, min(first + _FEW, end)):
        ask_for_adam_row(a, rows[i], row_bytes, state_bytes)
    for few in range(first, end, _FEW):
        for i in range(few + _FEW, min(few + 2 * _FEW, end)):
            ask_for_adam_row(a, rows[i], row_bytes, state_bytes)
        for i in range(few, min(few + _FEW, end)):
            row = rows[i]
            at = (a[TABLE] + row * row_bytes, a[MEAN] + row * state_bytes, a[SQUARE] + row * state_bytes)
            key = a[CHANCE] + row * dim
            catch_up_adam_row(at, dim, lasts[i] - start, lasts[i] == 0, now, like, sums, past, key)


@inlined
def catch_up_adam_in_turns(arguments, like, sums):
    """Bring `N_EACH` rows in turn to the present, until none is left."""
    a = int64_at(arguments)
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= a[N_BEHIND]:
            return
        end = min(first + a[N_EACH], a[N_BEHIND])
        if a[DIM] == _DIM64:
            catch_up_adam_rows(a, first, end, _DIM64, like, sums)
        else:
            catch_up_adam_rows(a, first, end, a[DIM], like, sums)


@cache
def catch_up_adam(dtype: str) -> compiled_body:
    """Return the compiled catching up under Adam of the rows of a table of this dtype."""
    table_at, numbers_at = POINTERS[dtype]

    def body(arguments):
        at = int64_at(arguments)[SUMS]
        sums = numba.carray(numbers_at(at), (1,))
        catch_up_adam_in_turns(arguments, numba.carray(table_at(at), (1,)), sums)

    body.__qualname__ = f"catch_up_adam_{dtype}"
    return compiled_body(body)


# arguments of a body of `catch_up_sgd`: `MATRICES` for `LASTS`, `BUFFER` for `MEAN`
MATRICES, BUFFER = 2, 6


@inlined
def catch_up_sgd_lanes(w_at, b_at, k, n, like, numbers, matrix, key):
    """Bring `n` numbers of a row, from the k-th on, and their momentum to the present."""
    ww, wb, bw, bb = matrix
    place, buffer = w_at + k * like.itemsize, b_at + k * numbers.itemsize
    w = load(place, n, like)
    if b_at:
        b = load(buffer, n, numbers)
        store(buffer, n, numbers, bw * w + bb * b)
        store_at_random(place, n, like, ww * w + wb * b, key + k)
    else:
        store_at_random(place, n, like, ww * w, key + k)


@inlined
def catch_up_sgd_rows(a, first, end, like, numbers):
    """Bring the rows in [first, end) to the present."""
    rows, matrices, dim, buffer = int64_at(a[ROWS]), pointer_like(a[MATRICES], numbers), a[DIM], a[BUFFER]
    row_bytes, state_bytes, whole = dim * like.itemsize, dim * numbers.itemsize, dim // WIDTH * WIDTH
    for i in range(first, end):
        if i + _AHEAD < end:
            prefetch_row_to_write(a[TABLE] + rows[i + _AHEAD] * row_bytes, row_bytes)
            if buffer:
                prefetch_row_to_write(buffer + rows[i + _AHEAD] * state_bytes, state_bytes)
        w_at, b_at = a[TABLE] + rows[i] * row_bytes, buffer + rows[i] * state_bytes if buffer else 0
        matrix = (
            *(spread(matrices[4 * i]), spread(matrices[4 * i + 1])),
            *(spread(matrices[4 * i + 2]), spread(matrices[4 * i + 3])),
        )
        key = a[CHANCE] + rows[i] * dim
        for k in range(_NONE, whole, WIDTH):
            catch_up_sgd_lanes(w_at, b_at, k, WIDTH, like, numbers, matrix, key)
        if whole < dim:
            catch_up_sgd_lanes(w_at, b_at, whole, dim - whole, like, numbers, matrix, key)


@inlined
def catch_up_sgd_in_turns(arguments, like, numbers):
    """Bring `N_EACH` rows in turn to the present, until none is left."""
    a = int64_at(arguments)
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= a[N_BEHIND]:
            return
        catch_up_sgd_rows(a, first, min(first + a[N_EACH], a[N_BEHIND]), like, numbers)


@cache
def catch_up_sgd(dtype: str) -> compiled_body:
    """Return the compiled catching up under SGD of the rows of a table of this dtype."""
    table_at, numbers_at = POINTERS[dtype]

    def body(arguments):
        at = int64_at(arguments)[MATRICES]
        numbers = numba.carray(numbers_at(at), (1,))
        catch_up_sgd_in_turns(arguments, numba.carray(table_at(at), (1,)), numbers)

    body.__qualname__ = f"catch_up_sgd_{dtype}"
    return compiled_body(body)


@compiled()
def advance_adam(t, lo, beta1_over_root2, root2, c2, weight, f, middle, moments, ratio, closed, log2):
    """Add one step to the running sums of every last step in [lo, t]; see `AdamSeries.advance`."""
    for s in range(lo, t + 1):
        shrink2 = math.exp(0.5 * (log2[t] - log2[s])) * root2
        ratio[s] *= beta1_over_root2
        a = weight * ratio[s]
        away = c2 / shrink2 / middle[s] - 1
        for j in range(N_TERMS + 1):
            moments[j, s] = moments[j, s] * f + a
            a *= away
        closed[s] = t + 1
    closed[t + 1] = t + 1
