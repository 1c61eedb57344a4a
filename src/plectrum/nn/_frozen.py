"""Rows of a table that do not train, whatever the optimizer.

A mask over the gradient is not enough: momentum moves a row whose gradient is zero, and weight decay
shrinks it. So two things are done. The gradient of a frozen row is taken out before it is accumulated, which
keeps it out of norms, clipping and averages over processes. And the row is put back, with what the optimizer
keeps for it, after every step of an optimizer that does not say, with ``keeps_frozen_rows = True``, that it
leaves such rows alone by itself. So a row that trains again goes on from where it stood.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakTensorKeyDictionary

from plectrum.rows import hold_rows


class FrozenRows:
    """Which rows of one table are frozen.

    Attributes
    ----------
    mask : bool tensor (n_rows,)
        True where the row is frozen.
    """

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask
        self._rows: Tensor | None = None
        self._hook: RemovableHandle | None = None

    @property
    def rows(self) -> Tensor:
        """The frozen rows, ascending, int64 (n_frozen,)."""
        if self._rows is None:
            self._rows = self.mask.nonzero().flatten()
        return self._rows

    def change(self, mask: Tensor) -> None:
        """Freeze exactly the rows that are True here."""
        self.mask, self._rows = mask, None

    def on(self, device: torch.device) -> "FrozenRows":
        """Return itself with its tensors on this device: they follow the table."""
        if self.mask.device != device:
            self.mask, self._rows = self.mask.to(device), None
        return self

    def without_gradient(self, grad: Tensor) -> Tensor:
        """Return the gradient with the frozen rows zero, or absent where it is sparse."""
        mask = self.on(grad.device).mask
        if grad.layout is not torch.sparse_coo:
            return grad.masked_fill(mask[:, None], 0)
        ids, values = grad._indices(), grad._values()
        kept = ~mask[ids[0]]
        return torch.sparse_coo_tensor(ids[:, kept], values[kept], grad.shape, check_invariants=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"mask": self.mask, "_rows": None, "_hook": None}


_frozen_of = WeakTensorKeyDictionary()


def frozen_rows(table: Tensor) -> FrozenRows | None:
    """Return what is frozen in this table, None when every row trains."""
    found = _frozen_of.get(table) if _frozen_of else None  # type: ignore[no-untyped-call]
    return found if isinstance(found, FrozenRows) else None


def keep_frozen(table: Parameter, frozen: FrozenRows) -> None:
    """See to it from now on that these rows of the table do not train.

    Parameters
    ----------
    table : Parameter (n_rows, embedding_dim)
    frozen : FrozenRows
        What is frozen; it may change later.

    Notes
    -----
    Cost: nothing where nothing is frozen; else one pass over the gradient per backward pass, and, per step
    of an optimizer of torch's, a copy of the frozen rows.
    """
    if frozen_rows(table) is not frozen:
        _frozen_of[table] = frozen
        frozen._hook = None  # if there was one, it was another table's
    if table.requires_grad and frozen._hook is None:
        frozen._hook = table.register_hook(frozen.without_gradient)  # type: ignore[no-untyped-call]
    hold_rows(table, frozen.mask if len(frozen.rows) else None)
    _watch_optimizers()


def _tables_to_keep(optimizer: Optimizer) -> list[tuple[Parameter, FrozenRows]]:
    if not _frozen_of or getattr(optimizer, "keeps_frozen_rows", False):
        return []
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return [(p, frozen.on(p.device)) for p in parameters if (frozen := frozen_rows(p)) is not None]


def _remember(optimizer: Optimizer, *_: Any) -> None:
    kept = []
    for table, frozen in _tables_to_keep(optimizer):
        states = {name: state[frozen.rows] for name, state in per_row_states(optimizer, table).items()}
        kept.append((table, frozen.rows, table.detach()[frozen.rows], states))  # rows by index: copies
    if kept:
        optimizer._plectrum_kept = kept  # type: ignore[attr-defined]


def _put_back(optimizer: Optimizer, *_: Any) -> None:
    with torch.no_grad():
        for table, rows, values, states in optimizer.__dict__.pop("_plectrum_kept", ()):
            table.index_copy_(0, rows, values)
            for name, state in per_row_states(optimizer, table).items():
                if name in states:
                    state.index_copy_(0, rows, states[name])
                else:  # made in this step
                    state.index_fill_(0, rows, first_value(optimizer, table, name))


def per_row_states(optimizer: Optimizer, table: Tensor, n_rows: int | None = None) -> dict[str, Tensor]:
    """Return what the optimizer keeps for each row of the table (of `n_rows` rows), by name; no copies."""
    found = optimizer.state.get(table, {})
    n_rows = table.shape[0] if n_rows is None else n_rows
    return {
        name: state
        for name, state in found.items()
        if isinstance(state, Tensor)
        and state.dim() == table.dim()
        and state.shape[0] == n_rows
        and state.shape[1:] in {table.shape[1:], (1,)}
    }


def first_value(optimizer: Optimizer, table: Tensor, name: str) -> float:
    """Return the number that the optimizer's state of this name starts from."""
    if name != "sum":
        return 0.0
    groups = (group for group in optimizer.param_groups if any(p is table for p in group["params"]))
    return float(next(groups, {}).get("initial_accumulator_value", 0.0))


_watching = False


def _watch_optimizers() -> None:
    """Have every optimizer of this process put frozen rows back; once is enough."""
    global _watching  # noqa: PLW0603 (a registration with torch, made when first needed)
    if not _watching:
        register_optimizer_step_pre_hook(_remember)
        register_optimizer_step_post_hook(_put_back)
        _watching = True
