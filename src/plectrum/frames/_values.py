"""A column's values as plain arrays: numbers as float64, moments as datetime64, levels as codes."""

import re
from typing import Any

import narwhals as nw
import numpy as np

from plectrum.errors import DataError
from plectrum.vocabulary import factor

# Date spellings beside ISO, tried in this order. The first two differ only in which number is the day; a
# column is taken for one of them only when a number above 12 rules the other out.
_DATE_FORMATS = ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%dT%H%M%S")
_LOOKS_LIKE_A_DATE = re.compile(r"\d[-/.T]\d")
_AMBIGUOUS = {"%m/%d/%Y", "%d/%m/%Y"}


def numbers(series: "nw.Series[Any]") -> np.ndarray:
    """The column as float64 (n,), missing values as NaN; booleans as 0 and 1, durations as seconds.

    Raises
    ------
    DataError
        When the column holds something that is no number, such as text; names the first such value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        column = series.to_arrow()
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_duration(column.type):
            return np.asarray(
                pc.divide(column.cast(pa.duration("ns")).cast(pa.int64()).cast(pa.float64()), 1e9)
            )
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.uint8())
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise _not_numbers(series) from error


def _not_numbers(series: "nw.Series[Any]") -> DataError:
    for position, value in enumerate(series.to_list()):
        try:
            float(value) if value is not None else None
        except (TypeError, ValueError):
            return DataError(
                f"The column {series.name!r} must hold numbers; got {value!r} in row {position:,}. Clean the "
                "column, or take it for categorical."
            )
    return DataError(f"The column {series.name!r} must hold numbers; its type is {series.dtype}.")


def levels(series: "nw.Series[Any]") -> tuple[np.ndarray, list[Any]]:
    """Codes (n,) and distinct keys, as `plectrum.vocabulary.factor` gives them; None stands for missing."""
    return factor(series.to_native())


def moments(series: "nw.Series[Any]") -> np.ndarray:
    """The column as datetime64[us] (n,), missing values as NaT.

    Dates, datetimes (with a time zone: in its local time, as the clock on the wall showed) and times of day
    (on 1970-01-01) are converted; text is read as ISO dates or one of a few other spellings, when all of it
    fits.

    Raises
    ------
    DataError
        When the column holds no dates; names the first value that is none.
    """
    if series.dtype in (nw.Date, nw.Datetime, nw.Time):
        return _arrow_moments(series.to_arrow())
    found = moments_in_text(series)
    if found is None:
        raise _not_moments(series)
    return found


def _arrow_moments(column: Any) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    if pa.types.is_time(column.type):
        micros = column.cast(pa.time64("us"), safe=False).cast(pa.int64())
        column = micros.cast(pa.timestamp("us"))
    moved = column.cast(pa.timestamp("us"), safe=False)
    return np.asarray(moved.to_numpy(zero_copy_only=False), "M8[us]")


def moments_in_text(series: "nw.Series[Any]") -> np.ndarray | None:
    """Like `moments` for a column of text; None when some value is no date, or the spelling is ambiguous."""
    codes, keys = levels(series)
    texts = [key for key in keys if key is not None]
    if not texts or not all(type(text) is str for text in texts):
        return None
    parsed = parse_dates(texts)
    if parsed is None:
        return None
    table = np.full(len(keys), np.datetime64("NaT"), "M8[us]")
    table[[n for n, key in enumerate(keys) if key is not None]] = parsed
    return table[codes]


def parse_dates(texts: list[str]) -> np.ndarray | None:
    """Texts as datetime64[us] (n,); None when some text is no date, or the spelling is ambiguous."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not texts or not _LOOKS_LIKE_A_DATE.search(texts[0]):
        return None
    column = pa.array([text.strip() for text in texts])
    for kind in (pa.date32(), pa.timestamp("us"), pa.timestamp("us", tz="UTC")):
        try:
            return np.asarray(_arrow_moments(column.cast(kind)), "M8[us]")
        except pa.ArrowInvalid:
            continue
    fits = {}
    for shape in _DATE_FORMATS:
        try:
            fits[shape] = pc.strptime(column, format=shape, unit="us")
        except pa.ArrowInvalid:
            continue
    if not fits or set(fits) >= _AMBIGUOUS:
        return None
    return np.asarray(next(iter(fits.values())).to_numpy(zero_copy_only=False), "M8[us]")


def _not_moments(series: "nw.Series[Any]") -> DataError:
    for position, value in enumerate(series.to_list()):
        if value is not None and (not isinstance(value, str) or parse_dates([value]) is None):
            return DataError(
                f"The column {series.name!r} must hold dates; got {value!r} in row {position:,}. Write dates "
                "as 2013-01-31, or take the column for categorical."
            )
    return DataError(f"The column {series.name!r} must hold dates; it holds no date. Take it for ignored.")
