"""A column -> its distinct keys and, for each position, the number of its key.

All work per value is done by NumPy, Arrow or C loops of Python; Python code runs once per distinct value.
"""

from collections.abc import Hashable
from decimal import Decimal
from typing import Any

import numpy as np

from plectrum.errors import ArgumentTypeError
from plectrum.vocabulary._containers import Coded, as_column
from plectrum.vocabulary._keys import canonical_key, datetimes_to_keys, durations_to_keys, identity


def factor(values: Any) -> tuple[np.ndarray, list[Hashable]]:
    """Codes (n,) and distinct keys of a column: ``keys[codes[i]]`` is the canonical key of value i.

    The container never matters for the keys, only for their order. A key may have no value (a level that a
    category column declares and never uses). None among the keys stands for missing values.

    Parameters
    ----------
    values : list, NumPy array, pandas, polars or Arrow column, or iterable, of shape (n,)

    Returns
    -------
    codes : ndarray of integers, shape (n,)
    keys : list
        No key stands twice.

    Examples
    --------
    >>> codes, keys = factor([1, "a", 1.0, None])
    >>> codes.tolist(), keys
    ([0, 1, 0, 2], [1, 'a', None])
    """
    return factor_column(as_column(values, owner="factor"))


def factor_column(column: Any) -> tuple[np.ndarray, list[Hashable]]:
    """`factor` of what `as_column` made."""
    codes, keys = _factor_raw(column)
    return _merge(codes, keys)


def _factor_raw(column: Any) -> tuple[np.ndarray, list[Hashable]]:
    """Codes and canonical keys, of which some may be equal."""
    if isinstance(column, Coded):
        inner, keys = factor_column(column.levels)
        # One more slot at the end, which code -1 reaches: missing.
        return np.append(inner, len(keys))[column.codes], [*keys, None]
    if isinstance(column, list):
        return _factor_list(column)
    if isinstance(column, np.ndarray):
        return _factor_numpy(column)
    return _factor_arrow(column)


def _merge(codes: np.ndarray, keys: list[Hashable]) -> tuple[np.ndarray, list[Hashable]]:
    """Give equal keys one number, that of the first of them."""
    if len(set(keys)) == len(keys):  # distinct to Python, which takes True for 1: distinct all the more
        return codes, keys
    number: dict[Hashable, int] = {}
    slots = [number.setdefault(identity(key), len(number)) for key in keys]
    if len(number) == len(keys):
        return codes, keys
    distinct = [key[0] if type(key) is tuple else key for key in number]
    return np.asarray(slots, np.int64)[codes], distinct


def _factor_list(values: list[Any] | np.ndarray) -> tuple[np.ndarray, list[Hashable]]:
    types = set(map(type, values))
    if types <= {str, type(None)}:
        return _factor_text(values)
    try:
        if types == {int}:
            return _factor_numpy(np.array(values, np.int64))
        if types <= {float, type(None)}:
            return _factor_numpy(np.array(values, np.float64))
    except OverflowError:  # beyond 64 bits: as Python integers, below
        pass
    return _factor_mixed(values)


def _factor_text(values: list[Any] | np.ndarray) -> tuple[np.ndarray, list[Hashable]]:
    number = {key: n for n, key in enumerate(dict.fromkeys(values))}
    return np.fromiter(map(number.__getitem__, values), np.int64, len(values)), list(number)


def _factor_mixed(values: list[Any] | np.ndarray) -> tuple[np.ndarray, list[Hashable]]:
    """Values of several types: told apart by (type, value), because 1, 1.0 and True are equal to Python."""
    pairs = list(zip(map(type, values), values, strict=True))
    try:
        number = {pair: n for n, pair in enumerate(dict.fromkeys(pairs))}
    except TypeError:
        calm = [None if _is_missing_without_hash(value) else value for value in values]
        if all(a is b for a, b in zip(calm, values, strict=True)):
            raise _unhashable(values) from None
        return _factor_mixed(calm)
    codes = np.fromiter(map(number.__getitem__, pairs), np.int64, len(pairs))
    return codes, [_key_at(value, values) for _, value in number]


def _is_missing_without_hash(value: Any) -> bool:
    return value is np.ma.masked or (isinstance(value, Decimal) and value.is_snan())


def _key_at(value: Any, values: Any) -> Hashable:
    try:
        return canonical_key(value)
    except ArgumentTypeError as error:
        position = next(n for n, other in enumerate(values) if other is value)
        raise ArgumentTypeError(f"{error} It stands at position {position:,}.") from None


def _unhashable(values: Any) -> ArgumentTypeError:
    for position, value in enumerate(values):
        try:
            hash(value)
        except TypeError:
            return ArgumentTypeError(
                f"Values must be one-dimensional, one key each; got {type(value).__name__} {value!r:.60} at "
                f"position {position:,} of {len(values):,}. Flatten the values, or pass one column at a time."
            )
    raise AssertionError("unreachable: only called when a value has no hash")


def _factor_numpy(values: np.ndarray) -> tuple[np.ndarray, list[Hashable]]:
    kind = values.dtype.kind
    if kind == "b":
        return values.astype(np.int64), [False, True]
    if kind in "iu":
        codes, distinct = _distinct(values)
        return codes, distinct.tolist()
    if kind == "f" and values.dtype.itemsize <= 8:
        codes, distinct = _distinct(values.astype(np.float64))
        return codes, [canonical_key(value) for value in distinct.tolist()]
    if kind in "mM":
        codes, distinct = _distinct(values.view(np.int64))
        stamps = distinct.view(values.dtype)
        return codes, (datetimes_to_keys if kind == "M" else durations_to_keys)(stamps)
    if kind == "O":
        return _factor_list(values)
    return _factor_mixed(values.tolist() if kind == "S" else list(values))


def _distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes and the distinct values in order of first appearance, by Arrow's hash table."""
    import pyarrow as pa

    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    encoded = pa.array(np.ascontiguousarray(values)).dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_numpy(zero_copy_only=False)


def _factor_arrow(values: Any) -> tuple[np.ndarray, list[Hashable]]:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_null(kind):
        return np.zeros(len(values), np.int64), [None]
    if pa.types.is_float16(kind):
        values = values.cast(pa.float32())
    encoded = values.dictionary_encode(null_encoding="encode")
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return codes, _arrow_keys(encoded.dictionary)


def _arrow_keys(distinct: Any) -> list[Hashable]:
    """The keys of distinct Arrow values, of which one may be null."""
    import pyarrow as pa

    kind = distinct.type
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        keys = _stamp_keys(distinct)
    elif pa.types.is_date(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        keys = [canonical_key(value) for value in distinct.to_pylist()]
    elif pa.types.is_time64(kind) and kind.unit == "ns":
        try:
            keys = distinct.cast(pa.time64("us")).to_pylist()
        except pa.ArrowInvalid:
            raise _finer_than_python("times of day with nanoseconds") from None
    else:  # integers, booleans, strings, bytes, times of day: canonical as they are
        keys = distinct.to_pylist()
    return keys


def _stamp_keys(distinct: Any) -> list[Hashable]:
    import pyarrow as pa

    kind = distinct.type
    stamps = distinct.to_numpy(zero_copy_only=False)
    if pa.types.is_duration(kind):
        return durations_to_keys(stamps)
    if kind.tz is None:
        return datetimes_to_keys(stamps)
    return [None if stamp is None else canonical_key(stamp) for stamp in _aware(distinct)]


def _aware(distinct: Any) -> list[Any]:
    """Arrow timestamps with a time zone as Python datetimes in UTC; finer than a microsecond is refused."""
    import pyarrow as pa

    if distinct.type.unit == "ns":
        micros = distinct.cast(pa.timestamp("us", tz="UTC"), safe=False)
        if not micros.cast(pa.timestamp("ns", tz="UTC")).equals(distinct.cast(pa.timestamp("ns", tz="UTC"))):
            raise _finer_than_python("datetimes with a time zone and nanoseconds")
        distinct = micros
    listed: list[Any] = distinct.cast(pa.timestamp("us", tz="UTC")).to_pylist()
    return listed


def _finer_than_python(what: str) -> ArgumentTypeError:
    return ArgumentTypeError(
        f"A key must have an exact Python object; got a column of {what}. Round it to microseconds, or count "
        "nanoseconds as whole numbers."
    )
