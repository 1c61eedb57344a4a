"""Which rows are learned from, and which are held out."""

import datetime as dt
from typing import Any

import narwhals as nw
import numpy as np

from plectrum.errors import ArgumentError, DataError, MissingColumnError
from plectrum.frames._adapt import as_frame
from plectrum.frames._values import parse_dates
from plectrum.vocabulary import factor


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


def _n_held_out(n: int, share: float) -> int:
    return min(max(round(n * share), 1), n - 1)


def _column(name: str, column: Any, frame: "nw.DataFrame[Any] | None", n: int) -> Any:
    """The values of a column of the frame, or of a column of its own: n of them."""
    if not isinstance(column, str):
        values = column.to_native() if isinstance(column, nw.Series) else column
        if len(values) != n:
            raise ArgumentError(
                f"`{name}` of `split_rows` must have one value per row, {n:,}; got {len(values):,}. Pass the "
                "column of the same frame."
            )
        return values
    have = [] if frame is None else frame.columns
    if frame is None or column not in have:
        raise MissingColumnError(
            f"`{name}` of `split_rows` must name a column of the frame; got {column!r}. The frame has: "
            f"{', '.join(have) or 'no columns, only a number of rows was given'}.",
            columns=[column],
            available=have,
        )
    return frame[column].to_native()


def _latest(values: Any, share: float) -> np.ndarray:
    """Marks of the latest rows: all rows of a moment or none, the cut nearest to the share."""
    codes = _in_order(values)
    counts = np.bincount(codes[codes >= 0])
    if len(counts) < 2:
        raise DataError(
            "`time` of `split_rows` must have at least 2 different values, one to learn from and a later "
            f"one to test on; got {len(counts)}. Choose another column, or hold rows out at random."
        )
    later = np.cumsum(counts[::-1])[::-1][1:]  # rows at moment 1 or later, at 2 or later, ...
    cut = int(np.argmin(np.abs(later - share * len(codes)))) + 1
    return codes >= cut


def _in_order(values: Any) -> np.ndarray:
    """Codes (n,) that rise with time, without gaps; -1 for a missing time."""
    codes, keys = factor(values)
    present = [n for n in np.unique(codes).tolist() if keys[n] is not None]
    times: list[Any] = [keys[n] for n in present]
    if all(type(time) is str for time in times):
        dates = parse_dates(times)
        times = times if dates is None else dates.tolist()
    if not any(isinstance(time, str) for time in times):
        times = [_moment(time) for time in times]
    try:
        order = sorted(range(len(times)), key=times.__getitem__)
    except TypeError:
        kinds = ", ".join(sorted({type(time).__name__ for time in times}))
        raise DataError(
            f"`time` of `split_rows` must hold values that can be put in order; got values of {kinds}. Make "
            "them one type, or choose another column."
        ) from None
    rank = np.full(len(keys), -1)
    rank[np.asarray(present, int)[order]] = np.arange(len(order))
    return rank[codes]


def _moment(time: Any) -> Any:
    """A date as its midnight, so that dates and datetimes of one column can be put in order."""
    if isinstance(time, dt.date) and not isinstance(time, dt.datetime):
        return np.datetime64(time, "us")
    if isinstance(time, dt.datetime) and time.tzinfo is None:
        return np.datetime64(time, "us")
    return time


def _whole_groups(values: Any, share: float, seed: int | None) -> np.ndarray:
    codes, _ = factor(values)
    counts = np.bincount(codes)
    groups = np.flatnonzero(counts)
    if len(groups) < 2:
        raise DataError(
            f"`group` of `split_rows` must have at least 2 groups, one to learn from and one to test on; got "
            f"{len(groups)}. Choose another column, or hold rows out at random."
        )
    shuffled = np.random.default_rng(seed).permutation(groups)
    reached = np.cumsum(counts[shuffled])[:-1]
    n_groups = int(np.argmin(np.abs(reached - share * len(codes)))) + 1
    return np.isin(codes, shuffled[:n_groups])


def _each_class(values: Any, share: float, seed: int | None) -> np.ndarray:
    """Marks of about `share` of every class; a class of one row is learned from."""
    codes, _ = factor(values)
    n = len(codes)
    shuffled = np.random.default_rng(seed).permutation(n)
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]  # classes in turn, each in random order
    counts = np.bincount(codes)
    starts = np.cumsum(counts) - counts
    within = np.arange(n) - starts[codes[by_class]]
    quota = np.minimum(np.floor(counts * share + 0.5).astype(np.int64), counts - 1)
    held_out = np.zeros(n, bool)
    held_out[by_class[within < quota[codes[by_class]]]] = True
    if not held_out.any():
        held_out[by_class[np.argmax(counts[codes[by_class]] > 1)]] = True
    return held_out
