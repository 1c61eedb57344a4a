import json
import random
from pathlib import Path

import numpy as np
import pytest

from plectrum import formats, load
from plectrum.errors import FormatError, UnknownKeyError

MODELS = Path(__file__).parent / "fasttext"
DATA = Path(__file__).parents[3] / "shared" / "data" / "vectors"
ANSWERS = json.loads((MODELS / "answers.json").read_text(encoding="utf-8"))
SUPERVISED = sorted(name for name, told in ANSWERS.items() if "predictions" in told)


def predict(model, line):
    """Return label -> probability."""
    lines = formats.FastTextLines(model).vector(line)[None]
    found = formats.label_probabilities(model, lines, as_predicted=True)
    return dict(zip(model.labels, found[0].tolist(), strict=True))


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_vectors_of_known_and_unseen_words_are_fasttexts_own(name):
    vectors = load(MODELS / name)
    n_unseen = 0
    for word, expected in ANSWERS[name]["vectors"].items():
        if word not in vectors:
            n_unseen += 1
            if vectors.subwords is None:
                assert not any(expected)
                with pytest.raises(UnknownKeyError):
                    vectors[word]
                continue
        np.testing.assert_allclose(vectors[word], expected, atol=1e-5, rtol=1e-5, err_msg=repr(word))
    assert n_unseen >= 5


@pytest.mark.parametrize("name", SUPERVISED)
def test_supervised_predictions_are_fasttexts_own(name):
    model = formats.read_fasttext_model(MODELS / name)
    for line, expected in ANSWERS[name]["predictions"].items():
        found = predict(model, line)
        assert len(expected) == min(5 if "output" in name else 3, len(model.labels))
        for label, score in expected:
            assert found[label] == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("name", SUPERVISED)
def test_probabilities_lie_below_what_fasttext_predicts(name):
    model = formats.read_fasttext_model(MODELS / name)
    lines = np.stack([formats.FastTextLines(model).vector(line) for line in ANSWERS[name]["predictions"]])
    exact = formats.label_probabilities(model, lines)
    if model.arguments["loss"] != "ova":
        np.testing.assert_allclose(exact.sum(axis=1), 1.0, rtol=1e-6)
    more = formats.label_probabilities(model, lines, as_predicted=True) - exact
    assert (more > 0).all()
    assert (more < 1e-4).all()  # 1e-5, or that for each branch of the tree


def test_lookup_answers_for_unseen_words():
    vectors = load(MODELS / "skipgram.bin")
    found = vectors.lookup(["东京", vectors.keys[0]])
    np.testing.assert_array_equal(found[0], vectors["东京"])
    np.testing.assert_array_equal(found[1], vectors.matrix[0])
    assert vectors.nearest("东京", k=1)


@pytest.mark.parametrize("name", ["skipgram.bin", "pruned_qnorm.ftz"])
def test_subwords_survive_the_native_format(name, tmp_path):
    vectors = load(MODELS / name)
    vectors.save(tmp_path / "w.safetensors")
    back = load(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(back.matrix, vectors.matrix)
    for word in ("жук", "never seen"):
        np.testing.assert_allclose(back[word], vectors[word], atol=1e-6)
    with pytest.warns(UserWarning, match="n-grams of unseen words"):
        vectors.save(tmp_path / "w.parquet")


def test_trimmed_vectors_answer_for_unseen_words():
    vectors = load(MODELS / "skipgram.bin")
    same = vectors.trim(6)
    assert same["жук"] @ same["ta"] == pytest.approx(float(vectors["жук"] @ vectors["ta"]), rel=1e-3)


def test_a_subset_has_the_vectors_of_the_whole():
    whole = load(MODELS / "skipgram.bin")
    part = load(MODELS / "skipgram.bin", keys=whole.keys[5:8], limit=7)
    assert list(part.keys) == list(whole.keys[5:7])
    np.testing.assert_array_equal(part.matrix, whole.matrix[5:7])
    np.testing.assert_array_equal(part["unseen"], whole["unseen"])


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_truncation_anywhere_is_a_format_error(name, tmp_path):
    raw = (MODELS / name).read_bytes()
    place = tmp_path / "w.bin"
    places = {*range(0, 400), *range(0, len(raw), 97), len(raw) - 1}
    for length in sorted(places):
        place.write_bytes(raw[:length])
        with pytest.raises(FormatError, match=r"w\.bin.*expected"):
            formats.read(place, format="fasttext")


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_damage_is_an_error_or_a_model_of_the_size_of_the_file(name, tmp_path):
    raw = (MODELS / name).read_bytes()
    rng = random.Random(0)
    place = tmp_path / "w.bin"
    for trial in range(300):
        damaged = bytearray(raw)
        for _ in range(rng.choice([1, 1, 3])):
            where = rng.randrange(100) if trial % 2 else rng.randrange(len(damaged))
            damaged[where] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        place.write_bytes(damaged)
        try:
            record = formats.read(place, format="fasttext")
        except FormatError as error:
            assert str(place) in str(error)  # noqa: PT017
            continue
        assert record.matrix.nbytes < 100 * len(raw)
        if record.subwords is not None:
            record.subwords.vector("жук")


def real(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real data are not here: {path}")
    return path


def test_the_binary_and_the_text_of_one_model_agree():
    binary, text = load(real("crime-and-punishment.bin")), load(real("crime-and-punishment.vec"))
    assert list(binary.keys) == list(text.keys)
    np.testing.assert_allclose(binary.matrix, text.matrix, atol=1e-5)
    # What fastText 0.9.2 gives for a word that is not in the model.
    assert "жжж" not in binary
    expected = [0.00852154, -0.06288601, 0.09271595, 0.07125564, 0.03876326]
    np.testing.assert_allclose(binary["жжж"], expected, atol=1e-6)


def test_a_model_of_an_older_version_is_read():
    vectors = load(real("lee_fasttext_new.bin"))
    assert vectors.matrix.shape == (1763, 10)
    expected = [-0.00950992, 0.00787659, -0.04299285, -0.9638633, -0.08187255]
    np.testing.assert_allclose(vectors["zzzz"][:5], expected, atol=1e-6)


def test_tokens_that_are_no_utf8_are_kept():
    vectors = load(real("pang_lee_polarity_fasttext.bin"))
    assert "\udc97" in vectors
    assert vectors.metadata["fasttext"]["labels"] == ["__label__pos", "__label__neg"]
