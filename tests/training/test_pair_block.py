import numpy as np
import pytest

from plectrum import FastText, Word2Vec
from plectrum.errors import ArgumentError
from plectrum.training._pair_block import busiest_row, safe_block
from plectrum.training._pair_plan import PairPlan
from plectrum.training._pair_tables import PairTables


def tables(n_keys):
    return PairTables.begin(n_keys, 4, np.random.default_rng(0))


def words(n_keys, n=40_000):
    random = np.random.default_rng(0)
    chances = 1 / np.arange(1, n_keys + 1)
    names = np.array([f"w{i}or" for i in range(n_keys)], object)
    drawn = random.choice(n_keys, (n // 20, 20), p=chances / chances.sum())
    return [names[row].tolist() for row in drawn]


def test_a_large_vocabulary_gets_whole_blocks_and_all_threads():
    counts = np.full(50_000, 20.0)
    assert safe_block(tables(50_000), counts, PairPlan(), 8) == (16, 8)
    assert safe_block(tables(50_000), counts, PairPlan(architecture="cbow"), 8) == (8, 8)


def test_few_words_get_small_blocks_and_fewer_threads():
    block, n_threads = safe_block(tables(6), np.full(6, 1000.0), PairPlan(learning_rate=0.1), 8)
    assert (block, n_threads) == (1, 3)


def test_the_busiest_row_is_counted_with_its_contexts_and_negatives():
    plan = PairPlan(window=2, shrink_windows=False, negative=3, ns_exponent=1.0)
    # 4 contexts each; the first of two keys has 3/4 of all centres, contexts and negatives
    assert busiest_row(tables(2), np.array([30.0, 10.0]), plan) == pytest.approx(4 * (1 + 3) * 0.75)


def test_keys_that_share_rows_count_as_one():
    apart, together = tables(100), tables(100)
    together.bag_starts, together.bags = np.arange(0, 201, 2), np.zeros(200, np.int32)
    together.bags[::2] = np.arange(100)
    counts = np.ones(100)
    assert busiest_row(together, counts, PairPlan()) > 30 * busiest_row(apart, counts, PairPlan())


@pytest.mark.parametrize("n_keys", [6, 60])
@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
@pytest.mark.parametrize("estimator", [Word2Vec, FastText])
def test_vectors_of_a_text_of_few_words_stay_small(estimator, architecture, n_keys):
    model = estimator(architecture=architecture, learning_rate=0.05, min_count=1, sample=0, n_jobs=2)
    matrix = model.fit(words(n_keys)).vectors_.matrix
    assert np.linalg.norm(matrix, axis=1).max() < 5


def test_a_training_that_diverges_says_so():
    with pytest.raises(ArgumentError, match=r"epoch 1 of 5.*`learning_rate` 50 is too high"):
        Word2Vec(learning_rate=50.0, min_count=1, sample=0, random_state=0).fit(words(20))
