"""What is wrong with the column to predict."""

from collections.abc import Iterator

import narwhals as nw
import numpy as np

from plectrum.frames._check_column import spelled_alike
from plectrum.frames._column import MOMENTS, Column
from plectrum.frames._finding import Finding

_MOST_CLASSES = 1000
_FEW_OF_CLASS = 0.01
_FEWEST_TO_JUDGE_SPREAD = 50
_FAR = 50  # widths of the middle four fifths


def check_target(column: Column) -> Iterator[Finding]:
    """Errors of a target that cannot be learned, warnings of one that should not be."""
    name, n = column.name, column.n_rows
    if column.n_levels == 0:
        yield Finding("error", name, f"The target is missing in all {n:,} rows.", "Choose another column.")
        return
    if column.n_missing:
        yield Finding(
            "error",
            name,
            f"The target is missing in {column.n_missing:,} of {n:,} rows, first in row "
            f"{np.argmax(column.codes < 0):,}.",
            "Remove these rows, or fill in what is known.",
        )
    if column.n_levels == 1:
        value = column.keys[int(np.argmax(column.rows_per_level))]
        rows = f"all {n:,} rows" if not column.n_missing else f"all {column.n_present:,} rows that have one"
        yield Finding(
            "error",
            name,
            f"The target has the same value, {value!r}, in {rows}.",
            "Choose a column that varies: there is nothing to predict.",
        )
    elif column.dtype in MOMENTS:
        yield Finding(
            "error",
            name,
            "The target holds dates; a number or a class can be predicted.",
            "Turn it into a number, such as days from a date on.",
        )
    elif column.dtype.is_numeric() or column.dtype == nw.Duration:
        yield from _check_amounts(column)
    else:
        yield from _check_classes(column)


def _check_amounts(column: Column) -> Iterator[Finding]:
    values = column.numbers
    infinite = np.isinf(values)
    if infinite.any():
        yield Finding(
            "error",
            column.name,
            f"The target is infinite in {infinite.sum():,} of {len(values):,} rows, first in row "
            f"{np.argmax(infinite):,}.",
            "Remove these rows, or put in what was measured.",
        )
    finite = values[np.isfinite(values)]
    if len(finite) < _FEWEST_TO_JUDGE_SPREAD:
        return
    low, middle, high = np.percentile(finite, [10, 50, 90])
    distance = np.abs(finite - middle)
    far = distance > _FAR * (high - low)
    if high > low and far.any():
        yield Finding(
            "warning",
            column.name,
            f"{far.sum():,} of {len(finite):,} values of the target lie far outside the rest, up to "
            f"{finite[np.argmax(distance)]:g}.",
            "Check whether they are real: a squared loss looks at little else.",
        )


def _check_classes(column: Column) -> Iterator[Finding]:
    n, k = column.n_present, column.n_levels
    if k > 2 and k > min(_MOST_CLASSES, n / 2):
        yield Finding(
            "error" if k == n else "warning",
            column.name,
            f"The target has {k:,} classes in {n:,} rows.",
            "Choose a column with fewer classes, or one of numbers.",
        )
    else:
        if column.n_single:
            yield Finding(
                "warning",
                column.name,
                f"{column.n_single:,} of {k:,} classes of the target have one row only.",
                "Pool them, or leave them out: a class needs rows to learn from and rows to test on.",
            )
        if column.counts.min() < _FEW_OF_CLASS * n:
            yield Finding(
                "note",
                column.name,
                f"The rarest class of the target has {column.counts.min():,} of {n:,} rows.",
                "Look at its own scores; weigh classes if it matters.",
            )
    yield from spelled_alike(column, "The target")
