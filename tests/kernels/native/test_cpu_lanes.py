import numba
import numpy as np
import pytest
import torch

from plectrum.kernels.native._cpu_lanes import POINTERS, load, root, spread, store, store_at_random, total

LIKE = {"float32": np.float32, "float64": np.float64, "float16": np.int16, "bfloat16": np.uint16}


def like(dtype):
    return np.empty(1, LIKE[dtype])


@numba.njit
def compute(a_at, b_at, out_at, n, like, numbers):
    a, b = load(a_at, n, like), load(b_at, n, like)
    found = (a * b + a - b) / (spread(numbers[0]) + root(a * a))
    store(out_at, n, like, found)
    return total(found)


@numba.njit
def narrow_at_random(wide_at, out_at, n, wide, like, key):
    for k in range(0, n, 16):
        m = min(16, n - k)
        numbers = load(wide_at + k * wide.itemsize, m, wide)
        store_at_random(out_at + k * like.itemsize, m, like, numbers, key + k)


@pytest.mark.parametrize("dtype", list(POINTERS))
@pytest.mark.parametrize("n", [1, 5, 15, 16])
def test_lanes_compute_as_torch_and_touch_nothing_behind(dtype, n):
    kind = getattr(torch, dtype)
    generator = torch.Generator().manual_seed(n)
    a, b = (torch.randn(n, generator=generator).to(kind) for _ in range(2))
    out = torch.full((n + 20,), 7.0, dtype=kind)
    wide = torch.float64 if kind == torch.float64 else torch.float32
    one = np.ones(1, np.float64 if kind == torch.float64 else np.float32)
    summed = compute(a.data_ptr(), b.data_ptr(), out.data_ptr(), n, like(dtype), one)
    x, y = a.to(wide), b.to(wide)
    expected = (x * y + x - y) / (1 + x.abs())
    assert (out[n:] == 7).all()
    unit = torch.finfo(kind).eps
    np.testing.assert_allclose(out[:n].to(wide), expected, rtol=unit, atol=unit)
    np.testing.assert_allclose(summed, expected.sum(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("size", [1.0, 1e-3, 3e-6, 1e-7])
def test_chance_rounds_to_a_neighbour_and_keeps_the_mean(dtype, size):
    kind = getattr(torch, dtype)
    wide = torch.full((200_003,), 1.2345 * size)
    wide[:3] = torch.tensor([float("nan"), float("inf"), float("-inf")])
    out = torch.empty(len(wide), dtype=kind)
    narrow_at_random(wide.data_ptr(), out.data_ptr(), len(wide), np.empty(1, np.float32), like(dtype), 7)
    assert out[0].isnan()
    assert out[1:3].tolist() == [float("inf"), float("-inf")]
    drawn = out[3:]
    below = drawn.unique()
    assert len(below) == 2
    assert torch.nextafter(below[0], torch.tensor(float("inf"), dtype=kind)) == below[1]
    gap = float(below[1]) - float(below[0])
    assert abs(float(drawn.double().mean()) - 1.2345 * size) < 4 * gap / 2 / len(drawn) ** 0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chance_leaves_wide_numbers_as_they_are(dtype):
    wide = torch.randn(37, dtype=getattr(torch, dtype))
    out = torch.empty_like(wide)
    narrow_at_random(wide.data_ptr(), out.data_ptr(), 37, like(dtype), like(dtype), 3)
    assert torch.equal(out, wide)
