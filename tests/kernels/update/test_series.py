import copy
import ctypes

import numpy as np
import pytest
import torch

from plectrum.kernels.update import reference
from plectrum.kernels.update._series import N_TERMS, AdamSeries, LinearSeries
from plectrum.kernels.update._step import Step
from plectrum.optim._absence import new_series


def adam_steps(n_steps, betas, *, cycle=False):
    for k in range(1, n_steps + 1):
        beta1 = betas[0] * (0.95 + 0.05 * np.cos(k / 30)) if cycle else betas[0]
        lr = 1e-2 * (1 + np.cos(k / 100))
        yield Step("adamw", lr, 0.1, 1e-8, beta1, betas[1], 1 - beta1**k, np.sqrt(1 - betas[1] ** k))


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.95, 0.99), (0.0, 0.999)])
@pytest.mark.parametrize("cycle", [False, True])
def test_the_closed_form_of_adam_is_the_sum_of_the_steps_that_were_missed(betas, cycle):
    rng = np.random.default_rng(0)
    n = 50
    w, m = rng.normal(size=(n, 4)), rng.normal(size=(n, 4))
    v = rng.normal(size=(n, 4)) ** 2 * 0.03 + 1e-3
    last = np.sort(rng.integers(0, 700, n))
    series, steps = AdamSeries(np.float64), []
    for step in adam_steps(700, betas, cycle=cycle):
        steps.append(step)
        series.advance(step)
    found = series.absence(last)
    slope = 1 / (np.sqrt(v) + found.middle[:, None])
    total = sum((-found.middle[:, None] * slope) ** j * found.moments[j][:, None] for j in range(N_TERMS))
    closed = found.decay[:, None] * w - m * slope * total
    shrunk = m * found.shrink1[:, None], v * found.shrink2[:, None]
    reference.catch_up(w, [m, v], np.arange(n), last, steps)
    np.testing.assert_allclose(closed, w, atol=1e-10)
    np.testing.assert_allclose(shrunk[0], m, atol=1e-12)
    np.testing.assert_allclose(shrunk[1], v, atol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_closed_form_of_momentum_is_the_product_of_the_steps_that_were_missed(nesterov):
    rng = np.random.default_rng(0)
    w, b, last = rng.normal(size=(50, 3)), rng.normal(size=(50, 3)), rng.integers(0, 901, 50)
    series, steps = LinearSeries(np.float64), []
    for k in range(900):
        lr = 0.01 * (1 + np.cos(k / 50))
        step = Step("sgd", lr, 0.01, momentum=0.9, dampening=0.0 if nesterov else 0.1, nesterov=nesterov)
        steps.append(step)
        series.advance(step)
    (ww, wb), (bw, bb) = series.absence(last)[..., None]
    closed = ww * w + wb * b, bw * w + bb * b
    reference.catch_up(w, [b], np.arange(50), last, steps)
    np.testing.assert_allclose(closed[0], w, atol=1e-12)
    np.testing.assert_allclose(closed[1], b, atol=1e-12)


@pytest.mark.parametrize("kind", [AdamSeries, LinearSeries])
def test_a_fork_goes_its_own_way_and_a_restart_forgets(kind):
    series = kind(np.float64)
    steps = list(adam_steps(3000, (0.9, 0.999)))
    for step in steps[:2000]:
        series.advance(step)
    kept = series.fork()
    before = np.array(series.absence(np.array([5]))[0])
    for step in steps[2000:]:
        series.advance(step)
    assert (kept.now, series.now) == (2000, 3000)
    np.testing.assert_array_equal(kept.absence(np.array([5]))[0], before)
    series.restart()
    assert series.now == 3000
    if kind is AdamSeries:
        assert series.absence(np.array([3000])).decay == 1.0


def told(clock, n):
    """Return what kernels are told: for how many steps there is room, where `n` kinds of numbers begin."""
    return list((ctypes.c_int64 * (1 + n)).from_address(clock.address()))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (AdamSeries, ["history", "moments", "middle", "closed", "log_decay", "log1", "log2", "ratio"]),
        (LinearSeries, ["inner", "outer"]),
    ],
)
def test_kernels_are_told_where_the_numbers_stand_now(kind, names):
    series, step = kind(np.float32), Step("adam", 1e-3, 0.0, 1e-8, 0.9, 0.999, 0.1, 0.03)
    told(series, len(names))
    copies = [series.fork(), copy.deepcopy(series)]
    for _ in range(1100):  # more than a clock begins with room for
        series.advance(step)
    assert series.n_kept > 1024 > copies[0].now
    for clock in (series, *copies):
        where = [getattr(clock, name).ctypes.data for name in names]
        assert told(clock, len(names)) == [clock.n_kept, *where]
    assert told(copies[0], 1) != told(copies[1], 1) != told(series, 1)
    series.restart()
    assert told(series, 1) == [series.n_kept, getattr(series, names[0]).ctypes.data]


def test_two_who_ask_a_clock_at_once_get_scratch_of_their_own():
    series = AdamSeries(np.float32)
    first = series.take_scratch(11, 2)
    second = series.take_scratch(11, 2)
    assert first.at != second.at
    series.put_back(first)
    assert series.take_scratch(11, 1) is first
    assert series.take_scratch(11, 3).known.shape == (3, series.n_kept)


def the_same_sums(name, steps, fields, tolerance):
    """Let a clock count in NumPy and another in a compiled kernel; raise where they differ."""
    table = torch.zeros(2, 3, dtype=torch.float64)
    plain, compiled = new_series(name, table, 3), new_series(name, table, 3)
    plain.add_step = None
    assert compiled.add_step is not None
    for step in steps:
        plain.advance(step)
        compiled.advance(step)
    assert (compiled.now, compiled.first_open) == (plain.now, plain.first_open)
    for field, end in fields.items():
        found, expected = getattr(compiled, field)[..., :end], getattr(plain, field)[..., :end]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=tolerance, err_msg=field)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.999)])
def test_the_compiled_sums_of_adam_are_those_of_numpy(betas):
    fields = ("moments", "middle", "ratio", "closed", "log_decay", "log1", "log2", "history")
    the_same_sums("adam", adam_steps(1500, betas, cycle=True), dict.fromkeys(fields, 1501), 1e-16)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("n_steps", [255, 256, 257, 1030])
def test_the_compiled_products_of_momentum_are_those_of_numpy(nesterov, n_steps):
    steps = [
        Step("sgd", 0.01 * (1 + np.cos(k / 50)), 0.01, momentum=0.9, dampening=0.0, nesterov=nesterov)
        for k in range(n_steps)
    ]
    fields = {"inner": n_steps, "outer": (n_steps - 1) // 256}
    the_same_sums("linear", steps, fields, 0)
