"""Bags of an adopted table: pooled in one pass, with a gradient that stays one vector per bag."""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from plectrum.errors import RowOutOfRangeError
from plectrum.kernels._team import run_in_team
from plectrum.kernels.dispatch import known_columns
from plectrum.kernels.update.torch_ops import arithmetic
from plectrum.rows._behind import name_of
from plectrum.rows._compile import for_autograd_alone
from plectrum.rows._gradient import RowGradient, who_may_wait
from plectrum.rows._place import Place

_ALONE_BELOW = 2**15  # numbers read before a second thread is woken
_TURNS = 4  # of each thread: no more than a quarter of its share is waited for at the end


class Bags(NamedTuple):
    """Ids, flat; where each bag begins and ends; a factor per id; how they are pooled; their size if one."""

    ids: Tensor  # int64 (n,)
    bounds: Tensor  # int64 (n_bags + 1,)
    scale: Tensor | None  # (n,)
    mode: str
    padding: int
    size: int | None = None


def bags_of(ids: Tensor, options: dict[str, Any], place: Place) -> Bags | None:
    """Return the bags that `functional.embedding_bag` was asked for; None for those that are left to torch.

    Left to torch: rows cut to a norm, gradients scaled by frequency or wanted for the weights, tables and ids
    that compiled kernels do not serve, and whatever torch will refuse.
    """
    weights, offsets = options.get("per_sample_weights"), options.get("offsets")
    mode = options.get("mode", "mean")
    unusual = (
        options.get("max_norm") is not None
        or options.get("scale_grad_by_freq")
        or mode not in {"sum", "mean", "max"}
        or (weights is not None and (weights.requires_grad or mode != "sum" or weights.dtype != place.dtype))
    )
    if unusual or not place.is_compiled or not ids.is_cpu:
        return None
    bounds = _bounds(ids, offsets, bool(options.get("include_last_offset")))
    if bounds is None or (weights is not None and weights.shape != ids.shape):
        return None
    padding = options.get("padding_idx")
    if padding is not None and padding < 0:
        padding += place.n_rows
    scale = None if weights is None else weights.detach().reshape(-1).contiguous()
    flat, size = ids.reshape(-1).long().contiguous(), ids.shape[1] if ids.dim() == 2 else None
    return Bags(flat, bounds, scale, mode, -1 if padding is None else padding, size)


@lru_cache(maxsize=4)
def _even_bounds(n_bags: int, size: int) -> Tensor:
    """Return where bags of one size begin and end; the same tensor at every step, which nobody writes to."""
    return torch.arange(0, n_bags * size + 1, size) if size else torch.zeros(1 + n_bags).long()


@lru_cache(maxsize=4)
def _even_bag_of(n_bags: int, size: int) -> Tensor:
    return torch.arange(n_bags).repeat_interleave(size)


def _bounds(ids: Tensor, offsets: Tensor | None, has_last: bool) -> Tensor | None:
    if ids.dim() == 2 and offsets is None:
        return _even_bounds(*ids.shape)
    if ids.dim() != 1 or offsets is None or offsets.dim() != 1 or not offsets.numel():
        return None
    bounds = offsets.long() if has_last else torch.cat([offsets.long(), torch.tensor([ids.shape[0]])])
    rises = bool((bounds.diff() >= 0).all()) and int(bounds[0]) == 0
    return bounds.contiguous() if rises and int(bounds[-1]) == ids.shape[0] else None


def pool(table: Tensor, bags: Bags) -> Tensor:
    """Return one vector per bag, shape (n_bags, embedding_dim), with a gradient if one is wanted."""
    if torch.is_grad_enabled() and table.requires_grad:
        return PoolRows.apply(table, bags)  # type: ignore[no-untyped-call]
    return _pool(table, bags)


class PoolRows(torch.autograd.Function):
    """Pooling, whose gradient is kept as one vector per bag where nothing can tell."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, bags: Bags) -> Tensor:
        """Return one vector per bag, shape (n_bags, embedding_dim)."""
        ctx.table, ctx.bags = table, bags
        if bags.mode != "max":
            return _pool(table, bags)
        pooled, ctx.chosen, ctx.is_filled = _largest(table, bags)
        return pooled

    @staticmethod
    @for_autograd_alone
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:
        """Return the gradient of the table, or None when the ledger keeps it."""
        with torch._C.DisableTorchFunctionSubclass():
            table = ctx.table
            if not torch.is_grad_enabled():
                gradient = gradient.contiguous()
            if ctx.bags.mode == "max":
                part = _gradient_of_largest(ctx.chosen, ctx.is_filled, gradient)
            else:
                part = _gradient(ctx.bags, gradient)
            if who_may_wait(ctx, [table], 0)[0]:
                table._ledger.waiting.append(part)
                return None, None
            return part.as_sparse(table), None


def _pool(table: Tensor, bags: Bags) -> Tensor:
    """Return one vector per bag: by torch's kernel where it has a fast one, by ours elsewhere."""
    if bags.mode == "max":
        return _largest(table, bags)[0]
    if table.dtype == torch.float32 and (bags.scale is None or bags.mode == "sum"):
        return _pool_by_torch(table, bags)
    return _pool_by_ours(table, bags)


def _pool_by_ours(table: Tensor, bags: Bags) -> Tensor:
    """Return the bags by the compiled kernel."""
    from plectrum.kernels.pool import cpu

    n_bags, dim, n = len(bags.bounds) - 1, table.shape[1], len(bags.ids)
    out = torch.empty((n_bags, dim), dtype=table.dtype)
    n_threads = torch.get_num_threads() if n * dim >= _ALONE_BELOW else 1
    n_each = max(1, n_bags if n_threads == 1 else -(-n_bags // (_TURNS * n_threads)))
    scale = None if bags.scale is None else bags.scale.to(arithmetic(table.dtype))
    scale_at = 0 if scale is None else scale.data_ptr()
    arguments = array(
        "q",
        (
            *(0, 0, table.data_ptr(), table.shape[0], dim, bags.ids.data_ptr(), n, bags.bounds.data_ptr()),
            *(scale_at, bags.mode == "mean", bags.padding, out.data_ptr(), n_bags, n_each),
        ),
    )
    run_in_team(cpu.pool_tables(name_of(table.dtype), known_columns(dim)), arguments, n_threads)
    if arguments[cpu.IS_BAD]:
        raise _bad_ids(table, bags)
    return out


def _pool_by_torch(table: Tensor, bags: Bags) -> Tensor:
    """Return the bags by torch's forward, which sums whole rows in registers."""
    try:
        mode, padding = int(bags.mode == "mean"), None if bags.padding < 0 else bags.padding
        options = (False, mode, False, bags.scale, True, padding)  # what `functional.embedding_bag` calls
        pooled: Tensor = torch.embedding_bag(table.detach(), bags.ids, bags.bounds, *options)[0]
        return pooled
    except (IndexError, RuntimeError):
        if ((bags.ids < 0) | (bags.ids >= table.shape[0])).any():
            raise _bad_ids(table, bags) from None
        raise


def _largest(table: Tensor, bags: Bags) -> tuple[Tensor, Tensor, Tensor]:
    """Return the largest number of each column of each bag, the row it stands in, and which bags hold any."""
    try:
        options = (False, 2, False, None, True, None if bags.padding < 0 else bags.padding)
        pooled, _, sizes, chosen = torch.embedding_bag(table.detach(), bags.ids, bags.bounds, *options)
    except (IndexError, RuntimeError):
        if ((bags.ids < 0) | (bags.ids >= table.shape[0])).any():
            raise _bad_ids(table, bags) from None
        raise
    return pooled, chosen, sizes > 0


def _gradient_of_largest(chosen: Tensor, is_filled: Tensor, gradient: Tensor) -> RowGradient:
    """Return for each row that was the largest somewhere what it receives: one number per column and bag."""
    chosen, gradient = chosen[is_filled], gradient[is_filled]
    rows, which = torch.unique(chosen, return_inverse=True)
    columns = torch.arange(gradient.shape[1]).expand_as(which)
    values = gradient.new_zeros(len(rows), gradient.shape[1])
    return RowGradient(rows.long(), values.index_put((which, columns), gradient, accumulate=True))


def _bad_ids(table: Tensor, bags: Bags) -> RowOutOfRangeError:
    wrong = ((bags.ids < 0) | (bags.ids >= table.shape[0])).nonzero()[:, 0]
    return RowOutOfRangeError(
        owner="a table of bags",
        value=int(bags.ids[wrong[0]]),
        position=(int(wrong[0]),),
        n_bad=len(wrong),
        n_values=len(bags.ids),
        n_rows=table.shape[0],
    )


def _gradient(bags: Bags, gradient: Tensor) -> RowGradient:
    """Return what each id's row receives: its bag's gradient, scaled."""
    ids, scale, n_bags = bags.ids, bags.scale, len(bags.bounds) - 1
    if bags.size is not None and bags.padding < 0 and bags.mode == "sum":
        return RowGradient(ids, gradient, _even_bag_of(n_bags, bags.size), scale)
    lengths = bags.bounds.diff()
    bag_of = torch.repeat_interleave(lengths)
    if bags.padding >= 0:
        counted = ids != bags.padding
        ids, bag_of = ids[counted], bag_of[counted]
        scale = None if scale is None else scale[counted]
        lengths = torch.bincount(bag_of, minlength=n_bags)
    if bags.mode == "mean":
        scale = lengths.clamp(min=1).to(arithmetic(gradient.dtype)).reciprocal()[bag_of]
    return RowGradient(ids, gradient, bag_of, scale)
