"""Absent rows: the numbers of torch's dense optimizers, whatever the schedule and the absence."""

import math

import pytest
import torch

import plectrum.optim
from plectrum.kernels import dispatch

ADAMW = ("AdamW", {"lr": 1e-2, "weight_decay": 0.01})
CASES = [
    ADAMW,
    ("Adam", {"lr": 1e-2}),
    ("SGD", {"lr": 1e-2, "momentum": 0.9}),
    ("SGD", {"lr": 1e-2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 1e-2, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01, "maximize": True}),
    ("SGD", {"lr": 1e-2, "weight_decay": 0.01}),
    ("Adagrad", {"lr": 1e-2, "lr_decay": 1e-3}),
]
BOUNDS = {torch.float32: 1e-5, torch.float64: 1e-9}
N_ROWS, EMBEDDING_DIM = 400, 8


def batches(n_steps, generator):
    """Zipf ids; 20 rows are first seen when nine tenths of the steps are done, and 20 only once."""
    common, late, once = N_ROWS - 40, N_ROWS - 40, N_ROWS - 20
    for k in range(n_steps):
        share = torch.rand(64, generator=generator, dtype=torch.float64)
        ids = (common**share).long().clamp(1, common) - 1
        if k >= n_steps * 9 // 10:
            ids = torch.cat([ids, late + torch.randint(0, 20, (5,), generator=generator)])
        if k % (n_steps // 40) == 3 and k < n_steps // 2:
            ids = torch.cat([ids, torch.tensor([once + k // (n_steps // 40)])])
        yield ids


def furthest_apart(name, options, dtype, *, n_steps, scale=1.0, ours=None):
    """Train twins with a cosine schedule that touches zero; return how far their weights part."""
    generator = torch.Generator().manual_seed(7)
    start = torch.randn(N_ROWS, EMBEDDING_DIM, generator=generator, dtype=dtype)
    twins = [torch.nn.Embedding(N_ROWS, EMBEDDING_DIM, _weight=start.clone()) for _ in range(2)]
    optimizers = [
        getattr(plectrum.optim, name)(twins[0], dense_below=0, **(ours or {}), **options),
        getattr(torch.optim, name)(twins[1].parameters(), **options),
    ]
    sign = -1.0 if options.get("maximize") else 1.0  # going up a bowl would end beyond all numbers
    for k, ids in enumerate(batches(n_steps, generator)):
        slope = torch.randn(len(ids), EMBEDDING_DIM, generator=generator, dtype=dtype) * scale
        for layer, optimizer in zip(twins, optimizers, strict=True):
            turns = 4 * math.pi * k / n_steps
            optimizer.param_groups[0]["lr"] = options["lr"] * 0.5 * (1 + math.cos(turns))
            optimizer.zero_grad()
            found = layer(ids)
            (sign * ((found * slope).sum() + 0.5 * scale * (found**2).sum())).backward()
            optimizer.step()
    assert twins[0].weight.grad.is_sparse
    difference = (twins[0].weight.detach() - twins[1].weight.detach()).abs().max()
    return (difference / twins[1].weight.detach().abs().max()).item()


@pytest.mark.parametrize("dtype", list(BOUNDS))
@pytest.mark.parametrize(("name", "options"), CASES)
def test_training_gives_the_numbers_of_torchs_dense_optimizer(name, options, dtype):
    assert furthest_apart(name, options, dtype, n_steps=200) < BOUNDS[dtype]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", list(BOUNDS))
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_thousand_steps_give_the_numbers_of_torchs_dense_optimizer(name, options, dtype):
    assert furthest_apart(name, options, dtype, n_steps=1000) < BOUNDS[dtype]


@pytest.mark.parametrize("dtype", list(BOUNDS))
@pytest.mark.parametrize("scale", [1e-6, 1e-8, 1e-10])
def test_gradients_so_small_that_eps_matters_give_the_same_numbers(scale, dtype):
    assert furthest_apart(*ADAMW, dtype, n_steps=200, scale=scale) < BOUNDS[dtype]


@pytest.mark.parametrize("betas", [(0.0, 0.999), (0.9, 0.98), (0.95, 0.99), (0.5, 0.9)])
@pytest.mark.parametrize("scale", [1.0, 1e-8])
def test_other_betas_give_the_same_numbers(betas, scale):
    name, options = ADAMW
    found = furthest_apart(name, {**options, "betas": betas}, torch.float64, n_steps=120, scale=scale)
    assert found < BOUNDS[torch.float64]


@pytest.mark.parametrize("how", ["cpu", "torch"])
@pytest.mark.parametrize("betas", [(0.3, 0.1), (0.0998, 0.01), (0.5, 0.26)])
def test_second_moments_that_shrink_to_nothing_give_the_same_numbers(betas, how):
    name, options = ADAMW  # of a row that was absent for long nothing is left that could be divided by
    with dispatch.use(how):
        found = furthest_apart(name, {**options, "betas": betas}, torch.float64, n_steps=800)
    assert found < BOUNDS[torch.float64]


def test_the_comparison_can_fail():
    assert furthest_apart(*ADAMW, torch.float64, n_steps=200, ours={"absent_rows": "frozen"}) > 1e-4


@pytest.mark.parametrize("scale", [1.0, 1e-8])
def test_torchs_operations_give_the_same_numbers_as_the_compiled_kernels(scale):
    with dispatch.use("torch"):
        assert furthest_apart(*ADAMW, torch.float64, n_steps=100, scale=scale) < BOUNDS[torch.float64]


def test_a_clock_that_forgets_gives_the_same_numbers(monkeypatch):
    monkeypatch.setattr("plectrum.optim._base.MEMORY", 30)
    assert furthest_apart(*ADAMW, torch.float64, n_steps=120) < BOUNDS[torch.float64]


@pytest.mark.parametrize("eps", [1e-8, 1e-15, 1e-22, 1e-26])
def test_rows_whose_squares_are_below_all_numbers_are_caught_up_too(eps):
    """Gradients of a tenth of eps: their squares are lost, and what moves a row hangs on eps alone."""
    start = torch.randn(50, 32, generator=torch.Generator().manual_seed(0))
    twins = [torch.nn.Embedding(50, 32, _weight=start.clone()) for _ in range(2)]
    optimizers = [
        plectrum.optim.AdamW(twins[0], lr=0.1, eps=eps, dense_below=0),
        torch.optim.AdamW(twins[1].parameters(), lr=0.1, eps=eps),
    ]
    for k in range(40):
        ids = torch.arange(50) if k == 0 else torch.tensor([0])
        for layer, optimizer in zip(twins, optimizers, strict=True):
            (layer(ids) * (eps / 10)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    torch.testing.assert_close(twins[0].weight.detach(), twins[1].weight.detach(), rtol=0, atol=1e-5)
