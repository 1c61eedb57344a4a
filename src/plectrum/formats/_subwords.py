"""Vectors for words that were never seen, from the character n-grams that they are made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError

END_OF_SENTENCE = "</s>"
_NGRAMS_AT_ONCE = 100_000


class Rows(Protocol):
    """A matrix whose rows can be taken: an array, or one that is unpacked when it is read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_rows, embedding_dim)."""

    def __getitem__(self, rows: Any) -> Any:
        """Return these rows as floats."""


@dataclass(frozen=True)
class Subwords:
    """A table of n-gram vectors, and which n-grams a word has.

    The vector of a word is the mean of the rows of its n-grams and, if the word is known, of its own row
    (Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information"). N-grams are those of
    ``<word>``, `min_n` to `max_n` characters long, hashed to `bucket` rows as fastText hashes them.

    Attributes
    ----------
    table : array of shape (first_row + n_ngram_rows, embedding_dim)
        The rows of n-grams from `first_row` on; what stands before is not theirs (fastText: words).
    min_n, max_n, bucket : int
    first_row : int
    kept : int64 array of shape (2, n_kept), or None
        After pruning: the buckets that are left, rising, and their rows behind `first_row`.

    Examples
    --------
    >>> subwords = Subwords(np.eye(7), min_n=3, max_n=3, bucket=7)
    >>> subwords.rows("ab")
    [5, 2]
    """

    table: Rows
    min_n: int
    max_n: int
    bucket: int
    first_row: int = 0
    kept: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n_ngrams = self.table.shape[0] - self.first_row
        needed = self.bucket if self.kept is None else int(self.kept[1].max(initial=-1)) + 1
        if self.bucket < 1 or self.min_n < 1 or self.max_n < self.min_n or needed > n_ngrams:
            raise ArgumentError(
                f"`table` of `Subwords` must have a row for each of {self.bucket:,} buckets, behind "
                f"{self.first_row:,} others, and 1 <= min_n <= max_n; got {self.table.shape[0]:,} rows, "
                f"min_n {self.min_n}, max_n {self.max_n}. Give the table that belongs to these buckets."
            )

    @property
    def embedding_dim(self) -> int:
        """The length of a vector."""
        return int(self.table.shape[1])

    def rows(self, word: str) -> list[int]:
        """Return the rows of a word's n-grams in `table`; the end of a sentence has none."""
        if word == END_OF_SENTENCE:
            return []
        from plectrum.kernels.subwords import reference

        grams = reference.ngrams(_encode(word), self.min_n, self.max_n)
        buckets = np.array([reference.hash_bytes(gram) % self.bucket for gram in grams], np.int64)
        rows: list[int] = (self._rows_of_buckets(buckets)[0] + self.first_row).tolist()
        return rows

    def vector(self, word: str) -> NDArray[np.float32]:
        """Return the mean of a word's n-gram rows, shape (embedding_dim,); zeros when it has none."""
        rows = self.rows(word)
        if not rows:
            return np.zeros(self.embedding_dim, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.asarray(self.table[rows], np.float32).sum(axis=0) / np.float32(len(rows)))

    def word_vectors(self, words: Sequence[str], own_rows: Rows) -> NDArray[np.float32]:
        """Return the vectors of known words, shape (n_words, embedding_dim): own row and n-grams, averaged.

        Parameters
        ----------
        words : sequence of str
        own_rows : array of shape (n_words, embedding_dim)
        """
        vectors = np.empty((len(words), self.embedding_dim), np.float32)
        for part in self._parts(words):
            self._fill(words[part], np.asarray(own_rows[part], np.float32), vectors[part])
        return vectors

    def _parts(self, words: Sequence[str]) -> Iterator[slice]:
        """Yield slices of the words with so few n-grams that their rows need little memory."""
        first, n_ngrams = 0, 0
        for i, word in enumerate(words):
            n_ngrams += (len(word) + 2) * (self.max_n - self.min_n + 1)
            if n_ngrams > _NGRAMS_AT_ONCE:
                yield slice(first, i + 1)
                first, n_ngrams = i + 1, 0
        if first < len(words):
            yield slice(first, len(words))

    def _fill(self, words: Sequence[str], own: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
        from plectrum.kernels.subwords import cpu

        rows, owners = self._rows_of_words(words)
        counts = np.bincount(owners, minlength=len(words))
        vectors[:] = own
        if isinstance(self.table, np.ndarray) and self.table.dtype == np.float32:
            cpu.add_rows(self.table, rows + self.first_row, np.cumsum(counts), vectors)
        elif len(rows):
            has = counts > 0
            unpacked = np.asarray(self.table[rows + self.first_row], np.float32)
            with np.errstate(over="ignore", invalid="ignore"):  # a table may hold infinities
                vectors[has] += np.add.reduceat(unpacked, (np.cumsum(counts) - counts)[has], axis=0)
        vectors /= (counts + 1).astype(np.float32)[:, None]

    def _rows_of_words(self, words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the n-gram rows of all words, one after the other, and the word that each belongs to."""
        from plectrum.kernels.subwords import cpu

        encoded = [b"" if word == END_OF_SENTENCE else _encode(word) for word in words]
        raw = np.frombuffer(b"".join(encoded), np.uint8)
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), dtype=np.int64)
        bucket_ends = np.empty(len(words), np.int64)
        how = (self.min_n, self.max_n, self.bucket)
        n = cpu.ngram_buckets(raw, ends, *how, np.empty(0, np.int64), bucket_ends)
        buckets = np.empty(n, np.int64)
        cpu.ngram_buckets(raw, ends, *how, buckets, bucket_ends)
        owners = np.repeat(np.arange(len(words)), np.diff(bucket_ends, prepend=0))
        silent = np.array([word == END_OF_SENTENCE for word in words])
        rows, kept = self._rows_of_buckets(buckets)
        owners = owners[kept]
        speaks = ~silent[owners]
        return rows[speaks], owners[speaks]

    def _rows_of_buckets(self, buckets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the rows behind `first_row` of those buckets that were kept, and which these are."""
        if self.kept is None:
            return buckets, np.ones(len(buckets), bool)
        old, new = self.kept
        if not len(old):
            return buckets[:0], np.zeros(len(buckets), bool)
        at = np.minimum(np.searchsorted(old, buckets), len(old) - 1)
        found = old[at] == buckets
        return new[at[found]], found

    def ngram_table(self) -> NDArray[np.float32]:
        """Return the n-grams' rows alone, unpacked: (n_ngram_rows, embedding_dim)."""
        return np.asarray(self.table[np.arange(self.first_row, self.table.shape[0])], np.float32)

    def projected(self, basis: NDArray[Any]) -> "Subwords":
        """Return the same n-grams with every vector multiplied by `basis` (embedding_dim, new_dim)."""
        return replace(self, table=(self.ngram_table() @ basis).astype(np.float32), first_row=0)


def _encode(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")
