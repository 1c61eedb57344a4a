import numpy as np
import pytest

from plectrum import Vectors, load
from plectrum.errors import ArgumentError, ArgumentTypeError, UnknownKeyError


@pytest.fixture
def some():
    rng = np.random.default_rng(0)
    keys = [f"{'ab'[i % 2]}{i}" for i in range(300)]
    matrix = rng.normal(size=(300, 12)).astype(np.float32)
    return Vectors(keys, matrix, np.arange(300, 0, -1), unknown=matrix[0] * 2, missing=matrix[1] * 2)


def rotation(dim, seed=3):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]


def test_subset_by_key_count_prefix_and_limit(some):
    part = some.subset(["b1", "a0", "absent", "b7"])
    assert part.keys == ["a0", "b1", "b7"]
    np.testing.assert_array_equal(part.matrix, some.matrix[[0, 1, 7]])
    assert part.counts.tolist() == [300, 299, 293]
    np.testing.assert_array_equal(part.unknown, some.unknown)
    assert len(some.subset(min_count=200)) == 101
    assert some.subset(prefix="b", limit=2).keys == ["b1", "b3"]
    assert some[5:8].keys == ["b5", "a6", "b7"]
    with pytest.raises(ArgumentError, match="needs counts"):
        Vectors(["a"], np.eye(1)).subset(min_count=1)


def test_align_undoes_a_rotation(some):
    turned = Vectors(some.keys, some.matrix @ rotation(12), unknown=some.unknown @ rotation(12))
    back = turned.align(some)
    np.testing.assert_allclose(back.matrix, some.matrix, atol=1e-4)
    np.testing.assert_allclose(back.unknown, some.unknown, atol=1e-4)
    assert back.metadata["align"]["cosine"] == pytest.approx(1.0)
    assert back.metadata["align"]["n_pairs"] == 300


def test_align_needs_only_some_pairs_and_keeps_all_keys(some):
    other = Vectors([k.upper() for k in some.keys[:50]], some.matrix[:50] @ rotation(12))
    back = some.align(other, pairs=[(k, k.upper()) for k in some.keys[:40]])
    assert len(back) == 300
    np.testing.assert_allclose(back.matrix[40:50], other.matrix[40:50], atol=1e-4)
    np.testing.assert_allclose(back.matrix @ back.matrix.T, some.matrix @ some.matrix.T, atol=1e-4)


def test_align_refuses_what_cannot_meet(some):
    with pytest.raises(ArgumentError, match="12 dimensions; got 3"):
        some.align(Vectors(["a0"], np.ones((1, 3))))
    with pytest.raises(ArgumentError, match="keys that both sets have"):
        some.align(Vectors(["zzz"], np.ones((1, 12))))


def test_concatenation_joins_the_keys_of_both(some):
    other = Vectors(["b1", "zzz", "a0"], [[3.0], [1.0], [-2.0]])
    joined = some.concatenate(other)
    assert joined.keys == ["a0", "b1"]
    assert joined.embedding_dim == 13
    np.testing.assert_allclose(np.linalg.norm(joined.matrix, axis=1), np.sqrt(2), rtol=1e-6)
    plain = some.concatenate(other, unit=False)
    np.testing.assert_array_equal(plain.matrix[1], [*some.matrix[1], 3.0])


@pytest.mark.parametrize(("dtype", "least"), [("float16", 0.98), ("int8", 0.9)])
def test_quantised_vectors_answer_almost_alike_and_say_so(some, dtype, least, tmp_path):
    small = some.quantize(dtype)
    assert small.dtype == np.dtype(dtype)
    assert small.metadata["quantized"]["recall"] >= least
    exact = [{k for k, _ in answer} for answer in some.nearest(some.keys, k=10)]
    found = [{k for k, _ in answer} for answer in small.nearest(small.keys, k=10)]
    recall = np.mean([len(a & b) / 10 for a, b in zip(exact, found, strict=True)])
    assert recall == pytest.approx(small.metadata["quantized"]["recall"])
    np.testing.assert_allclose(small["a10"], some["a10"], atol=np.abs(some["a10"]).max() / 200)
    small.save(tmp_path / "w.safetensors")
    back = load(tmp_path / "w.safetensors")
    assert back.dtype == small.dtype
    np.testing.assert_array_equal(back["a10"], small["a10"])
    np.testing.assert_array_equal(back.matrix, small.matrix)
    assert back.similarity("a10", "b11") == small.similarity("a10", "b11")


def test_every_method_works_on_int8_rows(some):
    small = some.quantize("int8", n_questions=0)
    assert "recall" not in small.metadata["quantized"]
    np.testing.assert_allclose(small.lookup(["a0", "never", None])[1:], [some.unknown, some.missing])
    np.testing.assert_allclose(small.project(), some.project(), atol=0.1)
    assert small.trim(3).embedding_dim == 3
    assert small.subset(prefix="a").dtype == np.int8
    assert small[:3].units().shape == (3, 12)
    assert small.align(some).metadata["align"]["cosine"] > 0.99
    assert small.rank("a0", "a0") == 0


def test_quantising_refuses_what_would_be_lost():
    with pytest.raises(ArgumentError, match="1 numbers do not"):
        Vectors(["a"], [[1e6, 1.0]]).quantize("float16")
    with pytest.raises(ArgumentError, match="finite"):
        Vectors(["a"], [[np.inf, 1.0]]).quantize("int8")
    with pytest.raises(ArgumentError, match="got 'int4'"):
        Vectors(["a"], [[1.0]]).quantize("int4")


def test_three_cos_mul_is_its_formula(some):
    units = some.units().astype(np.float64)
    c = (1 + units @ units[[0, 1, 2]].T) / 2
    expected = c[:, 0] * c[:, 1] / (c[:, 2] + 0.001)
    expected[[0, 1, 2]] = -np.inf
    answer = some.analogy(["a0", "b1"], ["a2"], k=3, method="3cosmul")
    assert [key for key, _ in answer] == [some.keys[row] for row in np.argsort(-expected)[:3]]
    np.testing.assert_allclose([score for _, score in answer], np.sort(expected)[::-1][:3], rtol=1e-5)
    with pytest.raises(ArgumentError, match="got 'x'"):
        some.analogy(["a0"], method="x")


def test_rank_agrees_with_the_order_of_neighbours(some):
    neighbours = [key for key, _ in some.nearest("a0", k=299)]
    assert some.rank("a0", neighbours[0]) == 1
    assert some.rank("a0", neighbours[57]) == 58
    with pytest.raises(UnknownKeyError):
        some.rank("a0", "absent")


def test_the_odd_one_out_is_least_like_the_mean(some):
    w = Vectors(["x", "y", "z"], [[1.0, 0.2], [5.0, 0.0], [0.0, 3.0]])
    assert w.doesnt_match(["x", "y", "z"]) == "z"
    with pytest.raises(ArgumentTypeError, match="lists of keys"):
        w.doesnt_match("xyz")


def test_mean_is_of_unit_vectors_and_may_be_weighted(some):
    expected = (some.units([0])[0] * 3 + some.units([1])[0]) / 4
    np.testing.assert_allclose(some.mean(["a0", "b1"], [3, 1]), expected, rtol=1e-5)
    np.testing.assert_allclose(some.mean([some["a0"], "b1"]), some.units([0, 1]).mean(axis=0), rtol=1e-5)
    with pytest.raises(ArgumentError, match="add up to 0"):
        some.mean(["a0", "b1"], [1, -1])
    with pytest.raises(ArgumentError, match="at least one"):
        some.mean([])


def test_coverage_says_what_is_not_found(some):
    found = some.coverage(["a0", "b1", "zzz", "a0"])
    assert (found.n_found, found.n_wanted, found.not_found) == (2, 3, ["zzz"])
    assert str(found) == "2 of 3 found (66.7%); not found: 'zzz'"
    assert str(some.coverage(some.keys)) == "300 of 300 found (100.0%)"
