"""The tables that pair training works on: rows of 16 floats and more, aligned, side by side in memory."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_LANES = 16
_ALIGNMENT = 64  # bytes of a cache line


def aligned_zeros(n_rows: int, embedding_dim: int) -> Floats:
    """Return zeros of shape (n_rows, embedding_dim rounded up to 16) that begin with a cache line."""
    width = -(-embedding_dim // _LANES) * _LANES
    n = n_rows * width
    room = np.zeros(n + _ALIGNMENT // 4, np.float32)
    start = (-room.ctypes.data % _ALIGNMENT) // 4
    return room[start : start + n].reshape(n_rows, width)


def random_rows(table: Floats, embedding_dim: int, first: int, generator: np.random.Generator) -> None:
    """Fill the rows from `first` on with numbers in [-0.5, 0.5) / embedding_dim, as word2vec begins."""
    fresh = generator.random((len(table) - first, embedding_dim), np.float32)
    table[first:, :embedding_dim] = (fresh - np.float32(0.5)) / np.float32(embedding_dim)


def grown(table: Floats, n_rows: int, embedding_dim: int) -> Floats:
    """Return a table of `n_rows` that begins with the rows of `table`; the others are zero."""
    larger = aligned_zeros(n_rows, embedding_dim)
    larger[: len(table)] = table
    return larger


@dataclass(slots=True)
class PairTables:
    """What pair training changes, and how keys are made of rows.

    Attributes
    ----------
    embedding_dim : int
        The columns beyond it are padding, and zero.
    inputs : float32 (n_input_rows, width)
        The vectors that are asked for.
    outputs : float32 (n_keys, width)
        The vectors that predict; zero rows when negative sampling is not used.
    nodes : float32 (n_keys - 1, width) or (0, width)
        The inner nodes of hierarchical softmax.
    bag_starts, bags : int64 (n_keys + 1,), int32
        The input rows whose mean is the vector of each key (subwords); a single start: row c is key c.
    tree_counts : int64 (n_keys,) or (0,)
        The counts that the tree of hierarchical softmax was made of.
    frozen : uint8 (n_input_rows,) or (1,)
        Input rows that shall stay as they are.
    """

    embedding_dim: int
    inputs: Floats
    outputs: Floats
    nodes: Floats
    bag_starts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    bags: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    tree_counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    frozen: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(1, np.uint8))

    @classmethod
    def begin(
        cls,
        n_keys: int,
        embedding_dim: int,
        generator: np.random.Generator,
        *,
        n_input_rows: int | None = None,
        uses_nodes: bool = False,
    ) -> "PairTables":
        """Return tables as word2vec begins: small random inputs, outputs and nodes of zero."""
        inputs = aligned_zeros(n_keys if n_input_rows is None else n_input_rows, embedding_dim)
        random_rows(inputs, embedding_dim, 0, generator)
        return cls(
            embedding_dim,
            inputs,
            aligned_zeros(n_keys, embedding_dim),
            aligned_zeros(max(n_keys - 1, 0) if uses_nodes else 0, embedding_dim),
        )

    @property
    def longest_bag(self) -> int:
        """The most rows that make up a key."""
        return int(np.diff(self.bag_starts).max(initial=1))
