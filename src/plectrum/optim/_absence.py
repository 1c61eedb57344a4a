"""What happens to rows that are absent from a batch: which clock a rule goes by, and how rows are caught
up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plectrum.kernels.update import torch_ops
from plectrum.kernels.update._series import AdamSeries, LinearSeries
from plectrum.rows import Ledger

Group = dict[str, Any]


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


def new_series(name: str | None, dtype: torch.dtype, start: int) -> AdamSeries | LinearSeries | None:
    """Return a clock for tables of this dtype that have taken `start` steps."""
    if name is None:
        return None
    kind = np.float64 if dtype == torch.float64 else np.float32
    return AdamSeries(kind, start) if name == "adam" else LinearSeries(kind, start)


@torch.no_grad()
def catch_up(ledger: Ledger, table: Tensor, rows: Tensor, last: Tensor) -> None:
    """Bring distinct rows from their `last` steps to the present."""
    series, state, table = ledger.series, ledger.state, table.data
    if isinstance(series, AdamSeries):
        if state:
            torch_ops.catch_up_adam(table, state["exp_avg"], state["exp_avg_sq"], rows, last, series)
    elif isinstance(series, LinearSeries):
        torch_ops.catch_up_sgd(table, state.get("momentum_buffer"), rows, last, series)
