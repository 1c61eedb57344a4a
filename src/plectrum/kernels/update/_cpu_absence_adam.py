"""Absent rows on the CPU under Adam and AdamW: the closed form that brings them up to date; see `_series`."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import math
from functools import cache

import numpy as np

from plectrum.kernels.native._cpu_compile import YES, ZERO, called, compiled_body, inlined
from plectrum.kernels.native._cpu_lanes import (
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
    int64_at,
    pointer_like,
    prefetch_row,
)
from plectrum.kernels.update._cpu_behind import (
    CHANCE,
    CLOCK,
    ITS_CLOCK,
    N_KEPT,
    NOW,
    NUMBERS,
    OPEN,
    POSITION,
    START,
    STATE1,
    STATE2,
    TABLE,
    catching_up,
    desk_bytes,
)
from plectrum.kernels.update._series import N_TERMS, OVER

__all__ = ["N_SUMS", "OPEN", "add_step", "catch_up", "desk_bytes"]

_SMALLEST = float(np.finfo(np.float32).tiny)
_FEW = np.int64(8)  # rows; what is asked for while as many are moved
TOLERANCE_32, TOLERANCE_64 = 1e-7, 1e-11  # as `torch_ops.TOLERANCE`
# columns of `sums`, one row per last step: M_0 .. M_5 and then
DECAY, SHRINK1, SHRINK2, MIDDLE, LEAST = 6, 7, 8, 9, 10
N_SUMS = 11


@inlined
def replay(w, m, v, s, now, past):
    """Return sixteen numbers after the missed steps, one by one as far as they have any effect."""
    history, closed, log_decay, n_kept, numbers = past
    factor1, factor2, kind = 1.0, 1.0, numbers.dtype.type
    for k in range(s + 1, closed[s] + 1):
        factor1 *= history[BETA1 * n_kept + k]
        factor2 *= history[ROOT2 * n_kept + k]
        correction = history[CORRECTION2 * n_kept + k]
        rate, floor = history[k] * correction * factor1, history[EPS * n_kept + k] * correction
        below = spread(kind(factor2)) * root(v) + spread(kind(floor))
        w = spread(kind(history[KEPT * n_kept + k])) * w - spread(kind(rate)) * m / below
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
def catch_up_lanes(at, k, n, like, numbers, h, shrinks, key):
    """Bring `n` numbers of a row, from the k-th on, and their moments to the present."""
    w_at, m_at, v_at = at[0] + k * like.itemsize, at[1] + k * numbers.itemsize, at[2] + k * numbers.itemsize
    w, m, v = load(w_at, n, like), load(m_at, n, numbers), load(v_at, n, numbers)
    store_at_random(w_at, n, like, closed_form(w, m, v, h), key + k)
    store(m_at, n, numbers, shrinks[0] * m)
    store(v_at, n, numbers, shrinks[1] * v)


@called
def replay_row(at, dim, like, s, now, known, past, key):
    """Bring one row to the present, step by step; apart, so that the closed form has all registers."""
    numbers = past[-1]
    for k in range(ZERO, dim, WIDTH):
        n, w_at = min(WIDTH, dim - k), at[0] + k * like.itemsize
        m_at, v_at = at[1] + k * numbers.itemsize, at[2] + k * numbers.itemsize
        m, v = load(m_at, n, numbers), load(v_at, n, numbers)
        w = replay(load(w_at, n, like), m, v, s, now, past)
        store_at_random(w_at, n, like, w, key + k)
        store(m_at, n, numbers, spread(known[SHRINK1]) * m)
        store(v_at, n, numbers, spread(known[SHRINK2]) * v)


@inlined
def needs_replay(at, dim, numbers, least):
    """True for a row that the series serves badly: one whose v, where it moves, is below `least`."""
    bound, found = spread(least), False
    for k in range(ZERO, dim, WIDTH):
        n, place = min(WIDTH, dim - k), k * numbers.itemsize
        found |= any_below(load(at[2] + place, n, numbers), bound, load(at[1] + place, n, numbers))
    return found


@inlined
def catch_up_adam_row(at, dim, s, is_new, now, like, numbers, known, past, key):
    """Bring one row to the present; `known` is what its absence comes to."""
    if is_new:  # it never took a step: its moments are zero
        decay = spread(known[DECAY])
        for k in range(ZERO, dim, WIDTH):
            place, n = at[0] + k * like.itemsize, min(WIDTH, dim - k)
            store_at_random(place, n, like, decay * load(place, n, like), key + k)
        return
    if known[LEAST] > 0 and needs_replay(at, dim, numbers, known[LEAST]):
        replay_row(at, dim, like, s, now, known, past, key)
        return
    h = (
        *(spread(known[DECAY]), spread(known[MIDDLE]), spread(numbers.dtype.type(1)), spread(known[0])),
        *(spread(known[1]), spread(known[2]), spread(known[3]), spread(known[4]), spread(known[5])),
    )
    shrinks, whole = (spread(known[SHRINK1]), spread(known[SHRINK2])), dim // WIDTH * WIDTH
    for k in range(ZERO, whole, WIDTH):
        catch_up_lanes(at, k, WIDTH, like, numbers, h, shrinks, key)
    if whole < dim:
        catch_up_lanes(at, whole, dim - whole, like, numbers, h, shrinks, key)


# what an `AdamSeries` keeps, in the order of its `_kept`, after `N_KEPT`
HISTORY, MOMENTS, MIDDLES, CLOSED, LOG_DECAY, LOG1, LOG2, RATIO = range(1, 9)
# of `HISTORY` and of the numbers of a step
RATE, CORRECTION2, KEPT, BETA1, ROOT2, EPS, N_HISTORY = range(7)
STEP_MIDDLE, STEP_LOG, STEP_LOG1, STEP_LOG2 = range(6, 10)  # of the latter alone


@inlined
def sum_up(a, s, at, numbers):
    """Write to address `at` what absence since step `s` comes to.

    `LEAST` is the smallest v that the series serves: M_6 z^6, left out, must stay below a share of M_0.
    """
    sums, limit = pointer_like(at, numbers), TOLERANCE_64 if numbers.itemsize == 8 else TOLERANCE_32
    c, t = int64_at(a[CLOCK]), a[NOW] - a[START]
    n_kept, moments, closed = c[N_KEPT], float64_at(c[MOMENTS]), int64_at(c[CLOSED])[s]
    log_decay, log1, log2 = float64_at(c[LOG_DECAY]), float64_at(c[LOG1]), float64_at(c[LOG2])
    after = math.exp(log_decay[t] - log_decay[closed]) if closed != t else 1.0
    for j in range(N_TERMS):
        sums[j] = moments[j * n_kept + s] * after
    middle = float64_at(c[HISTORY])[EPS * n_kept + t] * float64_at(c[MIDDLES])[s]
    sums[DECAY] = math.exp(log_decay[t] - log_decay[s])
    sums[SHRINK1] = math.exp(log1[t] - log1[s])
    sums[SHRINK2] = math.exp(log2[t] - log2[s])
    sums[MIDDLE] = middle
    most = moments[s]
    left_out = abs(moments[N_TERMS * n_kept + s] / most) if most > 0 else 0.0
    sums[LEAST] = 0.0
    if left_out > limit:  # at least what float32 can hold
        sums[LEAST] = max((middle * ((left_out / limit) ** (1 / 6) - 1)) ** 2, _SMALLEST)


@inlined
def ask_for_adam_row(a, row, row_bytes, state_bytes):
    """Ask for a row and its moments."""
    prefetch_row(a[TABLE] + row * row_bytes, row_bytes, YES)
    prefetch_row(a[STATE1] + row * state_bytes, state_bytes, YES)
    prefetch_row(a[STATE2] + row * state_bytes, state_bytes, YES)


@inlined
def catch_up_adam_rows(a, rows, lasts, n, dim, like, numbers, sums_at):
    """Bring n rows to the present, a few at a time, the next few having been asked for.

    In a large table each row is on another page, whose address has to be found: many at once, if nothing
    stands between the questions.
    """
    c, start, now = int64_at(a[CLOCK]), a[START], a[NOW] - a[START]
    past = (float64_at(c[HISTORY]), int64_at(c[CLOSED]), float64_at(c[LOG_DECAY]), c[N_KEPT], numbers)
    row_bytes, state_bytes = dim * like.itemsize, dim * numbers.itemsize
    for i in range(min(_FEW, n)):
        ask_for_adam_row(a, rows[i], row_bytes, state_bytes)
    for few in range(ZERO, n, _FEW):
        for i in range(few + _FEW, min(few + 2 * _FEW, n)):
            ask_for_adam_row(a, rows[i], row_bytes, state_bytes)
        for i in range(few, min(few + _FEW, n)):
            row, s = rows[i], lasts[i] - start
            at = (a[TABLE] + row * row_bytes, a[STATE1] + row * state_bytes, a[STATE2] + row * state_bytes)
            known = pointer_like(sums_at + s * N_SUMS * numbers.itemsize, numbers)
            catch_up_adam_row(
                at, dim, s, lasts[i] == 0, now, like, numbers, known, past, a[CHANCE] + row * dim
            )


@cache
def catch_up(dtype: str, n_columns: int) -> compiled_body:
    """Return the compiled catching up under Adam of the rows of a table of this dtype.

    It has `n_columns`, or any number where that is 0; see `dispatch.known_columns`.
    """
    return catching_up("adam", sum_up, catch_up_adam_rows, N_SUMS, dtype, n_columns)


@compiled_body
def add_step(arguments):
    """Add one step to the running sums of an `AdamSeries`, as its `_add_step` does; move `OPEN` on."""
    a = int64_at(arguments)
    c, t, numbers = int64_at(a[ITS_CLOCK]), a[POSITION], float64_at(a[NUMBERS])
    n_kept, f, ratio_by, root2 = c[N_KEPT], numbers[KEPT], numbers[BETA1] / numbers[ROOT2], numbers[ROOT2]
    correction2, weight = numbers[CORRECTION2], numbers[RATE] * numbers[CORRECTION2]
    history, moments, middle = float64_at(c[HISTORY]), float64_at(c[MOMENTS]), float64_at(c[MIDDLES])
    log_decay, log1, log2 = float64_at(c[LOG_DECAY]), float64_at(c[LOG1]), float64_at(c[LOG2])
    closed, ratio = int64_at(c[CLOSED]), float64_at(c[RATIO])
    middle[t], ratio[t] = numbers[STEP_MIDDLE], 1.0
    for j in range(N_TERMS + 1):
        moments[j * n_kept + t] = 0.0
    for s in range(a[OPEN], t + 1):
        ratio[s] *= ratio_by
        term = weight * ratio[s]
        away = correction2 / (math.exp(0.5 * (log2[t] - log2[s])) * root2) / middle[s] - 1
        for j in range(N_TERMS + 1):
            moments[j * n_kept + s] = moments[j * n_kept + s] * f + term
            term *= away
        closed[s] = t + 1
    closed[t + 1] = t + 1
    log_decay[t + 1] = log_decay[t] + numbers[STEP_LOG]
    log1[t + 1], log2[t + 1] = log1[t] + numbers[STEP_LOG1], log2[t] + numbers[STEP_LOG2]
    for j in range(N_HISTORY):
        history[j * n_kept + t + 1] = numbers[j]
    first, least = a[OPEN], math.log(OVER) + math.log(numbers[EPS])
    while first <= t and (ratio[first] < OVER or log1[t + 1] - log1[first] < least):
        first += 1
    a[OPEN] = first
