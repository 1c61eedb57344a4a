import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plectrum.errors import RowOutOfRangeError
from plectrum.kernels.gather import reference, torch_ops
from plectrum.rows._lookup import _bad_ids, _gather
from plectrum.rows._place import place_of


def compiled(tables, ids):
    places = [place_of(table) for table in tables]
    out = torch.empty((len(ids), sum(place.dim for place in places)), dtype=tables[0].dtype)
    return _gather(ids, places, out), out


@settings(max_examples=60, deadline=None)
@given(
    dims=st.lists(st.integers(0, 70), min_size=1, max_size=30),
    n=st.integers(0, 60),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
def test_every_implementation_gathers_as_the_reference(dims, n, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    tables = [torch.randn(5 + 7 * t, d, generator=generator, dtype=dtype) for t, d in enumerate(dims)]
    columns = [torch.randint(0, len(t), (n,), generator=generator) for t in tables]
    ids = torch.stack(columns, 1) if seed % 2 else torch.stack(columns, 0).T
    expected = reference.gather_forward([t.numpy() for t in tables], ids.numpy())
    bad, found = compiled(tables, ids)
    assert bad == -1
    np.testing.assert_array_equal(found.numpy(), expected)
    np.testing.assert_array_equal(torch_ops.gather_forward(tables, ids).numpy(), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_bytes_are_copied_whatever_they_mean(dtype):
    table = torch.randn(9, 5).to(dtype)
    ids = torch.tensor([[0], [8], [3]])
    assert torch.equal(compiled([table], ids)[1], table[ids[:, 0]])


@pytest.mark.parametrize("streamed_from", [0, 2**60])
@pytest.mark.parametrize("are_alike", [True, False])
@pytest.mark.parametrize("dim", [16, 32, 48, 64, 128])
def test_an_output_too_large_for_caches_has_the_same_bytes(dim, are_alike, streamed_from, monkeypatch):
    monkeypatch.setattr("plectrum.rows._lookup._STREAMED_FROM", streamed_from)
    tables = [torch.randn(50, dim), torch.randn(70, dim if are_alike else 2 * dim)]
    ids = torch.randint(0, 50, (3000, 2))
    bad, found = compiled(tables, ids)
    assert bad == -1
    assert torch.equal(found, torch_ops.gather_forward(tables, ids))


def test_the_gradients_of_the_parts_are_views():
    gradient = np.arange(12.0).reshape(2, 6)
    left, right = reference.gather_backward(gradient, [2, 4])
    np.testing.assert_array_equal(right, gradient[:, 2:])
    assert np.shares_memory(left, gradient)


@pytest.mark.parametrize("bad", [-1, 6, 2**40])
def test_the_table_with_a_bad_id_is_found(bad):
    ids = torch.tensor([[0, 1], [2, bad]])
    assert compiled([torch.zeros(6, 3), torch.zeros(6, 3)], ids)[0] == 1
    error = _bad_ids(ids[:, 1], 6, 1)
    assert isinstance(error, RowOutOfRangeError)
    assert (error.value, error.position) == (bad, (1, 1))
