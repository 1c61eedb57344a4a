"""Which rows are behind the clock, where no compiled kernel finds them."""

from functools import cache

import torch
from torch import Tensor

from plectrum.kernels.dispatch import choose

Wanted = Tensor | range  # ids, or all rows of a range

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


def take_rows_behind(wanted: Wanted, last: Tensor, start: int, now: int) -> tuple[Tensor, Tensor]:
    """Return the distinct rows among those wanted that are behind `now`, and their last steps.

    No last step is before `start`, the first that the clock knows, whatever `last` says.

    They are marked as up to date in `last`: the caller moves them. Ids outside the table are passed over.
    """
    if isinstance(wanted, range):
        found = (last[wanted.start : wanted.stop] < now).nonzero()[:, 0] + wanted.start
    else:
        flat = wanted.reshape(-1)
        flat = flat[(flat >= 0) & (flat < len(last))].long()
        found = torch.unique(flat[last[flat] < now])
    lasts = last[found].clamp(min=start)
    last[found] = now
    return found, lasts
