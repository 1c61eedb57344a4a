"""Rows that are absent from a batch: which clock a rule goes by, and how rows are caught up."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plectrum.kernels._desks import put_back, take_desk
from plectrum.kernels._team import Body, run_in_team
from plectrum.kernels.dispatch import known_columns
from plectrum.kernels.update import torch_ops
from plectrum.kernels.update._series import AdamSeries, LinearSeries, StepNumbers
from plectrum.rows import Ledger
from plectrum.rows._behind import Wanted, is_compiled, name_of, take_rows_behind

Group = dict[str, Any]
ALONE_BELOW = 2**15  # numbers; a second thread costs more than it saves on fewer
_TURNS = 4  # of each thread: no more than a quarter of its share is waited for at the end


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


def new_series(name: str | None, table: Tensor, start: int) -> AdamSeries | LinearSeries | None:
    """Return a clock for tables like this one that have taken `start` steps."""
    if name is None:
        return None
    kind = np.float64 if table.dtype == torch.float64 else np.float32
    if name != "adam":
        return LinearSeries(kind, start)
    series = AdamSeries(kind, start)
    if is_compiled(table):
        series.add_step = _add_step
    return series


def _add_step(series: AdamSeries, step: StepNumbers) -> None:
    """Add one step to the running sums of a clock by the compiled kernel."""
    kernels, numbers = _kernels(), array("d", step)
    arguments = array(
        "q",
        (
            *(numbers.buffer_info()[0], series.now - series.start, series.first_open),
            *(len(series.closed), *series.addresses()),
        ),
    )
    run_in_team(kernels.advance_adam, arguments, 1)
    series.first_open = arguments[kernels.OPEN]


def catch_up(ledger: Ledger, table: Tensor, wanted: Wanted, last: Tensor) -> None:
    """Bring the rows wanted to the present: by compiled kernels where they serve, else by torch."""
    series, state, table = ledger.series, ledger.state, table.data
    assert series is not None
    can_move = table.shape[1] > 0
    if isinstance(series, AdamSeries):
        can_move = can_move and "exp_avg" in state  # not before the first step
        if can_move and is_compiled(table) and (isinstance(wanted, range) or wanted.is_cpu):
            if table.dtype.itemsize > 2 or _any_behind(wanted, last, series.now):
                _catch_up_adam(table, state["exp_avg"], state["exp_avg_sq"], wanted, last, series)
            return
    with torch.no_grad():
        rows, lasts = take_rows_behind(table, wanted, last, series.start, series.now)
        if not len(rows) or not can_move:
            return
        if isinstance(series, AdamSeries):
            torch_ops.catch_up_adam(table, state["exp_avg"], state["exp_avg_sq"], rows, lasts, series)
        elif isinstance(series, LinearSeries):
            sgd = _catch_up_sgd if isinstance(rows, np.ndarray) else torch_ops.catch_up_sgd
            sgd(table, state.get("momentum_buffer"), rows, lasts, series)


def _any_behind(wanted: Wanted, last: Tensor, now: int) -> bool:
    """Return True if chance is to be drawn: a lookup that moves no row must leave the generator as it is."""
    if isinstance(wanted, range):
        return bool((last[wanted.start : wanted.stop] < now).any())
    return bool((last[wanted.reshape(-1).long().clamp(0, len(last) - 1)] < now).any())


@cache
def _kernels() -> ModuleType:
    """Import the compiled kernels, which takes a while, when they are first called."""
    from plectrum.kernels.update import _cpu_absence

    return _cpu_absence


def _catch_up_adam(  # noqa: PLR0917
    table: Tensor, m: Tensor, v: Tensor, wanted: Wanted, last: Tensor, series: AdamSeries
) -> None:
    """Find the rows that are behind and move them, in one call: every thread those of its part."""
    kernels = _kernels()
    n_rows, dim = table.shape
    if isinstance(wanted, range):
        ids, where = None, (0, 0, wanted.start, len(wanted))
    else:
        ids = wanted if wanted.dim() == 1 and wanted.dtype == torch.int64 else wanted.reshape(-1).long()
        where = (ids.data_ptr(), ids.stride(0), 0, ids.shape[0])
    n_wanted = where[-1]
    n_threads = torch.get_num_threads() if n_wanted * dim >= ALONE_BELOW else 1
    n_parts = 1 << (n_threads - 1).bit_length()  # a power of two
    sums_at, known_at = series.room_for_sums(kernels.N_SUMS, n_threads)
    n_most = n_wanted if ids is not None else -(-n_wanted // n_parts)
    n_bytes = kernels.desk_bytes(n_most)
    desk = take_desk(n_threads * n_bytes)
    arguments = array(
        "q",
        (
            *(0, 0, n_parts, *where, last.data_ptr(), n_rows),
            *(table.data_ptr(), m.data_ptr(), v.data_ptr(), dim, series.start, series.now),
            *(chance_for(table.dtype), desk.address, n_bytes),
            *(sums_at, known_at, len(series.closed), *series.addresses(), n_most),
        ),
    )
    try:
        run_in_team(kernels.catch_up_adam(name_of(table.dtype), known_columns(dim)), arguments, n_threads)
    finally:
        put_back(desk)


def _catch_up_sgd(table: Tensor, buffer: Tensor | None, rows: Any, lasts: Any, series: LinearSeries) -> None:
    from plectrum.kernels.update import _cpu_absence_sgd as kernels

    n, dim = len(rows), table.shape[1]
    kind = np.float64 if table.dtype == torch.float64 else np.float32
    matrices = np.ascontiguousarray(series.absence(lasts).reshape(4, n).T.astype(kind))
    at = 0 if buffer is None else buffer.data_ptr()
    arguments = array("q", [0] * (kernels.CHANCE + 1))
    arguments[kernels.ROWS], arguments[kernels.MATRICES] = rows.ctypes.data, matrices.ctypes.data
    arguments[kernels.N_BEHIND], arguments[kernels.DIM] = n, dim
    arguments[kernels.TABLE], arguments[kernels.BUFFER] = table.data_ptr(), at
    arguments[kernels.CHANCE] = chance_for(table.dtype)
    _run(kernels.catch_up_sgd(name_of(table.dtype)), arguments)


def chance_for(dtype: torch.dtype) -> int:
    """Draw what the rounding of a table of 16 bits hangs on, from torch's own generator; 0 for others."""
    return int(torch.randint(2**62, ())) if dtype.itemsize == 2 else 0


def _run(body: Body, arguments: array[int]) -> None:
    """Share the rows out among the threads; one thread where more are not worth waking."""
    from plectrum.kernels.update import _cpu_absence_sgd as kernels

    n = arguments[kernels.N_BEHIND]
    n_threads = torch.get_num_threads() if n * arguments[kernels.DIM] >= ALONE_BELOW else 1
    arguments[kernels.N_EACH] = n if n_threads == 1 else -(-n // (_TURNS * n_threads))
    run_in_team(body, arguments, n_threads)
