"""A date -> its calendar parts, each a column of names for an embedding table."""

from collections.abc import Callable, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from plectrum.errors import ArgumentError
from plectrum.frames._column import moments

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DATE_PARTS = (
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "day_of_year",
    "weekday",
    "is_month_start",
    "is_month_end",
    "hour",
    "minute",
)
_DAYS_PER_YEAR = 365


def date_parts(series: "nw.Series[Any]") -> tuple[str, ...]:
    """The parts worth a table of their own for these dates: year, month, day, weekday, hour, minute.

    A part that never varies is left out. Week and day of the year are taken only when the dates span two
    years or more: before that they hardly repeat, and would just name the date. The other parts follow from
    these.

    Examples
    --------
    >>> import narwhals, pyarrow
    >>> days = pyarrow.array(["2013-01-30", "2013-01-31", "2013-02-01"]).cast(pyarrow.date32())
    >>> date_parts(narwhals.from_native(pyarrow.table({"day": days}))["day"])
    ('month', 'day', 'weekday')
    """
    stamps = moments(series)
    stamps = stamps[~np.isnat(stamps)]
    wanted = ["year", "month", "day", "weekday", "hour", "minute"]
    if len(stamps) and (stamps.max() - stamps.min()) >= np.timedelta64(2 * _DAYS_PER_YEAR, "D"):
        wanted += ["week", "day_of_year"]
    parts = _parts(stamps, wanted)
    return tuple(part for part in DATE_PARTS if part in parts and (parts[part] != parts[part][:1]).any())


def expand_date(
    series: "nw.Series[Any]", *, parts: Sequence[str] | None = None, spelling: str | None = None
) -> "nw.DataFrame[Any]":
    """The calendar parts of a column of dates, as columns called ``<name>_<part>``; missing stays missing.

    Parameters
    ----------
    series : narwhals.Series
        Dates, datetimes, times of day, or text that is all dates.
    parts : sequence of str, optional
        Of "year", "quarter" (1-4), "month" (1-12), "week" (ISO, 1-53), "day" (1-31), "day_of_year"
        (1-366), "weekday" ("Monday", ...), "is_month_start", "is_month_end", "hour" (0-23), "minute"
        (0-59). Without it, those that `date_parts` finds worth it; keep these for later rows, which must
        be expanded alike.
    spelling : str, optional
        For text, what `date_spelling` found in the rows that were learned from.

    Returns
    -------
    narwhals.DataFrame
        Over a pyarrow.Table; whole numbers, text or booleans.

    Raises
    ------
    ArgumentError
        When there is no such part.
    DataError
        When the column holds no dates.

    Examples
    --------
    >>> import narwhals, pyarrow
    >>> frame = narwhals.from_native(pyarrow.table({"day": ["2013-01-31", None]}))
    >>> expand_date(frame["day"], parts=["month", "weekday"]).rows()
    [(1, 'Thursday'), (None, None)]
    """
    import pyarrow as pa

    chosen = tuple(parts) if parts is not None else date_parts(series)
    unknown = [part for part in chosen if part not in DATE_PARTS]
    if unknown:
        raise ArgumentError(
            f"`parts` of `expand_date` must be of {', '.join(DATE_PARTS)}; got {unknown[0]!r}. Leave it out "
            "to take those that vary."
        )
    stamps = moments(series, spelling=spelling)
    missing = np.isnat(stamps)
    filled = np.where(missing, np.datetime64(0, "us"), stamps)
    values = _parts(filled, chosen)
    columns = {f"{series.name}_{part}": pa.array(values[part], mask=missing) for part in chosen}
    if "weekday" in chosen:
        name = f"{series.name}_weekday"
        columns[name] = pa.array(_WEEKDAYS).take(columns[name])
    return nw.from_native(pa.table(columns), eager_only=True)


def _parts(stamps: np.ndarray, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Calendar parts of datetime64[us] (n,) without NaT; the weekday as 0 (Monday) to 6."""
    days = stamps.astype("M8[D]")
    months = stamps.astype("M8[M]")
    years = stamps.astype("M8[Y]")
    month = months.astype(np.int64) % 12 + 1
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    day_of_year = (days - years.astype("M8[D]")).astype(np.int64) + 1
    minutes = (stamps - days).astype("m8[m]").astype(np.int64)
    made: dict[str, Callable[[], np.ndarray]] = {
        "year": lambda: years.astype(np.int64) + 1970,
        "quarter": lambda: (month - 1) // 3 + 1,
        "month": lambda: month,
        "week": lambda: _iso_week(days, weekday),
        "day": lambda: (days - months.astype("M8[D]")).astype(np.int64) + 1,
        "day_of_year": lambda: day_of_year,
        "weekday": lambda: weekday,
        "is_month_start": lambda: days == months.astype("M8[D]"),
        "is_month_end": lambda: days + 1 == (months + 1).astype("M8[D]"),
        "hour": lambda: minutes // 60,
        "minute": lambda: minutes % 60,
    }
    return {part: made[part]() for part in wanted}


def _iso_week(days: np.ndarray, weekday: np.ndarray) -> np.ndarray:
    """The week of ISO 8601: that of its Thursday, counted from the first Thursday of the year."""
    thursday = days + (3 - weekday)
    first = thursday.astype("M8[Y]").astype("M8[D]")
    return (thursday - first).astype(np.int64) // 7 + 1
