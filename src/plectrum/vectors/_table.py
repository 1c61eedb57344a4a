"""What `Vectors` holds: keys, their rows, and what stands for unknown and missing ones."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plectrum import formats
from plectrum.errors import ArgumentError, ArgumentTypeError
from plectrum.vectors import _search
from plectrum.vectors._index import MISSING, UNKNOWN, KeyIndex
from plectrum.vocabulary import Vocabulary

Key = Hashable


class Table:
    """Keys and their rows of one matrix: `Vectors` without what it can compute."""

    def __init__(
        self,
        keys: Iterable[Key],
        matrix: ArrayLike,
        counts: ArrayLike | None = None,
        *,
        unknown: ArrayLike | None = None,
        missing: ArrayLike | None = None,
        subwords: formats.Subwords | None = None,
        scales: ArrayLike | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._index = KeyIndex(keys)
        self._scales = None if scales is None else of_shape(np.asarray(scales), (len(self._index),), "scales")
        self._matrix = _as_matrix(matrix, len(self._index), quantized=scales is not None)
        n, dim = self._matrix.shape
        self._counts = (
            None if counts is None else of_shape(np.asarray(counts), (n,), "counts").astype(np.int64)
        )
        self._unknown = None if unknown is None else of_shape(np.asarray(unknown), (dim,), "unknown")
        self._missing = None if missing is None else of_shape(np.asarray(missing), (dim,), "missing")
        self._subwords = subwords
        self.metadata: dict[str, Any] = dict(metadata or {})
        self._norms: NDArray[np.float32] | None = None

    # ------------------------------------------------------------------------------ what is there

    @property
    def keys(self) -> list[Key]:
        """The keys, in the order of the rows."""
        return self._index.keys

    @property
    def matrix(self) -> NDArray[Any]:
        """The vectors, shape (n, embedding_dim), not copied; read-only when they are a mapped file.

        Vectors quantised to int8 are unpacked into a new float32 array each time; `rows` takes a part of
        them.
        """
        return self._matrix if self._scales is None else self._matrix * self._scales[:, None]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type the vectors are stored in."""
        return self._matrix.dtype

    @property
    def counts(self) -> NDArray[np.int64] | None:
        """How often each key was seen, shape (n,); None when that is not known."""
        return self._counts

    @property
    def unknown(self) -> NDArray[Any] | None:
        """The vector of keys that were never seen, shape (embedding_dim,), or None."""
        return self._unknown

    @property
    def missing(self) -> NDArray[Any] | None:
        """The vector of a missing value, shape (embedding_dim,), or None."""
        return self._missing

    @property
    def subwords(self) -> formats.Subwords | None:
        """The character n-grams that answer for text which is no key, or None."""
        return self._subwords

    @property
    def embedding_dim(self) -> int:
        """The length of a vector."""
        return int(self._matrix.shape[1])

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, key: object) -> bool:
        return self._index.find(key) is not None

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys)

    def __repr__(self) -> str:
        return f"Vectors({len(self):,} keys, embedding_dim={self.embedding_dim}, {self._matrix.dtype})"

    # ------------------------------------------------------------------------------ looking up

    def __getitem__(self, key: Key) -> NDArray[Any]:
        """Return the vector of a key, shape (embedding_dim,): a view of the matrix.

        With `subwords` any other text has a vector too, though it is no key: the mean of its n-grams'.

        Raises
        ------
        UnknownKeyError
            The key has no vector; the message names the keys that are spelled most alike.
        """
        row = self._index.find(key)
        if row is not None:
            return self._row_of(row)
        if self._subwords is not None and isinstance(key, str):
            return self._subwords.vector(key)
        raise self._index.unknown(key)

    @property
    def vocabulary(self) -> Vocabulary:
        """The keys as a `Vocabulary`, in which the key of row i of `matrix` has row i + 3."""
        return self._index.vocabulary

    def row(self, key: Key) -> int:
        """Return the row of a key in `matrix`; an `UnknownKeyError` names the nearest keys if it has none."""
        return self._index.row(key)

    def lookup(self, values: Sequence[Any]) -> NDArray[Any]:
        """Return the vectors of many values, shape (n_values, embedding_dim), copied.

        A value that is no key gets the `unknown` vector, and a missing one the `missing` vector; with
        `subwords`, text that is no key gets the mean of its n-grams'.

        Raises
        ------
        UnknownKeyError
            A value is no key (or is missing) and there is no vector for that case.
        """
        rows = self._index.rows(values)
        found: NDArray[Any] = np.empty((len(rows), self.embedding_dim), self._float_type())
        known = rows >= 0
        found[known] = self.rows(rows[known])
        if self._subwords is not None:
            for position in np.flatnonzero(rows == UNKNOWN).tolist():
                if isinstance(values[position], str):
                    found[position] = self._subwords.vector(values[position])
                    rows[position] = 0
        for code, vector, name in ((UNKNOWN, self._unknown, "unknown"), (MISSING, self._missing, "missing")):
            lost = np.flatnonzero(rows == code)
            if len(lost) and vector is None:
                first = int(lost[0])
                error = self._index.unknown(values[first], position=first, n=len(lost), of=len(rows))
                error.add_note(f"There is no `{name}` vector to give instead.")
                raise error
            found[lost] = vector
        return found

    def units(self, rows: Sequence[int] | NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Return vectors divided by their lengths, float32, copied: of all rows, or of some."""
        chosen = self._matrix if rows is None else self.rows(rows)
        return _search.unit_rows(chosen)

    def rows(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Return the vectors of some rows of `matrix`, shape (n_rows, embedding_dim), copied."""
        numbers = np.asarray(rows, np.int64)
        taken: NDArray[Any] = self._matrix[numbers]
        return taken if self._scales is None else taken * self._scales[numbers, None]

    def _row_of(self, row: int) -> NDArray[Any]:
        vector: NDArray[Any] = self._matrix[row]
        return vector if self._scales is None else vector * self._scales[row]

    def _float_type(self) -> np.dtype[Any]:
        return self._matrix.dtype if self._scales is None else np.dtype(np.float32)


def _as_matrix(matrix: ArrayLike, n: int, *, quantized: bool) -> NDArray[Any]:
    found = np.asarray(matrix)
    if found.ndim != 2 or len(found) != n:
        raise ArgumentError(
            f"`matrix` of `Vectors` must have shape ({n}, embedding_dim), one row per key; got "
            f"{found.shape}. "
            "Give one vector per key."
        )
    if quantized:
        if found.dtype != np.int8:
            raise ArgumentTypeError(f"`matrix` of `Vectors` with `scales` must be int8; got {found.dtype}.")
        return found
    if found.dtype.kind in "iu":
        return found.astype(np.float32)
    if found.dtype.kind != "f":
        raise ArgumentTypeError(
            f"`matrix` of `Vectors` must hold floats; got dtype {found.dtype}. Convert it first."
        )
    return found


def of_shape(array: NDArray[Any], shape: tuple[int, ...], name: str) -> NDArray[Any]:
    if array.shape != shape:
        raise ArgumentError(f"`{name}` must have shape {shape}; got {array.shape}. Give one of that shape.")
    return array
