"""Gradients of rows that have not been written out.

A lookup in many tables gets its gradient as one wide array, and bags get one vector for many ids. Autograd
would copy either into a tensor per table before the optimizer reads it once. Where nothing could tell the
difference the ledger keeps what backward was given instead; the first look at ``parameter.grad`` writes it
out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import Parameter

from plectrum.kernels.update.torch_ops import arithmetic

# Where the compiled kernels find a gradient of rows, in the order of their columns: the ids, the step from
# one to the next in numbers, how many; the values, the step in bytes; `bag_of` and `scale`, 0 for none.
Addresses = tuple[int, int, int, int, int, int, int]
# what `torch.distributed.is_initialized` looks at, by three calls of Python's
_world: Any = torch.distributed.distributed_c10d._world if torch.distributed.is_available() else None


class RowGradient:
    """The gradient ``values[bag_of[i]] * scale[i]`` of row ``ids[i]``.

    Attributes
    ----------
    ids : int Tensor (n,)
    values : Tensor (n_values, embedding_dim)
    bag_of : int64 Tensor (n,) or None
        None where the gradient of the i-th id is the i-th of the values.
    scale : Tensor (n,) or None
    """

    __slots__ = ("_ids", "_values", "bag_of", "scale")

    def __init__(
        self, ids: Tensor, values: Tensor, bag_of: Tensor | None = None, scale: Tensor | None = None
    ) -> None:
        self._ids, self._values, self.bag_of, self.scale = ids, values, bag_of, scale

    @property
    def ids(self) -> Tensor:
        """One row number for each gradient."""
        return self._ids

    @property
    def values(self) -> Tensor:
        """The gradients, or those of the bags."""
        return self._values

    def written_out(self) -> Tensor:
        """Return one row of numbers per id."""
        found = self.values if self.bag_of is None else self.values.index_select(0, self.bag_of)
        return found if self.scale is None else found * self.scale.unsqueeze(1)

    def as_sparse(self, like: Tensor) -> Tensor:
        """Return an uncoalesced sparse tensor of the shape of the table."""
        values = self.written_out().to(like.dtype)
        return torch.sparse_coo_tensor(self.ids.unsqueeze(0), values, like.shape, check_invariants=False)

    def scaled(self, factor: Tensor) -> RowGradient:
        """Return the gradient times `factor`, which has one number per id."""
        return RowGradient(
            self.ids, self.values, self.bag_of, factor if self.scale is None else self.scale * factor
        )

    def without(self, held: Tensor | None) -> RowGradient:
        """Return the gradient of the rows that may move; `held` (n_rows,) is True for those that must not."""
        if held is None:
            return self
        free = ~held[self.ids]
        bag_of, scale = (None if part is None else part[free] for part in (self.bag_of, self.scale))
        values = self.values[free] if self.bag_of is None else self.values
        return RowGradient(self.ids[free], values, bag_of, scale)

    def addresses(self, dtype: torch.dtype) -> tuple[Addresses, object]:
        """Return where the kernels find this gradient, as they can read it: int64 ids, numbers of `dtype`.

        And what must live as long as the addresses are used. Factors stand in the precision that updates are
        computed in.
        """
        ids, values, bag_of, scale = self._ids, _readable(self._values, dtype), self.bag_of, self.scale
        bag_at = scale_at = 0
        if ids.dtype != torch.int64:  # a conversion to what it is already costs more than the question
            ids = ids.long()
        if bag_of is not None:
            bag_of = bag_of.long().contiguous()
            bag_at = bag_of.data_ptr()
        if scale is not None:
            scale = scale.to(arithmetic(dtype)).contiguous()
            scale_at = scale.data_ptr()
        stride, n = values.stride(0) * dtype.itemsize, ids.shape[0]
        places = (ids.data_ptr(), ids.stride(0), n, values.data_ptr(), stride, bag_at, scale_at)
        return places, (ids, values, bag_of, scale)


def _readable(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the values as rows without gaps in them, of this dtype."""
    if values.dtype != dtype:
        values = values.to(dtype)
    down, across = values.stride()
    return values if across == 1 and down >= values.shape[1] else values.contiguous()


class Strips:
    """The gradient of a lookup in many tables, of which each table has a strip of columns.

    Parameters
    ----------
    ids : int64 Tensor (n, n_tables), or (n,) for one table
    values : Tensor (n, sum of dims)
    starts : sequence of int
        The first column of each table, and the number of all.
    """

    __slots__ = ("ids", "kept", "starts", "values", "where")

    def __init__(self, ids: Tensor, values: Tensor, starts: Sequence[int]) -> None:
        self.ids, self.values, self.starts = ids, values, starts
        self.where: dict[tuple[torch.dtype, int, int], tuple[int, ...]] = {}
        self.kept: list[Tensor] = []

    def base(self, dtype: torch.dtype) -> tuple[int, ...]:
        """Return the addresses and strides of the whole, for kernels that read numbers of `dtype`."""
        key = (dtype, self.ids.data_ptr(), self.values.data_ptr())
        found = self.where.get(key)
        if found is None:
            values = _readable(self.values, dtype)
            self.kept.append(values)
            size, (down, across) = values.element_size(), strides_of(self.ids)
            found = self.where[key] = (
                *(self.ids.data_ptr(), down, self.ids.shape[0], 8 * across),
                *(values.data_ptr(), values.stride(0) * size, size),
            )
        return found


def column_of(ids: Tensor, t: int) -> Tensor:
    """Return the ids of the t-th table, from (n, n_tables) or, for one table, (n,)."""
    return ids if ids.dim() == 1 else ids[:, t]


def strides_of(ids: Tensor) -> tuple[int, int]:
    """Return how many numbers lie from one id to the next of a table, and of its neighbour."""
    return (ids.stride(0), 0) if ids.dim() == 1 else (ids.stride(0), ids.stride(1))


class Strip(RowGradient):
    """One table's columns of a wide gradient; cut out only when something asks for tensors."""

    __slots__ = ("column", "whole")

    def __init__(self, whole: Strips, column: int) -> None:
        self.whole, self.column, self.bag_of, self.scale = whole, column, None, None

    @property
    def ids(self) -> Tensor:
        """One row number for each gradient."""
        return column_of(self.whole.ids, self.column)

    @property
    def values(self) -> Tensor:
        """The gradients."""
        start, end = self.whole.starts[self.column : self.column + 2]
        return self.whole.values[:, start:end]

    def addresses(self, dtype: torch.dtype) -> tuple[Addresses, object]:
        """Return where the kernels find these columns; see `RowGradient.addresses`."""
        whole, column = self.whole, self.column
        ids, down, n, across, values, stride, size = whole.base(dtype)
        return (ids + across * column, down, n, values + whole.starts[column] * size, stride, 0, 0), whole


def may_be_rows(sparse: bool) -> bool:
    """Return True when the gradient of an adopted table may be rows.

    In one process always. Where processes average gradients, as the layer's `sparse` says: it is what
    DistributedDataParallel was told to expect when it wrapped the model.
    """
    return sparse or _world is None or _world.default_pg is None


def who_may_wait(lookup: Any, parameters: Sequence[Parameter], first: int) -> list[bool]:
    """Return for each parameter True when its gradient may be kept, False when autograd must have it.

    Autograd must have it when something else listens (hooks, other processes), when a gradient of the
    gradient is wanted, and when `torch.autograd.grad` asked for it. `first` is the position of the first
    parameter among the tensors that the lookup was given.
    """
    nobody = [False] * len(parameters)
    if torch.is_grad_enabled() or (_world is not None and _world.default_pg is not None):
        return nobody
    will_run = torch._C._will_engine_execute_node
    try:
        return [
            node is not None and will_run(node) and not (p._backward_hooks or p._post_accumulate_grad_hooks)
            for p, (node, _) in zip(parameters, lookup.next_functions[first:], strict=False)
        ]
    except (RuntimeError, AttributeError, TypeError):  # torch.autograd.grad, or no graph
        return nobody


def write_out(parameter: Parameter, waiting: list[RowGradient]) -> None:
    """Add the waiting gradients to ``parameter.grad``, in the order in which they came."""
    gradient = parameter.grad
    for part in waiting:
        sparse = part.as_sparse(parameter)
        gradient = sparse if gradient is None else gradient + sparse
    waiting.clear()
    parameter.grad = gradient
