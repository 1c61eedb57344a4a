"""The words that questions are asked about: which rows take part, and which of them are one word."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError
from plectrum.vectors import Vectors


@dataclass(frozen=True)
class Words:
    """Rows that take part, as unit vectors, and the word each stands for.

    With folded case several rows may be one word ("king" and "King"); the first stands for it in questions.
    """

    units: NDArray[np.float32]  # (n_rows, embedding_dim)
    word_of_row: NDArray[np.int64]  # (n_rows,)
    row_of_word: NDArray[np.int64]  # (n_words,) the first row of each word
    number: dict[str, int]  # word -> its number
    fold_case: bool

    def find(self, words: Sequence[str]) -> list[int]:
        """Return the numbers of words, -1 for those that take no part."""
        return [self.number.get(word.upper() if self.fold_case else word, -1) for word in words]


def words_of(vectors: Vectors, *, restrict: int | None, fold_case: bool) -> Words:
    """Return the `restrict` most frequent text keys (by count; without counts, the first ones)."""
    if restrict is not None and restrict < 1:
        raise ArgumentError(f"`restrict` must be at least 1 key, or None for all; got {restrict}.")
    rows = np.arange(len(vectors))
    if vectors.counts is not None:
        rows = np.argsort(-vectors.counts, kind="stable")
    rows = rows[:restrict]
    keys = vectors.keys
    text = [(row, key) for row in rows.tolist() if isinstance(key := keys[row], str)]
    number: dict[str, int] = {}
    first_rows: list[int] = []
    word_of_row: list[int] = []
    for at, (_, key) in enumerate(text):
        word = key.upper() if fold_case else key
        if word not in number:
            number[word] = len(first_rows)
            first_rows.append(at)
        word_of_row.append(number[word])
    units = vectors.units([row for row, _ in text])
    return Words(units, np.array(word_of_row, np.int64), np.array(first_rows, np.int64), number, fold_case)
