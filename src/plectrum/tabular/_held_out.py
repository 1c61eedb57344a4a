"""The rows to learn from and the rows that all models are judged on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum import frames
from plectrum.errors import DataError
from plectrum.tabular._columns import overrides_of
from plectrum.tabular._rows import take_rows
from plectrum.tabular._scores import Task
from plectrum.tabular._target import Target


@dataclass(frozen=True)
class Split:
    """The rows: learned from, and held out.

    Attributes
    ----------
    task : Task
    target : str
    train, held_out : narwhals.DataFrame
        The columns without the target, those that are left out included.
    train_target, held_out_target : ndarray
        Floats, or class numbers.
    held_out_groups : ndarray or None
        What the held-out rows were held out by, None when at random.
    overrides : dict
        Column -> kind, as the user wants it.
    """

    task: Task
    target: str
    train: Any
    held_out: Any
    train_target: NDArray[Any]
    held_out_target: NDArray[Any]
    held_out_groups: NDArray[Any] | None
    overrides: dict[str, str]


def split_frame(frame: Any, found: Target, chosen: Any, listener: Any) -> Split:
    """Return the rows to learn from and those to hold out; tell the listener what is left out."""
    listener.stage("splitting")
    by = chosen.group or chosen.time
    stratify = found.values if found.task.kind != "regression" and by is None else None
    train, held_out = frames.split_rows(
        frame,
        valid_share=chosen.held_out,
        group=chosen.group,
        time=chosen.time,
        stratify=stratify,
        seed=chosen.seed,
    )
    values = found.values
    if found.task.kind != "regression":
        held_out = _without_unseen_classes(found, train, held_out, listener)
    if len(train) < 2 or len(held_out) < 1:
        raise DataError(
            f"the file must have rows to learn from and rows to hold out; {len(frame):,} rows gave "
            f"{len(train):,} "
            f"and {len(held_out):,}. Give more rows, or another --held-out, --time or --group."
        )
    names = [column for column in frame.columns if column != found.name]
    features = frame.select(names)
    overrides = overrides_of(
        names, dict.fromkeys(chosen.ignore, "ignored"), chosen.categorical, chosen.numeric
    )
    return Split(
        found.task,
        found.name,
        take_rows(features, train),
        take_rows(features, held_out),
        values[train],
        values[held_out],
        None if by is None else frames.levels(frame[by])[0][held_out],
        overrides,
    )


def _without_unseen_classes(
    found: Target, train: NDArray[np.int64], held_out: NDArray[np.int64], listener: Any
) -> NDArray[np.int64]:
    known = np.isin(found.values[held_out], found.values[train])
    if not known.all():
        listener.warn(
            f"{found.name}: {int((~known).sum()):,} held-out rows have a class that no other row has; no "
            "model can "
            "predict it, and they are left out."
        )
    return held_out[known]
