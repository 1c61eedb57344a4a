import lzma
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from plectrum import TextClassifier
from plectrum.errors import ArgumentError, ArgumentTypeError
from plectrum.kernels.pairs import cpu, reference
from plectrum.text._lines import rows_of_texts

DATA = Path(__file__).parents[3] / "shared" / "data"
GOOD = ["a fine film", "not bad at all", "what fine acting", "moving and fine"]
BAD = ["a dull film", "bad and dull", "not fine at all", "dull acting"]
TEXTS, LABELS = (GOOD + BAD) * 10, (["good"] * 4 + ["bad"] * 4) * 10
SMALL = {"embedding_dim": 10, "epochs": 20, "random_state": 0}


def test_the_kernel_equals_its_definition():
    random = np.random.default_rng(0)
    texts = [random.integers(0, 30, n).tolist() for n in (3, 1, 0, 12, 5)]
    starts = np.cumsum([0, *map(len, texts)])
    rows = np.array([row for text in texts for row in text], np.int32)
    targets = np.array([0, 4, 1, 2, 0])
    inputs, labels = np.zeros((30, 16), np.float32), np.zeros((5, 16), np.float32)
    inputs[:, :9], labels[:, :9] = random.normal(size=(30, 9)), random.normal(size=(5, 9))
    a, b = inputs[:, :9].astype(float), labels[:, :9].astype(float)
    order = np.array([3, 0, 2, 1, 4])
    loss = cpu.classify(
        inputs.reshape(-1), labels.reshape(-1), 5, starts, rows, targets, order, 12, 0.5, 0.25
    )
    rates = [0.5 - 0.25 * step / 5 for step in range(5)]
    expected = reference.classify(a, b, [texts[t] for t in order], targets[order].tolist(), rates)
    np.testing.assert_allclose(inputs[:, :9], a, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(labels[:, :9], b, rtol=1e-4, atol=1e-5)
    assert not inputs[:, 9:].any()
    assert loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("ngrams", [{}, {"min_n": 2, "max_n": 4}, {"word_ngrams": 3}])
def test_texts_are_told_apart(n_jobs, ngrams):
    model = TextClassifier(**SMALL, n_jobs=n_jobs, **ngrams).fit(TEXTS, LABELS)
    assert model.score(TEXTS, LABELS) == 1.0
    assert model.classes_.tolist() == ["bad", "good"]
    assert model.predict_proba(["a fine film", "dull"]).argmax(1).tolist() == [1, 0]
    np.testing.assert_allclose(model.predict_proba(TEXTS).sum(1), 1)


def test_rows_of_training_texts_are_those_of_prediction():
    how = {"word_ngrams": 3, "min_n": 2, "max_n": 3, "bucket": 1000}
    texts = ["café au lait", "two  words", "", "two\nlines and __label__x"]
    model = TextClassifier(**SMALL, **how).fit(texts, [0, 1, 0, 1])
    lines = rows_of_texts(texts, min_count=1, **how)
    for text, (first, last) in zip(texts, zip(lines.starts, lines.starts[1:], strict=False), strict=True):
        predicted = model._lines.rows(model._lines.tokens(text.replace("\n", " ")))
        assert sorted(predicted) == sorted(lines.rows[first:last].tolist())


def test_labels_keep_their_type_and_frames_are_taken():
    frame = pd.DataFrame({"text": TEXTS, "label": [label == "good" for label in LABELS]})
    model = TextClassifier(**SMALL).fit(frame["text"], frame["label"])
    assert model.predict(frame["text"][:1]).dtype == bool
    assert clone(model).get_params() == model.get_params()


def test_a_saved_model_gives_the_same_probabilities(tmp_path):
    model = TextClassifier(**SMALL).fit(TEXTS, LABELS)
    model.save(tmp_path)
    again = TextClassifier.load(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert again.predict(["fine"]).tolist() == ["good"]


def test_what_is_wrong_is_said():
    with pytest.raises(ArgumentError, match="one per text, 2; got 1"):
        TextClassifier().fit(["a", "b"], [1])
    with pytest.raises(ArgumentTypeError, match=r"None.*position 1"):
        TextClassifier().fit(["a", None], [1, 2])
    with pytest.raises(ArgumentTypeError, match="Put it in a list"):
        TextClassifier(**SMALL).fit(TEXTS, LABELS).predict("fine")
    assert TextClassifier(**SMALL).fit(TEXTS, LABELS).predict_proba([]).shape == (0, 2)


@pytest.mark.skipif(not (DATA / "vectors").is_dir(), reason="the shared data are not here")
def test_a_supervised_model_of_fasttext_is_loaded(tmp_path):
    model = TextClassifier.load(DATA / "vectors" / "pang_lee_polarity_fasttext.bin")
    model.save(tmp_path)
    again = TextClassifier.load(tmp_path).predict_proba(["a fine film"])
    np.testing.assert_array_equal(again, model.predict_proba(["a fine film"]))
    assert again.sum() == pytest.approx(1 + 1e-5 * len(model.classes_), abs=1e-7)  # as fastText predicts
    assert all(label.startswith("__label__") for label in model.classes_)
    assert model.predict_proba(["a fine film", "dull"]).shape == (2, len(model.classes_))
    with pytest.raises(ArgumentError, match="has no labels"):
        TextClassifier.load(DATA / "vectors" / "lee_fasttext_new.bin")


@pytest.mark.skipif(not (DATA / "sentiment").is_dir(), reason="the shared data are not here")
def test_sentences_of_reviews_are_told_apart_better_than_by_chance():
    def read(part):
        with lzma.open(DATA / "sentiment" / f"stsa.binary.{part}.xz") as file:
            lines = file.read().decode("latin-1").strip("\n").split("\n")
        return [line[2:] for line in lines], [line[0] for line in lines]

    model = TextClassifier(embedding_dim=20, random_state=0).fit(*read("train"))
    assert model.score(*read("test")) > 0.8
