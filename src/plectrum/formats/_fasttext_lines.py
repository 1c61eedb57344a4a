"""Which rows of a fastText model a line of text stands for: tokens, their n-grams, and n-grams of words."""

import re
from collections.abc import Sequence

import numpy as np

from plectrum.formats._fasttext_model import FastTextModel
from plectrum.formats._subwords import END_OF_SENTENCE
from plectrum.kernels.subwords.reference import hash_bytes

_SEPARATORS = re.compile(r"[ \r\t\v\f\0]+")
_WORD_NGRAM_FACTOR = 116049371
_LABEL_PREFIX = "__label__"


class FastTextLines:
    """Turns lines of text into the rows of `FastTextModel.input_rows` whose mean is a line's vector.

    Source: dictionary.cc, functions getLine, addSubwords and addWordNgrams.
    """

    def __init__(self, model: FastTextModel) -> None:
        self._model = model
        self._subwords = model.subwords
        self._word_rows = {word: row for row, word in enumerate(model.words)}
        self._labels = set(model.labels)
        self._rows_of_token: dict[str, list[int]] = {}

    def tokens(self, line: str) -> list[str]:
        """Return the tokens of one line (up to its first newline), the end of the sentence last."""
        first = line.split("\n", 1)[0]
        return [*(token for token in _SEPARATORS.split(first) if token), END_OF_SENTENCE]

    def rows(self, tokens: Sequence[str]) -> list[int]:
        """Return the rows of a line's tokens; labels among them are passed over."""
        words = [token for token in tokens if not self._is_label(token)]
        rows = [row for word in words for row in self._token_rows(word)]
        n = self._model.arguments["word_ngrams"]
        if n > 1:
            rows += self._ngram_rows(words, n)
        return rows

    def _is_label(self, token: str) -> bool:
        return token in self._labels or (token.startswith(_LABEL_PREFIX) and token not in self._word_rows)

    def _token_rows(self, word: str) -> list[int]:
        rows = self._rows_of_token.get(word)
        if rows is None:
            own = self._word_rows.get(word)
            rows = [] if own is None else [own]
            if self._subwords is not None:
                rows = rows + self._subwords.rows(word)
            self._rows_of_token[word] = rows
        return rows

    def _ngram_rows(self, words: Sequence[str], n: int) -> list[int]:
        """Return the rows of the hashed sequences of 2 to `n` words."""
        bucket, kept = self._model.arguments["bucket"], self._model.kept
        hashes = [_signed(hash_bytes(word.encode("utf-8", "surrogateescape"))) for word in words]
        buckets = []
        for first, value in enumerate(hashes):
            for following in hashes[first + 1 : first + n]:
                value = (value * _WORD_NGRAM_FACTOR + following) & 0xFFFFFFFFFFFFFFFF  # noqa: PLW2901
                buckets.append(value % bucket)
        if kept is not None:
            rows_of = dict(zip(kept[0].tolist(), kept[1].tolist(), strict=True))
            buckets = [rows_of[found] for found in buckets if found in rows_of]
        return [len(self._model.words) + found for found in buckets]

    def vector(self, line: str) -> np.ndarray:
        """Return the mean of a line's rows, shape (embedding_dim,); zeros when it has none."""
        rows = self.rows(self.tokens(line))
        if not rows:
            return np.zeros(self._model.arguments["dim"], np.float32)
        return np.asarray(self._model.input_rows[np.array(rows)], np.float32).mean(axis=0)


def _signed(value: int) -> int:
    """A 32-bit hash as fastText keeps it, signed; in 64-bit arithmetic the sign is carried on."""
    return value - (1 << 32) if value >= 1 << 31 else value
