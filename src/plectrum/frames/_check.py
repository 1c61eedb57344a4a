"""What is wrong with a frame, before anything is trained on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import narwhals as nw
import numpy as np

from plectrum.errors import MissingColumnError
from plectrum.frames._adapt import as_frame
from plectrum.frames._kinds import Kind, column_kinds, profile_of
from plectrum.frames._values import levels, moments, numbers

Severity = Literal["error", "warning", "note"]
_ORDER = {"error": 0, "warning": 1, "note": 2}

_FEW_ROWS = 100
_MANY_LEVELS = 0.1  # levels per row from which most levels have too few rows
_RARE = 10  # rows below which a level learns little
_MUCH_MISSING = 0.5
_LATER_SHARE = 0.1
_MUCH_UNSEEN = 0.05
_MOST_CLASSES = 1000
_FEW_OF_CLASS = 0.01
_ROWS_PER_LEVEL_TO_JUDGE_A_LEAK = 2
_EQUAL_IN_ORDER = 0.9999  # rank correlation from which a number is taken for the target in another unit
_MOST_ROWS_FOR_RANKS = 200_000
_MOST_LEVELS_TO_SPELL = 200_000


@dataclass(frozen=True)
class Finding:
    """One thing that is worth knowing before training.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        An error makes learning impossible, a warning makes its result doubtful, a note is good to know.
    column : str or None
        The column it is about; None when it is about the whole frame.
    message, advice : str
        What was found, and what to do about it.
    """

    severity: Severity
    column: str | None
    message: str
    advice: str


def check(X: Any, target: str | None = None) -> list[Finding]:
    """What is wrong with a frame, errors first, then warnings, then notes.

    Looks at the frame (rows, columns), at the target (missing, infinite or constant values, rare classes,
    signs that another column gives it away) and at every column (missing values, identifiers, mixed types,
    levels that differ in case or blanks only, rare levels, values that appear only in the latest rows).

    Parameters
    ----------
    X : frame or 2-D array
        As `as_frame` takes it, with the target among its columns.
    target : str, optional
        The column to predict.

    Returns
    -------
    list of Finding
        Empty when nothing was found.

    Raises
    ------
    MissingColumnError
        When the frame has no such target.

    Examples
    --------
    >>> import pyarrow
    >>> for finding in check(pyarrow.table({"city": ["Rome"] * 200, "y": [1.5] * 200}), target="y")[:1]:
    ...     print(finding.severity, finding.column, finding.message)
    error y The target has the same value, 1.5, in all 200 rows.
    """
    frame = as_frame(X, owner="check")
    if target is not None and target not in frame.columns:
        raise no_such_column(target, frame.columns, "The target must be a column of the frame")
    found = list(_of_frame(frame, target))
    if len(frame) > 0:
        kinds = column_kinds(frame.drop(target) if target is not None else frame)
        if target is not None:
            found += _of_target(frame[target])
        for name, kind in kinds.items():
            found += _of_column(frame[name], kind)
        if target is not None:
            found += _leaks(frame, target, kinds)
        found += _unseen_later(frame, kinds)
        if not any(kind.kind != "ignored" for kind in kinds.values()):
            found.append(
                Finding(
                    "error",
                    None,
                    "No column is left to learn from.",
                    "Say what a column is, or bring others.",
                )
            )
    return sorted(found, key=lambda finding: _ORDER[finding.severity])


def no_such_column(name: str, columns: list[str], must: str) -> MissingColumnError:
    """An error that names the columns spelled nearly the same."""
    near = get_close_matches(name, columns, n=3, cutoff=0.5)
    near += [c for c in columns if c.casefold().strip() == name.casefold().strip() and c not in near]
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"It has: {', '.join(columns)}."
    return MissingColumnError(f"{must}; got {name!r}. {hint}", columns=[name], available=columns)


# ---------------------------------------------------------------------------------------------- the frame


def _of_frame(frame: "nw.DataFrame[Any]", target: str | None) -> Iterator[Finding]:
    n = len(frame)
    others = [name for name in frame.columns if name != target]
    if n == 0:
        yield Finding("error", None, "There are no rows.", "Bring a file that has more than its header.")
    elif n == 1:
        yield Finding(
            "error",
            None,
            "There is one row: none is left to test on.",
            "Bring more rows, at least some dozens.",
        )
    elif n < _FEW_ROWS:
        yield Finding(
            "warning",
            None,
            f"There are {n} rows: a score on a few held-out rows is mostly chance.",
            "Bring more rows, or read the scores as examples.",
        )
    if not others:
        yield Finding("error", None, "There is no column beside the target.", "Bring columns to learn from.")


# ---------------------------------------------------------------------------------------------- the target


def _of_target(series: "nw.Series[Any]") -> Iterator[Finding]:
    name, n = series.name, len(series)
    try:
        profile = profile_of(series)
    except TypeError:
        yield Finding(
            "error",
            name,
            f"The target holds {series.dtype}, not one value per row.",
            "Choose another column.",
        )
        return
    if profile.n_levels == 0:
        yield Finding("error", name, f"The target is missing in all {n:,} rows.", "Choose another column.")
        return
    if profile.n_missing:
        yield Finding(
            "error",
            name,
            f"The target is missing in {profile.n_missing:,} of {n:,} rows, first in row "
            f"{_first(series.is_null() | _nan(series)):,}.",
            "Remove these rows, or fill in what is known.",
        )
    if profile.n_levels == 1:
        value = next(v for v in series.to_list() if v is not None and v == v)  # noqa: PLR0124
        rows = f"all {n:,} rows" if not profile.n_missing else f"all {profile.n_present:,} rows that have one"
        yield Finding(
            "error",
            name,
            f"The target has the same value, {value!r}, in {rows}.",
            "Choose a column that varies: there is nothing to predict.",
        )
    yield from _of_target_numbers(series) if series.dtype.is_numeric() else _of_classes(series)


def _of_target_numbers(series: "nw.Series[Any]") -> Iterator[Finding]:
    values = numbers(series)
    infinite = np.isinf(values)
    if infinite.any():
        yield Finding(
            "error",
            series.name,
            f"The target is infinite in {infinite.sum():,} of {len(values):,} rows, first in row "
            f"{np.argmax(infinite):,}.",
            "Remove these rows, or put in what was measured.",
        )
    finite = values[np.isfinite(values)]
    if len(finite) > _RARE and finite.std() > 0:
        far = np.abs(finite - np.median(finite)) > 50 * (
            np.subtract(*np.percentile(finite, [90, 10])) + 1e-300
        )
        if far.any() and np.ptp(np.percentile(finite, [10, 90])) > 0:
            yield Finding(
                "warning",
                series.name,
                f"{far.sum():,} values of the target lie far outside the rest, up to "
                f"{finite[np.argmax(np.abs(finite - np.median(finite)))]:g}.",
                "Check whether they are real; a squared loss would look at little else.",
            )


def _of_classes(series: "nw.Series[Any]") -> Iterator[Finding]:
    profile = profile_of(series)
    n, k = profile.n_present, profile.n_levels
    if k > 2 and k > min(_MOST_CLASSES, n / 2):
        yield Finding(
            "error" if k == n else "warning",
            series.name,
            f"The target has {k:,} classes in {n:,} rows.",
            "Choose a column with fewer classes, or one of numbers.",
        )
    elif k > 1:
        single = int((profile.counts == 1).sum())
        if single:
            yield Finding(
                "warning",
                series.name,
                f"{single:,} of {k:,} classes of the target have one row only.",
                "Pool them, or leave them out: a class needs rows to learn from and rows to test on.",
            )
        if profile.counts.min() < _FEW_OF_CLASS * n:
            yield Finding(
                "note",
                series.name,
                f"The rarest class of the target has {profile.counts.min():,} of {n:,} rows.",
                "Look at its own scores; weigh classes if it matters.",
            )
    yield from _spelled_alike(series, "The target")


# ---------------------------------------------------------------------------------------------- the columns


def _of_column(series: "nw.Series[Any]", kind: Kind) -> Iterator[Finding]:
    name, n = series.name, len(series)
    if kind.kind == "ignored":
        severity: Severity = "warning" if kind.n_missing == n else "note"
        yield Finding(
            severity, name, f"The column is left out: {kind.why}.", "Say what it is if it should take part."
        )
    elif kind.n_missing > _MUCH_MISSING * n:
        yield Finding(
            "note",
            name,
            f"{kind.n_missing / n:.0%} of the values are missing.",
            "Missing has a row of its own; make sure that it will be missing for the same reason later.",
        )
    if series.dtype.is_numeric():
        infinite = np.isinf(numbers(series))
        if infinite.any():
            yield Finding(
                "warning",
                name,
                f"{infinite.sum():,} of {n:,} values are infinite, first in row {np.argmax(infinite):,}.",
                "Put in what was measured, or leave them empty.",
            )
    if kind.kind == "categorical":
        yield from _of_levels(series, kind)


def _of_levels(series: "nw.Series[Any]", kind: Kind) -> Iterator[Finding]:
    name = series.name
    profile = profile_of(series)
    n = profile.n_present
    if profile.n_levels > _MANY_LEVELS * n and n >= _FEW_ROWS:
        yield Finding(
            "warning",
            name,
            f"{profile.n_levels:,} different values in {n:,} rows: {n / profile.n_levels:.1f} rows each.",
            "Expect little from it; group its values, or leave the column out.",
        )
    rare = profile.counts < _RARE
    share = profile.counts[rare].sum() / max(n, 1)
    if rare.any() and n >= _FEW_ROWS:
        yield Finding(
            "note",
            name,
            f"{rare.sum():,} of {profile.n_levels:,} values have fewer than {_RARE} rows ({share:.1%} of the "
            "rows).",
            "Rare values stay near where they started and share what the unknown row learns.",
        )
    if series.dtype == nw.Object:
        yield from _mixed_types(series)
    yield from _spelled_alike(series, "The column")
    if kind.n_missing == 0 and series.dtype != nw.Object:
        yield from _missing_marks(series)


def _mixed_types(series: "nw.Series[Any]") -> Iterator[Finding]:
    _, keys = levels(series)
    types = sorted({type(key).__name__ for key in keys if key is not None})
    if len(types) > 1:
        yield Finding(
            "warning",
            series.name,
            f"The values are of several types: {', '.join(types)}.",
            "Make them one type; 1 and '1' are two different keys.",
        )


def _spelled_alike(series: "nw.Series[Any]", what: str) -> Iterator[Finding]:
    """Levels that differ in case or blanks only."""
    _, keys = levels(series)
    texts = [key for key in keys[:_MOST_LEVELS_TO_SPELL] if type(key) is str]
    plain: dict[str, str] = {}
    alike = []
    for text in texts:
        first = plain.setdefault(" ".join(text.split()).casefold(), text)
        if first is not text:
            alike.append((first, text))
    if alike:
        pairs = ", ".join(f"{a!r} and {b!r}" for a, b in alike[:3])
        yield Finding(
            "warning",
            series.name,
            f"{what} has {len(alike):,} values that differ from another in case or blanks only: {pairs}.",
            "Write them alike if they mean the same; each spelling is learned separately.",
        )


def _missing_marks(series: "nw.Series[Any]") -> Iterator[Finding]:
    codes, keys = levels(series)
    marks = {"?", "-", "--", ".", "unknown", "none", "missing", "n/a", "na", "null", "nan"}
    for n, key in enumerate(keys):
        if type(key) is str and key.strip().casefold() in marks:
            yield Finding(
                "note",
                series.name,
                f"The value {key!r} ({np.count_nonzero(codes == n):,} rows) looks like a mark for missing.",
                "Leave these fields empty if it is one; now it is learned as a value like others.",
            )


# --------------------------------------------------------------------------------------------- leaks and time


def _leaks(frame: "nw.DataFrame[Any]", target: str, kinds: dict[str, Kind]) -> Iterator[Finding]:
    """Columns that give the target away."""
    goal, _ = levels(frame[target])
    n_classes = len(np.unique(goal))
    if n_classes < 2:
        return
    is_amount = frame[target].dtype.is_numeric() and n_classes > 2
    for name, kind in kinds.items():
        if kind.n_levels < 2:
            continue
        why = ""
        if is_amount and frame[name].dtype.is_numeric() and _ranks_agree(frame[name], frame[target]):
            why = "puts the rows in the same order as the target"
        elif kind.n_levels * _ROWS_PER_LEVEL_TO_JUDGE_A_LEAK <= len(goal) and _determines(frame[name], goal):
            why = "determines the target: each of its values goes with one value of the target"
        if why:
            yield Finding(
                "warning",
                name,
                f"The column {why}.",
                "Leave it out if it is known only after the target is, or is the target in other words.",
            )


def _determines(series: "nw.Series[Any]", goal: np.ndarray) -> bool:
    codes, _ = levels(series)
    first = np.zeros(int(codes.max()) + 1, goal.dtype)
    first[codes] = goal
    return bool((first[codes] == goal).all())


def _ranks_agree(series: "nw.Series[Any]", goal: "nw.Series[Any]") -> bool:
    step = max(1, len(series) // _MOST_ROWS_FOR_RANKS)
    a, b = numbers(series)[::step], numbers(goal)[::step]
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if len(a) < _RARE or np.ptp(a) == 0 or np.ptp(b) == 0:
        return False
    return bool(abs(np.corrcoef(_ranks(a), _ranks(b))[0, 1]) > _EQUAL_IN_ORDER)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (n,), ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _unseen_later(frame: "nw.DataFrame[Any]", kinds: dict[str, Kind]) -> Iterator[Finding]:
    """Values that only the latest rows have, by the first date column."""
    date = next((name for name, kind in kinds.items() if kind.kind == "date"), None)
    if date is None or len(frame) < _FEW_ROWS:
        return
    stamps = moments(frame[date])
    known = ~np.isnat(stamps)
    cut = np.sort(stamps[known])[int((1 - _LATER_SHARE) * known.sum())]
    later = known & (stamps >= cut)
    if later.all() or not (known & ~later).any():
        return
    for name, kind in kinds.items():
        if kind.kind != "categorical":
            continue
        codes, _ = levels(frame[name])
        seen = np.zeros(int(codes.max()) + 1, bool)
        seen[codes[~later]] = True
        unseen = np.count_nonzero(~seen[codes[later]]) / np.count_nonzero(later)
        if unseen > 0:
            yield Finding(
                "warning" if unseen > _MUCH_UNSEEN else "note",
                name,
                f"{unseen:.1%} of the latest rows (by {date!r}) have a value that no earlier row has.",
                "Hold rows out by time to see what that costs; such rows get the unknown row.",
            )


def _first(mark: Any) -> int:
    return int(np.argmax(np.asarray(mark.to_numpy(), bool)))


def _nan(series: "nw.Series[Any]") -> Any:
    return series.is_nan().fill_null(False) if series.dtype.is_float() else series.is_null()
