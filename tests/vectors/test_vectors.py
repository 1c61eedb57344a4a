import datetime as dt
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from plectrum import Vectors, load
from plectrum.errors import ArgumentError, ArgumentTypeError, OptionalDependencyError, UnknownKeyError


@pytest.fixture
def some():
    rng = np.random.default_rng(0)
    keys = [f"key{i}" for i in range(200)]
    return Vectors(keys, rng.normal(size=(200, 16)).astype(np.float32), np.arange(200, 0, -1))


def cosines(matrix, query):
    matrix, query = matrix.astype(np.float64), query.astype(np.float64)
    return matrix @ query / (np.linalg.norm(matrix, axis=1) * np.linalg.norm(query))


def test_a_lookup_is_a_view_of_the_row(some):
    assert np.shares_memory(some["key7"], some.matrix)
    np.testing.assert_array_equal(some["key7"], some.matrix[7])
    assert len(some) == 200
    assert some.embedding_dim == 16


def test_the_matrix_is_not_copied():
    matrix = np.ones((2, 3))
    assert Vectors(["a", "b"], matrix).matrix is matrix


def test_keys_are_equal_as_in_a_vocabulary():
    w = Vectors([1, "1", True, dt.date(2013, 1, 1), 2.5], np.eye(5))
    assert w[1.0].argmax() == w[np.int8(1)].argmax() == 0
    assert w["1"].argmax() == 1
    assert w[True].argmax() == w[np.bool_(True)].argmax() == 2
    assert w[dt.datetime(2013, 1, 1)].argmax() == 3
    assert 2.5 in w
    assert False not in w
    assert None not in w
    assert [] not in w
    assert w.keys == [1, "1", True, dt.date(2013, 1, 1), 2.5]


@pytest.mark.parametrize(
    "ask",
    [
        lambda w: w["key7x"],
        lambda w: w.nearest("key7x"),
        lambda w: w.nearest(["key1", "key7x"]),
        lambda w: w.similarity("key1", "key7x"),
        lambda w: w.analogy(["key7x"], ["key1"]),
        lambda w: w.lookup(["key1", "key7x"]),
        lambda w: w.row("key7x"),
    ],
)
def test_an_unknown_key_is_named_with_its_nearest_keys(some, ask):
    with pytest.raises(UnknownKeyError, match=r"no key 'key7x'.*Did you mean 'key7") as caught:
        ask(some)
    assert "key7" in caught.value.nearest


def test_nearest_agrees_with_sorting_all_cosines(some):
    scores = cosines(some.matrix, some["key3"])
    expected = [row for row in np.argsort(-scores) if row != 3][:10]
    answer = some.nearest("key3")
    assert [key for key, _ in answer] == [f"key{row}" for row in expected]
    np.testing.assert_allclose([score for _, score in answer], scores[expected], rtol=1e-5)
    assert all(type(score) is float for _, score in answer)


def test_nearest_of_a_vector_leaves_nothing_out(some):
    assert some.nearest(some["key3"], k=1)[0][0] == "key3"
    assert some.nearest([float(x) for x in some["key3"]], k=1)[0][0] == "key3"


def test_many_questions_are_answered_as_one_by_one(some):
    asked = ["key3", "key150", "key0"]
    for answer, key in zip(some.nearest(asked, k=5), asked, strict=True):
        alone = some.nearest(key, k=5)
        assert [k for k, _ in answer] == [k for k, _ in alone]
        np.testing.assert_allclose([s for _, s in answer], [s for _, s in alone], rtol=1e-5)
    by_vector = some.nearest(some.matrix[:3], k=2)
    assert [answer[0][0] for answer in by_vector] == ["key0", "key1", "key2"]


def test_nearest_gives_fewer_when_there_are_fewer():
    w = Vectors(["a", "b"], np.eye(2))
    assert w.nearest("a", k=10) == [("b", 0.0)]
    assert Vectors(["a"], np.eye(1)).nearest("a") == []


@given(
    matrix=hnp.arrays(np.float32, (40, 3), elements=st.floats(-2, 2, width=16)),
    k=st.integers(1, 45),
    row=st.integers(0, 39),
)
def test_ties_and_zeros_are_ordered_by_row(matrix, k, row):
    from plectrum.vectors import _search

    rows, scores = _search.nearest_rows(matrix, _search.row_norms(matrix), matrix[row : row + 1], k)
    units = _search.unit_rows(matrix)
    all_scores = (units[row : row + 1] @ matrix.T)[0] / _search.row_norms(matrix)
    np.testing.assert_allclose(scores[0], np.sort(all_scores)[::-1][:k], atol=1e-6)
    assert len(set(rows[0].tolist())) == min(k, 40)
    tied = np.diff(scores[0]) == 0
    assert (np.diff(rows[0])[tied] > 0).all()


def test_search_over_many_blocks_agrees_with_sorting():
    from plectrum.vectors import _search

    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(50_000, 8)).astype(np.float32)
    matrix[40_000] = matrix[10]
    rows, scores = _search.nearest_rows(matrix, _search.row_norms(matrix), matrix[:300], 5)
    assert (rows[:, 0] == np.arange(300)).all()
    assert rows[10, 1] == 40_000
    expected = np.sort(cosines(matrix, matrix[10]))[::-1][:5]
    np.testing.assert_allclose(scores[10], expected, rtol=1e-5)


def test_rows_that_are_not_finite_are_near_to_nothing():
    matrix = np.array([[1.0, 0.0], [np.nan, 1.0], [np.inf, 0.0], [1.0, 1.0], [-1.0, 0.0]], np.float32)
    w = Vectors(["a", "nan", "inf", "b", "c"], matrix)
    answer = w.nearest("a", k=4)
    assert [key for key, _ in answer] == ["b", "nan", "inf", "c"]
    assert [score for _, score in answer[1:3]] == [0.0, 0.0]
    many = w.nearest(["a"] * 20, k=4)
    assert all(found == many[0] for found in many)
    assert [key for key, _ in many[0]] == ["b", "nan", "inf", "c"]


def test_wrong_questions_are_refused(some):
    with pytest.raises(ArgumentError, match=r"shape \(16,\); got \(3,\)"):
        some.nearest(np.ones(3))
    with pytest.raises(ArgumentError, match="`k` must be at least 1; got 0"):
        some.nearest("key1", k=0)
    with pytest.raises(ArgumentTypeError, match="lists of keys"):
        some.analogy("key1", ["key2"])
    with pytest.raises(ArgumentError, match="at least one"):
        some.analogy([])


def test_analogy_leaves_its_questions_out():
    w = Vectors(["man", "king", "woman", "queen"], [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1]])
    answer = w.analogy(positive=["king", "woman"], negative=["man"], k=4)
    assert [key for key, _ in answer] == ["queen"]
    assert w.analogy(positive=[w["king"], "woman"], negative=["man"])[0][0] == "queen"


def test_similarity_is_the_cosine(some):
    assert some.similarity("key1", "key2") == pytest.approx(cosines(some.matrix, some["key2"])[1])
    assert Vectors(["a", "b"], [[0.0, 0.0], [1.0, 0.0]]).similarity("a", "b") == 0.0


def test_unknown_and_missing_have_vectors_and_are_no_keys():
    w = Vectors(["a"], [[1.0, 2.0]], unknown=[3.0, 3.0], missing=[4.0, 4.0])
    found = w.lookup(["a", "never", None, float("nan")])
    np.testing.assert_array_equal(found, [[1, 2], [3, 3], [4, 4], [4, 4]])
    assert len(w) == 1
    with pytest.raises(UnknownKeyError):
        w["never"]


def test_projection_is_pca_with_fixed_signs(some):
    plane = some.project()
    centred = some.matrix - some.matrix.mean(axis=0)
    expected = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
    np.testing.assert_allclose(np.abs(plane), np.abs(expected.U[:, :2] * expected.S[:2]), atol=1e-4)
    np.testing.assert_array_equal(plane, some.project())
    flipped = Vectors(some.keys, some.matrix[::-1]).project()
    np.testing.assert_allclose(flipped[::-1], plane, atol=1e-4)
    assert Vectors(["a"], np.ones((1, 1))).project().shape == (1, 2)
    assert Vectors([], np.ones((0, 3))).project().shape == (0, 2)


def test_trim_is_the_best_weighted_lower_rank(some):
    small = some.trim(4)
    assert small.embedding_dim == 4
    weights = np.sqrt(some.counts)[:, None]
    s = np.linalg.svd(some.matrix.astype(np.float64) * weights, compute_uv=False)
    kept = (small.matrix.astype(np.float64) ** 2 * weights**2).sum()
    assert kept == pytest.approx((s[:4] ** 2).sum(), rel=1e-5)
    assert small.metadata["trim"]["energy"] == pytest.approx((s[:4] ** 2).sum() / (s**2).sum())


def test_trim_to_all_dimensions_keeps_every_cosine(some):
    same = some.trim(16)
    np.testing.assert_allclose(same.matrix @ same.matrix.T, some.matrix @ some.matrix.T, atol=1e-4)
    assert some.trim(energy=1.0).embedding_dim == 16


def test_trim_takes_the_smallest_dimension_of_enough_energy():
    w = Vectors(["a", "b", "c"], np.diag([10.0, 3.0, 0.1]), unknown=[1.0, 0.0, 0.0])
    assert w.trim(energy=0.9).embedding_dim == 1
    assert w.trim(energy=0.95).embedding_dim == 2
    np.testing.assert_allclose(np.abs(w.trim(1).unknown), [1.0])


@pytest.mark.parametrize(
    "arguments", [{}, {"embedding_dim": 2, "energy": 0.5}, {"embedding_dim": 99}, {"energy": 0.0}]
)
def test_trim_refuses_what_it_cannot_do(some, arguments):
    with pytest.raises(ArgumentError, match="trim"):
        some.trim(**arguments)


def test_wrong_tables_are_refused():
    with pytest.raises(ArgumentError, match="distinct; got 'a' at positions 0 and 2"):
        Vectors(["a", "b", "a"], np.eye(3))
    with pytest.raises(ArgumentError, match="missing"):
        Vectors([1, None], np.eye(2))
    with pytest.raises(ArgumentError, match=r"\(2, embedding_dim\)"):
        Vectors(["a", "b"], np.eye(3))
    with pytest.raises(ArgumentTypeError, match="floats"):
        Vectors(["a"], np.array([["x"]]))
    with pytest.raises(ArgumentError, match="`unknown`"):
        Vectors(["a"], np.eye(1), unknown=[1.0, 2.0])


def test_saving_and_loading_brings_everything_back(tmp_path, some):
    w = Vectors(
        some.keys, some.matrix, some.counts, unknown=some["key1"], missing=some["key2"], metadata={"a": 1}
    )
    for name in ("w.safetensors", "w.parquet"):
        w.save(tmp_path / name)
        back = load(tmp_path / name)
        assert list(back.keys) == list(w.keys)
        np.testing.assert_array_equal(back.matrix, w.matrix)
        np.testing.assert_array_equal(back.counts, w.counts)
        np.testing.assert_array_equal(back.unknown, w.unknown)
        np.testing.assert_array_equal(back.missing, w.missing)
        assert back.metadata["a"] == 1


def test_loading_a_subset_says_coverage(tmp_path, some):
    some.save(tmp_path / "w.safetensors")
    part = load(tmp_path / "w.safetensors", keys=["key1", "key5", "absent"])
    assert list(part.keys) == ["key1", "key5"]
    assert part.metadata["coverage"] == {"n_found": 2, "n_wanted": 3}
    assert len(load(tmp_path / "w.safetensors", limit=10)) == 10


def test_a_file_that_is_not_there_is_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.vec"):
        load(tmp_path / "absent.vec")


def two_groups(n=60):
    """Vectors in two cones that are far from each other, and which cone each is in."""
    rng = np.random.default_rng(0)
    group = np.arange(n) % 2
    centres = rng.normal(size=(2, 8)) * 3
    return Vectors(range(n), centres[group] + rng.normal(size=(n, 8)) * 0.3), group


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_map_that_bends_keeps_neighbours_together_and_is_repeatable(method):
    if method == "umap":
        pytest.importorskip("umap", reason="umap-learn is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the other libraries
        vectors, group = two_groups()
        plane = vectors.project(method, random_state=0)
        again = vectors.project(method, random_state=0)
    assert plane.shape == (60, 2)
    assert plane.dtype == np.float64
    np.testing.assert_array_equal(plane, again)
    apart = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (group[apart.argmin(axis=1)] == group).mean() > 0.95


@pytest.mark.parametrize("n", [4, 7, 12])
@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_a_map_that_bends_is_made_of_few_vectors_and_refused_for_fewer(method, n):
    if method == "umap":
        pytest.importorskip("umap", reason="umap-learn is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(two_groups(n)[0].project(method)).all()
        assert Vectors(range(5), np.ones((5, 1))).project(method).shape == (5, 2)
    with pytest.raises(ArgumentError, match='must be "pca" for fewer than 4'):
        two_groups(3)[0].project(method)


def test_umap_without_its_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(OptionalDependencyError, match="pip install umap-learn"):
        two_groups()[0].project("umap")


def test_an_unknown_projection_names_the_known():
    with pytest.raises(ArgumentError, match="'pca', 'tsne', 'umap'; got 'lda'"):
        two_groups()[0].project("lda")
