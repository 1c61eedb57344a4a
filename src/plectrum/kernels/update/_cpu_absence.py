"""Absent rows on the CPU: which are behind, and the closed forms that bring them up to date."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import math

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import compiled, compiled_body
from plectrum.kernels.native._cpu_memory import (
    float32_at,
    float64_at,
    int32_at,
    int64_at,
    pointer_like,
    prefetch,
    prefetch_row_to_write,
    take_turn,
)

_AHEAD = 12
_AHEAD_OF_LAST = 32  # one number a row, and nothing to do meanwhile
_FLAGS = {"contract", "reassoc", "nsz"}
N_TERMS = 6
TOLERANCE_32, TOLERANCE_64 = 1e-7, 1e-11  # as `torch_ops.TOLERANCE`
# columns of `sums`, one row per last step: M_0 .. M_5 and then
DECAY, SHRINK1, SHRINK2, MIDDLE, REST = 6, 7, 8, 9, 10
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
        if 0 <= row < n_rows and last[row] < now:
            rows[count] = row
            lasts[count] = last[row]
            last[row] = now
            count += 1
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
    lasts, count, start, now, eps, moments, middle, closed, log_decay, log1, log2, sums, known
):
    """Write to `sums` what absence since each of `lasts` comes to; `known[s]` says at which step."""
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
        sums[s, REST] = abs(moments[N_TERMS, s] / moments[0, s]) if moments[0, s] > 0 else 0.0


@numba.njit(fastmath=_FLAGS, error_model="numpy")
def replay(w, m, v, n, s, now, history, closed, log_decay):
    """Take the missed steps one by one, as far as they have any effect, and then the rest of the decay."""
    factor1, factor2 = 1.0, 1.0
    for k in range(s + 1, closed[s] + 1):
        factor1 *= history[3, k]
        factor2 *= history[4, k]
        rate = history[0, k] * history[1, k] * factor1
        floor, decay = history[5, k] * history[1, k], history[2, k]
        for j in range(n):
            w[j] = decay * w[j] - rate * m[j] / (factor2 * math.sqrt(v[j]) + floor)
    rest = math.exp(log_decay[now] - log_decay[closed[s]])
    for j in range(n):
        w[j] *= rest


@numba.njit(fastmath=_FLAGS, error_model="numpy")
def catch_up_adam(
    rows, lasts, first, end, table, mean, square, dim, start, now, sums, limit, history, closed, log_decay
):
    """Bring the rows in [first, end) of `rows` to the present."""
    row_bytes = dim * sums.itemsize
    one = sums.dtype.type(1)
    for i in range(first, end):
        if i + _AHEAD < end:
            ahead = rows[i + _AHEAD] * row_bytes
            prefetch_row_to_write(table + ahead, row_bytes)
            prefetch_row_to_write(mean + ahead, row_bytes)
            prefetch_row_to_write(square + ahead, row_bytes)
        place, s = rows[i] * row_bytes, lasts[i] - start
        w = numba.carray(pointer_like(table + place, sums), (dim,))
        m = numba.carray(pointer_like(mean + place, sums), (dim,))
        v = numba.carray(pointer_like(square + place, sums), (dim,))
        if lasts[i] == 0:  # it never took a step: its moments are zero
            decay = sums[s, DECAY]
            for j in range(dim):
                w[j] *= decay
            continue
        m0, m1, m2, m3, m4, m5 = sums[s, 0], sums[s, 1], sums[s, 2], sums[s, 3], sums[s, 4], sums[s, 5]
        decay, shrink1, shrink2 = sums[s, DECAY], sums[s, SHRINK1], sums[s, SHRINK2]
        middle, left_out = sums[s, MIDDLE], sums[s, REST]
        if left_out > limit:  # at worst; what it is for this row depends on its smallest v that moves w
            least = one
            for j in range(dim):
                here = v[j] if m[j] != 0 else one
                least = here if here < least else least
            z = middle / (math.sqrt(least) + middle)
            left_out *= z * z * z * z * z * z
        if left_out > limit:
            replay(w, m, v, dim, s, now - start, history, closed, log_decay)
        else:
            for j in range(dim):
                slope = one / (math.sqrt(v[j]) + middle)
                z = middle * slope
                total = m0 - z * (m1 - z * (m2 - z * (m3 - z * (m4 - z * m5))))
                w[j] = decay * w[j] - m[j] * slope * total
        for j in range(dim):
            m[j] *= shrink1
            v[j] *= shrink2


@numba.njit(fastmath=_FLAGS, error_model="numpy")
def catch_up_sgd(rows, first, end, table, buffer, dim, matrices):
    """Bring the rows in [first, end) of `rows` to the present; `matrices` has shape (n, 4)."""
    row_bytes = dim * matrices.itemsize
    for i in range(first, end):
        if i + _AHEAD < end:
            ahead = rows[i + _AHEAD] * row_bytes
            prefetch_row_to_write(table + ahead, row_bytes)
            if buffer:
                prefetch_row_to_write(buffer + ahead, row_bytes)
        place = rows[i] * row_bytes
        ww, wb, bw, bb = matrices[i, 0], matrices[i, 1], matrices[i, 2], matrices[i, 3]
        w = numba.carray(pointer_like(table + place, matrices), (dim,))
        if buffer:
            b = numba.carray(pointer_like(buffer + place, matrices), (dim,))
            for j in range(dim):
                old = w[j]
                w[j] = ww * old + wb * b[j]
                b[j] = bw * old + bb * b[j]
        else:
            for j in range(dim):
                w[j] *= ww


# arguments of `catch_up_adam_float32` and `catch_up_adam_float64`
TURN, ROWS, LASTS, N_BEHIND, N_EACH, TABLE, MEAN, SQUARE, DIM, START, NOW = range(11)
SUMS, N_KEPT, HISTORY, CLOSED, LOG_DECAY = range(11, 16)


@numba.njit
def catch_up_adam_in_turns(arguments, sums, limit):
    """Bring `N_EACH` rows in turn to the present, until none is left."""
    a = numba.carray(int64_at(arguments), (16,))
    n, n_kept = a[N_BEHIND], a[N_KEPT]
    rows, lasts = numba.carray(int64_at(a[ROWS]), (n,)), numba.carray(int64_at(a[LASTS]), (n,))
    history = numba.carray(float64_at(a[HISTORY]), (6, n_kept))
    closed = numba.carray(int64_at(a[CLOSED]), (n_kept,))
    log_decay = numba.carray(float64_at(a[LOG_DECAY]), (n_kept,))
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= n:
            return
        end = min(first + a[N_EACH], n)
        places = (a[TABLE], a[MEAN], a[SQUARE], a[DIM], a[START], a[NOW])
        catch_up_adam(rows, lasts, first, end, *places, sums, limit, history, closed, log_decay)


@compiled_body
def catch_up_adam_float32(arguments):
    """Bring rows to the present, in single precision."""
    a = numba.carray(int64_at(arguments), (16,))
    sums = numba.carray(float32_at(a[SUMS]), (a[N_KEPT], N_SUMS))
    catch_up_adam_in_turns(arguments, sums, np.float32(TOLERANCE_32))


@compiled_body
def catch_up_adam_float64(arguments):
    """Bring rows to the present, in double precision."""
    a = numba.carray(int64_at(arguments), (16,))
    sums = numba.carray(float64_at(a[SUMS]), (a[N_KEPT], N_SUMS))
    catch_up_adam_in_turns(arguments, sums, TOLERANCE_64)


MATRICES, BUFFER = 2, 6  # arguments of `catch_up_sgd_*`: `MATRICES` for `LASTS`, `BUFFER` for `MEAN`


@numba.njit
def catch_up_sgd_in_turns(arguments, matrices):
    """Bring `N_EACH` rows in turn to the present, until none is left."""
    a = numba.carray(int64_at(arguments), (9,))
    rows = numba.carray(int64_at(a[ROWS]), (a[N_BEHIND],))
    while True:
        first = take_turn(arguments) * a[N_EACH]
        if first >= a[N_BEHIND]:
            return
        end = min(first + a[N_EACH], a[N_BEHIND])
        catch_up_sgd(rows, first, end, a[TABLE], a[BUFFER], a[DIM], matrices)


@compiled_body
def catch_up_sgd_float32(arguments):
    """Bring rows to the present, in single precision."""
    a = numba.carray(int64_at(arguments), (9,))
    catch_up_sgd_in_turns(arguments, numba.carray(float32_at(a[MATRICES]), (a[N_BEHIND], 4)))


@compiled_body
def catch_up_sgd_float64(arguments):
    """Bring rows to the present, in double precision."""
    a = numba.carray(int64_at(arguments), (9,))
    catch_up_sgd_in_turns(arguments, numba.carray(float64_at(a[MATRICES]), (a[N_BEHIND], 4)))


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
