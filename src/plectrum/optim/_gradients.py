"""Gradients as autograd leaves them: dense, or rows with ids; their norm, clipping and clamping."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.parameter import Parameter

from plectrum.errors import OptimizerError
from plectrum.kernels.update import torch_ops
from plectrum.rows import Ledger, ledger_of
from plectrum.rows._gradient import RowGradient, write_out


def raw(p: Parameter) -> Tensor | None:
    """Return ``p.grad``, written out."""
    with torch._C.DisableTorchFunctionSubclass():
        ledger = ledger_of(p)
        if ledger is not None and ledger.waiting:
            write_out(p, ledger.waiting)
        return p.grad


def take(p: Parameter, ledger: Ledger) -> RowGradient | Tensor:
    """Return the gradient of a table: of rows, or dense."""
    waiting, gradient = ledger.waiting, p.grad
    if waiting:
        if gradient is None and len(waiting) == 1:
            return waiting[0]
        gradient = raw(p)
    assert gradient is not None
    if not gradient.is_sparse:
        return gradient
    if gradient.sparse_dim() != 1:
        raise OptimizerError(
            "The gradient of a table must be sparse in its rows alone; got one sparse in "
            f"{gradient.sparse_dim()} dimensions, of shape {tuple(gradient.shape)}. Use an embedding layer "
            "or give the optimizer a dense gradient."
        )
    return RowGradient(gradient._indices()[0], gradient._values())


def clip_norm(parameters: Sequence[Parameter], max_norm: float, norm_type: float, strict: bool) -> Tensor:
    """Scale all gradients so that their common norm is at most `max_norm`; return the norm before."""
    found = [p for p in parameters if raw(p) is not None]
    norms = [torch.linalg.vector_norm(_summed(p), norm_type) for p in found]
    if not norms:
        return torch.tensor(0.0)
    total = torch.linalg.vector_norm(torch.stack([n.to(norms[0].device) for n in norms]), norm_type)
    if strict and not math.isfinite(total.item()):
        raise OptimizerError(
            f"The norm of the gradients must be finite; got {total.item()}. Look for the layer that "
            f"overflows, "
            "or clip with error_if_nonfinite=False."
        )
    share = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for p in found:
        gradient = raw(p)
        assert gradient is not None
        if gradient.is_sparse:
            _replace(p, gradient._indices(), gradient._values() * share.to(gradient.device), gradient)
        else:
            gradient.mul_(share.to(gradient.device))
    return total


def clip_value(parameters: Sequence[Parameter], limit: float) -> None:
    """Clamp every number of every gradient to [-limit, limit]."""
    for p in parameters:
        gradient = raw(p)
        if gradient is None:
            continue
        if gradient.is_sparse:
            rows, sums = torch_ops.sum_by_row(gradient._indices()[0], gradient._values())
            _replace(p, rows.unsqueeze(0), sums.clamp(-limit, limit), gradient)
        else:
            gradient.clamp_(-limit, limit)


def _summed(p: Parameter) -> Tensor:
    """Return the numbers of the gradient, each row once."""
    gradient = raw(p)
    assert gradient is not None
    if not gradient.is_sparse:
        return gradient
    return torch_ops.sum_by_row(gradient._indices()[0], gradient._values())[1]


def _replace(p: Parameter, indices: Tensor, values: Tensor, like: Tensor) -> None:
    with torch._C.DisableTorchFunctionSubclass():
        p.grad = torch.sparse_coo_tensor(indices, values, like.shape, check_invariants=False)
