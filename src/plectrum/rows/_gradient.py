"""Gradients of rows that have not been written out.

A lookup in many tables gets its gradient as one wide array, and bags get one vector for many ids. Autograd
would copy either into a tensor per table before the optimizer reads it once. Where nothing could tell the
difference the ledger keeps what backward was given instead; the first look at ``parameter.grad`` writes it
out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.parameter import Parameter


class RowGradient(NamedTuple):
    """The gradient ``values[bag_of[i]] * scale[i]`` of row ``ids[i]``."""

    ids: Tensor
    values: Tensor
    bag_of: Tensor | None = None
    scale: Tensor | None = None

    def written_out(self) -> Tensor:
        """Return one row of numbers per id."""
        found = self.values if self.bag_of is None else self.values.index_select(0, self.bag_of)
        return found if self.scale is None else found * self.scale.unsqueeze(1)

    def as_sparse(self, like: Tensor) -> Tensor:
        """Return an uncoalesced sparse tensor of the shape of the table."""
        return torch.sparse_coo_tensor(
            self.ids.unsqueeze(0), self.written_out(), like.shape, check_invariants=False
        )


def may_be_rows(sparse: bool) -> bool:
    """Return True when the gradient of an adopted table may be rows.

    In one process always. Where processes average gradients, as the layer's `sparse` says: it is what
    DistributedDataParallel was told to expect when it wrapped the model.
    """
    return sparse or not (torch.distributed.is_available() and torch.distributed.is_initialized())


def may_wait(node: Any, position: int, parameter: Parameter) -> bool:
    """Return True when the gradient of this parameter may be kept as it is, False when autograd must have it.

    Autograd must have it when something else listens (hooks, other processes), when a gradient of the
    gradient is wanted, and when `torch.autograd.grad` asked for it.
    """
    if torch.is_grad_enabled() or parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
        return False
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return False
    try:
        return bool(torch._C._will_engine_execute_node(node.next_functions[position][0]))
    except (RuntimeError, AttributeError):  # torch.autograd.grad, or no graph
        return False


def write_out(parameter: Parameter, waiting: list[RowGradient]) -> None:
    """Add the waiting gradients to ``parameter.grad``, in the order in which they came."""
    gradient = parameter.grad
    for part in waiting:
        sparse = part.as_sparse(parameter)
        gradient = sparse if gradient is None else gradient + sparse
    waiting.clear()
    parameter.grad = gradient
