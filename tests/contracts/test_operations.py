"""Lookups, bags and updates, as the layers and optimizers do them, against the NumPy references.

Any shape and dtype, rows that occur more than once, empty batches and empty bags.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import plectrum.nn
import plectrum.optim
from plectrum.kernels.gather import reference as gather
from plectrum.kernels.pool import reference as pool
from plectrum.kernels.update import reference as update
from plectrum.kernels.update._step import STATES, Step

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
NEAR = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.05, torch.float16: 0.01}
any_dtype = st.sampled_from(DTYPES)
seeds = st.integers(0, 99)


def adopted(layer, dtype):
    """The layer in this dtype, in the hands of an optimizer."""
    layer = layer.to(dtype)
    return layer, plectrum.optim.SGD(layer, lr=0.1, dense_below=0)


def as_numpy(tensor):
    return tensor.detach().double().numpy()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 20)), min_size=1, max_size=6),
    n=st.integers(0, 40),
    dtype=any_dtype,
    id_dtype=st.sampled_from([torch.int64, torch.int32]),
    seed=seeds,
)
def test_rows_of_many_tables_and_their_gradients_are_the_references(sizes, n, dtype, id_dtype, seed):
    torch.manual_seed(seed)
    tables, _ = adopted(plectrum.nn.EmbeddingTables({str(t): size for t, size in enumerate(sizes)}), dtype)
    ids = torch.stack([torch.randint(0, n_rows, (n,)) for n_rows, _ in sizes], dim=1)
    found = tables(ids.to(id_dtype))
    expected = gather.gather_forward([as_numpy(tables[name]) for name in tables], ids.numpy())
    np.testing.assert_array_equal(as_numpy(found), expected)
    slope = torch.randn(found.shape).to(dtype)
    found.backward(slope)
    parts = gather.gather_backward(as_numpy(slope), [dim for _, dim in sizes])
    for t, (name, part) in enumerate(zip(tables, parts, strict=True)):
        gradient = tables[name].grad
        np.testing.assert_array_equal(gradient._indices()[0].numpy(), ids[:, t].numpy())
        np.testing.assert_array_equal(as_numpy(gradient._values()), part)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    n_rows=st.integers(1, 30),
    dim=st.integers(1, 40),
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=12),
    mode=st.sampled_from(["sum", "weighted sum", "mean", "max"]),
    padded=st.booleans(),
    even=st.booleans(),
    dtype=any_dtype,
    seed=seeds,
)
def test_bags_and_their_gradients_are_the_references(n_rows, dim, sizes, mode, padded, even, dtype, seed):
    torch.manual_seed(seed)
    sizes = [sizes[0]] * len(sizes) if even else sizes
    kind = mode.removeprefix("weighted ")
    layer = plectrum.nn.EmbeddingBag(n_rows, dim, mode=kind, padding_idx=n_rows // 2 if padded else None)
    layer, _ = adopted(layer, dtype)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    ids = torch.randint(0, n_rows, (int(bounds[-1]),))
    weights = torch.randn(len(ids)).to(dtype) if mode == "weighted sum" else None
    if even and sizes[0]:
        shaped = [None if x is None else x.reshape(len(sizes), sizes[0]) for x in (ids, weights)]
        found = layer(shaped[0], per_sample_weights=shaped[1])
    else:
        found = layer(ids, torch.from_numpy(bounds[:-1]), weights)
    options = {"padding": n_rows // 2 if padded else -1}
    options |= {"scale": None if weights is None else as_numpy(weights), "mode": kind}
    table = as_numpy(layer.weight)
    if kind == "max":
        expected = largest_of_bags(table, ids.numpy(), bounds, options["padding"])
    else:
        expected = pool.pool_forward(table, ids.numpy(), bounds, **options)
    np.testing.assert_allclose(as_numpy(found), expected, rtol=0, atol=4 * NEAR[dtype])
    if kind == "max":
        return  # which of equal numbers is the largest is torch's affair
    slope = torch.randn(found.shape).to(dtype)
    found.backward(slope)
    rows, values = pool.pool_backward(as_numpy(slope), ids.numpy(), bounds, **options)
    gradient = np.zeros_like(table)
    np.add.at(gradient, rows, values)
    summed = torch.zeros(table.shape, dtype=torch.float64)
    summed.index_add_(0, layer.weight.grad._indices()[0], layer.weight.grad._values().double())
    np.testing.assert_allclose(summed.numpy(), gradient, rtol=0, atol=40 * NEAR[dtype])


def largest_of_bags(table, ids, bounds, padding):
    bags = [[i for i in ids[a:b] if i != padding] for a, b in itertools.pairwise(bounds)]
    return np.stack([table[bag].max(axis=0) if bag else np.zeros(table.shape[1]) for bag in bags])


RULES = {
    "SGD": {"lr": 0.1},
    "SGD, momentum and decay": {"lr": 0.05, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01},
    "SGD, Nesterov, upwards": {"lr": 0.01, "momentum": 0.9, "nesterov": True, "maximize": True},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.1, "eps": 1e-6},
    "RowwiseAdagrad": {"lr": 0.1, "eps": 1e-6},
    "Adam": {"lr": 0.05},
    "AdamW": {"lr": 0.05, "weight_decay": 0.1, "betas": (0.8, 0.95)},
}


def numbers_of_step(name, options, k):
    """The numbers of step k, counted from 1, by the formulas of torch's documentation."""
    rule = {"SGD": "sgd", "Adagrad": "adagrad", "RowwiseAdagrad": "rowwise_adagrad"}.get(name, name.lower())
    lr, decay, up = options["lr"], options.get("weight_decay", 0.0), options.get("maximize", False)
    if rule == "sgd":
        momentum, dampening = options.get("momentum", 0.0), options.get("dampening", 0.0) if k > 1 else 0.0
        nesterov = options.get("nesterov", False)
        return Step(rule, lr, decay, momentum=momentum, dampening=dampening, nesterov=nesterov, maximize=up)
    if rule.endswith("adagrad"):
        return Step(rule, lr / (1 + (k - 1) * options.get("lr_decay", 0.0)), decay, options["eps"])
    beta1, beta2 = options.get("betas", (0.9, 0.999))
    return Step(rule, lr, decay, 1e-8, beta1, beta2, 1 - beta1**k, (1 - beta2**k) ** 0.5)


def new_states(step, table):
    if step.rule == "sgd" and not step.momentum:
        return [None]
    width = 1 if step.rule == "rowwise_adagrad" else table.shape[1]
    return [np.zeros((len(table), width), table.dtype) for _ in STATES[step.rule]]


def trained_by_the_reference(name, options, table, batches, slopes):
    states = new_states(numbers_of_step(name, options, 1), table)
    last, steps = np.zeros(len(table), np.int64), []
    for k, (ids, slope) in enumerate(zip(batches, slopes, strict=True), start=1):
        rows = np.unique(ids)
        update.catch_up(table, states, rows, last[rows], steps)
        steps.append(numbers_of_step(name, options, k))
        last[update.update(table, states, ids, slope, steps[-1])] = k
    update.catch_up(table, states, np.arange(len(table)), last, steps)
    return table


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    rule=st.sampled_from(list(RULES)),
    n_rows=st.integers(1, 40),
    dim=st.integers(1, 40),
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=9),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=seeds,
)
def test_steps_on_rows_and_absence_from_them_are_the_references(rule, n_rows, dim, sizes, dtype, seed):
    torch.manual_seed(seed)
    name, options = rule.split(",")[0], RULES[rule]
    layer = torch.nn.Embedding(n_rows, dim, dtype=dtype)
    table = layer.weight.detach().numpy().copy()
    optimizer = getattr(plectrum.optim, name)(layer, dense_below=0, **options)
    batches = [torch.randint(0, n_rows, (n,)) for n in sizes]
    slopes = [torch.randn(n, dim, dtype=dtype) for n in sizes]
    for ids, slope in zip(batches, slopes, strict=True):
        optimizer.zero_grad()
        layer(ids).backward(slope)
        optimizer.step()
    arrays = [[x.numpy() for x in part] for part in (batches, slopes)]
    expected = trained_by_the_reference(name, options, table, *arrays)
    np.testing.assert_allclose(layer.weight.detach().numpy(), expected, rtol=0, atol=50 * NEAR[dtype])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    rule=st.sampled_from(list(RULES)),
    n=st.integers(0, 50),
    n_rows=st.integers(1, 40),
    dim=st.integers(1, 40),
    dtype=st.sampled_from([torch.bfloat16, torch.float16]),
    seed=seeds,
)
def test_a_step_in_sixteen_bits_lands_on_a_neighbour_of_the_references(rule, n, n_rows, dim, dtype, seed):
    torch.manual_seed(seed)
    name, options = rule.split(",")[0], RULES[rule]
    layer = torch.nn.Embedding(n_rows, dim, dtype=dtype)
    ids, slope = torch.randint(0, n_rows, (n,)), torch.randn(n, dim).to(dtype)
    table = layer.weight.detach().float().numpy()
    optimizer = getattr(plectrum.optim, name)(layer, dense_below=0, absent_rows="frozen", **options)
    layer(ids).backward(slope)
    optimizer.step()
    before = layer.weight.detach().float().numpy()
    step = numbers_of_step(name, options, 1)
    update.update(table, new_states(step, table), ids.numpy(), slope.float().numpy(), step)
    gap = torch.finfo(dtype).eps * np.maximum(np.abs(table), torch.finfo(dtype).tiny)
    assert (np.abs(before - table) <= 1.01 * gap + 1e-6).all()


# ------------------------------------------------------------------------------------------ gradcheck

IDS = torch.tensor([[1, 3], [3, 0]])
FACTORS = torch.tensor([[0.5, 2.0], [3.0, -1.0]], dtype=torch.float64)
LAYERS = {
    "torch's Embedding": (lambda: torch.nn.Embedding(5, 3), {}),
    "Embedding": (lambda: plectrum.nn.Embedding(5, 3), {}),
    "Embedding, padded": (lambda: plectrum.nn.Embedding(5, 3, padding_idx=2), {}),
    "torch's EmbeddingBag": (lambda: torch.nn.EmbeddingBag(5, 3, mode="sum"), {}),
    "EmbeddingBag, sum": (lambda: plectrum.nn.EmbeddingBag(5, 3, mode="sum"), {}),
    "EmbeddingBag, mean": (lambda: plectrum.nn.EmbeddingBag(5, 3, mode="mean"), {}),
    "EmbeddingBag, max": (lambda: plectrum.nn.EmbeddingBag(5, 3, mode="max"), {}),
    "EmbeddingBag, weighted": (
        lambda: plectrum.nn.EmbeddingBag(5, 3, mode="sum"),
        {"per_sample_weights": FACTORS},
    ),
    "EmbeddingTables": (lambda: plectrum.nn.EmbeddingTables({"a": (5, 2), "b": (4, 3)}), {}),
}
HAVE_NO_SECOND_DERIVATIVE = {"EmbeddingBag, max"}  # nor has torch's


def through_tables(layer, options):
    """A function of plain tensors that runs the layer on them, forwards and backwards.

    torch's gradcheck takes no gradients of rows: here they are written out.
    """
    tables = list(layer.parameters())

    def run(numbers):
        with torch.no_grad():
            for table, values in zip(tables, numbers, strict=True):
                table.copy_(values)
        with torch.enable_grad():
            return layer(IDS, **options)

    class Gradient(torch.autograd.Function):
        """The backward pass, whose own backward pass goes through the graph of the gradient."""

        @staticmethod
        def forward(ctx, slope, *numbers):
            ctx.save_for_backward(slope, *numbers)
            found = torch.autograd.grad(run(numbers), tables, slope)
            return tuple(gradient.to_dense() for gradient in found)

        @staticmethod
        def backward(ctx, *slopes):
            slope, *numbers = ctx.saved_tensors
            with torch.enable_grad():
                slope = slope.detach().requires_grad_()
                found = torch.autograd.grad(run(numbers), tables, slope, create_graph=True)
                total = sum((g.to_dense() * s).sum() for g, s in zip(found, slopes, strict=True))
                (to_slope,) = torch.autograd.grad(total, [slope])
            return to_slope, *(torch.zeros_like(values) for values in numbers)  # a lookup is linear

    class Layer(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *numbers):
            ctx.save_for_backward(*numbers)
            return run(numbers).detach()

        @staticmethod
        def backward(ctx, slope):
            return Gradient.apply(slope, *ctx.saved_tensors)

    return Layer.apply, [table.detach().clone().requires_grad_() for table in tables]


@pytest.mark.parametrize("held", [True, False], ids=["adopted", "not adopted"])
@pytest.mark.parametrize("name", list(LAYERS))
def test_gradcheck_and_gradgradcheck_pass(name, held):
    torch.manual_seed(0)
    make, options = LAYERS[name]
    layer = make().double()
    optimizer = plectrum.optim.SGD(layer, lr=0.1, dense_below=0) if held else None
    function, numbers = through_tables(layer, options)
    assert torch.autograd.gradcheck(function, numbers)
    if name not in HAVE_NO_SECOND_DERIVATIVE and (held or "Bag" not in name):  # torch's pooling has none
        assert torch.autograd.gradgradcheck(function, numbers)
    del optimizer
