"""Any container of values -> one of few forms: a list, a 1-D NumPy array, an Arrow array, or codes.

Text ends in Arrow memory whatever it came in: there it is hashed several times faster than Python strings.

pandas and polars are never imported here: a value is recognised by the module of its class, so that the code
costs nothing where a library is absent.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from plectrum.errors import ArgumentError, ArgumentTypeError

_MAY_BE_MISSING = {"NoneType", "float", "NAType", "NaTType"}  # floats that are no NaN are found by Arrow


class Coded:
    """Values that a container already keeps as codes into levels (pandas.Categorical, an Arrow dictionary).

    Code -1 is a missing value.
    """

    def __init__(self, codes: np.ndarray, levels: Any) -> None:
        self.codes = codes  # (n,) integers
        self.levels = levels  # a column again: list, array or Arrow array


def as_column(values: Any, *, owner: str, argument: str = "values") -> Any:
    """A list, 1-D NumPy array, Arrow array or `Coded` with the same values in the same order.

    What is not one-dimensional is refused, and so is what has no order (a set) or would be taken apart by
    mistake (a string, bytes, a mapping).
    """
    column = _opened(values, owner, argument)
    if isinstance(column, np.ndarray) and column.dtype.kind in "UT":
        column = column.tolist()  # by way of Python: Arrow would end NumPy's strings at their first NUL
    if isinstance(column, list) or (isinstance(column, np.ndarray) and column.dtype == object):
        text = _as_text(column)
        return column if text is None else text
    return column


def is_arrow_text(column: Any) -> bool:
    """Whether a column that `as_column` made holds strings in Arrow memory."""
    import pyarrow as pa

    return isinstance(column, (pa.StringArray, pa.LargeStringArray))


def _as_text(values: list[Any] | np.ndarray) -> Any:
    """Values that are all strings or missing as an Arrow array; None when some are not."""
    import pyarrow as pa

    types = set(map(type, values))
    has_text = any(issubclass(kind, str) for kind in types)
    if not has_text or not all(issubclass(k, str) or k.__name__ in _MAY_BE_MISSING for k in types):
        return None
    try:
        return _joined(pa.array(values, pa.string(), from_pandas=True))
    except (pa.ArrowTypeError, UnicodeEncodeError):  # a number; a lone surrogate, which UTF-8 has not
        return None


def _opened(values: Any, owner: str, argument: str) -> Any:  # noqa: PLR0911  (one line per container)
    if isinstance(values, list):
        return values
    if isinstance(values, np.ndarray):
        return _from_numpy(values, owner, argument)
    library = type(values).__module__.partition(".")[0]
    if library == "pandas":
        return _from_pandas(values, owner, argument)
    if library == "polars":
        return _from_polars(values, owner, argument)
    if library == "pyarrow":
        return _from_arrow(values, owner, argument)
    if library == "narwhals":
        return as_column(_native(values, owner, argument), owner=owner, argument=argument)
    if (
        isinstance(values, (str, bytes, bytearray, Mapping, set, frozenset))
        or np.isscalar(values)
        or values is None
    ):
        raise _refuse(values, owner, argument)
    if hasattr(values, "__array__"):
        return _from_numpy(np.asarray(values), owner, argument)
    if hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__"):
        return _from_arrow_capsule(values, owner, argument)
    if isinstance(values, Iterable):
        return list(values)
    raise _refuse(values, owner, argument)


def _refuse(values: Any, owner: str, argument: str) -> ArgumentTypeError:
    kind = type(values).__name__
    advice = "Put it into a list."
    if isinstance(values, Mapping):
        advice = "Pass list(mapping) for its keys, or list(mapping.values())."
    elif isinstance(values, (set, frozenset)):
        advice = "A set has no order, so its rows would differ from run to run; pass sorted(values)."
    elif isinstance(values, (str, bytes, bytearray)):
        advice = (
            f"A single key goes into a list: [{values!r}]." if len(values) < 40 else "Put it into a list."
        )
    return ArgumentTypeError(
        f"`{argument}` of `{owner}` must be a list, a NumPy array, or a column of pandas, polars or Arrow; "
        f"got a {kind}. {advice}"
    )


def _refuse_shape(values: Any, shape: Any, owner: str, argument: str) -> ArgumentError:
    advice = "Pass one column at a time."
    if len(shape) == 2 and shape[1] == 1:
        advice = "Pass its single column, for instance values[:, 0] or frame['name']."
    if len(shape) == 0:
        advice = "Put it into a list."
    return ArgumentError(
        f"`{argument}` of `{owner}` must be one-dimensional; got a {type(values).__name__} of shape "
        f"{tuple(shape)}. {advice}"
    )


def _from_numpy(values: np.ndarray, owner: str, argument: str) -> Any:
    if values.ndim != 1:
        raise _refuse_shape(values, values.shape, owner, argument)
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        if not mask.any():
            return np.asarray(values.data)
        if values.dtype.kind in "mM":
            stamps = np.array(values.data)
            stamps[mask] = "NaT"
            return stamps
        objects = np.array(values.data, object)
        objects[mask] = None
        return objects
    if values.dtype.kind == "V":
        raise ArgumentTypeError(
            f"`{argument}` of `{owner}` must hold one value per row; got a structured array with dtype "
            f"{values.dtype}. Pass one of its fields."
        )
    return values


def _from_pandas(values: Any, owner: str, argument: str) -> Any:
    shape = getattr(values, "shape", None)
    if shape is None:  # pandas.NA, a Timestamp
        raise _refuse(values, owner, argument)
    if len(shape) != 1:
        raise _refuse_shape(values, shape, owner, argument)
    if type(values).__name__ == "MultiIndex":
        return values.to_numpy()  # of tuples, which are refused as keys, each with its position
    array = getattr(values, "array", values)  # the array below a Series or an Index
    if hasattr(array, "codes") and hasattr(array, "categories"):
        levels = as_column(array.categories, owner=owner, argument=argument)
        return Coded(np.asarray(array.codes), levels)
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype):
        return _from_numpy(values.to_numpy(), owner, argument)
    kind = type(dtype).__name__
    if kind in {"IntervalDtype", "PeriodDtype", "SparseDtype"}:
        return np.asarray(values)
    import pyarrow as pa

    return _from_arrow(pa.array(array, from_pandas=True), owner, argument)


def _from_polars(values: Any, owner: str, argument: str) -> Any:
    if type(values).__name__ != "Series":
        shape = getattr(values, "shape", None)
        if shape is not None and len(shape) == 2:
            raise _refuse_shape(values, shape, owner, argument)
        raise _refuse(values, owner, argument)
    kind = str(values.dtype)
    if kind.startswith(("Object", "Int128", "UInt128")):
        return values.to_list()
    return _from_arrow(values.to_arrow(), owner, argument)


def _from_arrow(values: Any, owner: str, argument: str) -> Any:
    import pyarrow as pa

    if isinstance(values, (pa.Table, pa.RecordBatch)):
        raise _refuse_shape(values, (values.num_rows, values.num_columns), owner, argument)
    if isinstance(values, pa.Scalar):
        raise _refuse(values, owner, argument)
    if isinstance(values, pa.ChunkedArray):
        if pa.types.is_dictionary(values.type):
            values = values.unify_dictionaries()
        values = _joined(values)
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    if pa.types.is_run_end_encoded(values.type):
        import pyarrow.compute as pc

        values = pc.run_end_decode(values)
    if pa.types.is_nested(values.type):
        raise ArgumentTypeError(
            f"`{argument}` of `{owner}` must hold one value per row; got an Arrow column of type "
            f"{values.type}. Unnest or explode it first."
        )
    if pa.types.is_dictionary(values.type):
        codes = values.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        return Coded(codes, _from_arrow(values.dictionary, owner, argument))
    if pa.types.is_string_view(values.type):
        return _without_views(values, pa.large_string())
    return _without_views(values, pa.large_binary()) if pa.types.is_binary_view(values.type) else values


def _without_views(values: Any, kind: Any) -> Any:
    """Text or bytes in one buffer, as all of Arrow's functions take them."""
    import pyarrow as pa

    try:
        return values.cast(kind)
    except pa.ArrowNotImplementedError:  # pyarrow before 18
        return pa.array(values.to_pylist(), kind)


def _joined(values: Any) -> Any:
    """One Arrow array of a chunked one; of 64-bit offsets when 32 bits do not reach over all of the text."""
    import pyarrow as pa

    if isinstance(values, pa.Array):
        return values
    wide = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}.get(values.type)
    if wide is not None and values.nbytes > 2**31:
        values = values.cast(wide)
    return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)


def _from_arrow_capsule(values: Any, owner: str, argument: str) -> Any:
    import pyarrow as pa

    if hasattr(values, "__arrow_c_array__"):
        return _from_arrow(pa.array(values), owner, argument)
    return _from_arrow(pa.chunked_array(values), owner, argument)


def _native(values: Any, owner: str, argument: str) -> Any:
    if not hasattr(values, "to_native"):
        raise _refuse(values, owner, argument)
    return values.to_native()
