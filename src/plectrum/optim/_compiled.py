"""Updates by the compiled kernels: tables and gradients become rows of addresses, one call serves all."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from plectrum.errors import RowOutOfRangeError
from plectrum.kernels._team import run_in_team
from plectrum.kernels.update._step import Step
from plectrum.optim._absence import ALONE_BELOW


class Work(NamedTuple):
    """One table's part of a step: its gradient is ``values[bag_of[i]] * scale[i]`` in row ``ids[i]``."""

    table: Tensor
    states: Sequence[Tensor | None]
    ids: Tensor
    values: Tensor
    last: Tensor | None
    now: int
    bag_of: Tensor | None = None
    scale: Tensor | None = None


def update_tables(work: Sequence[Work], step: Step) -> None:
    """Take one step on the rows of every table, in place. All tables have one dtype.

    Cost: sorts the ids (two or three passes over 8 bytes each), reads each gradient once, reads and writes
    each distinct row and its state once. Extra memory: 16 bytes per id.
    """

    work = [_with_plain_strides(w) for w in work if w.ids.numel() and w.table.shape[1]]
    if not work:
        return
    bad = _share_out(work, step, torch.get_num_threads())
    if bad >= 0:
        raise _bad_ids(work[bad])


def _job(w: Work) -> tuple[int, ...]:
    first, second = (*w.states, None, None)[:2]
    return (
        *(w.table.data_ptr(), _address(first), _address(second), w.table.shape[0], w.table.shape[1]),
        *(w.ids.data_ptr(), w.ids.stride(0), w.ids.shape[0]),
        *(w.values.data_ptr(), w.values.stride(0) * w.values.element_size()),
        *(_address(w.bag_of), _address(w.scale), _address(w.last), w.now, 0),
    )


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _with_plain_strides(w: Work) -> Work:
    """Return the work with ids and values that the kernels can read: int64, and rows without gaps in them."""
    ids, values = w.ids, w.values
    if ids.dtype != torch.int64:
        ids = ids.long()
    if values.dtype != w.table.dtype:
        values = values.to(w.table.dtype)
    if values.stride(1) != 1 or values.stride(0) < values.shape[1]:
        values = values.contiguous()
    return w if ids is w.ids and values is w.values else w._replace(ids=ids, values=values)


def _numbers(step: Step, dtype: torch.dtype) -> array[float]:
    """Return the hyperparameters in the order of `cpu.step_row`, in the precision of the tables."""
    is_adam = step.rule in {"adam", "adamw"}
    return array(
        "d" if dtype == torch.float64 else "f",
        (
            step.lr / step.correction1 if is_adam else step.lr,
            1 - step.lr * step.weight_decay if step.rule == "adamw" else step.weight_decay,
            step.eps,
            1 - step.beta1,
            step.beta2,
            step.momentum,
            1 - step.dampening,
            float(step.nesterov),
            1 - step.beta2,
            1 / step.correction2,
            -1.0 if step.maximize else 1.0,
        ),
    )


def _share_out(work: Sequence[Work], step: Step, n_threads: int) -> int:
    """Let threads take tables, or parts of tables where there are few; return one with a bad id, or -1."""
    from plectrum.kernels.update import cpu

    if sum(w.ids.shape[0] * w.table.shape[1] for w in work) < ALONE_BELOW:
        n_threads = 1
    n_parts = 1
    while n_threads > 1 and n_parts * len(work) < n_threads:
        n_parts *= 2
    dtype = work[0].table.dtype
    jobs, numbers = array("q", [number for w in work for number in _job(w)]), _numbers(step, dtype)
    n_most, dim_most = max(w.ids.shape[0] for w in work), max(w.table.shape[1] for w in work)
    n_bytes = cpu.desk_bytes(n_most, dim_most, numbers.itemsize)
    body = cpu.update_tables(step.rule, str(dtype).removeprefix("torch."))
    with desks(n_threads * n_bytes) as desk:
        arguments = array(
            "q",
            (
                *(0, 0, -1, jobs.buffer_info()[0], len(work), n_parts, numbers.buffer_info()[0]),
                *(n_most, desk.ctypes.data, n_bytes),
            ),
        )
        run_in_team(body, arguments, n_threads)
    return arguments[cpu.BAD]


_desks: list[np.ndarray] = []


@contextmanager
def desks(n_bytes: int) -> Iterator[np.ndarray]:
    """Lend memory to work with; it is kept, because the first touch of new memory costs more than the work."""
    try:
        desk = _desks.pop()
    except IndexError:
        desk = np.empty(0, np.uint8)
    if len(desk) < n_bytes:
        desk = np.empty(n_bytes, np.uint8)
    try:
        yield desk
    finally:
        _desks.append(desk)


def _bad_ids(w: Work) -> RowOutOfRangeError:
    n_rows = w.table.shape[0]
    bad = ((w.ids < 0) | (w.ids >= n_rows)).nonzero()[:, 0]
    return RowOutOfRangeError(
        owner="the gradient of a table",
        value=int(w.ids[bad[0]]),
        position=(int(bad[0]),),
        n_bad=len(bad),
        n_values=w.ids.numel(),
        n_rows=n_rows,
    )
