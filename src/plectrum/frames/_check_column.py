"""What is wrong with a column to learn from."""

import re
from collections.abc import Iterator

import narwhals as nw
import numpy as np

from plectrum.frames._column import Column
from plectrum.frames._finding import Finding
from plectrum.frames._kinds import Kind

_FEWEST_ROWS_TO_JUDGE = 100
_MANY_LEVELS = 0.1  # levels per row from which a level has ten rows or fewer
_RARE = 10  # rows below which a level learns little
_MUCH_MISSING = 0.5
_NEARLY_ALL = 0.999
_MOST_LEVELS_TO_SPELL = 200_000
_MARKS = {"?", "-", "--", ".", "unknown", "none", "missing", "n/a", "na", "null", "nan", "not available"}
_NUMBER_WITH_COMMA = re.compile(r"\s*[-+]?\d{1,3}(,\d{3})+(\.\d+)?\s*|\s*[-+]?\d+,\d+\s*")
_NUMBER = re.compile(r"\s*[-+]?(0|[1-9]\d*)(\.\d+)?\s*")


def check_column(column: Column, kind: Kind) -> Iterator[Finding]:
    """Warnings and notes about one column."""
    name, n = column.name, column.n_rows
    if kind.kind == "ignored":
        yield Finding(
            "warning" if kind.n_missing == n else "note",
            name,
            f"The column is left out: {kind.why}.",
            "Say what it is if it should take part.",
        )
        return
    if column.n_missing > _MUCH_MISSING * n:
        yield Finding(
            "note",
            name,
            f"{column.n_missing / n:.0%} of the values are missing.",
            "Missing is learned as a value of its own: make sure that it will mean the same later.",
        )
    if n >= _FEWEST_ROWS_TO_JUDGE and column.counts.max() > _NEARLY_ALL * n:
        yield Finding(
            "note",
            name,
            f"All rows but {n - column.counts.max():,} have the same value.",
            "Expect little from it.",
        )
    if column.dtype.is_float():
        infinite = np.isinf(column.numbers)
        if infinite.any():
            yield Finding(
                "warning",
                name,
                f"{infinite.sum():,} of {n:,} values are infinite, first in row {np.argmax(infinite):,}.",
                "Put in what was measured, or leave them empty.",
            )
    if kind.kind == "categorical":
        yield from _check_levels(column)


def _check_levels(column: Column) -> Iterator[Finding]:
    n, k = column.n_present, column.n_levels
    if n >= _FEWEST_ROWS_TO_JUDGE and k > _MANY_LEVELS * n:
        yield Finding(
            "warning",
            column.name,
            f"{k:,} different values in {n:,} rows: {n / k:.1f} rows each.",
            "Expect little from it; group its values, or leave the column out.",
        )
    rare = column.counts < _RARE
    if n >= _FEWEST_ROWS_TO_JUDGE and rare.any():
        share = column.counts[rare].sum() / n
        yield Finding(
            "note",
            column.name,
            f"{rare.sum():,} of {k:,} values {'has' if rare.sum() == 1 else 'have'} fewer than {_RARE} rows, "
            f"{_percent(share)} of all rows.",
            "Rare values stay near where they started and share what the unknown row learns.",
        )
    if column.dtype == nw.Object:
        yield from _mixed_types(column)
    yield from _numbers_in_text(column)
    yield from spelled_alike(column, "The column")
    yield from _missing_marks(column)


def _percent(share: float) -> str:
    return "under 0.1%" if share < 0.001 else f"{share:.1%}"


def _mixed_types(column: Column) -> Iterator[Finding]:
    types = sorted({type(key).__name__ for key in column.keys if key is not None})
    if len(types) > 1:
        yield Finding(
            "warning",
            column.name,
            f"The values are of several types: {', '.join(types)}.",
            "Make them one type: 1 and '1' are two different keys.",
        )


def _numbers_in_text(column: Column) -> Iterator[Finding]:
    texts = column.texts
    if not texts or column.n_levels <= 2:
        return
    if all(map(_NUMBER.fullmatch, texts)):
        yield Finding(
            "note",
            column.name,
            f"All {len(texts):,} values are numbers written as text.",
            "If they are amounts rather than names, turn them into numbers, or say that the column "
            "is numeric.",
        )
    elif all(_NUMBER_WITH_COMMA.fullmatch(text) or _NUMBER.fullmatch(text) for text in texts):
        yield Finding(
            "warning",
            column.name,
            f"The values are numbers written with commas, such as {texts[0]!r}; they are taken for names.",
            "Write them without separators and with a decimal point.",
        )


def spelled_alike(column: Column, what: str) -> Iterator[Finding]:
    """Levels that differ in case or blanks only."""
    plain: dict[str, str] = {}
    alike = []
    for text in (column.texts or [])[:_MOST_LEVELS_TO_SPELL]:
        first = plain.setdefault(" ".join(text.split()).casefold(), text)
        if first is not text:
            alike.append(f"{first!r} and {text!r}")
    if alike:
        yield Finding(
            "warning",
            column.name,
            f"{what} has {len(alike):,} {'value that differs' if len(alike) == 1 else 'values that differ'} "
            f"from another in case or blanks only: {', '.join(alike[:3])}.",
            "Write them alike if they mean the same; each spelling is learned separately.",
        )


def _missing_marks(column: Column) -> Iterator[Finding]:
    for level, text in enumerate(column.texts or []):
        if text.strip().casefold() in _MARKS and column.rows_per_level[level]:
            yield Finding(
                "note",
                column.name,
                f"The value {text!r} ({column.rows_per_level[level]:,} rows) looks like a mark for missing.",
                "Leave these fields empty if it is one; now it is learned as a value like others.",
            )
