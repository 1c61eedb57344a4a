import numpy as np
import pytest

from plectrum.kernels.cooccurrence import cpu, reference
from plectrum.text import _cooccurrence
from plectrum.text._cooccurrence import count_cooccurrences, shuffled


def some_tokens(n, n_rows, seed=0):
    random = np.random.default_rng(seed)
    tokens = np.minimum(random.geometric(3 / n_rows, n) - 1, n_rows - 1).astype(np.int32)
    tokens[random.random(n) < 0.02] = -1
    return tokens


def as_dict(pairs, n_rows):
    keys = [(key // n_rows, key % n_rows) for key in pairs.keys.tolist()]
    return dict(zip(keys, pairs.counts.tolist(), strict=True))


@pytest.mark.parametrize("memory", [1, 1 << 12, 1 << 16, 1 << 24])
@pytest.mark.parametrize("most_dense", [0, 7, 4096])
def test_pairs_are_counted_as_defined_whatever_the_memory(memory, most_dense, monkeypatch):
    monkeypatch.setattr(_cooccurrence, "_MOST_DENSE", most_dense)
    tokens, n_rows = some_tokens(3000, 50), 50
    found = count_cooccurrences(tokens, n_rows, window=6, memory=memory)
    expected = reference.count_pairs(tokens, 6)
    assert (np.diff(found.keys) > 0).all()
    assert as_dict(found, n_rows) == pytest.approx(expected, rel=1e-5)
    assert isinstance(found.keys, np.memmap) == (memory <= 1 << 12)


def test_a_text_without_pairs_has_none():
    for tokens in ([], [-1], [3], [1, -1, 2]):
        assert len(count_cooccurrences(np.array(tokens, np.int32), 4, window=3, memory=1 << 16).keys) == 0


def test_shuffling_gives_every_entry_once_and_in_another_order():
    pairs = _cooccurrence.Pairs(np.arange(1000), np.arange(1000, dtype=np.float32))
    for at_once in (7, 100, 5000):
        parts = list(shuffled(pairs, at_once, np.random.default_rng(0)))
        keys = np.concatenate([part.keys for part in parts])
        np.testing.assert_array_equal(np.sort(keys), pairs.keys)
        np.testing.assert_array_equal(keys, np.concatenate([part.counts for part in parts]))
        assert np.corrcoef(keys, np.arange(1000))[0, 1] < 0.5


def test_glove_equals_its_definition():
    n_rows, dim = 12, 9
    random = np.random.default_rng(1)
    keys = np.unique(np.sort(random.integers(0, n_rows, (40, 2)), axis=1) @ [n_rows, 1])
    counts = random.gamma(1.0, 8.0, len(keys)).astype(np.float32) + np.float32(0.1)
    w, c = (random.normal(size=(n_rows, dim)).astype(np.float32) * 0.3 for _ in range(2))
    bias = random.normal(size=(n_rows, 2)).astype(np.float32) * 0.1
    tables = [w.astype(float), c.astype(float), bias[:, 0].astype(float), bias[:, 1].astype(float)]
    squares = [np.ones_like(table) for table in tables]
    ones = [np.ones_like(table) for table in (w, c, bias)]
    loss = expected = 0.0
    for _ in range(3):
        loss += cpu.glove(keys, counts, n_rows, w, c, bias, *ones, np.float32(0.05), 10.0, 0.75)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            low, high = divmod(key, n_rows)
            for i, j in {(low, high): 0, (high, low): 0}:
                expected += reference.adagrad_step(
                    tables, squares, i, j, count, rate=0.05, x_max=10.0, alpha=0.75
                )
    np.testing.assert_allclose(w, tables[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(c, tables[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bias, np.stack(tables[2:], axis=1), rtol=1e-4, atol=1e-5)
    assert loss == pytest.approx(expected, rel=1e-4)
