"""Updates by the compiled kernels: tables and gradients become rows of addresses, one call serves all."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from plectrum.errors import RowOutOfRangeError
from plectrum.kernels._beside import Kernel
from plectrum.kernels._desks import put_back, take_desk
from plectrum.kernels._team import run_in_team
from plectrum.kernels.dispatch import MANY_FROM, known_columns
from plectrum.kernels.update._step import Step
from plectrum.optim._absence import ALONE_BELOW, chance_for
from plectrum.rows._behind import name_of
from plectrum.rows._gradient import RowGradient
from plectrum.rows._place import Place


class Fit(NamedTuple):
    """Where a table and its states lie, which have been found to fit each other; 0 for a state it has not."""

    place: Place
    states: tuple[Tensor | None, ...]
    at: tuple[int, ...]
    kinds: tuple[object, ...]  # shape and dtype

    @classmethod
    def of(cls, place: Place, states: Sequence[Tensor | None]) -> Fit:
        """Return the fit of these states."""
        at = tuple(0 if s is None else s.data_ptr() for s in states)
        return cls(place, tuple(states), at, tuple(None if s is None else (s.shape, s.dtype) for s in states))

    def holds(self, place: Place, state: dict[str, Tensor], names: Sequence[str]) -> bool:
        """Return True while nothing has been moved or replaced."""
        if self.place is not place:
            return False
        for name, known, at, kind in zip(names, self.states, self.at, self.kinds, strict=True):
            if state.get(name) is not known:
                return False
            if known is not None and (
                known.data_ptr() != at or (known.shape, known.dtype) != kind or not known.is_contiguous()
            ):
                return False
        return True


class Work(NamedTuple):
    """One table's part of a step."""

    fit: Fit
    gradient: RowGradient
    last: Tensor | None
    now: int


def update_tables(work: Sequence[Work], step: Step) -> None:
    """Take one step on the rows of every table, in place. All tables have one dtype.

    Cost: threads share the two looks at every id, and sort those that may occur again (two or three passes
    over 8 bytes each). Each gradient is read once, each distinct row and its state are read and written once.
    Where threads share a table, each clears and merges 2 to 4 bytes for every id, whatever their number.
    Extra memory, kept for the next step: some 20 bytes per thread and id of the largest table, and 9 more
    per id of each table that threads share, beside those marks.
    """
    bad = _share_out(work, step, torch.get_num_threads())
    if bad is not None:
        raise _bad_ids(bad)


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


def _name_of_kernel(rule: str, momentum: float, nesterov: bool) -> str:
    if rule != "sgd" or not momentum:
        return rule
    return "nesterov" if nesterov else "momentum"


def kernels_of_update(rule: str, group: dict[str, Any], tables: Sequence[Tensor]) -> list[Kernel]:
    """Return the kernels that `update_tables` will ask for, when all of a group's tables get a gradient."""
    dims: dict[torch.dtype, list[int]] = {}
    for table in tables:
        dims.setdefault(table.dtype, []).append(table.shape[1])
    name = _name_of_kernel(rule, group.get("momentum", 0.0), group.get("nesterov", False))
    kinds = [(name, name_of(dtype), known_columns(*found)) for dtype, found in dims.items()]
    return [Kernel("plectrum.kernels.update.cpu", "update_tables", kind) for kind in kinds]


def _share_out(work: Sequence[Work], step: Step, n_threads: int) -> Work | None:
    """Let threads take tables, or parts of tables where there are few; return one with a bad id."""
    dtype = work[0].fit.place.dtype
    jobs: list[int] = []
    taken, kept = [], []
    n_most, dim_most, n_numbers = 0, 0, 0
    for w in work:
        place, states, (found, keep) = w.fit.place, w.fit.at, w.gradient.addresses(dtype)
        n_ids, dim = found[2], place.dim
        if n_ids and dim:
            last = 0 if w.last is None else w.last.data_ptr()
            first, second = states if len(states) == 2 else (states[0], 0)
            jobs += (place.at, first, second, place.n_rows, dim, *found, last, w.now, chance_for(dtype), 0)
            taken.append(w)
            kept.append(keep)
            n_most, dim_most = max(n_most, n_ids), max(dim_most, dim)
            n_numbers += n_ids * dim
    if not taken:
        return None
    if n_numbers < ALONE_BELOW:
        n_threads = 1
    n_parts = 1
    while n_threads > 1 and n_parts * len(taken) < n_threads:
        n_parts *= 2
    kernels, numbers = _kernels(), _numbers(step, dtype)
    if n_numbers * dtype.itemsize >= MANY_FROM:
        jobs[kernels.ARE_MANY :: kernels.N_COLUMNS] = [1] * len(taken)
    job_array = array("q", jobs)
    layout = kernels.lay_out(n_most, dim_most, numbers.itemsize, len(taken), n_parts, n_threads)
    flags = array("q", [-1]) * layout.n_flags
    n_columns = known_columns(*jobs[kernels.DIM :: kernels.N_COLUMNS])
    name = _name_of_kernel(step.rule, step.momentum, step.nesterov)
    body = kernels.update_tables(name, name_of(dtype), n_columns)
    desk = take_desk(layout.n_bytes)
    arguments = array(
        "q",
        (
            *(0, 0, -1, job_array.buffer_info()[0], len(taken), n_parts, numbers.buffer_info()[0]),
            *(flags.buffer_info()[0], *layout.arguments),
        ),
    )
    for place in (kernels.DESKS, kernels.MARKS, kernels.FOLDED, kernels.LEFT):
        arguments[place] += desk.address
    try:
        run_in_team(body, arguments, n_threads)
    finally:
        put_back(desk)
    bad = arguments[kernels.BAD]
    return taken[bad] if bad >= 0 else None


@cache
def _kernels() -> ModuleType:
    """Import the compiled kernels, which takes a while, when they are first called."""
    from plectrum.kernels.update import cpu

    return cpu


def _bad_ids(w: Work) -> RowOutOfRangeError:
    n_rows, ids = w.fit.place.n_rows, w.gradient.ids
    bad = ((ids < 0) | (ids >= n_rows)).nonzero()[:, 0]
    return RowOutOfRangeError(
        owner="the gradient of a table",
        value=int(ids[bad[0]]),
        position=(int(bad[0]),),
        n_bad=len(bad),
        n_values=ids.numel(),
        n_rows=n_rows,
    )
