"""Closed forms for what a dense optimizer does to a row whose gradient is zero for many steps.

A row that took its last step at s is to be brought to step t. Its gradient was zero at every k in (s, t],
so its moments only shrink, m_k = R1(s,k) m and v_k = R2(s,k) v with R the product of the betas, and Adam's
step is

    w_k = f_k w_{k-1} - lr_k/c1_k R1 m / (sqrt(R2 v)/c2_k + eps),        f_k = 1 - lr_k weight_decay

(c1, c2 the bias corrections). With u = sqrt(v), x_k = c2_k/sqrt(R2(s,k)) and a_k = lr_k/c1_k R1 x_k this is
``w_k = f_k w_{k-1} - m a_k/(u + eps x_k)``. The x_k of one absence differ little while a_k has any weight
(x grows by 0.05 % a step at beta2 = 0.999, a shrinks by 10 %), so expand each about one middle value x:

    sum_k F_k a_k/(u + eps x_k) = 1/(u + eps x) sum_j (-z)^j M_j        z = eps x/(u + eps x) in [0, 1)
    M_j = sum_k F_k a_k (x_k/x - 1)^j                                   F_k = prod of f over (k, t]

The M_j belong to s, not to the row: one step of the clock updates those of all s in one sweep, and after a
few hundred steps a_k is below rounding and only the decay goes on. No step is ever replayed where the series
converges; early in training, when the bias correction changes fast *and* eps matters, it does not, and the
few rows concerned are replayed (`needs_replay`).

Momentum SGD is linear in (w, b): a product of 2 x 2 matrices does the same.
"""

import copy
import math
from array import array
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plectrum.kernels.update._step import Step

Numbers = NDArray[np.float64]

N_TERMS = 6  # M_0 .. M_5; M_6 bounds the rest (it is positive, the power being even)
OVER = 1e-19  # a_k has no weight left: below the rounding of float64, ten steps' worth
_LOG_OF_ZERO, _LOG_OF_LITTLE = -700.0, -18.0
# what running sums need of a step: for a replay lr/c1, c2, f, beta1, sqrt(beta2) and eps; the x about which
# an absence that begins before it is expanded; the logarithms of f and of both betas
StepNumbers = tuple[float, float, float, float, float, float, float, float, float, float]


@lru_cache(64)
def _shrinking(beta1: float, beta2: float, dtype: np.dtype) -> tuple[float, float, float, float, float]:
    """Return beta1 and sqrt(beta2) as rounded by the dtype, the logarithms of beta1 and beta2, and an age.

    That age, in steps, is about where an absence has half its weight behind it, but not where hardly anything
    is left of the first moment: there the second may be below all numbers.
    """
    rounded = dtype.type
    shrink1 = 1 - float(rounded(1 - beta1))
    root2 = math.sqrt(float(rounded(beta2)))
    log1 = math.log(shrink1) if shrink1 > 0 else _LOG_OF_ZERO
    age = min(1 / (1 - beta1 / root2), 50.0, _LOG_OF_LITTLE / log1)
    return shrink1, root2, log1, 2 * math.log(root2), age


class AdamAbsence(NamedTuple):
    """What absence does to rows of the same last step; each field of shape (n,), `moments` of (N_TERMS,
    n)."""

    decay: Numbers  # w is multiplied by it
    shrink1: Numbers  # m is multiplied by it
    shrink2: Numbers  # v is multiplied by it
    middle: Numbers  # eps * x: what is added to sqrt(v)
    moments: Numbers  # M_j
    rest: Numbers  # bound on what the series leaves out, as a share of M_0, where z = 1


class Clock:
    """What clocks share.

    Attributes
    ----------
    add_step : callable or None
        What takes the place of the class's own `_add_step`, which is NumPy: a compiled one, chosen when the
        first table that goes by the clock is adopted.
    first_open : int
        The first of the last steps whose sums one more step changes, counted from `start` as all positions
        are: an absence may have no weight left (`AdamSeries`), or its block be full (`LinearSeries`).
    """

    add_step: Callable[[Any, tuple[float, ...]], None] | None = None

    def __init__(self, dtype: np.dtype | type, start: int) -> None:
        self.dtype = np.dtype(dtype)
        self.start = self.now = start
        self.first_open = 0
        self._columns: array[int] | None = None
        self._scratch: Scratch | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Clock":
        return self.fork()

    def fork(self) -> "Clock":
        """Return a copy that goes its own way: for tables that sit out a step."""
        other = copy.copy(self)
        other._columns = other._scratch = None
        for name, numbers in self.__dict__.items():
            if isinstance(numbers, np.ndarray):
                setattr(other, name, numbers.copy())
        return other

    def advance(self, step: Step) -> None:
        """Take note of one more step."""
        raise NotImplementedError

    def restart(self) -> None:
        """Forget the past: every row stands at the present step."""
        self.__init__(self.dtype, self.now)  # type: ignore[misc]

    @property
    def n_kept(self) -> int:
        """For how many steps there is room."""
        raise NotImplementedError

    def _kept(self) -> tuple[NDArray[Any], ...]:
        """Return the numbers that compiled kernels use, in their order."""
        raise NotImplementedError

    def address(self) -> int:
        """Return where kernels find how many steps there is room for, and where the numbers begin."""
        if self._columns is None:
            self._columns = array("q", (self.n_kept, *(numbers.ctypes.data for numbers in self._kept())))
        return self._columns.buffer_info()[0]

    def take_scratch(self, n_sums: int, n_threads: int) -> "Scratch":
        """Return room for what absences come to, to be put back: two threads of Python's may ask at once."""
        found, self._scratch = self._scratch, None
        if found is None or found.known.shape[1] != self.n_kept or len(found.known) < n_threads:
            sums = np.empty((n_threads, self.n_kept, n_sums), self.dtype)
            known = np.full((n_threads, self.n_kept), -1)
            found = Scratch(sums, known, (sums.ctypes.data, known.ctypes.data))
        return found

    def put_back(self, scratch: "Scratch") -> None:
        """Keep the room for the next call."""
        self._scratch = scratch


class Scratch(NamedTuple):
    """Room for what absence since each step comes to, thread by thread, and when it was last asked for."""

    sums: NDArray[Any]  # (n_threads, n_kept, n_sums)
    known: NDArray[np.int64]  # (n_threads, n_kept)
    at: tuple[int, int]


class AdamSeries(Clock):
    """The running sums of Adam's and AdamW's absences: one clock for all tables that step together.

    Parameters
    ----------
    dtype : dtype
        Of the arithmetic: factors are rounded to it, as torch's dense optimizer rounds them.
    start : int
        The number of steps taken so far.
    """

    def __init__(self, dtype: np.dtype | type, start: int = 0) -> None:
        super().__init__(dtype, start)
        n = 1024
        self.moments = np.zeros((N_TERMS + 1, n))
        self.middle, self.ratio, self.closed = np.ones(n), np.ones(n), np.zeros(n, np.int64)
        # running sums of logarithms, and what a replay needs
        self.log_decay, self.log1, self.log2 = np.zeros(n), np.zeros(n), np.zeros(n)
        self.history = np.zeros((6, n))

    def advance(self, step: Step) -> None:
        """Take note of one more step."""
        if self.now - self.start + 2 > self.n_kept:
            self._grow()
        (self.add_step or AdamSeries._add_step)(self, self._numbers_of(step))
        self.now += 1

    def _numbers_of(self, step: Step) -> StepNumbers:
        beta1, root2, log1, log2, age = _shrinking(step.beta1, step.beta2, self.dtype)
        f = float(self.dtype.type(1 - step.lr * step.weight_decay)) if step.rule == "adamw" else 1.0
        middle = math.sqrt(1 - root2 ** (2 * (self.now + age))) / root2**age
        past = (step.lr / step.correction1, step.correction2, f, beta1, root2, step.eps)
        return (*past, middle, math.log(f), log1, log2)

    def _add_step(self, numbers: StepNumbers) -> None:
        """Add one step to the running sums of every last step that still gathers weight."""
        rate, correction2, f, beta1, root2, eps, middle, log_f, log1, log2 = numbers
        t = self.now - self.start  # position of the state before this step
        lo, hi = self.first_open, t + 1
        self.middle[t], self.ratio[t], self.moments[:, t] = middle, 1.0, 0.0
        shrink2 = np.exp(0.5 * (self.log2[t] - self.log2[lo:hi])) * root2
        self.ratio[lo:hi] *= beta1 / root2
        away = correction2 / shrink2 / self.middle[lo:hi] - 1
        term = rate * correction2 * self.ratio[lo:hi]
        moments = self.moments[:, lo:hi]
        moments *= f
        for j in range(N_TERMS + 1):
            moments[j] += term
            term = term * away
        self.closed[lo : hi + 1] = t + 1
        for sums, more in ((self.log_decay, log_f), (self.log1, log1), (self.log2, log2)):
            sums[t + 1] = sums[t] + more
        self.history[:, t + 1] = numbers[: len(self.history)]
        least = math.log(OVER) + math.log(eps)  # what is left of the moment, over eps, is as little
        while self.first_open <= t and (
            self.ratio[self.first_open] < OVER or self.log1[t + 1] - self.log1[self.first_open] < least
        ):
            self.first_open += 1

    def _grow(self) -> None:
        n = 2 * self.n_kept
        self._columns = None
        for name, old in list(self.__dict__.items()):
            if isinstance(old, np.ndarray):
                new = np.zeros((*old.shape[:-1], n), old.dtype)
                new[..., : old.shape[-1]] = old
                setattr(self, name, new)

    @property
    def n_kept(self) -> int:
        """For how many steps there is room."""
        return len(self.closed)

    def _kept(self) -> tuple[NDArray[Any], ...]:
        sums = (self.moments, self.middle, self.closed, self.log_decay, self.log1, self.log2, self.ratio)
        return (self.history, *sums)

    def absence(self, last: NDArray[np.integer]) -> AdamAbsence:
        """Return what the steps since `last` did to rows that took part in none of them."""
        s, t = last.astype(np.int64) - self.start, self.now - self.start
        after = np.exp(self.log_decay[t] - self.log_decay[self.closed[s]])
        moments = self.moments[:, s] * after
        with np.errstate(divide="ignore", invalid="ignore"):
            rest = np.where(moments[0] > 0, np.abs(moments[N_TERMS]) / np.abs(moments[0]), 0.0)
        return AdamAbsence(
            decay=np.exp(self.log_decay[t] - self.log_decay[s]),
            shrink1=np.exp(self.log1[t] - self.log1[s]),
            shrink2=np.exp(self.log2[t] - self.log2[s]),
            middle=self.history[5, t] * self.middle[s],
            moments=moments[:N_TERMS],
            rest=rest,
        )

    def replayed_until(self, last: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the step up to which a replay has to go; after it only the decay is left."""
        return self.closed[last.astype(np.int64) - self.start] + self.start


BLOCK = 256


class LinearSeries(Clock):
    """The running products of the 2 x 2 matrices by which momentum SGD moves (w, b) while the gradient is
    zero.

    Parameters
    ----------
    dtype : dtype
        Of the arithmetic.
    start : int
        The number of steps taken so far.
    """

    def __init__(self, dtype: np.dtype | type, start: int = 0) -> None:
        super().__init__(dtype, start)
        self.inner = np.empty((2, 2, BLOCK))  # from s to the end of its block, or to now
        self.outer = np.empty((2, 2, 1))  # from the end of a block that is full to now

    def advance(self, step: Step) -> None:
        """Take note of one more step."""
        t = self.now - self.start
        if t == self.n_kept:
            self.inner = np.concatenate([self.inner, np.empty_like(self.inner)], axis=2)
            self.outer = np.concatenate([self.outer, np.empty_like(self.outer)], axis=2)
            self._columns = None
        self.first_open = t - t % BLOCK
        (self.add_step or LinearSeries._add_step)(self, self._matrix_of(step))
        self.now += 1

    @property
    def n_kept(self) -> int:
        """For how many steps there is room."""
        return int(self.inner.shape[2])

    def _kept(self) -> tuple[NDArray[Any], ...]:
        return self.inner, self.outer

    def _matrix_of(self, step: Step) -> tuple[float, ...]:
        """Return the matrix of a step without a gradient, row by row."""
        decay, mu, lr = step.weight_decay, step.momentum, step.lr
        if mu == 0:
            return 1 - lr * decay, 0.0, 0.0, 0.0
        b_w, b_b = (1 - step.dampening) * decay, mu  # of the new b
        by_w, by_b = (decay + mu * b_w, mu * b_b) if step.nesterov else (b_w, b_b)
        return 1 - lr * by_w, -lr * by_b, b_w, b_b

    def _add_step(self, matrix: tuple[float, ...]) -> None:
        """Multiply the products of all last steps by the matrix of one more step."""
        t = self.now - self.start
        n_full = t // BLOCK
        self.inner[:, :, t] = np.eye(2)
        if n_full and t == self.first_open:
            self.outer[:, :, n_full - 1] = np.eye(2)
        for products in (self.inner[:, :, self.first_open : t + 1], self.outer[:, :, :n_full]):
            products[...] = np.einsum("ij,jkn->ikn", np.reshape(matrix, (2, 2)), products)

    def absence(self, last: NDArray[np.integer]) -> Numbers:
        """Return for each `last` the matrix from that step to now, shape (2, 2, n)."""
        s = last.astype(np.int64) - self.start
        found = np.empty((2, 2, len(s)))
        now = s >= self.now - self.start
        found[:, :, now] = np.eye(2)[:, :, None]
        s = s[~now]
        inner, block = self.inner[:, :, s], s // BLOCK
        full = block < (self.now - self.start - 1) // BLOCK
        inner[:, :, full] = np.einsum("ijn,jkn->ikn", self.outer[:, :, block[full]], inner[:, :, full])
        found[:, :, ~now] = inner
        return found
