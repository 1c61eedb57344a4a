import numpy as np

from plectrum import Word2Vec
from plectrum.text import Phrases
from plectrum.text import _sources as sources


def text(n=400, seed=0):
    random = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(20)]
    lines = []
    for _ in range(n):
        line = random.choice(words, 6).tolist()
        at = random.integers(0, 6)
        lines.append([*line[:at], "new", "york", *line[at:]])
    return lines


def test_words_that_come_together_are_joined():
    phrases = Phrases(threshold=4.0).fit(text())
    assert list(phrases.phrases_) == [("new", "york")]
    joined = list(phrases.transform([["new", "york", "new", "new", "york"], ["york", "new"]]))
    assert joined == [["new_york", "new", "new_york"], ["york", "new"]]


def test_scores_are_those_of_the_formula():
    lines = [["a", "b"]] * 6 + [["a", "c"]] * 2 + [["b"]]
    found = Phrases(min_count=2, threshold=0.0).fit(lines).phrases_
    n_words = 17
    assert found == {("a", "b"): (6 - 2) * n_words / (8 * 7)}


def test_pairs_do_not_cross_sentences_and_pieces_do_not_part_them(monkeypatch, tmp_path):
    from plectrum.text import _tokens

    monkeypatch.setattr(_tokens, "_PIECE", 3)
    assert Phrases(min_count=1, threshold=0.0).fit([["x"], ["y"]] * 20).phrases_ == {}
    assert list(Phrases(threshold=4.0).fit(text()).phrases_) == [("new", "york")]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(map(" ".join, text(20))))
    monkeypatch.setattr(sources, "PIECE", 10)
    phrases = Phrases(threshold=4.0).fit(path)
    assert list(phrases.transform(path)) == list(phrases.transform(text(20)))


def test_word2vec_learns_from_joined_text():
    phrases = Phrases(threshold=4.0).fit(text())
    assert "new_york" in Word2Vec(embedding_dim=4, epochs=1).fit(phrases.transform(text())).vectors_
