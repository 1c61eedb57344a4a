"""Which rows are behind the clock, for whoever moves them by other means than one compiled call."""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plectrum.kernels.dispatch import choose

Wanted = Tensor | range  # ids, or all rows of a range
Rows = Any  # int64 arrays where the compiled kernels take them on, tensors elsewhere

_MOST_ROWS = 2**31  # of a table whose keys the update can sort


def is_compiled(table: Tensor) -> bool:
    """Return True when the compiled kernels serve updates of this table.

    Its rows must lie end to end, and a row's number must fit beside a position in an int64.
    """
    if not table.is_contiguous() or table.shape[0] > _MOST_ROWS:
        return False
    device = "cpu" if table.is_cpu else table.device.type
    return choose("update", device, name_of(table.dtype)).implementation == "cpu"


@cache
def name_of(dtype: torch.dtype) -> str:
    """Return the dtype's name without ``torch.``."""
    return str(dtype).removeprefix("torch.")


def take_rows_behind(table: Tensor, wanted: Wanted, last: Tensor, start: int, now: int) -> tuple[Rows, Rows]:
    """Return the distinct rows among those wanted that are behind `now`, and their last steps.

    No last step is before `start`, the first that the clock knows, whatever `last` says.

    They are marked as up to date in `last`: the caller moves them. Ids outside the table are passed over.
    """
    if isinstance(wanted, range):
        return _take_from(table, wanted, last, start, now)
    flat = wanted.reshape(-1)
    if is_compiled(table) and flat.device.type == "cpu":
        from plectrum.kernels.update import _cpu_behind as kernels

        flat = flat.long()
        n = flat.shape[0]
        rows, lasts = np.empty(n, np.int64), np.empty(n, np.int64)
        nowhere = np.array([kernels.NEVER_BEHIND], np.int32)
        count = kernels.rows_behind(
            *((flat.data_ptr(), flat.stride(0), n), (last.data_ptr(), len(last), start, now)),
            *(nowhere.ctypes.data, rows.ctypes.data, lasts.ctypes.data),
        )
        return rows[:count], lasts[:count]
    flat = flat[(flat >= 0) & (flat < len(last))].long()
    found = torch.unique(flat[last[flat] < now])
    lasts_found = last[found].clamp(min=start)
    last[found] = now
    return found, lasts_found


def _take_from(table: Tensor, wanted: range, last: Tensor, start: int, now: int) -> tuple[Rows, Rows]:
    first, end = wanted.start, wanted.stop
    if is_compiled(table):
        from plectrum.kernels.update import _cpu_behind as kernels

        rows, lasts = np.empty(end - first, np.int64), np.empty(end - first, np.int64)
        clock = (last.data_ptr(), len(last), start, now)
        count = kernels.all_rows_behind(first, end, clock, rows.ctypes.data, lasts.ctypes.data)
        return rows[:count], lasts[:count]
    found = (last[first:end] < now).nonzero()[:, 0] + first
    lasts_found = last[found].clamp(min=start)
    last[found] = now
    return found, lasts_found
