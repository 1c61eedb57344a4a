from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from plectrum.kernels.nearest import cpu, reference
from plectrum.vectors import _compiled, _search


def best(matrix, queries, k, *, norms=None, cuts=()):
    """The kernel's answer, block after block, in the order of the definition."""
    norms = _search.row_norms(matrix) if norms is None else norms
    n_queries = len(queries)
    padded = np.zeros((-(-n_queries // cpu.TILE) * cpu.TILE, matrix.shape[1]), np.float32)
    padded[:n_queries] = queries
    bounds = np.full(len(padded), -np.inf, np.float32)
    bounds[n_queries:] = np.inf
    scores = np.full((len(padded), k), -np.inf, np.float32)
    rows = np.full((len(padded), k), -1, np.int64)
    borders = [0, *cuts, len(matrix)]
    for first, last in pairwise(borders):
        block = np.ascontiguousarray(matrix[first:last])
        cpu.nearest_rows(block, norms[first:last], first, padded, bounds, scores, rows)
    assert (rows[n_queries:] == -1).all()
    scores, rows = scores[:n_queries], rows[:n_queries]
    order = np.lexsort((rows, -scores), axis=-1)
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)


@pytest.mark.parametrize("dim", [1, 2, 7, 16, 33, 100])
@pytest.mark.parametrize("n", [1, 31, 32, 33, 500])
@pytest.mark.parametrize("n_queries", [1, 6, 7])
def test_the_kernel_agrees_with_the_definition(n, dim, n_queries):
    rng = np.random.default_rng(n + dim)
    matrix = rng.normal(size=(n, dim)).astype(np.float32)
    queries = rng.normal(size=(n_queries, dim)).astype(np.float32)
    k = min(5, n)
    rows, scores = best(matrix, queries, k)
    expected_rows, expected = reference.nearest_rows(matrix, _search.row_norms(matrix), queries, k)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    distinct = dim > 2  # in one or two dimensions directions coincide
    assert not distinct or (rows == expected_rows).all()


@given(
    matrix=hnp.arrays(np.int8, (70, 2), elements=st.integers(-2, 2)),
    queries=hnp.arrays(np.int8, (3, 2), elements=st.integers(-2, 2)),
    k=st.integers(1, 70),
    cut=st.integers(0, 70),
)
@settings(deadline=None)  # the first call compiles
def test_equal_scores_are_ordered_by_row(matrix, queries, k, cut):
    # Small whole numbers and norms of 1: all products are exact, so that ties are ties on both sides.
    ones = np.ones(len(matrix), np.float32)
    matrix, queries = matrix.astype(np.float32), queries.astype(np.float32)
    rows, scores = best(matrix, queries, k, norms=ones, cuts=[cut])
    expected_rows, expected = reference.nearest_rows(matrix, ones, queries, k)
    assert (scores == expected).all()
    assert (rows == expected_rows).all()


def test_rows_that_are_not_finite_score_zero():
    matrix = np.array([[1, 0], [np.nan, 1], [np.inf, 0], [-1, 0], [3e38, 3e38]], np.float32)
    norms = _search.row_norms(matrix)
    assert np.isinf(norms[4])
    rows, scores = best(matrix, np.array([[1, 0]], np.float32), 5, norms=norms)
    assert rows.tolist() == [[0, 1, 2, 4, 3]]
    assert scores.tolist() == [[1, 0, 0, 0, -1]]


def test_a_query_that_is_no_number_finds_nothing():
    rows, _ = best(np.eye(3, dtype=np.float32), np.full((1, 3), np.nan, np.float32), 2)
    assert rows.tolist() == [[-1, -1]]


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
def test_a_large_search_finds_what_small_ones_find(dtype, monkeypatch):
    rng = np.random.default_rng(0)
    matrix = (rng.normal(size=(20_000, 24)) * 20).astype(dtype)
    matrix[777] = matrix[5]
    norms, queries = _search.row_norms(matrix), matrix[:600].astype(np.float32)
    excluded = np.arange(600)[:, None]
    small = _search.nearest_rows(matrix, norms, queries, 7, excluded=excluded)
    monkeypatch.setattr(_compiled, "_WORTH", 0.0)
    monkeypatch.setattr(_compiled, "_QUERY_NUMBERS_AT_ONCE", 24 * 256)  # several passes
    large = _search.nearest_rows(matrix, norms, queries, 7, excluded=excluded)
    np.testing.assert_allclose(large[1], small[1], rtol=1e-5, atol=1e-6)
    assert large[0][5, 0] == 777
    assert (large[0] == small[0]).mean() > 0.999  # a difference in the last digit may turn a near tie


def test_more_is_asked_for_than_there_is(monkeypatch):
    monkeypatch.setattr(_compiled, "_WORTH", 0.0)
    matrix = np.eye(6, dtype=np.float32)
    ones = np.ones(6, np.float32)
    rows, scores = _search.nearest_rows(matrix, ones, matrix, 10, excluded=np.arange(6)[:, None])
    assert rows.shape == scores.shape == (6, 6)
    assert (rows[:, -1] == -1).all()
    assert rows[0, :5].tolist() == [1, 2, 3, 4, 5]
