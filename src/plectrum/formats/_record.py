"""What every format is read into and written from: a plain record of arrays."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError
from plectrum.formats._subwords import Subwords


@dataclass
class Record:
    """Keys, their vectors, and what is known about them, as plain data.

    Attributes
    ----------
    keys : sequence of length n
        One key per row, in the file's order; never missing or unknown. A list, or a sequence that decodes
        itself when it is first looked into (the native format).
    matrix : ndarray of shape (n, embedding_dim)
        The vectors; may be a read-only view of the file.
    counts : int64 ndarray of shape (n,), or None
        How often each key was seen.
    unknown, missing : ndarray of shape (embedding_dim,), or None
        What a key that was never seen, and a missing one, get.
    metadata : dict
        Whatever else the file says, as JSON types.
    columns : dict of str to array of length n
        Further columns, for formats that hold them (Parquet, CSV).
    scales : float32 ndarray of shape (n,), or None
        With an int8 `matrix`: what its rows are to be multiplied by.
    subwords : Subwords, or None
        What gives vectors to words that are no keys.

    Examples
    --------
    >>> Record(["a", "b"], np.eye(2)).matrix.shape
    (2, 2)
    """

    keys: Sequence[Hashable]
    matrix: NDArray[Any]
    counts: NDArray[np.int64] | None = None
    unknown: NDArray[Any] | None = None
    missing: NDArray[Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    scales: NDArray[np.float32] | None = None
    subwords: Subwords | None = None

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or len(self.matrix) != len(self.keys):
            raise ArgumentError(
                f"`matrix` of `Record` must have one row per key, {len(self.keys):,} rows in two dimensions; "
                f"got shape {self.matrix.shape}. Give one vector per key."
            )
        if self.counts is not None and self.counts.shape != (len(self.keys),):
            raise ArgumentError(
                f"`counts` of `Record` must have one count per key, shape ({len(self.keys)},); "
                f"got shape {self.counts.shape}. Give one count per key, or None."
            )

    def take(self, rows: NDArray[np.int64]) -> "Record":
        """Return the record of these rows only (copies their vectors)."""
        positions = rows.tolist()
        return Record(
            [self.keys[i] for i in positions],
            self.matrix[rows],
            None if self.counts is None else self.counts[rows],
            self.unknown,
            self.missing,
            dict(self.metadata),
            {name: np.asarray(column)[rows] for name, column in self.columns.items()},
            None if self.scales is None else self.scales[rows],
            self.subwords,
        )

    def floats(self) -> NDArray[Any]:
        """Return the matrix as floats: itself, or int8 rows times their scales (copied)."""
        if self.scales is not None:
            return self.matrix * self.scales[:, None]
        return self.matrix if self.matrix.dtype.kind == "f" else self.matrix.astype(np.float32)
