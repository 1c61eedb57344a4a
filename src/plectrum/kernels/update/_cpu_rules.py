"""One optimizer step on one row, sixteen numbers at a time."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import math

import numba

from plectrum.kernels.native._cpu_lanes import LANES, load, root, spread, store, store_at_random, total
from plectrum.kernels.native._cpu_memory import pointer_like

RULES = {"sgd": 0, "adagrad": 1, "rowwise_adagrad": 2, "adam": 3, "adamw": 4}
SGD, ADAGRAD, ROWWISE, ADAM, ADAMW = 0, 1, 2, 3, 4
_MOMENTUM, _NESTEROV = 5, 6  # rules of their own here: what SGD becomes

# the hyperparameters of a step, as `plectrum.optim._compiled` lays them out
LR, DECAY, EPS, NEW1, KEEP2, MOMENTUM, UNDAMPED, IS_NESTEROV, NEW2, CORRECTION, SIGN = range(11)
N_NUMBERS = 11


@numba.njit(forceinline=True)
def has_row_state(rule):
    """True for a rule that keeps one number per row."""
    return rule == ROWWISE


@numba.njit(forceinline=True)
def move(rule, w, s1, s2, g, hp):
    """Return w and its states after one step, as vectors; `hp` holds vectors too."""
    if rule == ADAMW:
        w = hp[DECAY] * w
    else:
        g = g + hp[DECAY] * w
    if rule == SGD:
        return w - hp[LR] * g, s1, s2
    if rule == _MOMENTUM or rule == _NESTEROV:
        s1 = hp[MOMENTUM] * s1 + hp[UNDAMPED] * g
        if rule == _NESTEROV:
            return w - hp[LR] * (g + hp[MOMENTUM] * s1), s1, s2
        return w - hp[LR] * s1, s1, s2
    if rule == ADAGRAD:
        s1 = s1 + g * g
        return w - hp[LR] * g / (root(s1) + hp[EPS]), s1, s2
    s1 = s1 + hp[NEW1] * (g - s1)
    s2 = hp[KEEP2] * s2 + hp[NEW2] * g * g
    return w - hp[LR] * s1 / (root(s2) * hp[CORRECTION] + hp[EPS]), s1, s2


@numba.njit(forceinline=True)
def step_lanes(rule, places, k, n, like, numbers, hp, key):
    """Step on `n` numbers of a row, from its k-th on."""
    w_at, s1_at, s2_at, g_at = places
    w, g = load(w_at + k * like.itemsize, n, like), load(g_at + k * numbers.itemsize, n, numbers)
    s1, s2 = g, g
    if rule != SGD:
        s1 = load(s1_at + k * numbers.itemsize, n, numbers)
    if rule == ADAM or rule == ADAMW:
        s2 = load(s2_at + k * numbers.itemsize, n, numbers)
    w, s1, s2 = move(rule, w, s1, s2, g, hp)
    store_at_random(w_at + k * like.itemsize, n, like, w, key + k)
    if rule != SGD:
        store(s1_at + k * numbers.itemsize, n, numbers, s1)
    if rule == ADAM or rule == ADAMW:
        store(s2_at + k * numbers.itemsize, n, numbers, s2)


@numba.njit(forceinline=True)
def step_along(rule, places, dim, like, numbers, key):
    """Step on a whole row."""
    hp = (
        *(spread(numbers[0]), spread(numbers[1]), spread(numbers[2]), spread(numbers[3])),
        *(spread(numbers[4]), spread(numbers[5]), spread(numbers[6]), spread(numbers[7])),
        *(spread(numbers[8]), spread(numbers[9])),
    )
    whole = dim // LANES * LANES
    for k in range(0, whole, LANES):
        step_lanes(rule, places, k, LANES, like, numbers, hp, key)
    if whole < dim:
        step_lanes(rule, places, whole, dim - whole, like, numbers, hp, key)


@numba.njit(forceinline=True)
def step_by_row(places, dim, like, numbers, key):
    """Row-wise Adagrad: one number of state for the row, the mean square of its gradients."""
    w_at, s1_at, _, g_at = places
    lr, decay, size = numbers[LR], spread(numbers[DECAY]), numbers.itemsize
    squares = spread(lr - lr)
    whole = dim // LANES * LANES
    for k in range(0, whole, LANES):
        d = load(g_at + k * size, LANES, numbers) + decay * load(w_at + k * like.itemsize, LANES, like)
        squares = squares + d * d
    if whole < dim:
        n = dim - whole
        d = load(g_at + whole * size, n, numbers) + decay * load(w_at + whole * like.itemsize, n, like)
        squares = squares + d * d
    state = pointer_like(s1_at, numbers)
    state[0] += total(squares) / dim
    rate = spread(lr / (math.sqrt(state[0]) + numbers[EPS]))
    for k in range(0, whole, LANES):
        w = load(w_at + k * like.itemsize, LANES, like)
        w = w - rate * (load(g_at + k * size, LANES, numbers) + decay * w)
        store_at_random(w_at + k * like.itemsize, LANES, like, w, key + k)
    if whole < dim:
        n = dim - whole
        w = load(w_at + whole * like.itemsize, n, like)
        w = w - rate * (load(g_at + whole * size, n, numbers) + decay * w)
        store_at_random(w_at + whole * like.itemsize, n, like, w, key + whole)


@numba.njit(forceinline=True, error_model="numpy")
def step_row(rule, places, dim, like, numbers, key):
    """Take one step on one row, in place.

    Parameters
    ----------
    rule : int
        One of `RULES`.
    places : tuple of int
        Addresses of the row, of its two states and of its gradient; the last three hold numbers of the dtype
        of `numbers`.
    dim : int
    like : array
        Its dtype says how the row's numbers lie in memory; see `_cpu_lanes`.
    numbers : array (N_NUMBERS,)
        The hyperparameters.
    key : int
        Chance, for rows of 16 bits.
    """
    if rule == SGD:
        if numbers[MOMENTUM] == 0:
            step_along(SGD, places, dim, like, numbers, key)
        elif numbers[IS_NESTEROV] == 0:
            step_along(_MOMENTUM, places, dim, like, numbers, key)
        else:
            step_along(_NESTEROV, places, dim, like, numbers, key)
    elif rule == ADAGRAD:
        step_along(ADAGRAD, places, dim, like, numbers, key)
    elif rule == ROWWISE:
        step_by_row(places, dim, like, numbers, key)
    elif rule == ADAM:
        step_along(ADAM, places, dim, like, numbers, key)
    else:
        step_along(ADAMW, places, dim, like, numbers, key)
