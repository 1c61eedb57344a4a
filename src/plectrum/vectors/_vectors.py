"""Vectors: keys and their rows of one matrix, and what can be asked of them."""

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plectrum import formats
from plectrum.errors import ArgumentError, ArgumentTypeError
from plectrum.vectors import _geometry, _search
from plectrum.vectors._index import MISSING, UNKNOWN, KeyIndex
from plectrum.vocabulary import Vocabulary

Key = Hashable
Ranked = list[tuple[Key, float]]


class Vectors:
    """Keys and their vectors: look up, compare, search, project, trim, save.

    Parameters
    ----------
    keys : sequence of length n
        One key per row: text, numbers, dates, ...; all different, none missing.
    matrix : array of shape (n, embedding_dim), float
        The vectors; kept as given, not copied.
    counts : array of shape (n,), int, optional
        How often each key was seen; `trim` weighs rows by it.
    unknown, missing : array of shape (embedding_dim,), optional
        What `lookup` gives for a key that was never seen, and for a missing one. They are no keys.
    subwords : Subwords, optional
        Character n-grams that give vectors to text which is no key, as fastText does.
    metadata : mapping, optional
        Anything of JSON types that shall travel with the vectors into a file.

    Notes
    -----
    All scores are cosines; the vector of length zero has the cosine 0 with everything. No normalised copy of
    the matrix is kept, only the lengths of its rows (4 bytes each).

    Examples
    --------
    >>> w = Vectors(["north", "east", "northeast"], [[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
    >>> w["east"], "west" in w, len(w)
    (array([1., 0.]), False, 3)
    >>> [(key, round(score, 2)) for key, score in w.nearest("north", k=2)]
    [('northeast', 0.8), ('east', 0.0)]
    """

    def __init__(
        self,
        keys: Iterable[Key],
        matrix: ArrayLike,
        counts: ArrayLike | None = None,
        *,
        unknown: ArrayLike | None = None,
        missing: ArrayLike | None = None,
        subwords: formats.Subwords | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self._index = KeyIndex(keys)
        self._matrix = _as_matrix(matrix, len(self._index))
        n, dim = self._matrix.shape
        self._counts = (
            None if counts is None else _of_shape(np.asarray(counts), (n,), "counts").astype(np.int64)
        )
        self._unknown = None if unknown is None else _of_shape(np.asarray(unknown), (dim,), "unknown")
        self._missing = None if missing is None else _of_shape(np.asarray(missing), (dim,), "missing")
        self._subwords = subwords
        self.metadata: dict[str, Any] = dict(metadata or {})
        self._norms: NDArray[np.float32] | None = None

    # ------------------------------------------------------------------------------ what is there

    @property
    def keys(self) -> Sequence[Key]:
        """The keys, in the order of the rows."""
        return self._index.keys

    @property
    def matrix(self) -> NDArray[Any]:
        """The vectors, shape (n, embedding_dim), not copied; read-only when they are a mapped file."""
        return self._matrix

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

    def __iter__(self) -> Any:
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
        found[known] = self._rows_of(rows[known])
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
        chosen = self._matrix if rows is None else self._rows_of(np.asarray(rows, np.int64))
        return _search.unit_rows(chosen)

    def _row_of(self, row: int) -> NDArray[Any]:
        vector: NDArray[Any] = self._matrix[row]
        return vector

    def _rows_of(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        return self._matrix[rows]

    def _float_type(self) -> np.dtype[Any]:
        return self._matrix.dtype

    # ------------------------------------------------------------------------------ comparing

    def similarity(self, a: Key, b: Key) -> float:
        """Return the cosine between the vectors of two keys.

        Examples
        --------
        >>> round(Vectors(["a", "b"], [[1.0, 0.0], [1.0, 1.0]]).similarity("a", "b"), 4)
        0.7071
        """
        first, second = np.asarray(self[a], np.float64), np.asarray(self[b], np.float64)
        length = np.linalg.norm(first) * np.linalg.norm(second)
        return float(first @ second / length) if length else 0.0

    def nearest(self, key_or_vector: Any, k: int = 10) -> Any:
        """Return the keys of highest cosine, best first, with their cosines.

        Parameters
        ----------
        key_or_vector : key or float array of shape (embedding_dim,)
            A key is itself left out of its answer. A list of keys, or a float array of shape
            (n, embedding_dim), asks n questions at once, which is many times as fast as asking one by one.
        k : int
            How many to return; fewer when there are fewer other keys.

        Returns
        -------
        list of (key, float), or for n questions a list of n such lists

        Raises
        ------
        UnknownKeyError
            A key has no vector.
        ArgumentError
            A vector has another length, or `k` is not positive.

        Notes
        -----
        Exact. Cost: the matrix is read once per 256 questions; no copy of it is made. Keys of equal cosine
        come in the order of their rows.

        Examples
        --------
        >>> w = Vectors(["a", "b", "c"], np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]))
        >>> [key for key, _ in w.nearest("a", k=2)]
        ['b', 'c']
        >>> [key for key, _ in w.nearest(np.array([0.0, 2.0]), k=1)]
        ['c']
        >>> [[key for key, _ in answer] for answer in w.nearest(["a", "c"], k=1)]
        [['b'], ['b']]
        """
        single, queries, excluded = self._questions(key_or_vector)
        answers = self._answers(queries, k, excluded)
        return answers[0] if single else answers

    def analogy(self, positive: Sequence[Any], negative: Sequence[Any] = (), k: int = 1) -> Ranked:
        """Return the keys nearest to the sum of some vectors minus others: king + woman - man is queen.

        ``argmax_x cos(x, sum_p p/|p| - sum_n n/|n|)`` over all keys but those given (3CosAdd: Mikolov, Yih,
        Zweig 2013, "Linguistic Regularities in Continuous Space Word Representations").

        Parameters
        ----------
        positive, negative : sequence of keys or vectors
        k : int

        Returns
        -------
        list of (key, float)

        Examples
        --------
        >>> w = Vectors(["man", "king", "woman", "queen"], [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 1, 1.0]])
        >>> w.analogy(positive=["king", "woman"], negative=["man"])[0][0]
        'queen'
        """
        target, rows = self._combined(positive, negative)
        return self._answers(target[None], k, [rows])[0]

    def _combined(
        self, positive: Sequence[Any], negative: Sequence[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return sum of unit vectors minus sum of unit vectors, and the rows of the keys among them."""
        if isinstance(positive, str) or isinstance(negative, str):
            raise ArgumentTypeError(
                "`positive` and `negative` of `analogy` must be lists of keys; got the text "
                f"{positive if isinstance(positive, str) else negative!r}. Put it in a list."
            )
        if not len(positive) and not len(negative):
            raise ArgumentError("`positive` of `analogy` must hold at least one key or vector; got none.")
        total, rows = np.zeros(self.embedding_dim, np.float32), []
        for sign, parts in ((1.0, positive), (-1.0, negative)):
            for part in parts:
                if self._is_vector(part):
                    vector = self._as_query(part)
                else:
                    vector = np.asarray(self[part], np.float32)
                    rows.append(self._index.find(part))
                total += sign * _search.unit_rows(vector[None])[0]
        return total, np.array([row for row in rows if row is not None], np.int64)

    def _questions(self, asked: Any) -> tuple[bool, NDArray[np.float32], list[NDArray[np.int64]] | None]:
        """Return whether it is one question, the query vectors, and the rows each must leave out."""
        if self._is_vector(asked):
            return True, self._as_query(asked)[None], None
        if isinstance(asked, np.ndarray) and asked.ndim == 2 and asked.dtype.kind == "f":
            return (
                False,
                _of_shape(asked, (len(asked), self.embedding_dim), "key_or_vector").astype(np.float32),
                None,
            )
        single = not isinstance(asked, (list, tuple, np.ndarray))
        keys = [asked] if single else list(asked)
        queries = np.empty((len(keys), self.embedding_dim), np.float32)
        excluded = []
        for position, key in enumerate(keys):
            queries[position] = self[key]
            row = self._index.find(key)
            excluded.append(np.array([] if row is None else [row], np.int64))
        return single, queries, excluded

    def _is_vector(self, value: Any) -> bool:
        if isinstance(value, np.ndarray):
            return value.ndim == 1 and value.dtype.kind == "f"
        return isinstance(value, (list, tuple)) and len(value) > 0 and all(type(v) is float for v in value)

    def _as_query(self, vector: Any) -> NDArray[np.float32]:
        return _of_shape(np.asarray(vector), (self.embedding_dim,), "key_or_vector").astype(np.float32)

    def _answers(
        self, queries: NDArray[np.float32], k: int, excluded: list[NDArray[np.int64]] | None
    ) -> list[Ranked]:
        if k < 1:
            raise ArgumentError(f"`k` must be at least 1; got {k}. Ask for one key or more.")
        rows, scores = _search.nearest_rows(self._matrix, self._lengths(), queries, k, excluded=excluded)
        keys = self.keys
        return [
            [(keys[row], score) for row, score in zip(r, s, strict=True) if row >= 0]
            for r, s in zip(rows.tolist(), scores.tolist(), strict=True)
        ]

    def _lengths(self) -> NDArray[np.float32]:
        if self._norms is None:
            self._norms = _search.row_norms(self._matrix)
        return self._norms

    # ------------------------------------------------------------------------------ fewer dimensions

    def project(self, method: str = "pca", random_state: int | None = 0) -> NDArray[np.float64]:
        """Return coordinates in the plane, shape (n, 2), for a map.

        Parameters
        ----------
        method : "pca" or "umap"
            The two principal components (the same on every machine, but for rounding: each component is
            turned so
            that its largest entry is positive), or UMAP, when the package `umap-learn` is installed.
        random_state : int
            For UMAP. PCA leaves nothing to chance.

        Examples
        --------
        >>> Vectors(["a", "b", "c"], np.eye(3)).project().shape
        (3, 2)
        """
        if method == "pca":
            return _geometry.plane(self._matrix)
        if method == "umap":
            from plectrum.vectors._umap import umap_plane

            return umap_plane(self._matrix, random_state)
        raise ArgumentError(f'`method` of `project` must be "pca" or "umap"; got {method!r}.')

    def trim(self, embedding_dim: int | None = None, energy: float | None = None) -> "Vectors":
        """Return vectors of fewer dimensions that keep as much of these as is possible.

        The rows are written in the orthonormal directions that keep the most of
        ``sum_i counts_i |x_i|^2`` (a singular value decomposition of the matrix with rows scaled by
        ``sqrt(counts)``; equal weights without counts). It is *not* centred, so that dot products and
        cosines,
        not only distances, come out as near to the old ones as that many dimensions allow (Eckart, Young
        1936).

        Parameters
        ----------
        embedding_dim : int, optional
            How many dimensions to keep.
        energy : float in (0, 1], optional
            Instead: the least share of the weighted sum of squares to keep; the smallest dimension that does.

        Returns
        -------
        Vectors
            Copied. The unknown and missing vectors go the same way. ``metadata["trim"]`` says what was kept.

        Examples
        --------
        >>> w = Vectors(["a", "b", "c"], [[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [3.0, 3.0, 0.1]])
        >>> w.trim(energy=0.99).embedding_dim
        1
        """
        if (embedding_dim is None) == (energy is None):
            raise ArgumentError(
                f"`trim` needs either `embedding_dim` or `energy`; got {embedding_dim!r} and {energy!r}. "
                "Give one."
            )
        weights = None if self._counts is None or not self._counts.any() else self._counts.astype(np.float64)
        vectors, energies, _ = _geometry.directions(self._matrix, weights, centred=False)
        share = np.cumsum(energies) / max(energies.sum(), np.finfo(float).tiny)
        n_kept = _n_kept(embedding_dim, energy, share)
        basis = vectors[:, :n_kept]
        kept = {"from_dim": self.embedding_dim, "energy": float(share[n_kept - 1]) if n_kept else 1.0}
        return Vectors(
            self.keys,
            (self._matrix @ basis).astype(self._matrix.dtype),
            self._counts,
            unknown=None if self._unknown is None else (self._unknown @ basis).astype(self._matrix.dtype),
            missing=None if self._missing is None else (self._missing @ basis).astype(self._matrix.dtype),
            subwords=None if self._subwords is None else self._subwords.projected(basis),
            metadata={**self.metadata, "trim": kept},
        )

    # ------------------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> None:  # noqa: A002
        """Write the vectors to a file (or folder), whole or not at all.

        Parameters
        ----------
        path : path
            Its suffix says the format when `format` is None: ``.safetensors`` (plectrum's own, keeps all),
            ``.parquet``, and those of other tools.
        format : str, optional
            A name in `plectrum.formats.FORMATS`.

        Warns
        -----
        UserWarning
            The format has no place for the unknown or missing vector.
        """
        formats.write(self.to_record(), path, format=format)

    def to_record(self) -> formats.Record:
        """Return the plain record that formats write."""
        return formats.Record(
            self.keys,
            self._matrix,
            self._counts,
            self._unknown,
            self._missing,
            dict(self.metadata),
            subwords=self._subwords,
        )

    @classmethod
    def from_record(cls, record: formats.Record) -> "Vectors":
        """Return the vectors of a plain record that a format was read into."""
        return cls(
            record.keys,
            record.floats(),
            record.counts,
            unknown=record.unknown,
            missing=record.missing,
            subwords=record.subwords,
            metadata=record.metadata,
        )


def _n_kept(embedding_dim: int | None, energy: float | None, share: NDArray[np.float64]) -> int:
    if embedding_dim is not None:
        if not 1 <= embedding_dim <= len(share):
            raise ArgumentError(
                f"`embedding_dim` of `trim` must lie in [1, {len(share)}], the present dimension; got "
                f"{embedding_dim}."
            )
        return embedding_dim
    if energy is None or not 0 < energy <= 1:
        raise ArgumentError(f"`energy` of `trim` must lie in (0, 1], a share; got {energy}.")
    return min(int(np.searchsorted(share, energy * (1 - 1e-12)) + 1), len(share))


def _as_matrix(matrix: ArrayLike, n: int) -> NDArray[Any]:
    found = np.asarray(matrix)
    if found.ndim != 2 or len(found) != n:
        raise ArgumentError(
            f"`matrix` of `Vectors` must have shape ({n}, embedding_dim), one row per key; got "
            f"{found.shape}. "
            "Give one vector per key."
        )
    if found.dtype.kind in "iu":
        return found.astype(np.float32)
    if found.dtype.kind != "f":
        raise ArgumentTypeError(
            f"`matrix` of `Vectors` must hold floats; got dtype {found.dtype}. Convert it first."
        )
    return found


def _of_shape(array: NDArray[Any], shape: tuple[int, ...], name: str) -> NDArray[Any]:
    if array.shape != shape:
        raise ArgumentError(f"`{name}` must have shape {shape}; got {array.shape}. Give one of that shape.")
    return array


def load(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    keys: Iterable[Key] | None = None,
    limit: int | None = None,
) -> Vectors:
    """Return the vectors of a file in any known format, recognised by its content.

    Parameters
    ----------
    path : path
        A file, or a folder for the formats that are folders.
    format : str, optional
        A name in `plectrum.formats.FORMATS`, when the content shall not be asked.
    keys : iterable, optional
        Load these keys only; ``metadata["coverage"]`` says how many of them were found.
    limit : int, optional
        Load the first `limit` rows only (files of word vectors stand in order of frequency).

    Raises
    ------
    FileNotFoundError
    FormatError
        The file is damaged or of no known format; names file, offset and what was expected.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/w.safetensors"
    >>> Vectors(["a", "b"], np.eye(2)).save(path)
    >>> load(path)["b"].tolist()
    [0.0, 1.0]
    """
    wanted = None if keys is None else frozenset(keys)
    record = formats.read(path, format=format, keys=wanted, limit=limit)
    if wanted is not None:
        record.metadata["coverage"] = {"n_found": len(record.keys), "n_wanted": len(wanted)}
    return Vectors.from_record(record)
