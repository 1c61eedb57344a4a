"""More rows for a table: old rows, their gradient and their optimizer state stay bit for bit."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.weak import WeakTensorKeyDictionary

from plectrum.errors import ArgumentError, OptimizerError
from plectrum.nn._frozen import first_value, frozen_rows, per_row_states
from plectrum.rows import files_of


def grow_table(table: Parameter, new_rows: Tensor) -> None:
    """Append rows to a table in place; the Parameter stays the same object.

    The gradient grows by zeros. So does what optimizers keep for each row (moments, sums), when they next
    step: the old rows' state is not touched, and a new row starts as it would in a new table.

    Parameters
    ----------
    table : Parameter (n_rows, embedding_dim)
    new_rows : tensor (n_new, embedding_dim)
        What the new rows start as.

    Raises
    ------
    ArgumentError
        The table is kept in files.
    OptimizerError
        Something (DistributedDataParallel, usually) holds the table at its old size. The table is then
        unchanged.

    Notes
    -----
    Cost: a copy of the table.
    """
    if files_of(table) is not None:
        raise ArgumentError(
            "`table` of `grow` must be in memory; got one that is kept in files, whose size is fixed. Make a "
            "larger table, copy the rows into it, and keep that one in files."
        )
    old = table.data
    table.data = torch.cat([old, new_rows.to(old)])
    if _size_in_graph(table) != table.shape:
        table.data = old
        raise OptimizerError(
            "`table` of `grow` must not be held by a graph at its old size; got a table of "
            f"{old.shape[0]:,} rows that is. Grow it before DistributedDataParallel wraps the model, and "
            "after backward has run."
        )
    if table.grad is not None:
        table.grad = _padded(table.grad, table.shape[0])
    _sizes_before[table] = {*_sizes_before.get(table, ()), old.shape[0]} - {table.shape[0]}  # type: ignore[no-untyped-call]
    frozen = frozen_rows(table)
    if frozen is not None:
        frozen.change(_padded(frozen.mask, table.shape[0]))
    _watch_optimizers()


def _size_in_graph(table: Parameter) -> torch.Size:
    """Return the size that its gradient must have: an accumulator that somebody holds keeps the old."""
    if not table.requires_grad:
        return table.shape
    with torch.enable_grad():
        accumulator = table.expand_as(table).grad_fn.next_functions[0][0]  # type: ignore[union-attr]
    return torch.Size(accumulator._input_metadata[0].shape)  # type: ignore[union-attr]


def _padded(rows: Tensor, n_rows: int, fill: float = 0.0) -> Tensor:
    """Return the tensor with `n_rows` rows, the new ones filled."""
    if rows.layout is torch.sparse_coo:
        size = (n_rows, *rows.shape[1:])
        return torch.sparse_coo_tensor(rows._indices(), rows._values(), size, check_invariants=False)
    more = rows.new_full((n_rows - rows.shape[0], *rows.shape[1:]), fill)
    return torch.cat([rows, more])


# ---- what optimizers keep for each row grows when they next step

_sizes_before = WeakTensorKeyDictionary()  # table -> the numbers of rows that it had
_watching = False


def _grow_states(optimizer: Optimizer, *_: Any) -> None:
    for table in (p for group in optimizer.param_groups for p in group["params"]):
        for n_rows in _sizes_before.get(table, ()):  # type: ignore[no-untyped-call]
            for name, state in per_row_states(optimizer, table, n_rows).items():
                fill = first_value(optimizer, table, name)
                optimizer.state[table][name] = _padded(state, table.shape[0], fill)


def _watch_optimizers() -> None:
    """Have every optimizer of this process look for grown tables; once is enough."""
    global _watching  # noqa: PLW0603 (a registration with torch, made when first needed)
    if not _watching:
        register_optimizer_step_pre_hook(_grow_states)
        _watching = True
