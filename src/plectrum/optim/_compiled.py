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
from plectrum.optim._absence import ALONE_BELOW, chance_for
from plectrum.rows._behind import name_of
from plectrum.rows._gradient import Addresses, RowGradient


class Work(NamedTuple):
    """One table's part of a step."""

    table: Tensor
    states: Sequence[Tensor | None]
    gradient: RowGradient
    last: Tensor | None
    now: int


def update_tables(work: Sequence[Work], step: Step) -> None:
    """Take one step on the rows of every table, in place. All tables have one dtype.

    Cost: sorts the ids (two or three passes over 8 bytes each), reads each gradient once, reads and writes
    each distinct row and its state once. Extra memory: 16 bytes per id and thread, kept for the next step.
    """
    bad = _share_out(work, step, torch.get_num_threads())
    if bad is not None:
        raise _bad_ids(bad)


def _job(w: Work, at: Addresses, n_rows: int, dim: int) -> tuple[int, ...]:
    states = [0 if state is None else state.data_ptr() for state in w.states]
    first, second = states if len(states) == 2 else (states[0], 0)
    last = 0 if w.last is None else w.last.data_ptr()
    places = (w.table.data_ptr(), first, second, n_rows, dim)
    return (*places, *at[:7], last, w.now, chance_for(w.table))


def _numbers(step: Step, dtype: torch.dtype) -> array[float]:
    """Return the hyperparameters in the order of `_cpu_rules`, in the precision of the tables."""
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
            1 - step.beta2,
            1 / step.correction2,
            -1.0 if step.maximize else 1.0,
        ),
    )


def _kernel_of(step: Step) -> str:
    if step.rule != "sgd" or not step.momentum:
        return step.rule
    return "nesterov" if step.nesterov else "momentum"


def _share_out(work: Sequence[Work], step: Step, n_threads: int) -> Work | None:
    """Let threads take tables, or parts of tables where there are few; return one with a bad id."""
    from plectrum.kernels.update import cpu

    dtype = work[0].table.dtype
    jobs, taken, kept = array("q"), [], []
    n_most, dim_most, n_numbers = 0, 0, 0
    for w in work:
        at, (n_rows, dim) = w.gradient.addresses(dtype), w.table.shape
        if at.n_ids and dim:
            jobs.extend(_job(w, at, n_rows, dim))
            taken.append(w)
            kept.append(at)
            n_most, dim_most = max(n_most, at.n_ids), max(dim_most, dim)
            n_numbers += at.n_ids * dim
    if not taken:
        return None
    if n_numbers < ALONE_BELOW:
        n_threads = 1
    n_parts = 1
    while n_threads > 1 and n_parts * len(taken) < n_threads:
        n_parts *= 2
    numbers = _numbers(step, dtype)
    n_bytes = cpu.desk_bytes(n_most, dim_most, numbers.itemsize)
    body = cpu.update_tables(_kernel_of(step), name_of(dtype))
    with desks(n_threads * n_bytes) as desk:
        arguments = array(
            "q",
            (
                *(0, 0, -1, jobs.buffer_info()[0], len(taken), n_parts, numbers.buffer_info()[0]),
                *(n_most, desk.ctypes.data, n_bytes),
            ),
        )
        run_in_team(body, arguments, n_threads)
    bad = arguments[cpu.BAD]
    return taken[bad] if bad >= 0 else None


_desks: list[np.ndarray] = []


@contextmanager
def desks(n_bytes: int) -> Iterator[np.ndarray]:
    """Lend memory to work with; it is kept, because the first touch of new memory costs much."""
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
    n_rows, ids = w.table.shape[0], w.gradient.ids
    bad = ((ids < 0) | (ids >= n_rows)).nonzero()[:, 0]
    return RowOutOfRangeError(
        owner="the gradient of a table",
        value=int(ids[bad[0]]),
        position=(int(bad[0]),),
        n_bad=len(bad),
        n_values=ids.numel(),
        n_rows=n_rows,
    )
