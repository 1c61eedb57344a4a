from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from plectrum import Vectors, evaluate, load
from plectrum.errors import ArgumentError, DataError

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def some():
    rng = np.random.default_rng(0)
    return Vectors([f"w{i}" for i in range(50)], rng.normal(size=(50, 4)))


def pairs_file(tmp_path, lines):
    path = tmp_path / "pairs"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_correlations_are_scipys(some, tmp_path):
    rng = np.random.default_rng(1)
    # of different words: the cosine of a word with itself may be off by a last bit, and no longer tied
    different = rng.permutation(list(combinations(range(50), 2)))[:200]
    pairs = [(f"w{a}", f"W{b}", int(rng.integers(5))) for a, b in different]
    path = pairs_file(tmp_path, ["# a comment", *(f"{a}\t{b}\t{rating}" for a, b, rating in pairs)])
    found = evaluate.word_pairs(some, path)
    cosines = [some.similarity(a, b.lower()) for a, b, _ in pairs]
    ratings = [rating for *_, rating in pairs]
    assert found.spearman == pytest.approx(stats.spearmanr(cosines, ratings).statistic, abs=1e-6)
    assert found.pearson == pytest.approx(stats.pearsonr(cosines, ratings).statistic, abs=1e-6)
    assert found.coverage == 1.0


def test_pairs_without_vectors_are_dropped_or_zero(some, tmp_path):
    path = pairs_file(tmp_path, ["w0 w1 5", "w2 w3 4", "w4 w5 3", "w0 never 9"])
    dropped = evaluate.word_pairs(some, path)
    assert (dropped.n_found, dropped.n_pairs, dropped.coverage) == (3, 4, 0.75)
    cosines = [some.similarity("w0", "w1"), some.similarity("w2", "w3"), some.similarity("w4", "w5"), 0.0]
    expected = stats.spearmanr(cosines, [5, 4, 3, 9]).statistic
    assert evaluate.word_pairs(some, path, missing="zero").spearman == pytest.approx(expected)
    assert "coverage 75.0%: 3 of 4 pairs" in str(dropped)


def test_headings_and_the_column_of_simlex_are_understood(some, tmp_path):
    plain = evaluate.word_pairs(some, pairs_file(tmp_path, ["w0 w1 5", "w2 w3 4", "w4 w5 3"]))
    commas = pairs_file(tmp_path, ["Word 1,Word 2,Human (mean)", "w0,w1,5", "w2,w3,4", "w4,w5,3"])
    assert evaluate.word_pairs(some, commas) == plain
    lines = ["word1\tword2\tPOS\tSimLex999\tSD", "w0\tw1\tA\t5\t1", "w2\tw3\tN\t4\t9", "w4\tw5\tV\t3\t5"]
    assert evaluate.word_pairs(some, pairs_file(tmp_path, lines)) == plain


def test_too_few_pairs_have_no_correlation(some, tmp_path):
    found = evaluate.word_pairs(some, pairs_file(tmp_path, ["w0 w1 5", "w0 never 3"]))
    assert found.spearman is None
    assert "Spearman -" in str(found)


@pytest.mark.parametrize("lines", [[""], ["w0 w1"], ["w0 w1 5", "w2 w3 x"]])
def test_files_without_pairs_are_refused(some, tmp_path, lines):
    with pytest.raises(DataError, match="two words and a rating"):
        evaluate.word_pairs(some, pairs_file(tmp_path, lines))


def test_unknown_conventions_are_refused(some, tmp_path):
    with pytest.raises(ArgumentError, match="got 'x'"):
        evaluate.word_pairs(some, pairs_file(tmp_path, ["w0 w1 5"]), missing="x")


@pytest.mark.parametrize(("name", "n"), [("wordsim353.tsv", 353), ("simlex999.txt", 999)])
def test_real_pairs_over_real_vectors(name, n):
    path = DATA / "text" / name
    if not path.exists():
        pytest.skip(f"the real data are not here: {path}")
    vectors = load(DATA / "vectors" / "glove.6B.100d.top50k.txt.xz", limit=20_000)
    found = evaluate.word_pairs(vectors, path)
    assert found.n_pairs == n
    assert found.coverage > 0.85
    assert found.spearman > (0.5 if n == 353 else 0.25)
