"""Lookups in many adopted tables with one call."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from plectrum.errors import RowOutOfRangeError
from plectrum.kernels._team import run_in_team
from plectrum.rows._gradient import Strip, Strips, may_be_rows, who_may_wait
from plectrum.rows._place import Place

if TYPE_CHECKING:
    from plectrum.rows._ledger import Ledger

_WORTH_IT = 2**18  # numbers of one table that are looked up; below it torch is as fast
_ALONE_BELOW = 2**18  # bytes that one thread copies before a second is woken
_STREAMED_FROM = 2**23  # bytes: an output that caches would not keep beside the rows is written past them
_TURNS = 4  # of each thread: no more than a quarter of its share is waited for at the end


def look_up_each(ids: Tensor, tables: Sequence[Tensor], *, sparse: bool = False) -> Tensor:
    """Return the rows of column t of the ids in table t, side by side: (\\*ids.shape[:-1], sum of dims).

    ``output[b] = concatenate(tables[t][ids[b, t]] for t in range(n_tables))``

    Parameters
    ----------
    ids : int32 or int64 Tensor (..., n_tables)
    tables : sequence of Tensor (n_rows_t, embedding_dim_t)
        Tables of a plectrum optimizer are read in one call, and get a gradient of rows; others go through
        torch's embedding, one by one.
    sparse : bool
        Give sparse gradients to tables that no plectrum optimizer has adopted, and, where several processes
        train together, to those that one has.

    Raises
    ------
    IndexError
        An id lies outside its table; `RowOutOfRangeError` for adopted tables, with position and value.

    Notes
    -----
    Cost: reads and writes each row once; no gradient is copied.
    """
    if not tables:
        return torch.empty(*ids.shape[:-1], 0, device=ids.device)
    places = places_for_one_call(ids, tables) if may_be_rows(sparse) else None
    if places is None:
        rows = [functional.embedding(ids[..., t], table, sparse=sparse) for t, table in enumerate(tables)]
        return torch.cat(rows, dim=-1)
    flat = ids if ids.dim() == 2 else ids.reshape(-1, len(tables))
    with torch._C.DisableTorchFunctionSubclass():
        found: Tensor = _LookUpEach.apply(flat, places, *tables)  # type: ignore[no-untyped-call]
        return found if ids.dim() == 2 else found.reshape(*ids.shape[:-1], found.shape[1])


def worth_one_call(ids: object, table: Tensor) -> list[Place] | None:
    """Return what `look_up_one` needs where it serves, and gains more than its call costs; else None."""
    if isinstance(ids, Tensor) and not ids.is_floating_point() and ids.numel() * table.shape[1] >= _WORTH_IT:
        return places_for_one_call(ids, [table])
    return None


def look_up_one(ids: Tensor, table: Tensor, places: Sequence[Place]) -> Tensor:
    """Return ``table[ids]``, of shape (\\*ids.shape, embedding_dim), for an adopted table."""
    try:
        column = ids.unsqueeze(1) if ids.dim() == 1 else ids.reshape(-1, 1)
        found: Tensor = _LookUpEach.apply(column, places, table)  # type: ignore[no-untyped-call]
    except RowOutOfRangeError as error:
        place = np.unravel_index(error.position[0], ids.shape)
        raise RowOutOfRangeError(
            owner="Embedding",
            value=error.value,
            position=tuple(int(i) for i in place),
            n_bad=error.n_bad,
            n_values=error.n_values,
            n_rows=error.n_rows,
        ) from None
    return found if ids.dim() == 1 else found.reshape(*ids.shape, found.shape[1])


def places_for_one_call(ids: Tensor, tables: Sequence[Tensor]) -> list[Place] | None:
    """Return where the tables lie when the compiled lookup serves all of them together, else None."""
    if torch.compiler.is_compiling() or not ids.is_cpu:
        return None
    places = []
    with torch._C.DisableTorchFunctionSubclass():
        for table in tables:
            ledger: Ledger | None = table.__dict__.get("_ledger")
            if ledger is None:
                return None
            place = ledger.place_of(table)
            places.append(place)
            if not place.is_compiled or place.dtype != places[0].dtype:
                return None
    return places


class _LookUpEach(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, places: Sequence[Place], *tables: Tensor) -> Tensor:
        if ids.dtype != torch.int64:
            ids = ids.long()
        ctx.save_for_backward(ids)
        ctx.tables = tables
        for t, table in enumerate(tables):
            ledger = table._ledger  # type: ignore[attr-defined]
            if ledger.is_behind:
                ledger.catch_up(table, ids[:, t])
        ctx.dims = dims = [place.dim for place in places]
        out = torch.empty((ids.shape[0], sum(dims)), dtype=places[0].dtype)
        bad = _gather(ids, places, out)
        if bad >= 0:
            raise _bad_ids(ids[:, bad], places[bad].n_rows, bad)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (ids,) = ctx.saved_tensors
        with torch._C.DisableTorchFunctionSubclass():
            return None, None, *_row_gradients(ctx, ids, gradient)


def _row_gradients(ctx: Any, ids: Tensor, gradient: Tensor) -> list[Tensor | None]:
    """Return for each table what autograd is to add to its gradient; None for what the ledger keeps."""
    if not torch.is_grad_enabled() and (gradient.stride(1) != 1 or gradient.stride(0) == 0):
        gradient = gradient.contiguous()
    whole = Strips(ids, gradient, ctx.dims)
    needed, waits = ctx.needs_input_grad[2:], who_may_wait(ctx, ctx.tables, 1)
    found: list[Tensor | None] = [None] * len(ctx.tables)
    for t, table in enumerate(ctx.tables):
        if needed[t]:
            part = Strip(whole, t)
            if waits[t]:
                table._ledger.waiting.append(part)
            else:
                found[t] = part.as_sparse(table)
    return found


def _gather(ids: Tensor, places: Sequence[Place], out: Tensor) -> int:
    """Copy the rows into `out`; return the number of a table with a bad id, or -1."""
    n, (down, across) = ids.shape[0], ids.stride()
    jobs: list[int] = []
    start, offset, whole_lines = ids.data_ptr(), 0, True
    for place in places:
        row_bytes = place.row_bytes
        jobs += (place.at, place.n_rows, row_bytes, start, down, offset)
        whole_lines = whole_lines and row_bytes % 64 == 0
        offset += row_bytes
        start += 8 * across
    n_threads = torch.get_num_threads() if n * offset >= _ALONE_BELOW else 1
    n_each = max(1, n if n_threads == 1 else -(-n // (_TURNS * n_threads)))
    to, kernels, job_array = out.data_ptr(), _kernels(), array("q", jobs)
    is_streamed = n * offset >= _STREAMED_FROM and whole_lines and to % 64 == 0
    arguments = array(
        "q", (0, -1, job_array.buffer_info()[0], len(places), to, offset, n, n_each, is_streamed)
    )
    run_in_team(kernels.gather_in_turns, arguments, n_threads)
    return arguments[kernels.BAD]


@cache
def _kernels() -> ModuleType:
    """Import the compiled kernels, which takes a while, when they are first called."""
    from plectrum.kernels.gather import cpu

    return cpu


def _bad_ids(ids: Tensor, n_rows: int, column: int) -> RowOutOfRangeError:
    bad = ((ids < 0) | (ids >= n_rows)).nonzero()[:, 0]
    return RowOutOfRangeError(
        owner=f"table {column}",
        value=int(ids[bad[0]]),
        position=(int(bad[0]), column),
        n_bad=len(bad),
        n_values=ids.numel(),
        n_rows=n_rows,
    )
