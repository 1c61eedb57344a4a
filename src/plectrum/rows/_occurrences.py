"""How often each row of a table is looked up, where an optimizer asks for it.

The gradient cannot tell: autograd adds up gradients of rows when a table is used twice or over several
backward passes, and may merge equal rows as it does. So a lookup is noted when its gradient is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.parameter import Parameter

from plectrum.rows._gradient import may_be_rows
from plectrum.rows._ledger import Ledger
from plectrum.rows._lookup import look_up_each, places_for_one_call


def counts_lookups(tables: Sequence[Parameter]) -> bool:
    """Return True when the optimizer of one of these tables asks how often its rows are looked up."""
    for table in tables:
        ledger: Ledger | None = table.__dict__.get("_ledger")
        if ledger is not None and ledger.occurred is not None:
            return True
    return False


def look_up_counted(ids: Tensor, tables: Sequence[Parameter], *, sparse: bool = False) -> Tensor:
    """Return what `look_up_each` returns, and note the lookups in tables whose optimizer counts them."""
    found = look_up_each(ids, tables, sparse=sparse)
    # else each table was looked up, and noted, alone
    if may_be_rows(sparse) and places_for_one_call(ids, tables):
        for t, table in enumerate(tables):
            note_lookup(found, ids[..., t], table.__dict__["_ledger"], None, table.shape[0])
    return found


def note_lookup(found: Tensor, ids: Any, ledger: Ledger, padding: int | None, n_rows: int) -> None:
    """Let the ledger know the ids as soon as `found`, what they looked up, gets a gradient; once."""
    occurred = ledger.occurred
    if occurred is None or not found.requires_grad:
        return
    flat = ids.detach().reshape(-1)
    if padding is not None:
        flat = flat[flat != (padding if padding >= 0 else padding + n_rows)]
    waiting = [flat]

    def note(_: Tensor) -> None:
        if waiting:
            occurred.append(waiting.pop())

    found.register_hook(note)  # type: ignore[no-untyped-call]
