import gzip

import numpy as np
import pytest

import plectrum
from plectrum import FastText, Word2Vec
from plectrum.errors import ArgumentError, DataError, UnknownKeyError
from plectrum.explanation import explain_window
from text.grouped_text import TEXT

OPTIMIZERS = ("sgd", "adam", "adamw", "adagrad")
TALE = [["the", "king", "rules", "the", "land"], ["a", "ship", "at", "sea"]]


@pytest.fixture(scope="module")
def fitted():
    return Word2Vec(embedding_dim=8, epochs=3, n_jobs=1, random_state=0).fit(TEXT)


def test_one_window_of_a_sentence_is_explained():
    told = explain_window(TALE, word="king")
    assert told.kind == "words"
    assert told.loss_after < told.loss_before
    seen = {e.cells["other"] for e in told.examples if e.target == "seen beside it"}
    assert seen == {"the", "rules"}


def test_a_word_that_the_text_has_not_is_named():
    with pytest.raises(UnknownKeyError, match="king"):
        explain_window(TALE, word="kin")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_of_trained_words_starts_from_their_two_tables(optimizer, fitted):
    told = plectrum.explain(fitted, TEXT, word="a3", step="trained", optimizer=optimizer)
    assert told.step == "trained"
    assert told.warm_up == 4
    assert told.nudge.relative_difference < 1e-3
    words, company = told.tables
    assert words.rows[0].key == "a3"
    assert words.rows[0].row == fitted.vectors_.row("a3") + 3
    assert words.n_rows == len(fitted.vectors_) + 3
    near = {"sgd": 0.1, "adagrad": 0.3}.get(optimizer, 0.1)  # a few steps on other windows came before
    np.testing.assert_allclose(words.rows[0].before, fitted.vectors_["a3"], atol=near)
    for row in company.rows:
        if row.lookups:
            np.testing.assert_allclose(row.before, fitted.context_vectors_[row.key], atol=near)
    assert all((row.moved > 0) == bool(row.reasons) for table in told.tables for row in table.rows)


def test_momentum_moves_words_of_earlier_windows_and_the_text_says_so(fitted):
    told = plectrum.explain(fitted, TEXT, word="a3", step="trained", optimizer="adam")
    assert any(row.reasons == ["momentum"] for row in told.table.rows)
    assert "after 4 steps on other windows" in " ".join(str(told).split())
    assert "the training took up to 5 and 5" in " ".join(str(told).split())
    assert "the training took up to 5 and 5" in " ".join(told.to_html().split())


def test_the_estimator_of_words_is_left_as_it_was_and_need_not_be_fitted(fitted):
    before = fitted.vectors_.matrix.copy(), fitted.context_vectors_.matrix.copy()
    plectrum.explain(fitted, TEXT, step="trained")
    np.testing.assert_array_equal(before[0], fitted.vectors_.matrix)
    np.testing.assert_array_equal(before[1], fitted.context_vectors_.matrix)
    told = plectrum.explain(Word2Vec(random_state=0), TEXT)
    assert told.step == "first"


def test_words_that_the_model_does_not_know_are_passed_over(fitted):
    told = plectrum.explain(fitted, [["a1", "unheard", "a2", "of", "a3"]], step="trained")
    assert {example.cells["other"] for example in told.examples if "seen" in example.target} == {"a1", "a3"}
    with pytest.raises(UnknownKeyError, match="The model"):
        plectrum.explain(fitted, TEXT, word="unheard", step="trained")


@pytest.mark.parametrize(
    "estimator",
    [FastText(min_count=1), Word2Vec(architecture="cbow"), Word2Vec(hierarchical_softmax=True, negative=0)],
)
def test_tables_that_learn_in_another_way_are_refused_with_the_way_out(estimator):
    with pytest.raises(ArgumentError, match=r"skip-gram and negative sampling.*step='first'"):
        plectrum.explain(estimator, TEXT, step="trained")


def test_an_unfitted_estimator_of_words_has_no_trained_step():
    with pytest.raises(ArgumentError, match="must be fitted"):
        plectrum.explain(Word2Vec(), TEXT, step="trained")


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_of_text_is_read_as_training_reads_it(packed, fitted, tmp_path):
    text = "\n".join(" ".join(line) for line in TEXT).encode()
    path = tmp_path / ("text.gz" if packed else "text.txt")
    path.write_bytes(gzip.compress(text) if packed else text)
    told = plectrum.explain(fitted, path, word="a3", step="trained")
    assert told.to_json() == plectrum.explain(fitted, TEXT, word="a3", step="trained").to_json()


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"a\0b c")
    with pytest.raises(DataError, match="NUL"):
        explain_window(tmp_path / "x.bin")


def test_a_long_sentence_is_shown_around_its_centre():
    told = explain_window([[f"w{i}" for i in range(900)]], word="w500")
    assert "w499 w500 w501" in told.subject
    assert len(told.subject) < 120
