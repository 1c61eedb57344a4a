"""Words -> numbers, for bytes of text (compiled) and for lists of words that are Python's already."""

from collections.abc import Hashable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentTypeError
from plectrum.kernels.tokens import cpu
from plectrum.text._tokens import Tokens

_END = np.full(1, -1, np.int32)


class ByteScanner:
    """Numbers the words of pieces of text in order of first appearance, and counts them.

    Examples
    --------
    >>> scanner = ByteScanner()
    >>> scanner.scan(b"to be or not to be ").tolist(), scanner.keys(), scanner.counts.tolist()
    ([0, 1, 2, 3, 0, 1], ['to', 'be', 'or', 'not'], [2, 2, 1, 1])
    """

    def __init__(self, capacity: int = 1 << 16) -> None:
        self._table = np.full(2 * capacity, -1, np.int32)
        self._hashes = np.empty(capacity, np.uint64)
        self._counts = np.zeros(capacity, np.int64)
        self._starts = np.zeros(capacity + 1, np.int64)
        self._arena = np.empty(16 * capacity, np.uint8)
        self._n = 0

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each word was seen."""
        return self._counts[: self._n]

    def scan(self, text: bytes) -> Tokens:
        """Return the numbers of the words of a piece that ends at the end of a word; -1 for ends of lines."""
        found = np.frombuffer(text, np.uint8)
        out = np.empty(len(found) + 1, np.int32)
        at = n_out = 0
        while True:
            reason, at, self._n, n = cpu.scan_words(
                found, at, len(found), self._table, self._hashes, self._starts, self._counts, self._arena,
                self._n, out[n_out:],
            )  # fmt: skip
            n_out += n
            if reason == cpu.DONE:
                return out[:n_out]
            if reason == cpu.NEEDS_WORDS:
                self._grow_words()
            else:
                self._arena = np.concatenate([self._arena, np.empty(len(self._arena) + len(text), np.uint8)])

    def keys(self) -> list[str]:
        """Return the words as text; bytes that are not UTF-8 are written as ``\\xff``."""
        ends = self._starts[: self._n + 1].tolist()
        arena = self._arena[: ends[-1]].tobytes()
        if arena.isascii():
            whole = arena.decode("ascii")
            return [whole[a:b] for a, b in pairwise(ends)]
        return [arena[a:b].decode("utf-8", "backslashreplace") for a, b in pairwise(ends)]

    def _grow_words(self) -> None:
        capacity = 2 * len(self._hashes)
        self._hashes, self._counts = np.resize(self._hashes, capacity), np.resize(self._counts, capacity)
        self._starts = np.resize(self._starts, capacity + 1)
        self._table = np.full(2 * capacity, -1, np.int32)
        cpu.build_table(self._table, self._hashes, self._n)


class _Numbers(dict[Any, int]):
    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


class ListScanner:
    """The same for sentences that are lists of words, or of any other keys.

    Examples
    --------
    >>> scanner = ListScanner()
    >>> scanner.scan([["to", "be"], ["be"]]).tolist(), scanner.keys(), scanner.counts.tolist()
    ([0, 1, -1, 1, -1], ['to', 'be'], [1, 2])
    """

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._counts = np.zeros(0, np.int64)
        self._n_sentences = 0

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each word was seen."""
        return self._counts

    def scan(self, sentences: Iterable[Iterable[Hashable]]) -> Tokens:
        """Return the numbers of the words, with -1 at the end of each sentence."""
        found: list[int] = []
        number = self._numbers.__getitem__
        for sentence in sentences:
            if isinstance(sentence, str | bytes):
                raise ArgumentTypeError(
                    f"A sentence of `fit` must be a list of words; got the text {sentence[:40]!r} at "
                    f"position {self._n_sentences:,}. Split it first, as in [line.split() for line in "
                    "lines], or pass the path of a file."
                )
            found.extend(map(number, sentence))
            found.append(-1)
            self._n_sentences += 1
        tokens = np.array(found, np.int32)
        fresh = np.bincount(tokens[tokens >= 0], minlength=len(self._numbers))
        fresh[: len(self._counts)] += self._counts
        self._counts = fresh
        return tokens

    def keys(self) -> list[Any]:
        """Return the words in order of first appearance."""
        return list(self._numbers)
