"""Keys as JSON values, so that every key keeps its type in a file without pickle."""

import base64
import datetime as dt
import decimal
import fractions
import math
import uuid
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np

from plectrum.errors import ArgumentTypeError, FormatError


def _float_to_json(value: float) -> Any:
    return value if math.isfinite(value) else {"float": str(value)}


# exact type -> its JSON value. Types that JSON has stand for themselves; others are one-entry objects.
_ENCODERS: dict[type, Callable[[Any], Any]] = {
    str: lambda v: v,
    bool: lambda v: v,
    int: lambda v: v,
    float: _float_to_json,
    bytes: lambda v: {"bytes": base64.b64encode(v).decode("ascii")},
    dt.datetime: lambda v: {"datetime": v.isoformat()},
    dt.date: lambda v: {"date": v.isoformat()},
    dt.time: lambda v: {"time": v.isoformat()},
    dt.timedelta: lambda v: {"timedelta": [v.days, v.seconds, v.microseconds]},
    decimal.Decimal: lambda v: {"decimal": str(v)},
    uuid.UUID: lambda v: {"uuid": str(v)},
    complex: lambda v: {"complex": [v.real, v.imag]},
    fractions.Fraction: lambda v: {"fraction": str(v)},
    np.datetime64: lambda v: {"datetime64": [int(v.astype(np.int64)), np.datetime_data(v.dtype)[0]]},
    np.timedelta64: lambda v: {"timedelta64": [int(v.astype(np.int64)), np.datetime_data(v.dtype)[0]]},
    tuple: lambda v: {"tuple": keys_to_json(v)},
}

_DECODERS: dict[str, Callable[[Any], Hashable]] = {
    "float": float,
    "bytes": lambda v: base64.b64decode(v, validate=True),
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": lambda v: dt.timedelta(*v),
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
    "complex": lambda v: complex(*v),
    "fraction": fractions.Fraction,
    "datetime64": lambda v: np.datetime64(*v),
    "timedelta64": lambda v: np.timedelta64(*v),
    "tuple": lambda v: tuple(keys_from_json(v)),
}


def keys_to_json(keys: Iterable[Hashable]) -> list[Any]:
    """Return the keys as JSON values that `keys_from_json` turns back into equal keys of the same types.

    Strings, integers, finite floats and booleans stand for themselves; the rest become an object of one
    entry, the type: bytes, dates, datetimes, times, durations, decimals, fractions, complex numbers, NumPy's
    datetimes, UUIDs, tuples.

    Raises
    ------
    ArgumentTypeError
        A key has a type that no file can hold.

    Examples
    --------
    >>> import datetime
    >>> keys_to_json(["Berlin", 7, True, b"x", datetime.date(2013, 1, 1)])
    ['Berlin', 7, True, {'bytes': 'eA=='}, {'date': '2013-01-01'}]
    """
    return [_key_to_json(key, position) for position, key in enumerate(keys)]


def _key_to_json(key: Hashable, position: int) -> Any:
    if isinstance(key, np.generic) and not isinstance(key, (np.datetime64, np.timedelta64)):
        key = key.item()
    encode = _ENCODERS.get(type(key))
    if encode is None:  # a subclass, such as numpy.str_ or pandas.Timestamp: stored as its base type
        for kind in (bool, int, float, str, bytes, dt.datetime, dt.date, decimal.Decimal):
            if isinstance(key, kind):
                return _ENCODERS[kind](_plain(key, kind))
        raise ArgumentTypeError(
            "`keys` must be text, numbers, booleans, bytes, dates or tuples of these to be written to a "
            "file; "
            f"got {type(key).__name__} at position {position:,}: {key!r}. Turn such keys into text first."
        )
    return encode(key)


def _plain(key: Any, kind: type) -> Any:
    if kind is dt.datetime:
        return key.to_pydatetime() if hasattr(key, "to_pydatetime") else key
    return key if kind is dt.date else kind(key)


def keys_from_json(values: Iterable[Any]) -> list[Hashable]:
    """Return the keys that `keys_to_json` turned into these JSON values.

    Raises
    ------
    FormatError
        A value is none that `keys_to_json` writes.

    Examples
    --------
    >>> keys_from_json(["Berlin", 7, {"bytes": "eA=="}])
    ['Berlin', 7, b'x']
    """
    return [_key_from_json(value, position) for position, value in enumerate(values)]


def _key_from_json(value: Any, position: int) -> Hashable:
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((kind, payload),) = value.items()
        decode = _DECODERS.get(kind)
        if decode is not None:
            try:
                return decode(payload)
            except (ValueError, TypeError, ArithmeticError) as error:
                raise _not_a_key(value, position) from error
    raise _not_a_key(value, position)


def _not_a_key(value: Any, position: int) -> FormatError:
    expected = "text, a number, true, false, or an object of one entry such as {'date': '2013-01-01'}"
    return FormatError(
        f"A key in JSON must be {expected}; got {value!r:.80} at position {position:,}. The file is "
        "damaged, or "
        "was written by a newer version.",
        expected=expected,
    )
