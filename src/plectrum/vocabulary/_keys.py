"""What a key is, and when two values are the same key.

A value may arrive as a Python object, a NumPy scalar, a pandas Timestamp or an Arrow scalar. `canonical_key`
gives the one Python object that stands for all of them, and `identity` the object under which a dictionary
finds it (Python's own equality, but for ``True == 1``, which keys do not share).
"""

import cmath
import datetime as dt
import math
from collections.abc import Hashable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from plectrum.errors import ArgumentTypeError


class Reserved:
    """A row that belongs to no key. There is one object of each name, whatever copies or pickles it."""

    _made: dict[str, "Reserved"] = {}  # noqa: RUF012  (one registry for the class, never replaced)
    _name: str

    def __new__(cls, name: str) -> "Reserved":
        if name not in cls._made:
            made = super().__new__(cls)
            made._name = name
            cls._made[name] = made
        return cls._made[name]

    def __reduce__(self) -> tuple[type["Reserved"], tuple[str]]:
        return Reserved, (self._name,)

    def __copy__(self) -> "Reserved":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Reserved":
        return self

    def __repr__(self) -> str:
        return f"<{self._name}>"


UNKNOWN = Reserved("unknown")
PADDING = Reserved("padding")

# Integral floats and decimals up to here become ints; beyond it they stay, so that 1e300 does not print as
# 301 digits and Decimal("1e999999") is not written out. Equality is Python's, so equal ints still find them.
_LARGEST_WRITTEN_OUT = 2**128
_MIDNIGHT = dt.time()
_TEXT_TYPES = {"Interval", "Period"}
_MISSING_TYPES = {"NAType", "NaTType"}  # of pandas, known by name so that pandas need not be imported
_SUB_MICROSECOND_UNITS = ("ns", "ps", "fs", "as")


def canonical_key(value: Any) -> Hashable:
    """The Python object that stands for a value, whatever container or dtype it came from.

    Numbers are equal by exact value: ``1.0``, ``Decimal(1)`` and ``np.int8(1)`` become ``1``. Booleans stay
    booleans. A datetime at midnight becomes its date; a datetime with a time zone becomes the same instant in
    UTC, which is never equal to one without a time zone. Strings and bytes are taken as they are, by code
    points and by bytes; an interval or a period of pandas is its text. None, NaN, NaT, ``pandas.NA`` and
    masked values become None.

    Parameters
    ----------
    value : object
        A number, boolean, string, bytes, date, datetime, time of day or duration; of Python, NumPy, pandas,
        polars or Arrow.

    Returns
    -------
    bool, int, float, complex, Decimal, Fraction, str, bytes, date, datetime, time, timedelta or None
        Datetimes finer than a microsecond, or outside the years 1 to 9999, have no Python object and stay
        ``numpy.datetime64`` (durations ``numpy.timedelta64``) in the coarsest unit that holds them.

    Raises
    ------
    ArgumentTypeError
        For anything else, such as a list, a tuple or an interval.

    Examples
    --------
    >>> import datetime, numpy
    >>> canonical_key(numpy.float32(1.0)), canonical_key(True), canonical_key(float("nan"))
    (1, True, None)
    >>> canonical_key(datetime.datetime(2013, 1, 31))
    datetime.date(2013, 1, 31)
    """
    known = type(value)
    if known is str or known is int or known is bool or known is bytes:
        return value
    if known is float:
        return _canonical_float(value)
    if value is None or value is UNKNOWN or value is PADDING:
        return value
    return _canonical_other(value)


def _canonical_float(value: float) -> float | int | None:
    if math.isnan(value):
        return None
    if value.is_integer() and abs(value) < _LARGEST_WRITTEN_OUT:
        return int(value)
    return value


def _canonical_other(value: Any) -> Hashable:  # noqa: PLR0911  (one line per family of values)
    if isinstance(value, np.generic):
        return _canonical_numpy(value)
    if type(value).__name__ in _MISSING_TYPES:
        return None
    if isinstance(value, str):
        return str.__str__(value)  # a subclass, such as an Enum's member, is its text
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (float, complex)):
        return _canonical_complex(complex(value))
    if isinstance(value, (Decimal, Fraction)):
        return _canonical_exact(value)
    if isinstance(value, dt.datetime):
        return _canonical_datetime(value)
    if isinstance(value, dt.date):
        return dt.date(value.year, value.month, value.day)
    if isinstance(value, dt.time):
        return value
    if isinstance(value, dt.timedelta):
        return _canonical_duration(value)
    return _canonical_foreign(value)


def _canonical_complex(value: complex) -> Hashable:
    if cmath.isnan(value):
        return None
    return _canonical_float(value.real) if value.imag == 0 else value


def _canonical_exact(value: Decimal | Fraction) -> Hashable:
    """A decimal or fraction as int or float where one of them has exactly its value."""
    if isinstance(value, Decimal):
        if value.is_nan():
            return None
        if value.is_infinite():
            return math.inf if value > 0 else -math.inf
        if abs(value.adjusted()) > 400:  # outside the floats, and too long to write out
            return value
    whole = int(value)
    if value == whole and abs(whole) < _LARGEST_WRITTEN_OUT:
        return whole
    try:
        nearest = float(value)
    except OverflowError:
        return value
    return nearest if nearest == value else value


def _canonical_datetime(value: dt.datetime) -> Hashable:
    nanosecond = getattr(value, "nanosecond", 0)  # pandas.Timestamp
    if value.tzinfo is not None and value.utcoffset() is not None:
        if nanosecond:
            raise ArgumentTypeError(
                f"A key must be exact in Python; got {value!r}, which has a time zone and nanoseconds. "
                "Round it to microseconds, or take the time zone away."
            )
        return _plain_datetime(value).astimezone(dt.UTC)
    if nanosecond:
        return np.datetime64(_plain_datetime(value), "us").astype("M8[ns]") + np.timedelta64(nanosecond, "ns")
    plain = _plain_datetime(value)
    return plain.date() if plain.time() == _MIDNIGHT else plain


def _plain_datetime(value: dt.datetime) -> dt.datetime:
    """A datetime of Python's own class, so that a Timestamp of pandas leaves no trace."""
    return dt.datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.tzinfo,
        fold=value.fold,
    )


def _canonical_duration(value: dt.timedelta) -> Hashable:
    if getattr(value, "nanoseconds", 0):  # pandas.Timedelta
        return _coarsest(value.to_timedelta64())  # type: ignore[attr-defined]
    return dt.timedelta(value.days, value.seconds, value.microseconds)


def _canonical_numpy(value: np.generic) -> Hashable:
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else datetimes_to_keys(np.asarray(value)[None])[0]
    if isinstance(value, np.timedelta64):
        return None if np.isnat(value) else durations_to_keys(np.asarray(value)[None])[0]
    if isinstance(value, np.longdouble):
        if np.isnan(value) or np.isinf(value):
            return _canonical_float(float(value))
        return _canonical_exact(Fraction(*value.as_integer_ratio()))
    if isinstance(value, np.void):
        raise _not_a_key(value)
    return canonical_key(value.item())


def _canonical_foreign(value: Any) -> Hashable:
    if value is np.ma.masked:
        return None
    if type(value).__name__ in _TEXT_TYPES and type(value).__module__.startswith("pandas"):
        return str(value)
    if hasattr(value, "as_py"):  # a scalar of pyarrow
        return canonical_key(value.as_py())
    raise _not_a_key(value)


def _not_a_key(value: Any) -> ArgumentTypeError:
    return ArgumentTypeError(
        "A key must be a number, boolean, string, bytes, date, datetime, time of day or duration; got "
        f"{value!r} of type {type(value).__name__}. Turn such values into one of these first, for instance "
        "into text with str()."
    )


def datetimes_to_keys(values: np.ndarray) -> list[Hashable]:
    """The keys of a datetime64 array of any unit, without a Python call per value where that is possible."""
    if values.dtype == np.dtype("M8"):  # no unit: only NaT has one
        return [None] * len(values)
    missing = np.isnat(values)
    days = values.astype("M8[D]")
    whole = days.astype(values.dtype) == values
    fits = (days >= np.datetime64("0001-01-01")) & (days <= np.datetime64("9999-12-31"))
    micros = values.astype("M8[us]")
    exact = fits & ~whole & (micros.astype(values.dtype) == values)
    keys = np.empty(len(values), object)
    keys[whole & fits] = days[whole & fits].astype(object)
    keys[exact] = micros[exact].astype(object)
    for at in np.flatnonzero(~missing & ~(whole & fits) & ~exact):
        keys[at] = _coarsest(values[at])
    return keys.tolist()


def durations_to_keys(values: np.ndarray) -> list[Hashable]:
    """The keys of a timedelta64 array; months and years have no fixed length and are refused."""
    if np.datetime_data(values.dtype)[0] in {"Y", "M", "generic"}:
        present = values[~np.isnat(values)]
        if len(present):
            raise _not_a_key(present[0])
        return [None] * len(values)
    micros = values.astype("m8[us]")
    exact = micros.astype(values.dtype) == values
    keys = np.empty(len(values), object)
    keys[exact] = micros[exact].astype(object)
    for at in np.flatnonzero(~exact & ~np.isnat(values)):
        keys[at] = _coarsest(values[at])
    return keys.tolist()


def _coarsest(value: Any) -> Any:
    """The same moment or duration in the coarsest unit that holds it, so that equal ones are one key."""
    kind = value.dtype.kind
    for unit in ("D", "h", "m", "s", "ms", "us", *_SUB_MICROSECOND_UNITS):
        coarse = value.astype(f"{kind}8[{unit}]")
        if coarse.astype(value.dtype) == value:
            return coarse
    return value


def identity(key: Hashable) -> Hashable:
    """What a dictionary of keys is asked for: the canonical key, with booleans set apart from 0 and 1."""
    return (key,) if type(key) is bool else key
