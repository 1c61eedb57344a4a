"""What is wrong with a frame, before anything is trained on it."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import narwhals as nw
import numpy as np

from plectrum.errors import MissingColumnError
from plectrum.frames._adapt import as_frame
from plectrum.frames._check_column import check_column
from plectrum.frames._check_relations import check_relations
from plectrum.frames._check_target import check_target
from plectrum.frames._column import Column, UnusableColumnError
from plectrum.frames._finding import Finding
from plectrum.frames._kinds import kind_of, kind_of_column

_ORDER = {"error": 0, "warning": 1, "note": 2}
_FEW_ROWS = 100
_MANY_COPIES = 0.1
_POSSIBLE_PER_ROW = 100  # with fewer combinations of values, rows are equal by chance


def check(X: Any, target: str | None = None) -> list[Finding]:
    """What is wrong with a frame, errors first, then warnings, then notes.

    Looks at the frame (rows, columns, repeated rows), at the target (missing, infinite or constant values,
    rare classes), at every column (missing values, identifiers, mixed types, numbers written as text, levels
    that differ in case or blanks only, rare levels), and at what columns have to do with each other (one that
    gives the target away, two that say the same, values that appear only in the latest rows).

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
    >>> frame = pyarrow.table({"city": ["Rome", "Oslo"] * 100, "y": [1.5] * 200})
    >>> for finding in check(frame, target="y"):
    ...     print(finding.severity, finding.column, finding.message)
    error y The target has the same value, 1.5, in all 200 rows.
    """
    frame = as_frame(X, owner="check")
    if target is not None and target not in frame.columns:
        raise no_such_column(target, frame.columns, "The target must be a column of the frame")
    found = list(_check_shape(frame, target))
    if len(frame) == 0:
        return found
    columns = dict(_columns(frame, [name for name in frame.columns if name != target]))
    kinds = {name: kind_of_column(column) for name, column in columns.items()}
    goal = None
    if target is not None:
        try:
            goal = Column(frame[target])
        except UnusableColumnError as error:
            found.append(Finding("error", target, str(error), "Choose another column."))
        else:
            found += check_target(goal)
    for name in frame.columns:
        if name in columns:
            found += check_column(columns[name], kinds[name])
        elif name != target:
            why = kind_of(frame[name]).why
            found.append(
                Finding(
                    "note", name, f"The column is left out: {why}.", "Turn it into text, numbers or dates."
                )
            )
    found += check_relations(columns, kinds, goal)
    found += _check_copies(columns, goal)
    if columns and not any(kind.kind != "ignored" for kind in kinds.values()):
        found.append(
            Finding(
                "error",
                None,
                "Every column is left out: none is there to learn from.",
                "Say what a column is, or bring others.",
            )
        )
    return sorted(found, key=lambda finding: _ORDER[finding.severity])


def no_such_column(name: str, columns: list[str], must: str) -> MissingColumnError:
    """An error that names the columns spelled nearly the same."""
    near = [c for c in columns if c.casefold().strip() == name.casefold().strip()]
    near += [c for c in get_close_matches(name, columns, n=3, cutoff=0.5) if c not in near]
    listed = ", ".join(columns[:20]) + (f", and {len(columns) - 20} more" if len(columns) > 20 else "")
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"It has: {listed}."
    return MissingColumnError(f"{must}; got {name!r}. {hint}", columns=[name], available=columns)


def _columns(frame: "nw.DataFrame[Any]", names: list[str]) -> Iterator[tuple[str, Column]]:
    for name in names:
        try:
            yield name, Column(frame[name])
        except UnusableColumnError:
            continue  # reported as left out


def _check_shape(frame: "nw.DataFrame[Any]", target: str | None) -> Iterator[Finding]:
    n = len(frame)
    if n == 0:
        yield Finding("error", None, "There are no rows.", "Bring a file that has more than its header.")
    elif n == 1:
        yield Finding(
            "error",
            None,
            "There is one row: none is left to test on.",
            "Bring more rows, some dozens at least.",
        )
    elif n < _FEW_ROWS:
        yield Finding(
            "warning",
            None,
            f"There are {n} rows: a score on a few held-out rows is mostly chance.",
            "Bring more rows, or read the scores as examples.",
        )
    if not [name for name in frame.columns if name != target]:
        what = "no column" if target is None else "no column beside the target"
        yield Finding("error", None, f"There is {what}.", "Bring columns to learn from.")


def _check_copies(columns: dict[str, Column], goal: Column | None) -> Iterator[Finding]:
    """Rows that are equal in every column, told by a hash of their codes."""
    looked_at = [*columns.values(), *([goal] if goal is not None else [])]
    if not looked_at or looked_at[0].n_rows < _FEW_ROWS:
        return
    n = looked_at[0].n_rows
    n_possible = np.prod([float(max(column.n_levels, 1)) for column in looked_at])
    if n_possible < _POSSIBLE_PER_ROW * n or any(column.n_single == n for column in looked_at):
        return  # equal rows are no wonder, or cannot be
    rows = np.zeros(n, np.uint64)
    for column in looked_at:
        rows = (rows ^ column.codes.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        rows ^= rows >> np.uint64(32)
    n_copies = n - len(np.unique(rows))
    if n_copies > _MANY_COPIES * n:
        yield Finding(
            "note",
            None,
            f"{n_copies:,} of {n:,} rows are equal to another row in every column.",
            "If they are copies rather than chance, remove them: a copy among the held-out rows is no test.",
        )
