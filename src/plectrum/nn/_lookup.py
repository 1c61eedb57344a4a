"""The forward of every layer stands here: ids and a table in, rows or pooled bags out.

The good path is one call of one operation and looks at no id twice. Only when that operation has refused does
`bad_ids_error` search for the id that was wrong, so that the answer names value, position and size.
"""

import torch
from torch import Tensor
from torch.nn import functional

from plectrum.errors import ArgumentError, RowOutOfRangeError
from plectrum.rows._parameter import look_up_rows, pool_rows


def look_up(
    owner: str,
    ids: Tensor,
    weight: Tensor,
    *,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows ``weight[ids]``, of shape (\\*ids.shape, embedding_dim)."""
    arguments = (ids, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if torch.compiler.is_compiling():
        return functional.embedding(*arguments)
    try:
        return look_up_rows(*arguments)
    except (IndexError, RuntimeError) as error:
        problem = bad_ids_error(error, owner, ids, weight)
        if problem is None:
            raise
        raise problem from error


def pool(
    owner: str,
    ids: Tensor,
    weight: Tensor,
    *,
    offsets: Tensor | None = None,
    per_sample_weights: Tensor | None = None,
    mode: str = "mean",
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
    include_last_offset: bool = False,
) -> Tensor:
    """Return one vector per bag of ids, of shape (n_bags, embedding_dim)."""
    arguments = (
        *(ids, weight, offsets, max_norm, norm_type, scale_grad_by_freq, mode, sparse),
        *(per_sample_weights, include_last_offset, padding_idx),
    )
    if torch.compiler.is_compiling():
        return functional.embedding_bag(*arguments)
    try:
        return pool_rows(*arguments)
    except (IndexError, RuntimeError) as error:
        problem = falling_offsets_error(owner, offsets) or bad_ids_error(
            error, owner, ids, weight, pooled=True
        )
        if problem is None:
            raise
        raise problem from error


class RowOutOfRangeRuntimeError(RowOutOfRangeError, RuntimeError):
    """An id points outside its table, where torch raises a RuntimeError: in bags and in empty tables."""


class FallingOffsetsError(ArgumentError, RuntimeError):
    """Offsets that go down; a RuntimeError as well, because torch's pooling raises one."""


def bad_ids_error(
    refusal: Exception,
    owner: str,
    ids: object,
    weight: Tensor,
    *,
    column: int | None = None,
    pooled: bool = False,
) -> RowOutOfRangeError | None:
    """Return what is wrong with the ids that torch refused, None when all lie inside the table.

    `column` is where the ids stood in the last axis of what the user gave, None when they are all of it;
    `pooled` says that they stood in bags, where torch raises a RuntimeError.
    """
    if (
        not isinstance(ids, Tensor)
        or ids.is_floating_point()
        or ids.device.type != "cpu"
        or weight.dim() != 2
    ):
        return None
    n_rows = weight.shape[0]
    places = ((ids < 0) | (ids >= n_rows)).nonzero()
    if not len(places):
        return None
    first = tuple(int(i) for i in places[0])
    as_torch = pooled or not isinstance(refusal, IndexError)
    kind = RowOutOfRangeRuntimeError if as_torch else RowOutOfRangeError
    return kind(
        owner=owner,
        value=int(ids[first]),
        position=first if column is None else (*first, column),
        n_bad=len(places),
        n_values=ids.numel(),
        n_rows=n_rows,
    )


def falling_offsets_error(owner: str, offsets: Tensor | None) -> FallingOffsetsError | None:
    """Return what is wrong with offsets that go down somewhere, None when they do not."""
    if (
        not isinstance(offsets, Tensor)
        or offsets.device.type != "cpu"
        or offsets.dim() != 1
        or offsets.numel() < 2
    ):
        return None
    falls = (offsets[1:] < offsets[:-1]).nonzero()
    if not len(falls):
        return None
    at = int(falls[0]) + 1
    return FallingOffsetsError(
        f"`offsets` of `{owner}` must not decrease; got {int(offsets[at])} after {int(offsets[at - 1])} at "
        f"position {at}, {len(falls):,} of {offsets.numel():,} values. Give the start of each bag, in order."
    )
