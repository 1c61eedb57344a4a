"""What the target of a frame is: numbers to predict, or classes to tell apart."""

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError, DataError
from plectrum.tabular._scores import Task

_MOST_CLASSES = 1_000


@dataclass(frozen=True)
class Target:
    """A target column.

    Attributes
    ----------
    name : str
    task : Task
        What it asks for.
    values : (n,) float64 or int64
        The numbers, or class numbers.
    """

    name: str
    task: Task
    values: NDArray[Any]


def read_task(frame: Any, name: str, wanted: str | None = None) -> Target:
    """Return what the target column is and its values; `plectrum.frames.check` has found no fault with it.

    Text and booleans are classes, and so are whole numbers that take only two values; other numbers are
    predicted as numbers. `wanted` ("regression", "classification") overrules this.

    Raises
    ------
    DataError
        It has too many classes.
    ArgumentError
        Regression is wanted, and the target is no numbers.
    """
    series = frame[name]
    as_classes = _is_for_classes(series) if wanted is None else wanted == "classification"
    if not as_classes:
        return Target(name, Task("regression"), _numbers(series, name))
    classes, codes = np.unique(np.asarray(series.to_list()), return_inverse=True)
    if len(classes) > min(_MOST_CLASSES, max(2, len(series) // 2)):
        raise DataError(
            f"the target {name!r} must be classes that return, or numbers; it has {len(classes):,} different "
            "values "
            f"in {len(series):,} rows, such as {str(classes[0])!r}. Choose another column."
        )
    kind = "binary" if len(classes) == 2 else "multiclass"
    return Target(name, Task(kind, classes), codes.astype(np.int64))


def _is_for_classes(series: Any) -> bool:
    if not series.dtype.is_numeric():
        return True
    return bool(series.dtype.is_integer() and series.n_unique() == 2)


def _numbers(series: Any, name: str) -> NDArray[np.float64]:
    if not (series.dtype.is_numeric() or series.dtype == nw.Boolean):
        raise ArgumentError(
            f"`task` (--task) can be regression for a target of numbers only; {name!r} is {series.dtype}, "
            "such as "
            f"{series[0]!r}. Leave --task out."
        )
    return np.asarray(series.to_numpy(), np.float64)
