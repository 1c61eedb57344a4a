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
from plectrum.kernels.dispatch import MANY_FROM, known_columns
from plectrum.rows._compile import for_autograd_alone
from plectrum.rows._gradient import Strip, Strips, column_of, may_be_rows, strides_of, who_may_wait
from plectrum.rows._place import Place, place_of

if TYPE_CHECKING:
    from plectrum.rows._ledger import Ledger

_WORTH_IT = 2**18  # numbers of one table that are looked up; below it torch is as fast
_ALONE_BELOW = 2**18  # bytes that one thread copies before a second is woken
_STREAMED_FROM = 2**23  # bytes: an output that caches would not keep beside the rows is written past them
_TURNS = 8  # of each thread: no more than an eighth of its share is waited for at the end
_LEAST = 2**17  # bytes of a turn, unless that leaves threads without one


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
    is_traced = torch.compiler.is_compiling()
    places = places_for_one_call(ids, tables) if may_be_rows(sparse) and not is_traced else None
    if places is None:
        rows = [functional.embedding(ids[..., t], table, sparse=sparse) for t, table in enumerate(tables)]
        return torch.cat(rows, dim=-1)
    with torch._C.DisableTorchFunctionSubclass():
        return _look_up(ids.reshape(-1, len(tables)), ids.shape[:-1], places, tables)


def look_up_one(ids: object, table: Tensor) -> Tensor | None:
    """Return ``table[ids]``, of shape (\\*ids.shape, embedding_dim), for an adopted table.

    None where the compiled lookup does not serve, or gains less than its call costs.
    """
    if not isinstance(ids, Tensor) or ids.is_floating_point() or ids.numel() * table.shape[1] < _WORTH_IT:
        return None
    places = places_for_one_call(ids, [table])
    if places is None:
        return None
    try:
        return _look_up(ids if ids.dim() == 1 else ids.reshape(-1), ids.shape, places, [table])
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


def places_for_one_call(ids: Tensor, tables: Sequence[Tensor]) -> list[Place] | None:
    """Return where the tables lie when the compiled lookup serves all of them together, else None."""
    if torch._C._are_functorch_transforms_active() or not ids.is_cpu:
        return None
    places = []
    with torch._C.DisableTorchFunctionSubclass():
        for table in tables:
            ledger: Ledger | None = table.__dict__.get("_ledger")
            if ledger is None:
                return None
            place = ledger.place = place_of(table, ledger.place)
            places.append(place)
            if not place.is_compiled or place.dtype != places[0].dtype:
                return None
    return places


def _look_up(ids: Tensor, shape: Sequence[int], places: Sequence[Place], tables: Sequence[Tensor]) -> Tensor:
    """Return the rows of ids (n, n_tables), or (n,) for one table, as an array (\\*shape, sum of dims)."""
    ids = ids.detach() if ids.dtype == torch.int64 else ids.long()  # the caller may give his another memory
    starts = [0]
    for place in places:
        starts.append(starts[-1] + place.dim)
    if torch.is_grad_enabled():
        return _apply(ids, shape, places, starts, *tables)
    return _rows_of(ids, shape, places, starts, tables)


def _rows_of(
    ids: Tensor,
    shape: Sequence[int],
    places: Sequence[Place],
    starts: Sequence[int],
    tables: Sequence[Tensor],
) -> Tensor:
    for t, table in enumerate(tables):
        ledger = table._ledger  # type: ignore[attr-defined]
        if ledger.is_behind:
            ledger.catch_up(table, column_of(ids, t))
    out = torch.empty((*shape, starts[-1]), dtype=places[0].dtype)
    bad = _gather(ids, places, out)
    if bad >= 0:
        raise _bad_ids(column_of(ids, bad), places[bad].n_rows, bad)
    return out


class _LookUpEach(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        ids: Tensor,
        shape: Sequence[int],
        places: Sequence[Place],
        starts: Sequence[int],
        *tables: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.tables, ctx.starts = tables, starts
        return _rows_of(ids, shape, places, starts, tables)

    @staticmethod
    @for_autograd_alone
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (ids,) = ctx.saved_tensors
        with torch._C.DisableTorchFunctionSubclass():
            if gradient.dim() != 2:
                gradient = gradient.reshape(ids.shape[0], ctx.starts[-1])
            return None, None, None, None, *_row_gradients(ctx, ids, gradient)


# What `_LookUpEach.apply` comes to outside of `torch.func` and `torch.vmap`; see `places_for_one_call`. torch
# looks through all arguments for tensors that those have left behind, which takes long.
_apply: Any = super(torch.autograd.Function, _LookUpEach).apply


def _row_gradients(ctx: Any, ids: Tensor, gradient: Tensor) -> list[Tensor | None]:
    """Return for each table what autograd is to add to its gradient; None for what the ledger keeps."""
    if not torch.is_grad_enabled():
        gradient = gradient.detach()  # as with the ids
        if gradient.stride(1) != 1 or gradient.stride(0) == 0:
            gradient = gradient.contiguous()
    whole = Strips(ids, gradient, ctx.starts)
    needed, waits = ctx.needs_input_grad[4:], who_may_wait(ctx, ctx.tables, 1)
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
    n, (down, across) = ids.shape[0], strides_of(ids)
    jobs: list[int] = []
    dims = []
    start, offset, whole_lines = ids.data_ptr(), 0, True
    are_many = out.nbytes >= MANY_FROM
    for place in places:
        row_bytes = place.row_bytes
        dims.append(place.dim)
        jobs += (place.at, place.n_rows, row_bytes, start, down, offset, are_many)
        whole_lines = whole_lines and row_bytes % 64 == 0
        offset += row_bytes
        start += 8 * across
    n_threads = torch.get_num_threads() if n * offset >= _ALONE_BELOW else 1
    share = -(-n // n_threads)
    n_each = n if n_threads == 1 else min(max(-(-share // _TURNS), _LEAST // offset), share)
    to, kernels, job_array = out.data_ptr(), _kernels(), array("q", jobs)
    known_bytes = known_columns(*dims) * out.itemsize
    is_streamed = n * offset >= _STREAMED_FROM and whole_lines and to % 64 == 0
    arguments = array(
        "q", (0, -1, job_array.buffer_info()[0], len(places), to, offset, n, n_each, is_streamed)
    )
    run_in_team(kernels.gather_tables(known_bytes), arguments, n_threads)
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
