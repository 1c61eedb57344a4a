"""Where a table lies in memory: found once; every step asks only whether it lies there still."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from plectrum.kernels import dispatch
from plectrum.rows._behind import is_compiled


class Place(NamedTuple):
    """A table as kernels see it: ``is_compiled`` says that the compiled ones serve."""

    at: int
    n_rows: int
    dim: int
    row_bytes: int
    dtype: torch.dtype
    shape: torch.Size
    is_contiguous: bool
    wanted: str | None
    is_compiled: bool


def place_of(table: Tensor, known: Place | None = None) -> Place:
    """Return where the table lies: `known` itself as long as nothing has changed."""
    if (
        known is not None
        and known.at == table.data_ptr()
        and known.shape == table.shape
        and known.is_contiguous == table.is_contiguous()
        and known.dtype == table.dtype
        and known.wanted == dispatch.wanted()
    ):
        return known
    n_rows, dim = table.shape
    return Place(
        *(table.data_ptr(), n_rows, dim, dim * table.element_size(), table.dtype, table.shape),
        *(table.is_contiguous(), dispatch.wanted(), is_compiled(table)),
    )
