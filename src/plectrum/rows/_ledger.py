"""Which rows of a table are how many steps behind, and how they are brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from plectrum.errors import OptimizerError
from plectrum.kernels._pages import use_large_pages
from plectrum.rows._behind import Wanted
from plectrum.rows._gradient import RowGradient
from plectrum.rows._mapped import TableFiles, files_of
from plectrum.rows._place import Place

if TYPE_CHECKING:
    from torch.nn.parameter import Parameter


class Series(Protocol):
    """A clock: it counts the steps, and knows what absence from some of them does to a row."""

    now: int
    start: int
    dtype: Any

    def advance(self, step: Any) -> None:
        """Take note of one more step."""

    def fork(self) -> Any:
        """Return a copy that goes its own way."""

    def restart(self) -> None:
        """Forget the past: every row stands at the present step."""


class CatchUp(Protocol):
    """How an optimizer moves rows that were absent: bring those wanted from their last steps to the present.

    And note it in `last`. Ids outside the table are passed over.
    """

    def __call__(self, ledger: Ledger, table: Tensor, wanted: Wanted, last: Tensor) -> None: ...


class Ledger:
    """What an optimizer keeps about the rows of one table, beside its state.

    Parameters
    ----------
    table : Parameter (n_rows, embedding_dim)
    state : dict of str to Tensor
        The optimizer's state for this table: the very dict that stands in ``optimizer.state``.
    series : Series or None
        The clock that this table goes by; None where absent rows do not move.
    catch_up : callable
        The optimizer's way of bringing rows up to date.

    Attributes
    ----------
    last : int32 Tensor (n_rows,) or None
        For each row the last step it has taken; None where absent rows do not move.
    n_steps : int
        How many steps the table has taken.
    group : dict
        The parameter group of the optimizer that the table belongs to.
    files : TableFiles or None
        Where every step is written down; None for a table in memory.
    waiting : list of RowGradient
        Gradients of the table that are not written out yet.
    held : bool Tensor (n_rows,) or None
        Rows that must not change, whatever the optimizer.
    place : Place or None
        Where the table was found to lie; see `place_of`.
    fit : object
        What the optimizer found when it last looked whether table and state fit each other.
    occurred : list of Tensor, or None
        The ids of the lookups whose gradients have come since the last step; None where nobody asks.
    """

    def __init__(
        self,
        table: Parameter,
        state: dict[str, Tensor],
        series: Series | None,
        catch_up: CatchUp,
    ) -> None:
        self.state, self.series, self._catch_up = state, series, catch_up
        self.last: Tensor | None = None
        self.held: Tensor | None = None
        self.n_steps = series.now if series is not None else 0
        self.dtype = table.dtype
        self.group: dict[str, Any] = {}
        self.waiting: list[RowGradient] = []
        self.occurred: list[Tensor] | None = None
        self.files: TableFiles | None = None
        self.place: Place | None = None
        self.fit: Any = None
        self._seen: tuple[Tensor, int, int] | None = None  # ids, their version, and when
        self._complete_at = 0  # the step at which every row was up to date
        if series is not None:
            self.go_by(series, table)

    def go_by(self, series: Series, table: Tensor) -> None:
        """Count steps by this clock from now on; every row stands at the present."""
        self.series, self.n_steps = series, series.now
        files = files_of(table)  # type: ignore[arg-type]
        if files is not None:
            self.last, self._complete_at = files.array("last", (table.shape[0],), torch.int32), -1
            return  # whoever was killed may have left rows behind
        self.last = torch.empty(table.shape[0], dtype=torch.int32, device=table.device)
        if self.last.device.type == "cpu":  # before anything is written to it
            use_large_pages(self.last.data_ptr(), 4 * len(self.last))
        self.note_complete()

    @property
    def is_behind(self) -> bool:
        """True when some row may be behind the clock."""
        return self.series is not None and self._complete_at != self.series.now

    def catch_up(self, table: Tensor, ids: Tensor) -> None:
        """Bring the rows that occur in `ids` to the present step; ids outside the table are left to the
        lookup.

        Cost: reads one number per id; moves the rows that are behind.
        """
        self.check(table)
        if not self.is_behind or not ids.numel():
            return
        self._catch_up(self, table, ids, self._last_of(table))
        self._seen = None if ids.is_inference() else (ids, ids._version, self._now)

    def catch_up_for_update(self, table: Tensor, ids: Tensor) -> None:
        """As `catch_up`, for the ids of a gradient: those of the last lookup are not gone through again.

        A lookup always goes through its ids: they may stand in memory that NumPy has filled anew meanwhile.
        """
        if not self._has_just_seen(ids):
            self.catch_up(table, ids)

    def _has_just_seen(self, ids: Tensor) -> bool:
        """True for the very ids of the last lookup, unchanged, while the clock stood still."""
        if self._seen is None or self._seen[2] != self._now:
            return False
        seen, version, _ = self._seen
        is_same = seen is ids or (
            not ids.is_inference()
            and seen.data_ptr() == ids.data_ptr()
            and seen.shape == ids.shape
            and seen.stride() == ids.stride()
            and seen.dtype == ids.dtype
        )
        return is_same and version == ids._version

    def catch_up_all(self, table: Tensor) -> None:
        """Bring every row to the present step. Cost: nothing where all are; else like one dense step."""
        if not self.is_behind:
            return
        self.check(table)
        last, n_rows = self._last_of(table), table.shape[0]
        at_once = min(max(1, 2**22 // max(table.shape[1], 1)), 2**18)  # 16 bytes of scratch for each
        for first in range(0, n_rows, at_once):
            self._catch_up(self, table, range(first, min(first + at_once, n_rows)), last)
        self._complete_at = self._now

    def note_complete(self) -> None:
        """Take note that every row is at the present step."""
        if self.series is not None and self.last is not None:
            self.last.fill_(self._now)
            if self.held is not None:
                self.last[self.held] = NEVER_BEHIND
            self._complete_at = self._now

    def note_taken(self, rows: Tensor) -> None:
        """Take note that these rows have taken the step that the clock now shows."""
        if self.last is not None:
            self.last[rows] = self._now

    def hold(self, table: Tensor, held: Tensor | None) -> None:
        """Let these rows stand still from now on, and all others move; `held` has shape (n_rows,) or is
        None."""
        self.catch_up_all(table)
        self.held = held
        self.note_complete()

    def held_of(self, table: Tensor) -> Tensor | None:
        """Return which rows of the table must not change, of shape (n_rows,); None for none."""
        if self.held is not None and len(self.held) < table.shape[0]:
            self.held = torch.cat([self.held, self.held.new_zeros(table.shape[0] - len(self.held))])
        return self.held

    def _grow(self, n_rows: int) -> None:
        """Take note of rows added after the last: they are up to date, as all were when it happened."""
        if self.last is not None:
            self.last = torch.cat([self.last, self.last.new_full((n_rows,), self._now)])

    def check(self, table: Tensor) -> None:
        """See to it that table and `last` are as the kernels take them to be: they write without looking."""
        if table.dtype != self.dtype:
            self._convert(table.dtype)
        if self.last is not None and self.last.shape[0] != table.shape[0]:
            self._last_of(table)

    def _convert(self, dtype: torch.dtype) -> None:
        """Go on with a table of another dtype, if it has not taken a step yet."""
        if self.n_steps or self.files is not None:
            raise OptimizerError(
                f"A table that a plectrum optimizer trains must keep its dtype; got {dtype}, after "
                f"{self.dtype}. Convert the model before making the optimizer, or make a new one."
            )
        self.dtype = dtype
        if self.series is not None:
            self.series = self.series.fork()
            self.series.dtype = np.dtype(np.float64 if dtype == torch.float64 else np.float32)

    @property
    def _now(self) -> int:
        return self.series.now if self.series is not None else 0

    def _last_of(self, table: Tensor) -> Tensor:
        n_rows = table.shape[0]
        if self.last is not None and self.last.shape[0] < n_rows:
            self._grow(n_rows - self.last.shape[0])
        last = self.last
        if last is None or last.shape[0] != n_rows or last.device != table.device:
            raise OptimizerError(
                "A table that a plectrum optimizer trains must keep its shape and device; got "
                f"shape {tuple(table.shape)} on {table.device}, of which the optimizer knows "
                f"{0 if last is None else len(last)} rows on {last.device if last is not None else None}. "
                "Move the model before making the optimizer, and let tables grow by the layer's `grow`."
            )
        return last


NEVER_BEHIND = torch.iinfo(torch.int32).max
