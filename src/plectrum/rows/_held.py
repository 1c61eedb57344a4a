"""Rows that must not change: said on the table itself, so that any optimizer of plectrum finds it."""

import torch
from torch import Tensor
from torch.nn.parameter import Parameter

from plectrum.rows._parameter import ledger_of

_HELD = "_plectrum_held"


def hold_rows(table: Parameter, held: Tensor | None) -> None:
    """Let plectrum's optimizers leave these rows as they are, momentum and decay included; None lets all
    move.

    Parameters
    ----------
    table : Parameter (n_rows, embedding_dim)
    held : bool Tensor (n_rows,) or None
        True where a row must not change. Rows that are added later move.

    Notes
    -----
    Cost: brings every row up to date first. Optimizers of torch's do not ask.
    """
    table.__dict__[_HELD] = held
    ledger = ledger_of(table)
    if ledger is not None:
        with torch._C.DisableTorchFunctionSubclass():
            ledger.hold(table, held)


def held_rows(table: Parameter) -> Tensor | None:
    """Return what `hold_rows` was last given for this table, with an entry for every row."""
    held = table.__dict__.get(_HELD)
    with torch._C.DisableTorchFunctionSubclass():
        if held is not None and len(held) < table.shape[0]:
            held = torch.cat([held, held.new_zeros(table.shape[0] - len(held))])
    return held
