"""Phrases: pairs of words that come together more often than chance become one word."""

import os
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from plectrum.text._checks import check_number
from plectrum.text._corpus import Source, read_corpus
from plectrum.text._sources import is_frame, read_column_pieces, read_pieces
from plectrum.text._tokens import Tokens, pieces_of


class Phrases(BaseEstimator):
    """Join words that belong together: "new york" becomes ``new_york`` (Mikolov et al. 2013, section 4).

    Two neighbours a and b are joined when

        ``(count(a b) - min_count) * n_words / (count(a) * count(b)) > threshold``

    Fit it again on its own output for phrases of three words and four.

    Parameters
    ----------
    min_count : int, default 5
        Words and pairs seen less often are left as they are.
    threshold : float, default 10
        Higher means fewer phrases.
    delimiter : str, default "_"

    Attributes
    ----------
    phrases_ : dict
        (a, b) -> score, the best first.

    Examples
    --------
    >>> from plectrum.text import Phrases
    >>> text = [["in", "new", "york"], ["new", "ideas"], ["old", "york"]] + [["on", "new", "york"]] * 9
    >>> phrases = Phrases(min_count=2, threshold=1.0).fit(text)
    >>> list(phrases.transform([["from", "new", "york", "to", "york"]]))
    [['from', 'new_york', 'to', 'york']]
    """

    phrases_: dict[tuple[Any, Any], float]

    def __init__(self, *, min_count: int = 5, threshold: float = 10.0, delimiter: str = "_") -> None:
        self.min_count = min_count
        self.threshold = threshold
        self.delimiter = delimiter

    def fit(self, text: Source, y: object = None, *, column: str | None = None) -> Self:  # noqa: ARG002
        """Count pairs of neighbours; `text` and `column` are those of `Word2Vec.fit`.

        Notes
        -----
        Words seen less than `min_count` times part those beside them as any other word does.
        """
        check_number("Phrases", "min_count", self.min_count, 1, whole=True)
        check_number("Phrases", "threshold", self.threshold, 0)
        corpus = read_corpus(text, column=column, min_count=1)
        n = len(corpus.keys)
        keys, together = _count_neighbours(corpus.tokens, n, self.min_count)
        first, second = keys // n, keys % n
        counts = corpus.counts.astype(np.float64)
        scores = (together - self.min_count) * corpus.n_words / (counts[first] * counts[second])
        order = np.argsort(-scores, kind="stable")
        self.phrases_ = {
            (corpus.keys[first[i]], corpus.keys[second[i]]): float(scores[i])
            for i in order.tolist()
            if scores[i] > self.threshold
        }
        return self

    def transform(self, text: Source, *, column: str | None = None) -> Iterator[list[Any]]:
        """Yield the sentences of a text with phrases joined, from left to right.

        One at a time, so that ``Word2Vec().fit(phrases.transform(path))`` needs no second copy of the text.
        """
        check_is_fitted(self, "phrases_")
        for sentence in _sentences(text, column):
            yield self._joined(list(sentence))

    def _joined(self, words: list[Any]) -> list[Any]:
        joined, i, phrases = [], 0, self.phrases_
        while i < len(words):
            if i + 1 < len(words) and (words[i], words[i + 1]) in phrases:
                joined.append(f"{words[i]}{self.delimiter}{words[i + 1]}")
                i += 2
            else:
                joined.append(words[i])
                i += 1
        return joined


def _count_neighbours(tokens: Tokens, n: int, min_count: int) -> tuple[Any, Any]:
    """Pairs of neighbours, as ``first * n + second``, and how often they come; at least `min_count` times."""
    keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    last = np.full(1, -1, np.int64)
    for piece in pieces_of(tokens):
        run = np.concatenate([last, piece.astype(np.int64)])
        is_pair = (run[:-1] >= 0) & (run[1:] >= 0)
        found, times = np.unique((run[:-1] * n + run[1:])[is_pair], return_counts=True)
        merged, at = np.unique(np.concatenate([keys, found]), return_inverse=True)
        counts = np.bincount(at, np.concatenate([counts, times]), len(merged)).astype(np.int64)
        keys, last = merged, run[-1:]
    often = counts >= min_count
    return keys[often], counts[often]


def _sentences(text: Source, column: str | None) -> Iterable[Iterable[Hashable]]:
    if not isinstance(text, str | os.PathLike):
        return text
    pieces = read_column_pieces(text, column) if is_frame(text) else read_pieces(text)
    return _split(pieces)


def _split(pieces: Iterable[bytes]) -> Iterator[list[str]]:
    rest: list[str] = []
    for piece in pieces:
        *lines, last = piece.decode("utf-8", "backslashreplace").split("\n")
        for line in lines:
            if words := rest + line.split():
                yield words
            rest = []
        rest += last.split()
    if rest:
        yield rest
