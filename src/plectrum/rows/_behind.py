"""Which rows are behind the clock: asked before every lookup, so it reads one number per id and no more."""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plectrum.kernels.dispatch import choose

Rows = Any  # int64 arrays where the compiled kernels take them on, tensors elsewhere


def is_compiled(table: Tensor) -> bool:
    """Return True when the compiled kernels serve updates of this table: its rows must lie end to end."""
    if not table.is_contiguous():
        return False
    device = "cpu" if table.is_cpu else table.device.type
    return choose("update", device, name_of(table.dtype)).implementation == "cpu"


@cache
def name_of(dtype: torch.dtype) -> str:
    """Return the dtype's name without ``torch.``."""
    return str(dtype).removeprefix("torch.")


def take_rows_behind(table: Tensor, ids: Tensor, last: Tensor, now: int) -> tuple[Rows, Rows]:
    """Return the distinct rows among `ids` that are behind `now`, and their last steps.

    They are marked as up to date in `last`: the caller moves them. Ids outside the table are passed over.
    """
    flat = ids.reshape(-1)
    if is_compiled(table) and flat.device.type == "cpu":
        from plectrum.kernels.update import _cpu_absence

        flat = flat.long()
        n = flat.shape[0]
        rows, lasts = np.empty(n, np.int64), np.empty(n, np.int64)
        count = _cpu_absence.rows_behind(
            *(flat.data_ptr(), flat.stride(0), n, last.data_ptr(), last.shape[0], now, rows, lasts)
        )
        return rows[:count], lasts[:count]
    flat = flat[(flat >= 0) & (flat < len(last))].long()
    found = torch.unique(flat[last[flat] < now])
    lasts_found = last[found]
    last[found] = now
    return found, lasts_found


def take_all_rows_behind(table: Tensor, first: int, end: int, last: Tensor, now: int) -> tuple[Rows, Rows]:
    """Return the rows in [first, end) that are behind `now`, and their last steps, as `take_rows_behind`."""
    if is_compiled(table):
        from plectrum.kernels.update import _cpu_absence

        rows, lasts = np.empty(end - first, np.int64), np.empty(end - first, np.int64)
        count = _cpu_absence.all_rows_behind(last.data_ptr(), first, end, now, rows, lasts)
        return rows[:count], lasts[:count]
    found = (last[first:end] < now).nonzero()[:, 0] + first
    lasts_found = last[found]
    last[found] = now
    return found, lasts_found
