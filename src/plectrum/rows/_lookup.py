"""Lookups in many adopted tables with one call."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from plectrum.errors import RowOutOfRangeError
from plectrum.kernels._team import run_in_team
from plectrum.kernels.dispatch import choose
from plectrum.rows._behind import name_of
from plectrum.rows._gradient import Strip, Strips, may_be_rows, who_may_wait

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
    if not (may_be_rows(sparse) and is_one_call(ids, tables)):
        rows = [functional.embedding(ids[..., t], table, sparse=sparse) for t, table in enumerate(tables)]
        return torch.cat(rows, dim=-1)
    flat = ids.reshape(-1, len(tables)).long()
    with torch._C.DisableTorchFunctionSubclass():
        found: Tensor = _LookUpEach.apply(flat, *tables)  # type: ignore[no-untyped-call]
        return found.reshape(*ids.shape[:-1], found.shape[1])


def worth_one_call(ids: object, table: Tensor) -> bool:
    """Return True where `look_up_one` serves, and gains more than its call costs."""
    return (
        isinstance(ids, Tensor)
        and not ids.is_floating_point()
        and ids.numel() * table.shape[1] >= _WORTH_IT
        and is_one_call(ids, [table])
    )


def look_up_one(ids: Tensor, table: Tensor) -> Tensor:
    """Return ``table[ids]``, of shape (\\*ids.shape, embedding_dim), for an adopted table."""
    try:
        found: Tensor = _LookUpEach.apply(ids.reshape(-1, 1).long(), table)  # type: ignore[no-untyped-call]
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
    return found.reshape(*ids.shape, found.shape[1])


def is_one_call(ids: Tensor, tables: Sequence[Tensor]) -> bool:
    """Return True when the compiled lookup serves all of these tables together."""
    if torch.compiler.is_compiling() or ids.device.type != "cpu":
        return False
    dtype = tables[0].dtype
    with torch._C.DisableTorchFunctionSubclass():
        for table in tables:
            if "_ledger" not in table.__dict__ or table.dtype != dtype or not table.is_cpu:
                return False
            if not table.is_contiguous():
                return False
    return choose("gather", "cpu", name_of(dtype)).implementation == "cpu"


class _LookUpEach(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, *tables: Tensor) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.tables = tables
        for t, table in enumerate(tables):
            ledger = table._ledger  # type: ignore[attr-defined]
            if ledger.is_behind:
                ledger.catch_up(table, ids[:, t])
        shapes = [table.shape for table in tables]
        ctx.dims = dims = [dim for _, dim in shapes]
        out = torch.empty((ids.shape[0], sum(dims)), dtype=tables[0].dtype)
        bad = _gather(ids, tables, shapes, out)
        if bad >= 0:
            raise _bad_ids(ids[:, bad], tables[bad].shape[0], bad)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (ids,) = ctx.saved_tensors
        with torch._C.DisableTorchFunctionSubclass():
            return None, *_row_gradients(ctx, ids, gradient)


def _row_gradients(ctx: Any, ids: Tensor, gradient: Tensor) -> list[Tensor | None]:
    """Return for each table what autograd is to add to its gradient; None for what the ledger keeps."""
    if not torch.is_grad_enabled() and (gradient.stride(1) != 1 or gradient.stride(0) == 0):
        gradient = gradient.contiguous()
    whole = Strips(ids, gradient, ctx.dims)
    needed, waits = ctx.needs_input_grad[1:], who_may_wait(ctx, ctx.tables, 1)
    found: list[Tensor | None] = [None] * len(ctx.tables)
    for t, table in enumerate(ctx.tables):
        if needed[t]:
            part = Strip(whole, t)
            if waits[t]:
                table._ledger.waiting.append(part)
            else:
                found[t] = part.as_sparse(table)
    return found


def _gather(ids: Tensor, tables: Sequence[Tensor], shapes: Sequence[Sequence[int]], out: Tensor) -> int:
    """Copy the rows into `out`; return the number of a table with a bad id, or -1."""
    from plectrum.kernels.gather import cpu

    n, size = ids.shape[0], out.element_size()
    start, (down, across) = ids.data_ptr(), ids.stride()
    jobs, offset, whole_lines = array("q"), 0, True
    for table, (n_rows, dim) in zip(tables, shapes, strict=True):
        row_bytes = dim * size
        jobs.extend((table.data_ptr(), n_rows, row_bytes, start, down, offset))
        whole_lines = whole_lines and row_bytes % 64 == 0
        offset += row_bytes
        start += 8 * across
    n_threads = torch.get_num_threads() if n * offset >= _ALONE_BELOW else 1
    n_each = max(1, n if n_threads == 1 else -(-n // (_TURNS * n_threads)))
    is_streamed = n * offset >= _STREAMED_FROM and whole_lines and out.data_ptr() % 64 == 0
    arguments = array(
        "q", (0, -1, jobs.buffer_info()[0], len(tables), out.data_ptr(), offset, n, n_each, is_streamed)
    )
    run_in_team(cpu.gather_in_turns, arguments, n_threads)
    return arguments[cpu.BAD]


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
