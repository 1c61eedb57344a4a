"""Pooling with torch's operations, for any device."""

import torch
from torch import Tensor


def pool_forward(
    table: Tensor,
    ids: Tensor,
    bounds: Tensor,
    *,
    scale: Tensor | None = None,
    mode: str = "sum",
    padding: int = -1,
) -> Tensor:
    """Return one vector per bag; see the reference."""
    bag_of = torch.repeat_interleave(torch.arange(len(bounds) - 1, device=ids.device), bounds.diff())
    counted = ids != padding
    ids, bag_of = ids[counted], bag_of[counted]
    rows = table[ids]
    if scale is not None:
        rows = rows * scale[counted].unsqueeze(1)
    out = torch.zeros((len(bounds) - 1, table.shape[1]), dtype=rows.dtype, device=rows.device)
    if mode == "max":
        where = bag_of.unsqueeze(1).expand_as(rows)
        return out.scatter_reduce_(0, where, rows, "amax", include_self=False)
    out.index_add_(0, bag_of, rows)
    if mode == "mean":
        out /= torch.bincount(bag_of, minlength=len(out)).clamp(min=1).unsqueeze(1)
    return out
