import sys

import numpy as np
import pytest

from plectrum.kernels._pages import use_large_pages


def test_little_memory_is_left_alone():
    small = np.ones(1000)
    assert not use_large_pages(small.ctypes.data, small.nbytes)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a request to Linux")
def test_large_memory_keeps_its_contents():
    numbers = np.arange(5_000_003, dtype=np.float64)
    assert use_large_pages(numbers.ctypes.data, numbers.nbytes) in {True, False}
    assert (np.diff(numbers) == 1).all()
