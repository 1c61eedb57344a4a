import sys

import numpy as np
import pytest

from plectrum import Vectors
from plectrum.errors import OptionalDependencyError


@pytest.fixture
def some():
    rng = np.random.default_rng(0)
    return Vectors([f"k{i}" for i in range(500)], rng.normal(size=(500, 8)).astype(np.float32))


def test_without_the_library_the_error_names_it(some, monkeypatch):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(OptionalDependencyError, match="pip install usearch"):
        some.approximate()


def test_most_of_the_nearest_are_found(some):
    pytest.importorskip("usearch", reason="usearch is not installed")
    index = some.approximate()
    assert index.recall(k=10, n_questions=200) > 0.9
    exact = some.nearest("k3", k=1)[0]
    found = index.nearest("k3", k=1)[0]
    assert found[0] == exact[0]
    assert found[1] == pytest.approx(exact[1], abs=1e-5)
    assert [a[0][0] for a in index.nearest(["k3", "k4"], k=1)] == [
        some.nearest(k, k=1)[0][0] for k in ("k3", "k4")
    ]
