"""What users give to say which rows they mean, and what new rows start as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from plectrum.errors import ArgumentError, ArgumentTypeError, RowOutOfRangeError, UnknownKeyError

if TYPE_CHECKING:
    from plectrum.vocabulary import Vocabulary

Start = Literal["normal", "mean", "zeros"]


def row_mask(owner: str, rows_or_keys: Any, table: Tensor, vocabulary: Vocabulary | None = None) -> Tensor:
    """Return a bool tensor (n_rows,) on the table's device, True where a row is meant; all of them for None.

    Integers and tensors of integers are rows. With a vocabulary everything but a tensor is keys.
    """
    n_rows = table.shape[0]
    if rows_or_keys is None:
        return torch.ones(n_rows, dtype=torch.bool, device=table.device)
    rows = rows_or_keys
    if vocabulary is not None and not isinstance(rows, Tensor):
        rows = _rows_of_keys(owner, [rows] if isinstance(rows, (str, bytes)) else rows, vocabulary)
    rows = _as_rows(owner, rows, n_rows, table.device)
    if rows.dtype is torch.bool:
        return rows
    outside = ((rows < 0) | (rows >= n_rows)).nonzero()
    if len(outside):
        first = tuple(outside[0].tolist())
        raise RowOutOfRangeError(
            owner=owner,
            argument="rows_or_keys",
            value=int(rows[first]),
            position=first,
            n_bad=len(outside),
            n_values=rows.numel(),
            n_rows=n_rows,
            advice="Give rows of the table, or keys of its vocabulary.",
        )
    mask = torch.zeros(n_rows, dtype=torch.bool, device=table.device)
    mask[rows] = True
    return mask


def _rows_of_keys(owner: str, keys: Any, vocabulary: Vocabulary) -> Any:
    try:
        return vocabulary.encode(keys, unknown="error")
    except UnknownKeyError as error:
        unknown = error.key
        raise UnknownKeyError(
            unknown,
            position=error.position,
            n_unknown=error.n_unknown,
            n_values=error.n_values,
            nearest=lambda: vocabulary.nearest_keys(unknown),
            owner=f"the layer of `{owner}`",
            advice="Leave it out, take it in first (`add_keys`), or give row numbers as a tensor.",
        ) from None


def _as_rows(owner: str, rows: Any, n_rows: int, device: torch.device) -> Tensor:
    """Return int64 rows, or a mask of the right size as it is."""
    try:
        given = torch.as_tensor(rows, device=device)
    except (TypeError, ValueError, RuntimeError):
        given = None
    if given is not None and given.dtype is torch.bool and given.shape == (n_rows,):
        return given
    if given is not None and given.numel() == 0:
        return given.reshape(-1).long()
    if given is None or given.is_floating_point() or given.is_complex() or given.dtype is torch.bool:
        came = type(rows).__name__ if given is None else f"{given.dtype} of shape {tuple(given.shape)}"
        raise ArgumentTypeError(
            f"`rows_or_keys` of `{owner}` must be integer rows, a bool tensor of {n_rows:,} values, or, in a "
            f"layer with a vocabulary, keys; got {came}. Make the layer with `from_keys` to name its rows."
        )
    return given.long()


def starting_rows(owner: str, table: Tensor, n: int, start: Start | Tensor) -> Tensor:
    """Return the new rows (n, embedding_dim) for a table that grows."""
    if not isinstance(n, int) or n < 0:
        raise ArgumentError(
            f"`n` of `{owner}` must be an int of at least 0; got {n!r}. It is the number of rows to add, not "
            f"the size to reach."
        )
    shape = (n, table.shape[1])
    if isinstance(start, Tensor):
        if start.shape != shape:
            raise ArgumentError(
                f"`start` of `{owner}` must have the shape of the new rows, {shape}; got "
                f"{tuple(start.shape)}. Give a row for each, or one of 'normal', 'mean', 'zeros'."
            )
        return start.detach()
    if start not in get_args(Start):
        raise ArgumentError(
            f"`start` of `{owner}` must be a tensor or one of 'normal', 'mean', 'zeros'; got {start!r}. It "
            f"says what the new rows start as."
        )
    table = table.detach()
    if start == "zeros" or (table.numel() == 0 and start == "mean"):
        return table.new_zeros(shape)
    if start == "mean":
        return table.float().mean(dim=0).to(table.dtype).expand(shape)
    deviation = float(table.float().std()) if table.numel() > 1 else max(table.shape[1], 1) ** -0.5
    return table.new_empty(shape).normal_(0, deviation)
