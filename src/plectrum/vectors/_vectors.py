"""Vectors: keys and their rows of one matrix, and what can be made of them."""

import os
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plectrum import formats
from plectrum.errors import ArgumentError, check_choice
from plectrum.vectors import _geometry, _quantize
from plectrum.vectors._approximate import Approximate
from plectrum.vectors._asked import Asked
from plectrum.vectors._coverage import Coverage
from plectrum.vectors._hand_off import hand_off
from plectrum.vectors._notebook import show
from plectrum.vectors._table import Key


class Vectors(Asked):
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
    scales : array of shape (n,), optional
        With an int8 `matrix`: what its rows are to be multiplied by (see `quantize`).
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

    # ------------------------------------------------------------------------------ fewer dimensions

    def project(self, method: str = "pca", random_state: int | None = 0) -> NDArray[np.float64]:
        """Return coordinates in the plane, shape (n, 2), for a map.

        Parameters
        ----------
        method : "pca", "tsne" or "umap"
            The two principal components (the same on every machine, but for rounding: each component is
            turned so that its largest entry is positive): distances are those of a shadow, and directions
            mean something. Or a map that may bend, to keep neighbours together, by their cosines: t-SNE (of
            scikit-learn) or UMAP (``pip install plectrum[umap]``). On these, neither directions nor the gaps
            between groups mean anything.
        random_state : int
            For t-SNE and UMAP. PCA leaves nothing to chance.

        Raises
        ------
        OptionalDependencyError
            UMAP, without the package `umap-learn`.
        ArgumentError
            t-SNE or UMAP of fewer than 4 vectors.

        Notes
        -----
        Cost: PCA reads the matrix once; t-SNE and UMAP take minutes beyond some 50,000 vectors.

        Examples
        --------
        >>> Vectors(["a", "b", "c"], np.eye(3)).project().shape
        (3, 2)
        """
        check_choice(method, ("pca", "tsne", "umap"), argument="method", owner="project")
        if method == "pca":
            return _geometry.plane(self.matrix)
        from plectrum.vectors._curved import curved_plane

        return curved_plane(self.matrix, method, random_state)

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
        vectors, energies, _ = _geometry.directions(self.matrix, weights, centred=False)
        share = np.cumsum(energies) / max(energies.sum(), np.finfo(float).tiny)
        n_kept = _n_kept(embedding_dim, energy, share)
        kept = {"from_dim": self.embedding_dim, "energy": float(share[n_kept - 1]) if n_kept else 1.0}
        return self._mapped(vectors[:, :n_kept], {"trim": kept})

    def align(self, to: "Vectors", *, pairs: Iterable[tuple[Key, Key]] | None = None) -> "Vectors":
        """Return these vectors turned so that they lie as near as possible to another set's.

        The orthogonal ``R`` that minimises ``sum_i |x_i R - y_i|^2`` over pairs of unit vectors
        (Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem"). Cosines among these
        vectors stay as they are; after it they can be compared with the others'.

        Parameters
        ----------
        to : Vectors
            Of the same dimension.
        pairs : iterable of (key here, key there), optional
            What shall meet; the keys that both have when None.

        Returns
        -------
        Vectors
            Copied. ``metadata["align"]`` says how many pairs there were and their mean cosine, before and
            after.

        Examples
        --------
        >>> a = Vectors(["x", "y"], [[1.0, 0.0], [0.0, 1.0]])
        >>> b = Vectors(["x", "y"], [[0.0, 1.0], [-1.0, 0.0]])
        >>> a.align(b)["x"].round(3).tolist()
        [0.0, 1.0]
        """
        if to.embedding_dim != self.embedding_dim:
            raise ArgumentError(
                f"`to` of `align` must have {self.embedding_dim} dimensions; got {to.embedding_dim}. Trim "
                "the larger."
            )
        both = [(key, key) for key in self.keys if key in to] if pairs is None else list(pairs)
        if not both:
            raise ArgumentError(
                "`align` needs keys that both sets have, or `pairs`; got none. Give some pairs."
            )
        here = self.units([self.row(key) for key, _ in both]).astype(np.float64)
        there = to.units([to.row(key) for _, key in both]).astype(np.float64)
        u, _, v = np.linalg.svd(here.T @ there)
        turned = {
            "n_pairs": len(both),
            "cosine_before": float((here * there).sum(axis=1).mean()),
            "cosine": float((here @ u @ v * there).sum(axis=1).mean()),
        }
        return self._mapped(u @ v, {"align": turned})

    def _mapped(self, basis: NDArray[np.float64], metadata: dict[str, Any]) -> "Vectors":
        """Return every vector times `basis` (embedding_dim, new_dim)."""
        dtype = self._float_type()

        def turn(vectors: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if vectors is None else (vectors @ basis).astype(dtype)

        return Vectors(
            self.keys,
            (self.matrix @ basis).astype(dtype),
            self._counts,
            unknown=turn(self._unknown),
            missing=turn(self._missing),
            subwords=None if self._subwords is None else self._subwords.projected(basis),
            metadata={**self.metadata, **metadata},
        )

    # ------------------------------------------------------------------------------ parts and sums

    def __getitem__(self, key: Any) -> Any:
        """Return the vector of a key; for a slice of rows, such as ``w[:10_000]``, the `Vectors` of these.

        See `Table.__getitem__` for what is raised when the key has no vector.
        """
        if isinstance(key, slice):
            return self._taken(np.arange(len(self))[key])
        return super().__getitem__(key)

    def subset(
        self,
        keys: Iterable[Key] | None = None,
        *,
        min_count: int | None = None,
        prefix: str | None = None,
        limit: int | None = None,
    ) -> "Vectors":
        """Return the vectors of some keys, in the order of these; all conditions hold at once.

        Parameters
        ----------
        keys : iterable, optional
            Only these keys; those that have no vector are left out (`coverage` counts them).
        min_count : int, optional
            Only keys seen at least so often.
        prefix : str, optional
            Only text that begins so.
        limit : int, optional
            The first so many of what is left.

        Examples
        --------
        >>> w = Vectors(["apple", "apricot", "beet"], np.eye(3), counts=[5, 1, 3])
        >>> w.subset(prefix="ap", min_count=2).keys
        ['apple']
        """
        chosen = np.ones(len(self), bool)
        if keys is not None:
            chosen[:] = False
            found = self._index.rows(list(keys))
            chosen[found[found >= 0]] = True
        if min_count is not None:
            if self._counts is None:
                raise ArgumentError("`min_count` of `subset` needs counts; these vectors have none.")
            chosen &= self._counts >= min_count
        if prefix is not None:
            chosen &= np.fromiter(
                (isinstance(k, str) and k.startswith(prefix) for k in self.keys), bool, len(self)
            )
        return self._taken(np.flatnonzero(chosen)[:limit])

    def _taken(self, rows: NDArray[np.int64]) -> "Vectors":
        return Vectors.from_record(self.to_record().take(rows))

    def concatenate(self, other: "Vectors", *, unit: bool = True) -> "Vectors":
        """Return the vectors of the keys that both sets have, one behind the other.

        Parameters
        ----------
        other : Vectors
            Of any dimension.
        unit : bool
            Whether vectors are divided by their lengths first, so that both halves weigh the same in cosines.

        Returns
        -------
        Vectors
            Dimension ``self.embedding_dim + other.embedding_dim``, in the order of these keys, with these
            counts; unknown and missing vectors where both have them (never divided by their lengths).

        Examples
        --------
        >>> a = Vectors(["x", "y"], [[2.0, 0.0], [0.0, 1.0]])
        >>> b = Vectors(["y", "z"], [[3.0], [1.0]])
        >>> a.concatenate(b).keys, a.concatenate(b)["y"].tolist()
        (['y'], [0.0, 1.0, 1.0])
        """
        rows = [row for row, key in enumerate(self.keys) if key in other]
        keys = [self.keys[row] for row in rows]
        others = [other.row(key) for key in keys]
        halves = (self.units(rows), other.units(others)) if unit else (self.rows(rows), other.rows(others))
        counts = None if self._counts is None else self._counts[rows]
        unknown, missing = (
            None if a is None or b is None else np.concatenate([a, b])
            for a, b in ((self._unknown, other.unknown), (self._missing, other.missing))
        )
        return Vectors(keys, np.hstack(halves), counts, unknown=unknown, missing=missing)

    def coverage(self, keys: Iterable[Any]) -> Coverage:
        """Return how many of some keys have a vector; prints as "8,912 of 10,000 found".

        Examples
        --------
        >>> print(Vectors(["a", "b"], np.eye(2)).coverage(["a", "c", "a"]))
        1 of 2 found (50.0%); not found: 'c'
        """
        distinct = list(dict.fromkeys(keys))
        rows = self._index.rows(distinct)
        lost = [key for key, row in zip(distinct, rows.tolist(), strict=True) if row < 0]
        return Coverage(len(distinct) - len(lost), len(distinct), lost)

    # ------------------------------------------------------------------------------ showing

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a small map, and the keys seen most with their neighbours."""
        return show(self)

    # ------------------------------------------------------------------------------ storage

    def approximate(self, *, connectivity: int = 16, expansion: int = 64) -> Approximate:
        """Return an index that finds most of the nearest keys, not surely all, in much less time.

        Worth its building for many millions of keys or questions one at a time; else `nearest` is exact and
        fast. Needs the package `usearch` (``pip install plectrum[approximate]``).

        Parameters
        ----------
        connectivity : int
            Neighbours of a key in the graph; more find more and need more memory.
        expansion : int
            How many candidates are kept while searching and building; more find more and take longer.
        """
        return Approximate(self, connectivity=connectivity, expansion=expansion)

    def quantize(
        self, dtype: Literal["float16", "int8"], *, k: int = 10, n_questions: int = 1000
    ) -> "Vectors":
        """Return the same vectors in half or a quarter of the memory, and the recall that it costs.

        int8 rows are ``round(x / scale)`` with ``scale = max|x| / 127``, one scale per row, which cancels in
        cosines. ``metadata["quantized"]["recall"]`` is the share of the `k` nearest keys that are still among
        the `k` nearest, over `n_questions` keys spread evenly over the table.

        Parameters
        ----------
        dtype : "float16" or "int8"
        k : int
        n_questions : int
            0 leaves the recall out, and its cost: two searches of this many questions.

        Examples
        --------
        >>> w = Vectors(["a", "b", "c"], np.array([[1.0, 0.1], [0.9, 0.3], [0.0, 1.0]]))
        >>> w.quantize("int8", k=1).metadata["quantized"]
        {'dtype': 'int8', 'recall': 1.0, 'k': 1, 'n_questions': 3}
        """
        matrix, scales = _quantize.quantized(self.matrix, dtype)
        about: dict[str, Any] = {"dtype": dtype}
        if n_questions and len(self) > k:
            asked = np.unique(np.linspace(0, len(self) - 1, n_questions).astype(np.int64))
            recall = _quantize.recall(self.matrix, matrix, asked, k)
            about |= {"recall": recall, "k": k, "n_questions": len(asked)}
        return Vectors(
            self.keys,
            matrix,
            self._counts,
            unknown=self._unknown,
            missing=self._missing,
            subwords=self._subwords,
            scales=scales,
            metadata={**self.metadata, "quantized": about},
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

    def hand_off(self, path: str | os.PathLike[str], viewer: str) -> str:
        """Write the vectors for a viewer of others, and return the shell command that opens it.

        Parameters
        ----------
        path : path
            A folder for the projector, a file (``.parquet``) for the atlas.
        viewer : {"projector", "atlas"}
            TensorBoard's embedding projector, or embedding-atlas; neither is needed for writing.

        Warns
        -----
        UserWarning
            There is more than the viewer shows.

        Examples
        --------
        >>> import tempfile
        >>> w = Vectors(["a", "b", "c"], np.eye(3))
        >>> w.hand_off(tempfile.mkdtemp() + "/p", "projector")
        'tensorboard --logdir .../p'
        """
        return hand_off(self.to_record(), path, viewer)

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
            scales=self._scales,
        )

    @classmethod
    def from_record(cls, record: formats.Record) -> "Vectors":
        """Return the vectors of a plain record that a format was read into."""
        return cls(
            record.keys,
            record.matrix,
            record.counts,
            unknown=record.unknown,
            missing=record.missing,
            subwords=record.subwords,
            scales=record.scales,
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
