import io
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from plectrum import Vectors, Word2Vec
from plectrum.errors import ArgumentError, ArgumentTypeError, DataError
from plectrum.training._pair_report import ProgressLine
from text.grouped_text import SMALL, TEXT, grouped_text, share_of_neighbours_in_the_group


@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
@pytest.mark.parametrize("method", [{}, {"hierarchical_softmax": True, "negative": 0}])
@pytest.mark.parametrize("deterministic", [False, True])
def test_words_of_one_group_end_up_close(architecture, method, deterministic):
    model = Word2Vec(**SMALL, architecture=architecture, deterministic=deterministic, **method).fit(TEXT)
    assert share_of_neighbours_in_the_group(model.vectors_) > 0.95
    assert model.history_[-1].loss < model.history_[0].loss


@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
def test_deterministic_training_gives_the_same_bits_for_1_2_and_4_threads(architecture):
    text = [[f"w{n}" for n in np.random.default_rng(i).zipf(1.4, 40) if n < 500] for i in range(500)]
    found = [
        Word2Vec(
            embedding_dim=20,
            epochs=2,
            random_state=3,
            n_jobs=n,
            deterministic=True,
            architecture=architecture,
        ).fit(text)
        for n in (1, 2, 4)
    ]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].vectors_.matrix, other.vectors_.matrix)
        np.testing.assert_array_equal(found[0].context_vectors_.matrix, other.context_vectors_.matrix)


def test_one_thread_gives_the_same_bits_again_and_another_seed_others():
    a, b, c = (
        Word2Vec(**{**SMALL, "n_jobs": 1, "random_state": s}).fit(TEXT).vectors_.matrix for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_no_sentence_is_cut_off():
    """The words at the end of one line of 30,000 are learned as well as those at its start."""
    line = [word for sentence in grouped_text(2500) for word in sentence]
    late = [word.upper() if i > 15_000 else word for i, word in enumerate(line)]
    vectors = Word2Vec(**{**SMALL, "epochs": 1, "window": 3}).fit([late]).vectors_
    assert {key for key in vectors.keys if key.isupper()} == {f"{g}{i}" for g in "ABCD" for i in range(10)}


def test_vectors_come_in_the_order_of_counts():
    model = Word2Vec(embedding_dim=4, min_count=2, epochs=0).fit([["x", "y", "y", "z", "z", "z"]] * 2)
    assert list(model.vectors_.keys) == ["z", "y", "x"]
    assert model.vectors_.counts.tolist() == [6, 4, 2]
    assert model.vocabulary_.keys == ["z", "y", "x"]
    assert model.n_words_ == 12


def test_partial_fit_keeps_rows_and_learns_new_words():
    model = Word2Vec(**SMALL).fit(TEXT)
    before = list(model.vectors_.keys)
    new = [
        [word if word[0] != "a" else word.replace("a", "a+") for word in line]
        for line in grouped_text(seed=1)
    ]
    model.partial_fit(new)
    assert list(model.vectors_.keys)[:40] == before
    assert sorted(model.vectors_.keys[40:]) == sorted(f"a+{i}" for i in range(10))
    assert share_of_neighbours_in_the_group(model.vectors_) > 0.8
    assert model.vectors_.counts.sum() == 2 * 1500 * 12
    assert len(model.history_) == 6


def test_partial_fit_without_fit_is_fit():
    a, b = (Word2Vec(**{**SMALL, "n_jobs": 1}) for _ in range(2))
    np.testing.assert_array_equal(a.partial_fit(TEXT).vectors_.matrix, b.fit(TEXT).vectors_.matrix)


def test_partial_fit_says_that_a_tree_cannot_grow():
    model = Word2Vec(**SMALL, hierarchical_softmax=True).fit(TEXT)
    model.partial_fit(TEXT)
    with pytest.raises(ArgumentError, match="must hold no new words"):
        model.partial_fit([["new"] * 10])


@pytest.mark.parametrize("freeze", [False, True])
def test_training_starts_from_given_vectors(freeze):
    given = Vectors(["a0", "b0", "elsewhere"], np.eye(3, 20, dtype=np.float32))
    model = Word2Vec(**SMALL, initial_vectors=given, freeze_initial=freeze).fit(TEXT)
    assert model.n_initial_ == 2
    assert np.array_equal(model.vectors_["a0"], given["a0"]) == freeze
    assert not np.array_equal(model.vectors_["a1"], np.zeros(20))
    untrained = Word2Vec(**{**SMALL, "epochs": 0}, initial_vectors=given).fit(TEXT)
    np.testing.assert_array_equal(untrained.vectors_["b0"], given["b0"])


def test_a_saved_model_is_the_same_and_can_be_trained_on(tmp_path):
    model = Word2Vec(**{**SMALL, "n_jobs": 1}).fit(TEXT)
    model.save_model(tmp_path / "model")
    again = Word2Vec.load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.vectors_.matrix, model.vectors_.matrix)
    assert list(again.vectors_.keys) == list(model.vectors_.keys)
    assert again.history_ == model.history_
    assert again.get_params() == model.get_params()
    a, b = model.partial_fit(TEXT), again.partial_fit(TEXT)
    np.testing.assert_array_equal(a.vectors_.matrix, b.vectors_.matrix)


def test_it_can_be_cloned_and_pickled():
    model = Word2Vec(window=3, random_state=1)
    assert clone(model).get_params() == model.get_params()
    fitted = Word2Vec(**SMALL).fit(TEXT)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.vectors_.matrix, fitted.vectors_.matrix)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"architecture": "skipgram"}, ArgumentError, "'skip-gram', 'cbow'; got 'skipgram'"),
        ({"negative": 0}, ArgumentError, "would train nothing"),
        ({"window": 0}, ArgumentError, "`window`.*at least 1; got 0"),
        ({"epochs": 2.5}, ArgumentTypeError, "`epochs`.*an integer"),
        ({"n_jobs": 0}, ArgumentError, "`n_jobs`.*got 0"),
        ({"initial_vectors": Vectors(["a0"], np.ones((1, 3)))}, ArgumentError, "embedding_dim=20; got 3"),
    ],
)
def test_wrong_parameters_are_named(parameters, error, message):
    with pytest.raises(error, match=message):
        Word2Vec(**{**SMALL, **parameters}).fit(TEXT)


def test_a_single_word_can_be_learned_but_makes_no_tree():
    assert len(Word2Vec(**SMALL).fit([["a"] * 10]).vectors_) == 1
    with pytest.raises(DataError, match="two words or more"):
        Word2Vec(**SMALL, hierarchical_softmax=True).fit([["a"] * 10])


def test_progress_is_told_with_its_numbers():
    told = []
    Word2Vec(**SMALL, progress=told.append).fit(TEXT)
    assert told[-1].words == told[-1].n_words == 3 * 1500 * 12
    assert told[-1].epoch == 3
    assert told[-1].learning_rate == pytest.approx(1e-4)
    assert [p.words for p in told] == sorted(p.words for p in told)
    stream = io.StringIO()
    line = ProgressLine(stream)
    for progress in told:
        line(progress)
    lines = stream.getvalue().splitlines()
    assert [text.split()[1] for text in lines] == ["1/3", "2/3", "3/3"]
    assert all("words/s" in text and "loss" in text and "left" in text for text in lines)
