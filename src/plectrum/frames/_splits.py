"""Which rows are learned from, and which are held out."""

from typing import Any

import narwhals as nw
import numpy as np

from plectrum.errors import ArgumentError, DataError, MissingColumnError
from plectrum.frames._adapt import as_frame
from plectrum.frames._column import Column


def split_rows(
    rows: Any,
    *,
    valid_share: float = 0.1,
    group: Any = None,
    time: Any = None,
    stratify: Any = None,
    seed: int | None = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to learn from and row numbers to hold out, both rising; no row is in both.

    At random, unless said otherwise. With `time` the latest rows are held out: rows of the same moment stay
    together, and the cut is the one nearest to the share. With `group` whole groups are held out, drawn at
    random, until the share is reached. With `stratify` every class gives its share.

    Parameters
    ----------
    rows : int, or frame or 2-D array
        How many rows there are, or the frame that has them.
    valid_share : float, default 0.1
        The share to hold out, between 0 and 1. At least one row is held out, and at least one is not.
    group, time, stratify : str or column, optional
        A column's name, when `rows` is a frame, or a column of its own. At most one of `group` and `time`,
        and `stratify` with neither. A row without a time is learned from; rows without a group are one group.
    seed : int or None, default 0
        Of the draw; None draws anew each time.

    Returns
    -------
    train_rows, held_out_rows : ndarray of int64

    Raises
    ------
    ArgumentError
        When the share is not between 0 and 1, or the arguments exclude each other.
    MissingColumnError
        When the frame has no column of that name.
    DataError
        When there are too few rows, moments or groups to hold some out and keep some.

    Examples
    --------
    >>> train, held_out = split_rows(10, valid_share=0.2, time=[3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    >>> held_out.tolist()
    [5, 7]
    """
    frame = (
        None if isinstance(rows, (int, np.integer)) else as_frame(rows, owner="split_rows", argument="rows")
    )
    n = int(rows) if frame is None else len(frame)
    _check_seed(seed)
    _check_arguments(n, valid_share, group, time, stratify)
    if time is not None:
        held_out = _latest(_column("time", time, frame, n), valid_share)
    elif group is not None:
        held_out = _whole_groups(_column("group", group, frame, n), valid_share, seed)
    elif stratify is not None:
        held_out = _each_class(_column("stratify", stratify, frame, n), valid_share, seed)
    else:
        chosen = np.random.default_rng(seed).permutation(n)[: _n_held_out(n, valid_share)]
        held_out = np.zeros(n, bool)
        held_out[chosen] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _check_arguments(n: int, share: float, group: Any, time: Any, stratify: Any) -> None:
    if not 0 < share < 1:
        raise ArgumentError(
            f"`valid_share` of `split_rows` must lie between 0 and 1; got {share!r}. 0.1 holds out one in "
            "ten."
        )
    if sum(choice is not None for choice in (group, time, stratify)) > 1:
        raise ArgumentError(
            "`split_rows` takes one of `group`, `time` and `stratify`; got more. Rows are held out by one "
            "rule."
        )
    if n < 2:
        raise DataError(
            f"Holding rows out needs at least 2 rows, one to learn from and one to test on; got {n}. Bring "
            "more rows."
        )


def _check_seed(seed: Any) -> None:
    try:
        np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"`seed` of `split_rows` must be a whole number of 0 or more, or None; got {seed!r}. Use 0 to "
            "draw the same rows each time."
        ) from error


def _n_held_out(n: int, share: float) -> int:
    return min(max(round(n * share), 1), n - 1)


def _column(name: str, column: Any, frame: "nw.DataFrame[Any] | None", n: int) -> Column:
    """A column of the frame by its name, or a column of its own with n values."""
    if not isinstance(column, str):
        series = _as_series(name, column)
        if len(series) != n:
            raise ArgumentError(
                f"`{name}` of `split_rows` must have one value per row, {n:,}; got {len(series):,}. Pass the "
                "column of the same frame."
            )
        return Column(series)
    have = [] if frame is None else frame.columns
    if frame is None or column not in have:
        raise MissingColumnError(
            f"`{name}` of `split_rows` must name a column of the frame; got {column!r}. The frame has: "
            f"{', '.join(have) or 'no columns, only a number of rows was given'}.",
            columns=[column],
            available=have,
        )
    return Column(frame[column])


def _as_series(name: str, values: Any) -> "nw.Series[Any]":
    if isinstance(values, nw.Series):
        return values
    library = type(values).__module__.partition(".")[0]
    if library == "pyarrow":
        import pyarrow as pa

        return nw.from_native(pa.table({name: values}), eager_only=True)[name]
    if library in {"pandas", "polars"} and hasattr(values, "to_frame"):
        return as_frame(values.to_frame(name), owner="split_rows", argument=name)[name]
    array = np.asarray(values) if isinstance(values, np.ndarray) else np.array(list(values), object)
    return as_frame(array[:, None], owner="split_rows", argument=name)["x0"]


def _latest(column: Column, share: float) -> np.ndarray:
    """Marks of the latest rows: all rows of a moment or none, the cut nearest to the share."""
    ranks = column.ranks()
    counts = np.bincount(ranks[ranks >= 0])
    if len(counts) < 2:
        raise DataError(
            "`time` of `split_rows` must have at least 2 different values, one to learn from and a later "
            f"one to test on; got {len(counts)}. Choose another column, or hold rows out at random."
        )
    later = np.cumsum(counts[::-1])[::-1][1:]  # rows at moment 1 or later, at 2 or later, ...
    cut = int(np.argmin(np.abs(later - share * len(ranks)))) + 1
    return ranks >= cut


def _whole_groups(column: Column, share: float, seed: int | None) -> np.ndarray:
    codes, counts = _numbered(column)
    if len(counts) < 2:
        raise DataError(
            f"`group` of `split_rows` must have at least 2 groups, one to learn from and one to test on; got "
            f"{len(counts)}. Choose another column, or hold rows out at random."
        )
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    reached = np.cumsum(counts[shuffled])[:-1]
    n_groups = int(np.argmin(np.abs(reached - share * len(codes)))) + 1
    return np.isin(codes, shuffled[:n_groups])


def _numbered(column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Groups numbered in order of first appearance, in any container; missing is one too."""
    _, first, codes, counts = np.unique(
        column.codes, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    return number[codes], counts[order]


def _each_class(column: Column, share: float, seed: int | None) -> np.ndarray:
    """Marks of about `share` of every class; a class of one row is learned from."""
    codes, counts = _numbered(column)
    n = len(codes)
    shuffled = np.random.default_rng(seed).permutation(n)
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]  # classes in turn, each in random order
    starts = np.cumsum(counts) - counts
    within = np.arange(n) - starts[codes[by_class]]
    quota = np.minimum(np.floor(counts * share + 0.5).astype(np.int64), counts - 1)
    held_out = np.zeros(n, bool)
    held_out[by_class[within < quota[codes[by_class]]]] = True
    if not held_out.any():
        held_out[by_class[np.argmax(counts[codes[by_class]] > 1)]] = True
    return held_out
