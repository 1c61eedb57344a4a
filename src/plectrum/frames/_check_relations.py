"""What columns have to do with each other: leaks, repetitions, and what changes in time."""

from collections.abc import Iterator

import narwhals as nw
import numpy as np

from plectrum.frames._column import Column
from plectrum.frames._finding import Finding
from plectrum.frames._kinds import Kind

_FEWEST_ROWS_TO_JUDGE = 50
_ROWS_PER_LEVEL = 2  # fewer, and a column determines anything by chance
_EQUAL_IN_ORDER = 0.9999  # rank correlation from which a number is the target in another unit
_MOST_ROWS_FOR_RANKS = 200_000
_LATER_SHARE = 0.1
_MUCH_UNSEEN = 0.05


def check_relations(
    columns: dict[str, Column], kinds: dict[str, Kind], goal: Column | None
) -> Iterator[Finding]:
    """Warnings of columns that give the target away, notes on columns that repeat or change."""
    if goal is not None and goal.n_levels > 1 and goal.n_present >= _FEWEST_ROWS_TO_JUDGE:
        for name, column in columns.items():
            why = _gives_away(column, kinds[name], goal)
            if why:
                yield Finding(
                    "warning",
                    name,
                    f"The column {why}.",
                    "Leave it out if it is known only when the target is, or is the target in other words.",
                )
    yield from _repetitions([columns[name] for name, kind in kinds.items() if kind.kind == "categorical"])
    dates = [columns[name] for name, kind in kinds.items() if kind.kind == "date"]
    if dates and dates[0].n_present >= _FEWEST_ROWS_TO_JUDGE:
        yield from _unseen_later(columns, kinds, dates[0])


def _gives_away(column: Column, kind: Kind, goal: Column) -> str:
    """Why a column is the target in other words; empty when it is not."""
    if column.n_levels < 2:
        return ""
    is_amount = goal.dtype.is_numeric() and goal.n_levels > 2
    if column.dtype.is_numeric() and is_amount:
        a, b = _both_finite(column, goal)
        if len(a) == goal.n_present and (a == b).all():
            return "equals the target in every row"
        if _ranks_agree(a, b):
            return "puts the rows in the same order as the target"
    if column.dtype.is_numeric() and goal.n_levels == 2 and _separates(column, goal):
        return "separates the two classes of the target without a single exception"
    if kind.kind != "ignored" and _determines(column, goal) and _is_no_chance(column, goal):
        return "determines the target: each of its values goes with one value of the target"
    return ""


def _both_finite(column: Column, goal: Column) -> tuple[np.ndarray, np.ndarray]:
    step = max(1, column.n_rows // _MOST_ROWS_FOR_RANKS)
    a, b = column.numbers[::step], goal.numbers[::step]
    both = np.isfinite(a) & np.isfinite(b)
    return a[both], b[both]


def _ranks_agree(a: np.ndarray, b: np.ndarray) -> bool:
    if len(a) < _FEWEST_ROWS_TO_JUDGE or np.ptp(a) == 0 or np.ptp(b) == 0:
        return False
    return bool(abs(np.corrcoef(_ranks(a), _ranks(b))[0, 1]) > _EQUAL_IN_ORDER)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (n,), ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _separates(column: Column, goal: Column) -> bool:
    """Whether all values beside one class lie above all values beside the other."""
    classes = np.flatnonzero(goal.rows_per_level)
    one, other = (column.numbers[goal.codes == code] for code in classes)
    if min(len(one), len(other)) < _FEWEST_ROWS_TO_JUDGE / 5 or np.isnan(one).any() or np.isnan(other).any():
        return False
    return bool(one.max() < other.min() or other.max() < one.min())


def _determines(column: Column, goal: Column) -> bool:
    value = np.full(len(column.rows_per_level) + 1, -1)
    value[column.codes] = goal.codes
    return bool((value[column.codes] == goal.codes).all())


def _is_no_chance(column: Column, goal: Column) -> bool:
    """Whether the rows beside the target's most frequent value are enough, and share values of the column."""
    rest = column.codes[goal.codes != np.argmax(goal.rows_per_level)]
    return len(rest) >= _FEWEST_ROWS_TO_JUDGE / 5 and len(np.unique(rest)) * _ROWS_PER_LEVEL <= len(rest)


def _repetitions(columns: list[Column]) -> Iterator[Finding]:
    for n, column in enumerate(columns):
        for other in columns[:n]:
            same_size = column.n_levels == other.n_levels > 1 and column.n_missing == other.n_missing
            if same_size and _determines(column, other) and _determines(other, column):
                yield Finding(
                    "note",
                    column.name,
                    f"The column says the same as {other.name!r}: their values go together one to one.",
                    "Keep one of them, unless you want both names in the report.",
                )


def _unseen_later(columns: dict[str, Column], kinds: dict[str, Kind], date: Column) -> Iterator[Finding]:
    """Values that only the latest rows have."""
    stamps = date.moments()
    known = ~np.isnat(stamps)
    cut = np.sort(stamps[known])[int((1 - _LATER_SHARE) * known.sum())]
    later = known & (stamps >= cut)
    if not (known & ~later).any():
        return
    for name, column in columns.items():
        if kinds[name].kind != "categorical" or column.dtype == nw.Boolean:
            continue
        seen = np.zeros(len(column.rows_per_level) + 1, bool)
        seen[column.codes[~later]] = True
        seen[-1] = True  # missing
        unseen = np.count_nonzero(~seen[column.codes[later]]) / np.count_nonzero(later)
        if unseen > 0:
            share = "under 0.1%" if unseen < 0.001 else f"{unseen:.1%}"
            yield Finding(
                "warning" if unseen > _MUCH_UNSEEN else "note",
                name,
                f"{share} of the latest rows (by {date.name!r}) have a value that no earlier row has.",
                "Hold rows out by time to see what that costs; such rows get the unknown row.",
            )
