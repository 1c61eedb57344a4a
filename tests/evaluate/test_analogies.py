from pathlib import Path

import numpy as np
import pytest

from plectrum import Vectors, evaluate, load
from plectrum.errors import ArgumentError, DataError

DATA = Path(__file__).parents[3] / "shared" / "data"
WORDS = ["man", "king", "woman", "queen", "big", "bigger", "small", "smaller", "Queen"]
ROWS = [[1, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0.1, 1], [1, 1, 0, 1.0]] + [
    [0.3, 0.1, 0.2, 0.9]
] * 3


@pytest.fixture
def some():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(60)] + [f"W{i}" for i in range(20)]
    return Vectors(words, rng.normal(size=(80, 10)).astype(np.float32))


@pytest.fixture
def questions(tmp_path):
    def write(text):
        (tmp_path / "q.txt").write_text(text)
        return tmp_path / "q.txt"

    return write


def one_by_one(vectors, questions, *, fold, restrict, method):
    """The definition, question by question."""
    keys = list(vectors.keys)[:restrict]
    units = vectors.units(range(len(keys))).astype(np.float64)
    fold = str.upper if fold else str
    first = {}
    for row, key in enumerate(keys):
        first.setdefault(fold(key), row)
    outcome = []
    for question in questions:
        words = [fold(word) for word in question]
        if any(word not in first for word in words):
            outcome.append(None)
            continue
        a, b, c, _ = (units[first[word]] for word in words)
        if method == "3cosadd":
            scores = units @ (b - a + c)
        else:
            scores = (1 + units @ b) / 2 * ((1 + units @ c) / 2) / ((1 + units @ a) / 2 + 0.001)
        best = max(
            (row for row, key in enumerate(keys) if fold(key) not in words[:3]), key=lambda row: scores[row]
        )
        outcome.append(fold(keys[best]) == words[3])
    return outcome


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("restrict", [None, 70, 30])
@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
def test_blocks_agree_with_the_definition(some, questions, fold, restrict, method, monkeypatch):
    from plectrum.evaluate import _analogies

    monkeypatch.setattr(_analogies, "_SCORES_AT_ONCE", 500)
    rng = np.random.default_rng(1)
    asked = [
        [f"{'w' if i % 5 else 'W'}{i}" for i in rng.integers(0, 32 if q % 2 else 62, 4)] for q in range(300)
    ]
    for question in asked[:150]:  # give the right answer where there is one, so that some are right
        a, b, c = (some.units([some.row(w)])[0] if w in some else np.zeros(10) for w in question[:3])
        keys = [key for key in some.keys if key.upper() not in [w.upper() for w in question[:3]]]
        question[3] = max(keys, key=lambda key: some.units([some.row(key)])[0] @ (b - a + c))
    path = questions(": s" + "".join("\n" + " ".join(question) for question in asked) + "\n")
    expected = one_by_one(some, asked, fold=fold, restrict=restrict, method=method)
    found = evaluate.analogies(some, path, fold_case=fold, restrict=restrict, method=method)
    assert found.n_asked == sum(right is not None for right in expected)
    assert found.n_correct == sum(right is True for right in expected)
    assert found.n_correct > 5
    assert found.coverage == found.n_asked / 300


def test_sections_are_told_apart(questions):
    w = Vectors(WORDS[:8], np.array(ROWS[:8]))
    path = questions(
        ": family\nman king woman queen\n: gram1\nbig bigger small smaller\nno such words here\n"
    )
    found = evaluate.analogies(w, path)
    assert [(s.name, s.n_asked, s.n_questions) for s in found.sections] == [("family", 1, 1), ("gram1", 1, 2)]
    assert found.semantic == 1.0
    assert found.coverage == pytest.approx(2 / 3)
    assert "family" in str(found)
    assert "coverage 66.7%" in str(found)


def test_missing_words_are_dropped_or_wrong(questions):
    w = Vectors(WORDS[:4], np.array(ROWS[:4]))
    path = questions("man king woman queen\nman king woman princess\n")
    assert evaluate.analogies(w, path).accuracy == 1.0
    assert evaluate.analogies(w, path, missing="wrong").accuracy == 0.5
    assert evaluate.analogies(w, path, convention="hyperwords").accuracy == 0.5


def test_restriction_takes_the_most_frequent_keys(questions):
    w = Vectors(WORDS[:4], np.array(ROWS[:4]), counts=[1, 5, 5, 5])
    path = questions("man king woman queen\n")
    assert evaluate.analogies(w, path, restrict=3).n_asked == 0
    assert evaluate.analogies(w, path, restrict=3).accuracy is None
    assert evaluate.analogies(w, path, restrict=4).n_asked == 1


def test_case_makes_one_word_or_two(questions):
    w = Vectors(["man", "king", "woman", "Queen"], np.array(ROWS[:4]))
    path = questions("MAN King woman queen\n")
    assert evaluate.analogies(w, path).accuracy == 1.0
    assert evaluate.analogies(w, path, fold_case=False).n_asked == 0


@pytest.mark.parametrize("text", ["", ": empty\n", "one two three\n"])
def test_files_without_analogies_are_refused(some, questions, text):
    with pytest.raises(DataError, match="four words"):
        evaluate.analogies(some, questions(text))


def test_unknown_conventions_are_refused(some, questions):
    path = questions("w1 w2 w3 w4\n")
    for wrong in ({"convention": "x"}, {"method": "x"}, {"missing": "x"}, {"restrict": 0}):
        with pytest.raises(ArgumentError, match=r"x|0"):
            evaluate.analogies(some, path, **wrong)


def test_real_questions_over_real_vectors():
    path = DATA / "text" / "questions-words.txt"
    if not path.exists():
        pytest.skip(f"the real data are not here: {path}")
    vectors = load(DATA / "vectors" / "glove.6B.100d.top50k.txt.xz", limit=10_000)
    found = evaluate.analogies(vectors, path)
    assert found.n_questions == 19_544
    assert len(found.sections) == 14
    assert found.accuracy > 0.6  # GloVe 6B 100d is known for about 63 % over its full vocabulary
