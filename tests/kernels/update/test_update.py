import numpy as np
import pytest
import torch

from plectrum.kernels.update import reference, torch_ops
from plectrum.kernels.update._step import STATES, Step

STEPS = {
    "sgd": Step("sgd", 0.1),
    "momentum": Step("sgd", 0.1, 0.01, momentum=0.9, dampening=0.1),
    "nesterov": Step("sgd", 0.1, momentum=0.9, nesterov=True, maximize=True),
    "adagrad": Step("adagrad", 0.1, 0.01, 1e-10),
    "rowwise_adagrad": Step("rowwise_adagrad", 0.1, 0.01, 1e-10),
    "adam": Step("adam", 0.1, 0.01, 1e-8, 0.9, 0.999, 0.19, 0.0447),
    "adamw": Step("adamw", 0.1, 0.01, 1e-8, 0.9, 0.999, 0.19, 0.0447),
}
SHAPES = {"empty": (0, 5, 3), "one": (1, 1, 1), "same": (40, 1, 7), "few": (17, 50, 64), "many": (300, 20, 5)}


def make_case(step, shape, dtype, seed=0):
    n, n_rows, dim = SHAPES[shape]
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n_rows, dim)).astype(dtype)
    states = [
        np.abs(rng.normal(size=(n_rows, 1 if step.rule == "rowwise_adagrad" else dim))).astype(dtype)
        for _ in STATES[step.rule]
    ]
    if step.rule == "sgd" and not step.momentum:
        states = [None]
    return table, states, rng.integers(0, n_rows, n), rng.normal(size=(n, dim)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("name", list(STEPS))
def test_torchs_operations_follow_the_reference(name, shape, dtype):
    step = STEPS[name]
    table, states, ids, values = make_case(step, shape, dtype)
    mine = torch.from_numpy(table.copy())
    kept = [None if s is None else torch.from_numpy(s.copy()) for s in states]
    rows = torch_ops.update(mine, kept, torch.from_numpy(ids), torch.from_numpy(values), step)
    expected = reference.update(table, states, ids, values, step)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_array_equal(rows.numpy(), expected)
    np.testing.assert_allclose(mine.numpy(), table, atol=tolerance, rtol=tolerance)
    for state, found in zip(states, kept, strict=True):
        if state is not None:
            np.testing.assert_allclose(found.numpy(), state, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounding_at_random_is_right_on_average_and_lands_on_a_neighbour(dtype):
    torch.manual_seed(0)
    numbers = torch.tensor([1.0, 1.0003, -0.7501, 3e-6, 0.0, 65000.0])
    drawn = torch.stack([torch_ops.round_at_random(numbers, dtype) for _ in range(4000)]).float()
    assert (drawn[:, 0] == 1).all()
    assert (drawn[:, 4] == 0).all()
    assert all(len(drawn[:, i].unique()) <= 2 for i in range(len(numbers)))
    torch.testing.assert_close(drawn.mean(0), numbers, rtol=2e-4, atol=1e-8)


def test_a_small_step_in_sixteen_bits_is_not_lost():
    torch.manual_seed(0)
    table = torch.ones(4, 64, dtype=torch.float16)
    ids, step = torch.arange(4), Step("sgd", 1e-4)
    for _ in range(200):
        torch_ops.update(table, [None], ids, torch.ones(4, 64), step)
    assert abs(table.float().mean().item() - 0.98) < 1e-3
