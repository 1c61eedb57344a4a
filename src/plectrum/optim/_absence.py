"""Rows that are absent from a batch: which clock a rule goes by, and how rows are caught up."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plectrum.kernels._beside import Kernel
from plectrum.kernels._desks import put_back, take_desk
from plectrum.kernels._team import run_in_team
from plectrum.kernels.dispatch import known_columns
from plectrum.kernels.update import torch_ops
from plectrum.kernels.update._series import AdamSeries, Clock, LinearSeries
from plectrum.rows import Ledger
from plectrum.rows._behind import Wanted, is_compiled, name_of, take_rows_behind
from plectrum.rows._place import Place, place_of

Group = dict[str, Any]
ALONE_BELOW = 2**15  # numbers; a second thread costs more than it saves on fewer


def _of_sgd(group: Group) -> str | None:
    return "linear" if group["momentum"] or group["weight_decay"] else None


def _of_adagrad(group: Group) -> None:  # noqa: ARG001 (a gradient of zero moves nothing)
    return None


def _of_adam(group: Group) -> str:  # noqa: ARG001
    return "adam"


# rule -> the series that its absent rows follow, given the hyperparameters of the group
ABSENCE: dict[str, Callable[[Group], str | None]] = {
    "sgd": _of_sgd,
    "adagrad": _of_adagrad,
    "rowwise_adagrad": _of_adagrad,
    "adam": _of_adam,
    "adamw": _of_adam,
}

_MODULES = {
    "adam": "plectrum.kernels.update._cpu_absence_adam",
    "linear": "plectrum.kernels.update._cpu_absence_sgd",
}


def new_series(name: str | None, table: Tensor, start: int) -> Clock | None:
    """Return a clock for tables like this one that have taken `start` steps."""
    if name is None:
        return None
    kind = np.float64 if table.dtype == torch.float64 else np.float32
    series = AdamSeries(kind, start) if name == "adam" else LinearSeries(kind, start)
    if is_compiled(table):
        series.add_step = _add_step
    return series


def _add_step(series: Clock, step: tuple[float, ...]) -> None:
    """Add one step to the running sums of a clock by the compiled kernel."""
    kernels, numbers = _kernels(series), array("d", step)
    arguments = array(
        "q",
        (
            *(numbers.buffer_info()[0], series.now - series.start, series.first_open),
            series.address(),
        ),
    )
    run_in_team(kernels.add_step, arguments, 1)
    series.first_open = arguments[kernels.OPEN]


def catch_up(ledger: Ledger, table: Tensor, wanted: Wanted, last: Tensor) -> None:
    """Bring the rows wanted to the present: by compiled kernels where they serve, else by torch."""
    series: Any = ledger.series
    get, is_adam = ledger.state.get, type(series) is AdamSeries
    states: tuple[Any, Any] = (
        (get("exp_avg"), get("exp_avg_sq")) if is_adam else (get("momentum_buffer"), None)
    )
    place = ledger.place = place_of(table, ledger.place)
    # Adam moves no row before it has moments; SGD without momentum never has a state
    can_move = place.dim > 0 and (not is_adam or states[0] is not None)
    if can_move and place.is_compiled and (isinstance(wanted, range) or wanted.is_cpu):
        if table.dtype.itemsize > 2 or _any_behind(wanted, last, series.now):
            _catch_up_compiled(place, states, wanted, last, series)
        return
    with torch.no_grad():
        rows, lasts = take_rows_behind(wanted, last, series.start, series.now)
        if len(rows) and can_move:
            if is_adam:
                torch_ops.catch_up_adam(table.data, *states, rows, lasts, series)
            else:
                torch_ops.catch_up_sgd(table.data, states[0], rows, lasts, series)


def _any_behind(wanted: Wanted, last: Tensor, now: int) -> bool:
    """Return True if chance is to be drawn: a lookup that moves no row must leave the generator as it is."""
    if isinstance(wanted, range):
        return bool((last[wanted.start : wanted.stop] < now).any())
    return bool((last[wanted.reshape(-1).long().clamp(0, len(last) - 1)] < now).any())


def _kernels(series: Clock) -> ModuleType:
    return _module("adam" if isinstance(series, AdamSeries) else "linear")


@cache
def _module(name: str) -> ModuleType:
    """Import the compiled kernels, which takes a while, when they are first called."""
    return import_module(_MODULES[name])


def kernels_of_absence(name: str | None, tables: Sequence[Tensor]) -> list[Kernel]:
    """Return the kernels that tables will ask for whose absent rows follow a series of this name."""
    if name is None:
        return []
    module, kinds = _MODULES[name], {(name_of(t.dtype), known_columns(t.shape[1])) for t in tables}
    return [Kernel(module, "add_step"), *(Kernel(module, "catch_up", kind) for kind in sorted(kinds))]


def _catch_up_compiled(
    place: Place, states: Sequence[Tensor | None], wanted: Wanted, last: Tensor, series: Clock
) -> None:
    """Find the rows that are behind and move them, in one call: every thread those of its part."""
    kernels, dim = _kernels(series), place.dim
    if isinstance(wanted, range):
        ids, where = None, (0, 0, wanted.start, len(wanted))
    else:
        ids = wanted if wanted.dim() == 1 and wanted.dtype == torch.int64 else wanted.reshape(-1).long()
        where = (ids.data_ptr(), ids.stride(0), 0, ids.shape[0])
    n_wanted = where[-1]
    n_threads = torch.get_num_threads() if n_wanted * dim >= ALONE_BELOW else 1
    n_parts = 1 << (n_threads - 1).bit_length()  # a power of two
    n_most = n_wanted if ids is not None else -(-n_wanted // n_parts)
    n_bytes = kernels.desk_bytes(n_most)
    first, second = states
    desk, scratch = take_desk(n_threads * n_bytes), series.take_scratch(kernels.N_SUMS, n_threads)
    arguments = array(
        "q",
        (
            *(0, 0, n_parts, *where, last.data_ptr(), place.n_rows, place.at),
            *(0 if first is None else first.data_ptr(), 0 if second is None else second.data_ptr()),
            *(dim, series.start, series.now, chance_for(place.dtype), desk.address, n_bytes, n_most),
            *(*scratch.at, series.address()),
        ),
    )
    try:
        run_in_team(kernels.catch_up(name_of(place.dtype), known_columns(dim)), arguments, n_threads)
    finally:
        put_back(desk)
        series.put_back(scratch)


def chance_for(dtype: torch.dtype) -> int:
    """Draw what the rounding of a table of 16 bits hangs on, from torch's own generator; 0 for others."""
    return int(torch.randint(2**62, ())) if dtype.itemsize == 2 else 0
