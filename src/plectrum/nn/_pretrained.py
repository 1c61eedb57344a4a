"""Known vectors -> the first weights of a table, aligned by key."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from plectrum.errors import ArgumentError, ArgumentTypeError, check_choice

if TYPE_CHECKING:
    from plectrum.vectors import Vectors
    from plectrum.vocabulary import Vocabulary

Fill = Literal["normal", "mean", "zeros"]
log = logging.getLogger("plectrum.nn")


@dataclass(frozen=True)
class Coverage:
    """How many keys of a vocabulary were found among the vectors, and what the others start as.

    Attributes
    ----------
    n_found, n_keys : int
        Keys with a vector, and keys in all.
    not_found : tuple
        The keys without one, in the vocabulary's order.
    filled_with : str
        What their rows start as: ``"normal"``, ``"mean"`` or ``"zeros"``.
    """

    n_found: int
    n_keys: int
    not_found: tuple[Any, ...]
    filled_with: str

    def __str__(self) -> str:
        rest = f"; {len(self.not_found):,} start as {self.filled_with}" if self.not_found else ""
        return f"{self.n_found:,} of {self.n_keys:,} found{rest}"


def starting_table(
    embeddings: Tensor | Vectors, vocabulary: Vocabulary | None, missing: Fill
) -> tuple[Tensor, Vocabulary | None, Coverage | None]:
    """Return the rows a layer starts with, what names them, and what `Vectors` covered, None of a tensor."""
    if not isinstance(embeddings, Tensor) and hasattr(embeddings, "matrix"):
        return table_from_vectors(embeddings, vocabulary, missing)
    if not isinstance(embeddings, Tensor):
        raise ArgumentTypeError(
            f"`embeddings` of `from_pretrained` must be a torch.Tensor or a plectrum.Vectors; got "
            f"{type(embeddings).__name__}. Wrap an array with torch.from_numpy."
        )
    if vocabulary is not None and embeddings.shape[0] != vocabulary.n_rows:
        raise ArgumentError(
            f"`embeddings` of `from_pretrained` must have {vocabulary.n_rows:,} rows, one for each of the "
            f"{len(vocabulary):,} keys of the vocabulary and its reserved rows; got {embeddings.shape[0]:,}. "
            f"Pass a Vectors to have rows aligned by key."
        )
    return embeddings, vocabulary, None


def table_from_vectors(
    vectors: Vectors, vocabulary: Vocabulary | None, missing: Fill
) -> tuple[Tensor, Vocabulary, Coverage]:
    """Return the rows laid out for the vocabulary (that of the vectors when None), it, and the coverage."""
    from plectrum.vocabulary import Vocabulary

    advice = "It says what the rows of keys without a vector start as."
    check_choice(missing, get_args(Fill), argument="missing", owner="from_pretrained", advice=advice)
    source = Vocabulary.from_keys(vectors.keys)
    if vocabulary is None:
        vocabulary = Vocabulary.from_keys(vectors.keys, counts=vectors.counts)
    given = np.asarray(vectors.matrix)
    known = vocabulary.keys
    rows = np.asarray(source.encode(known), dtype=np.int64) - (source.n_rows - len(source))  # (n_keys,)
    found = rows >= 0
    first = vocabulary.n_rows - len(vocabulary)

    table = filling(vocabulary.n_rows, given[rows[found]], given.shape[1], missing).astype(given.dtype)
    table[first:][found] = given[rows[found]]
    table[vocabulary.padding_row] = 0
    for row, vector in ((vocabulary.unknown_row, vectors.unknown), (vocabulary.missing_row, vectors.missing)):
        if vector is not None:
            table[row] = vector
    not_found = tuple(key for key, there in zip(known, found, strict=True) if not there)
    coverage = Coverage(int(found.sum()), len(known), not_found, missing)
    log.info("from_pretrained: %s", coverage)
    return torch.from_numpy(table), vocabulary, coverage


def filling(n_rows: int, found: np.ndarray, embedding_dim: int, missing: Fill) -> np.ndarray:
    """Return starting rows (n_rows, embedding_dim) on the scale of the vectors that were found."""
    if missing == "zeros":
        return np.zeros((n_rows, embedding_dim))
    if missing == "mean":
        mean = found.mean(axis=0, dtype=np.float64) if len(found) else np.zeros(embedding_dim)
        return np.tile(mean, (n_rows, 1))
    scale = float(found.std(dtype=np.float64)) if found.size else embedding_dim**-0.5
    return torch.randn(n_rows, embedding_dim, dtype=torch.float64).numpy() * scale  # torch's seed governs
