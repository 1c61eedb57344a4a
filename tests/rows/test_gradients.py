"""Gradients through lookups and bags of adopted tables, against numbers and against torch."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import plectrum.optim
from plectrum.kernels.update._step import Step
from plectrum.optim._compiled import Fit, Work, update_tables
from plectrum.rows import look_up_each
from plectrum.rows._gradient import RowGradient
from plectrum.rows._lookup import _gather
from plectrum.rows._place import place_of


def adopted(n_rows, dim):
    layer = torch.nn.Embedding(n_rows, dim, dtype=torch.float64)
    plectrum.optim.SGD(layer, lr=0.1, dense_below=0)
    return layer.weight


def finite_differences(function, weight, slope, eps=1e-6):
    found = torch.zeros_like(weight.detach())
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            for sign in (1, -1):
                with torch.no_grad():
                    weight[i, j] += sign * eps
                    found[i, j] += sign * (function() * slope).sum() / (2 * eps)
                    weight[i, j] -= sign * eps
    return found


CASES = {
    "lookup": lambda w: torch.nn.functional.embedding(torch.tensor([[1, 3], [3, 0]]), w).sin(),
    "tables": lambda w: look_up_each(torch.tensor([[1, 3], [3, 0]]), [w, w]).sin(),
    "sum of bags": lambda w: torch.nn.functional.embedding_bag(
        torch.tensor([[1, 3], [3, 0]]), w, mode="sum"
    ).sin(),
    "mean of bags": lambda w: torch.nn.functional.embedding_bag(
        torch.tensor([1, 3, 3, 0]), w, torch.tensor([0, 1, 1]), mode="mean", padding_idx=3
    ).sin(),
    "weighted bags": lambda w: torch.nn.functional.embedding_bag(
        torch.tensor([[1, 3], [3, 0]]),
        w,
        mode="sum",
        per_sample_weights=torch.tensor([[0.5, 2], [3, 4.0]]).double(),
    ).sin(),
}


@pytest.mark.parametrize("name", list(CASES))
def test_the_gradient_is_the_slope_of_the_numbers(name):
    torch.manual_seed(0)
    weight = adopted(5, 3)
    out = CASES[name](weight)
    slope = torch.randn_like(out)
    (out * slope).sum().backward()
    numbers = finite_differences(lambda: CASES[name](weight), weight, slope)
    torch.testing.assert_close(weight.grad.to_dense(), numbers, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", list(CASES))
def test_gradcheck_passes_on_what_follows_a_lookup(name):
    torch.manual_seed(0)
    weight = adopted(5, 3)

    def through(scale):
        return CASES[name](weight) * scale

    assert gradcheck(through, [torch.tensor(0.7, dtype=torch.float64, requires_grad=True)])


def test_a_gradient_of_the_gradient_goes_through_many_tables():
    torch.manual_seed(0)
    weight = adopted(5, 3)
    ids = torch.tensor([[1, 3], [3, 0]])

    def squared_gradient(scale):
        out = look_up_each(ids, [weight, weight]) * scale
        (gradient,) = torch.autograd.grad((out**2).sum(), [weight], create_graph=True)
        return gradient.to_dense().pow(2).sum()

    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert gradcheck(squared_gradient, [scale])
    assert gradgradcheck(lambda s: (look_up_each(ids, [weight, weight]) * s).pow(3), [scale])


def test_a_table_of_more_than_two_to_the_31_numbers_is_stepped_in_place():
    n_rows, dim = 2**31 // 64 + 10, 64
    table = torch.empty(n_rows, dim)  # pages that are never touched take no memory
    ids = torch.tensor([n_rows - 1, 3, n_rows - 1])
    table[ids] = 0
    fit, gradient = Fit.of(place_of(table), [None]), RowGradient(ids, torch.ones(3, dim))
    update_tables([Work(fit, gradient, None, 0)], Step("sgd", 0.5))
    assert table[n_rows - 1].tolist() == [-1.0] * dim
    assert table[3].tolist() == [-0.5] * dim
    assert torch.equal(look_up_one_table(table, ids), table[ids])


def look_up_one_table(table, ids):
    out = torch.empty(len(ids), table.shape[1])
    assert _gather(ids.unsqueeze(1), [place_of(table)], out) == -1
    return out
