import numpy as np
import pytest

import plectrum
from plectrum import FastText, Vectors
from plectrum.errors import ArgumentError, ArgumentTypeError
from text.grouped_text import SMALL, TEXT, grouped_text, share_of_neighbours_in_the_group

STEMS = ["walk", "talk", "jump", "climb"]
FORMS = ["", "s", "ed", "ing", "er"]


def test_words_of_one_group_end_up_close():
    model = FastText(**SMALL, min_n=2, max_n=4).fit(TEXT)
    assert share_of_neighbours_in_the_group(model.vectors_) > 0.95


@pytest.mark.parametrize("architecture", ["skip-gram", "cbow"])
@pytest.mark.parametrize("method", [{}, {"hierarchical_softmax": True, "negative": 0}])
def test_unseen_words_are_near_those_of_the_same_stem(architecture, method):
    random = np.random.default_rng(0)
    text = [(stem + random.choice(FORMS, 8).astype(object)).tolist() for stem in random.choice(STEMS, 1500)]
    vectors = FastText(**SMALL, architecture=architecture, **method).fit(text).vectors_
    for stem in STEMS:
        assert stem + "able" not in vectors
        assert vectors.nearest(vectors[stem + "able"], k=1)[0][0].startswith(stem)


def test_a_vector_is_the_mean_of_the_word_and_its_ngrams():
    model = FastText(**SMALL, min_n=3, max_n=3).fit([["abcd"] * 9] * 3)
    table = model._tables.inputs[:, :20]
    assert len(table) == 1 + 4  # <ab abc bcd cd>
    np.testing.assert_allclose(model.vectors_["abcd"], table.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.vectors_["xabcx"], table[model._tables.bags[2:3]].mean(0), rtol=1e-5)


def test_vectors_and_their_ngrams_survive_a_file(tmp_path):
    vectors = FastText(**SMALL).fit([["walking", "walked"] * 5] * 9).vectors_
    vectors.save(tmp_path / "words.safetensors")
    again = plectrum.load(tmp_path / "words.safetensors")
    np.testing.assert_array_equal(again["walking"], vectors["walking"])
    np.testing.assert_allclose(again["walkable"], vectors["walkable"], rtol=1e-6)


def test_partial_fit_keeps_what_was_learned():
    model = FastText(**SMALL).fit(TEXT)
    before = model.vectors_
    model.set_params(epochs=0).partial_fit([["a0", "zzz-new"] * 5] * 3)
    after = model.vectors_
    assert list(after.keys) == [*before.keys, "zzz-new"]
    np.testing.assert_allclose(after.matrix[: len(before)], before.matrix, rtol=1e-6)
    model.set_params(epochs=3).partial_fit(grouped_text(seed=1))
    assert share_of_neighbours_in_the_group(Vectors(after.keys[:40], model.vectors_.matrix[:40])) > 0.95


def test_a_saved_model_is_the_same_and_can_be_trained_on(tmp_path):
    model = FastText(**{**SMALL, "n_jobs": 1}).fit(TEXT)
    model.save_model(tmp_path)
    again = FastText.load_model(tmp_path)
    np.testing.assert_array_equal(again.vectors_.matrix, model.vectors_.matrix)
    np.testing.assert_array_equal(again.vectors_["a77"], model.vectors_["a77"])
    a, b = model.partial_fit(TEXT), again.partial_fit(TEXT)
    np.testing.assert_array_equal(a.vectors_.matrix, b.vectors_.matrix)
    with pytest.raises(ArgumentError, match="holds a FastText"):
        plectrum.Word2Vec.load_model(tmp_path)


def test_without_ngrams_it_is_word2vec():
    a = FastText(**{**SMALL, "n_jobs": 1}, max_n=0).fit(TEXT).vectors_
    b = plectrum.Word2Vec(**{**SMALL, "n_jobs": 1}).fit(TEXT).vectors_
    np.testing.assert_allclose(a.matrix, b.matrix, rtol=1e-5, atol=1e-6)
    assert a.subwords is None


def test_deterministic_training_gives_the_same_bits_for_any_number_of_threads():
    a, b = (FastText(**{**SMALL, "n_jobs": n}, deterministic=True).fit(TEXT).vectors_.matrix for n in (1, 3))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("parameters", "text", "error", "message"),
    [
        ({"min_n": 4, "max_n": 3}, TEXT, ArgumentError, "1 <= min_n <= max_n; got 4 and 3"),
        ({"bucket": 0}, TEXT, ArgumentError, "`bucket`.*got 0"),
        ({}, [[1, 2] * 9], ArgumentTypeError, "must be text.*got [12]"),
    ],
)
def test_wrong_parameters_are_named(parameters, text, error, message):
    with pytest.raises(error, match=message):
        FastText(**{**SMALL, **parameters}).fit(text)
