import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plectrum.errors import RowOutOfRangeError
from plectrum.kernels.pool import reference, torch_ops
from plectrum.rows._bags import Bags, _gradient, _pool


def make_bags(rng, n_bags, n_rows, dim, dtype, *, weighted=False, padding=-1, longest=9):
    bounds = np.concatenate([[0], np.cumsum(rng.integers(0, longest + 1, n_bags))]).astype(np.int64)
    ids = rng.integers(0, n_rows, bounds[-1])
    scale = rng.normal(size=len(ids)).astype(dtype) if weighted else None
    return rng.normal(size=(n_rows, dim)).astype(dtype), ids, bounds, scale, padding


def compiled(table, ids, bounds, scale, padding, mode):
    tensors = (torch.from_numpy(ids), torch.from_numpy(bounds))
    weights = None if scale is None else torch.from_numpy(scale)
    return Bags(*tensors, weights, mode, padding), torch.from_numpy(table)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("padding", [-1, 2])
@pytest.mark.parametrize(("n_bags", "dim"), [(0, 3), (1, 1), (30, 7), (200, 64)])
def test_every_implementation_pools_as_the_reference(dtype, mode, weighted, padding, n_bags, dim):
    if weighted and mode == "max":
        pytest.skip("torch weights no maximum")
    rng = np.random.default_rng(0)
    table, ids, bounds, scale, padding = make_bags(
        rng, n_bags, 40, dim, dtype, weighted=weighted, padding=padding
    )
    expected = reference.pool_forward(table, ids, bounds, scale=scale, mode=mode, padding=padding)
    bags, tensor = compiled(table, ids, bounds, scale, padding, mode)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(_pool(tensor, bags).numpy(), expected, atol=tolerance)
    found = torch_ops.pool_forward(
        tensor, bags.ids, bags.bounds, scale=bags.scale, mode=mode, padding=padding
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dim", [1, 7, 64, 100])
def test_tables_of_sixteen_bits_are_pooled_in_single_precision_and_rounded_once(dtype, mode, weighted, dim):
    rng = np.random.default_rng(0)
    table, ids, bounds, scale, padding = make_bags(rng, 60, 40, dim, np.float32, weighted=weighted)
    narrow = torch.from_numpy(table).to(dtype)
    weights = None if scale is None else torch.from_numpy(scale).to(dtype)
    factors = None if weights is None else weights.float().numpy()
    expected = reference.pool_forward(
        narrow.float().numpy(), ids, bounds, scale=factors, mode=mode, padding=padding
    )
    found = _pool(narrow, Bags(torch.from_numpy(ids), torch.from_numpy(bounds), weights, mode, padding))
    assert found.dtype == dtype
    unit = torch.finfo(dtype).eps  # rounded once: within half a unit in the last place, and some
    np.testing.assert_allclose(found.float().numpy(), expected, rtol=0.51 * unit, atol=1e-5)


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("padding", [-1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_bags_is_the_references(mode, padding, weighted):
    if weighted and mode == "mean":
        pytest.skip("torch weights only sums")
    rng = np.random.default_rng(1)
    table, ids, bounds, scale, padding = make_bags(
        rng, 25, 30, 5, np.float64, weighted=weighted, padding=padding
    )
    slope = rng.normal(size=(25, 5))
    rows, values = reference.pool_backward(slope, ids, bounds, scale=scale, mode=mode, padding=padding)
    bags, _ = compiled(table, ids, bounds, scale, padding, mode)
    found = _gradient(bags, torch.from_numpy(slope))
    np.testing.assert_array_equal(found.ids.numpy(), rows)
    np.testing.assert_allclose(found.written_out().numpy(), values, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(n_bags=st.integers(0, 20), n_rows=st.integers(1, 30), dim=st.integers(1, 40), seed=st.integers(0, 99))
def test_bags_of_any_shape_follow_the_reference(n_bags, n_rows, dim, seed):
    rng = np.random.default_rng(seed)
    table, ids, bounds, scale, _ = make_bags(rng, n_bags, n_rows, dim, np.float64, weighted=seed % 2 == 0)
    mode = "mean" if seed % 3 == 0 and scale is None else "sum"
    bags, tensor = compiled(table, ids, bounds, scale, -1, mode)
    expected = reference.pool_forward(table, ids, bounds, scale=scale, mode=mode)
    np.testing.assert_allclose(_pool(tensor, bags).numpy(), expected, atol=1e-12)


def test_a_bad_id_in_a_bag_is_named():
    bags = Bags(torch.tensor([1, 9, 2]), torch.tensor([0, 3]), None, "sum", -1)
    with pytest.raises(RowOutOfRangeError, match="got 9 at position 1"):
        _pool(torch.zeros(5, 2), bags)


def test_any_number_of_threads_pools_the_same_bits():
    rng = np.random.default_rng(0)
    table, ids, bounds, scale, _ = make_bags(rng, 3000, 500, 33, np.float32)
    bags, tensor = compiled(table, ids, bounds, scale, -1, "sum")
    before, found = torch.get_num_threads(), []
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            found.append(_pool(tensor, bags))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
