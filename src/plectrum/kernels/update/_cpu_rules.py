"""One optimizer step on one row, sixteen numbers at a time."""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import math

from plectrum.kernels.native._cpu_compile import NO, ZERO, inlined
from plectrum.kernels.native._cpu_lanes import (
    WIDTH,
    load,
    root,
    spread,
    store,
    store_at_random,
    total,
)
from plectrum.kernels.native._cpu_memory import pointer_like, prefetch_row

# the hyperparameters of a step, as `plectrum.optim._compiled` lays them out
LR, DECAY, EPS, NEW1, KEEP2, MOMENTUM, UNDAMPED, NEW2, CORRECTION, SIGN = range(10)


@inlined
def spread_out(numbers):
    """Return the hyperparameters as vectors."""
    return (
        *(spread(numbers[0]), spread(numbers[1]), spread(numbers[2]), spread(numbers[3])),
        *(spread(numbers[4]), spread(numbers[5]), spread(numbers[6]), spread(numbers[7])),
        spread(numbers[8]),
    )


@inlined
def sgd(w, s1, s2, g, hp):
    """Return the row and its states after one step, as vectors; `hp` holds vectors too."""
    return w - hp[LR] * (g + hp[DECAY] * w), s1, s2


@inlined
def momentum(w, s1, s2, g, hp):
    """SGD with momentum; see `sgd`."""
    s1 = hp[MOMENTUM] * s1 + hp[UNDAMPED] * (g + hp[DECAY] * w)
    return w - hp[LR] * s1, s1, s2


@inlined
def nesterov(w, s1, s2, g, hp):
    """SGD with Nesterov's momentum; see `sgd`."""
    g = g + hp[DECAY] * w
    s1 = hp[MOMENTUM] * s1 + hp[UNDAMPED] * g
    return w - hp[LR] * (g + hp[MOMENTUM] * s1), s1, s2


@inlined
def adagrad(w, s1, s2, g, hp):
    """Adagrad; see `sgd`."""
    g = g + hp[DECAY] * w
    s1 = s1 + g * g
    return w - hp[LR] * g / (root(s1) + hp[EPS]), s1, s2


@inlined
def adam(w, s1, s2, g, hp):
    """Adam, whose corrections stand in `hp`; see `sgd`."""
    g = g + hp[DECAY] * w
    s1 = s1 + hp[NEW1] * (g - s1)
    s2 = hp[KEEP2] * s2 + hp[NEW2] * g * g
    return w - hp[LR] * s1 / (root(s2) * hp[CORRECTION] + hp[EPS]), s1, s2


@inlined
def adamw(w, s1, s2, g, hp):
    """AdamW; `hp[DECAY]` is what is left of the row. See `sgd`."""
    s1 = s1 + hp[NEW1] * (g - s1)
    s2 = hp[KEEP2] * s2 + hp[NEW2] * g * g
    return hp[DECAY] * w - hp[LR] * s1 / (root(s2) * hp[CORRECTION] + hp[EPS]), s1, s2


def _define_step(move, n_states):
    """Return the step on a row of a rule that treats every number alike.

    Its arguments: the addresses of the row, of its two states and of its gradient, the last three of the
    dtype of `numbers`; those of a row to ask for, and whether it is one of many (see `prefetch_row`); the
    number of columns; `like`, whose dtype says how the row lies in memory (see `_cpu_lanes`); the
    hyperparameters, as numbers and as vectors; and all chance for rows of 16 bits.
    """

    @inlined
    def ask_for_lanes(ahead, k, n, like, numbers):
        w_at, s1_at, s2_at, g_at, are_many = ahead
        wide, n_bytes = k * numbers.itemsize, n * numbers.itemsize
        prefetch_row(w_at + k * like.itemsize, n * like.itemsize, are_many)
        if n_states > 0:
            prefetch_row(s1_at + wide, n_bytes, are_many)
        if n_states > 1:
            prefetch_row(s2_at + wide, n_bytes, are_many)
        prefetch_row(g_at + wide, n_bytes, NO)

    @inlined
    def step_lanes(places, ahead, k, n, like, numbers, hp, key):
        ask_for_lanes(ahead, k, n, like, numbers)
        w_at, s1_at, s2_at, g_at = places
        at, wide = k * like.itemsize, k * numbers.itemsize
        w, g = load(w_at + at, n, like), load(g_at + wide, n, numbers)
        s1 = load(s1_at + wide, n, numbers) if n_states > 0 else g
        s2 = load(s2_at + wide, n, numbers) if n_states > 1 else g
        w, s1, s2 = move(w, s1, s2, g, hp)
        store_at_random(w_at + at, n, like, w, key + k)
        if n_states > 0:
            store(s1_at + wide, n, numbers, s1)
        if n_states > 1:
            store(s2_at + wide, n, numbers, s2)

    @inlined
    def step_row(places, ahead, dim, like, numbers, hp, key):
        whole = dim // WIDTH * WIDTH
        for k in range(0, whole, WIDTH):
            step_lanes(places, ahead, k, WIDTH, like, numbers, hp, key)
        if whole < dim:
            step_lanes(places, ahead, whole, dim - whole, like, numbers, hp, key)

    return step_row


@inlined
def square(total_of, places, k, n, like, numbers, decay):
    """Return the running squares of the gradient with `n` numbers more."""
    d = load(places[3] + k * numbers.itemsize, n, numbers)
    if numbers[DECAY] != 0:  # else the row itself is not needed yet
        d = d + decay * load(places[0] + k * like.itemsize, n, like)
    return total_of + d * d


@inlined
def descend(places, k, n, like, numbers, decay, rate, key):
    """Go `rate` down the slope with `n` numbers."""
    at = places[0] + k * like.itemsize
    w, g = load(at, n, like), load(places[3] + k * numbers.itemsize, n, numbers)
    store_at_random(at, n, like, w - rate * (g + decay * w), key + k)


@inlined
def rowwise_adagrad(places, ahead, dim, like, numbers, hp, key):
    """Row-wise Adagrad: one number of state for the row, the mean square of its gradients."""
    w_at, s1_at, _, g_at, are_many = ahead
    prefetch_row(w_at, dim * like.itemsize, are_many)
    prefetch_row(s1_at, numbers.itemsize, are_many)
    prefetch_row(g_at, dim * numbers.itemsize, NO)
    lr, decay = numbers[LR], hp[DECAY]
    squares = spread(lr - lr)
    whole = dim // WIDTH * WIDTH
    for k in range(0, whole, WIDTH):
        squares = square(squares, places, k, WIDTH, like, numbers, decay)
    if whole < dim:
        squares = square(squares, places, whole, dim - whole, like, numbers, decay)
    state = pointer_like(places[1], numbers)
    state[0] += total(squares) / dim
    rate = spread(lr / (math.sqrt(state[0]) + numbers[EPS]))
    for k in range(0, whole, WIDTH):
        descend(places, k, WIDTH, like, numbers, decay, rate, key)
    if whole < dim:
        descend(places, whole, dim - whole, like, numbers, decay, rate, key)


@inlined
def no_state(dim, numbers):
    """Return how many bytes of each of two states belong to a row."""
    return ZERO, ZERO


@inlined
def one_state(dim, numbers):
    """As `no_state`, of a rule that keeps an array as wide as the table."""
    return dim * numbers.itemsize, ZERO


@inlined
def two_states(dim, numbers):
    """As `no_state`, of a rule that keeps two of them."""
    return dim * numbers.itemsize, dim * numbers.itemsize


@inlined
def one_number(dim, numbers):
    """As `no_state`, of a rule that keeps one number per row."""
    return numbers.itemsize, ZERO


RULES = {  # name -> how a row is stepped on, and what state it has
    "sgd": (_define_step(sgd, 0), no_state),
    "momentum": (_define_step(momentum, 1), one_state),
    "nesterov": (_define_step(nesterov, 1), one_state),
    "adagrad": (_define_step(adagrad, 1), one_state),
    "rowwise_adagrad": (rowwise_adagrad, one_number),
    "adam": (_define_step(adam, 2), two_states),
    "adamw": (_define_step(adamw, 2), two_states),
}
