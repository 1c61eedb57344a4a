"""What an optimizer keeps for each row: how it is made, held to its size, and comes back from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import Parameter

from plectrum.errors import ArgumentError, OptimizerError
from plectrum.kernels._pages import use_large_pages
from plectrum.kernels.update.torch_ops import arithmetic
from plectrum.rows import files_of, ledger_of
from plectrum.rows._mapped import TableFiles

Params = torch.nn.Module | Iterable[Any]


def check_range(owner: str, name: str, value: float, low: float, high: float) -> None:
    """Raise an `ArgumentError` unless ``low <= value < high``."""
    if not low <= value < high:
        raise ArgumentError(
            f"`{name}` of `{owner}` must lie in [{low:g}, {high:g}); got {value!r}. torch's defaults are a "
            f"good start."
        )


def state_like(
    p: Parameter, name: str, *, dim: int | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """Return zeros for every row, in the dtype updates are computed in; in the table's files if any."""
    kind = arithmetic(p.dtype) if dtype is None else dtype
    shape = (p.shape[0], p.shape[1] if dim is None else dim)
    files = files_of(p)
    if files is not None:
        return files.array(name, shape, kind)
    state = torch.zeros(shape, dtype=kind, device=p.device)
    if state.device.type == "cpu":  # before anything is written to it
        use_large_pages(state.data_ptr(), state.numel() * state.element_size())
    return state


def needs_rounding(p: Parameter) -> bool:
    """Return True for a table of 16 bits: torch's dense step rounds to the nearest, and loses small ones."""
    return type(p) is Parameter and p.dim() == 2 and p.dtype in {torch.float16, torch.bfloat16}


def fit_states(p: Parameter, state: dict[str, Any], names: Iterable[str], *, dim: int | None = None) -> None:
    """See to it that what is kept for each row fits the table: kernels write to it without looking.

    Raises
    ------
    OptimizerError
        It is of another shape or device: loaded from a table of another size, or the table was changed by
        hand.
    """
    ledger = ledger_of(p)
    if ledger is not None:
        ledger.check(p)
    shape = (p.shape[0], p.shape[1] if dim is None else dim)
    for name in names:
        found = state.get(name)
        if found is None:
            continue
        if found.shape != shape or found.device != p.device:
            raise OptimizerError(
                f"`{name}` of a table of shape {tuple(p.shape)} on {p.device} must have shape {shape} there; "
                f"got {tuple(found.shape)} on {found.device}. Load the state of a table of this size, let "
                "tables grow by the layer's `grow`, and move a model before its optimizer is made."
            )
        if found.dtype != arithmetic(p.dtype) or not found.is_contiguous():
            state[name] = found.to(arithmetic(p.dtype)).contiguous()


@contextmanager
def gradients_of_zero(tables: Iterable[Parameter]) -> Iterator[None]:
    """Give tables that had a gradient one of zero, after what is done within has taken theirs away.

    torch's dense optimizers step on a gradient of zero, with momentum and decay; they rest where none is.
    """
    with torch._C.DisableTorchFunctionSubclass():
        had = {p: p.grad for p in tables if _has_gradient(p)}
    yield
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        for p, gradient in had.items():
            is_dense = gradient is not None and not gradient.is_sparse
            p.grad = gradient.detach().zero_() if is_dense else _no_rows(p)  # type: ignore[union-attr]


def _has_gradient(p: Parameter) -> bool:
    ledger = ledger_of(p)
    return p.grad is not None or (ledger is not None and bool(ledger.waiting))


def _no_rows(p: Parameter) -> Tensor:
    ids, values = torch.empty((1, 0), dtype=torch.int64, device=p.device), p.new_empty((0, p.shape[1]))
    return torch.sparse_coo_tensor(ids, values, p.shape, check_invariants=False)


def restore_states(
    optimizer: torch.optim.Optimizer, tables: Iterable[Parameter], saved: dict[str, Any]
) -> None:
    """Give the state of tables the numbers that were saved, after torch has loaded them.

    torch rounds what it loads to the dtype of the parameter: a table of 16 bits would get moments of 16 bits,
    and a count of occurrences would become a float. And it leaves in memory what belongs into the files of a
    table that has some; these then begin at the step that was loaded.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``load_state_dict`` has just been called.
    tables : parameters
        Those whose state is kept by row.
    saved : dict
        What it was called with.
    """
    known = set(tables)
    names = [name for group in saved["param_groups"] for name in group["params"]]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, p in zip(names, parameters, strict=True):
        for key, value in saved["state"].get(name, {}).items() if p in known else ():
            if isinstance(value, Tensor) and value.dim() == 2:
                kind = arithmetic(p.dtype) if value.is_floating_point() else value.dtype
                optimizer.state[p][key] = _where_it_belongs(p, key, value.to(p.device, kind))
        files = files_of(p) if p in known else None
        if files is not None:
            _begin_again(p, files, int(optimizer.state[p].get("step", 0)))


def _where_it_belongs(p: Parameter, name: str, state: Tensor) -> Tensor:
    """Return the state; in the table's files if any."""
    files = files_of(p)
    return state if files is None else files.array(name, state.shape, state.dtype).copy_(state)


def _begin_again(p: Parameter, files: TableFiles, step: int) -> None:
    """Let the files of a table, all of whose rows are up to date, say that it has taken this many steps."""
    if files.has("last"):
        files.array("last", (p.shape[0],), torch.int32).fill_(step)
    files.restart(step)
