"""Whatever a user calls a frame -> one narwhals frame with distinct string names."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np

from plectrum.errors import ArgumentError, ArgumentTypeError, DataError


def as_frame(X: Any, *, owner: str = "plectrum", argument: str = "X") -> "nw.DataFrame[Any]":
    """A narwhals frame over X, which is not copied when it is a frame already.

    Parameters
    ----------
    X : pandas, polars, pyarrow or narwhals frame, or array of shape (n_rows, n_columns)
        The columns of an array (or of a list of rows) are called ``x0``, ``x1``, ..., as scikit-learn calls
        them. Names that are not strings become strings.
    owner, argument : str
        What a message calls the caller and the argument.

    Returns
    -------
    narwhals.DataFrame

    Raises
    ------
    ArgumentTypeError
        When X is no frame: a single column, a lazy frame, a sparse matrix.
    ArgumentError
        When an array has not two dimensions, or holds complex numbers.
    DataError
        When two columns have one name, or a column of an object array mixes types that Arrow cannot hold.

    Examples
    --------
    >>> import numpy
    >>> as_frame(numpy.ones((2, 2))).columns
    ['x0', 'x1']
    """
    if isinstance(X, nw.DataFrame):
        return X
    library = type(X).__module__.partition(".")[0]
    if library in {"pandas", "polars", "pyarrow", "narwhals", "modin", "cudf"}:
        return _from_library(X, library, owner, argument)
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise ArgumentTypeError(
            f"`{argument}` of `{owner}` must be a frame or a dense array; got a sparse {type(X).__name__} of "
            f"shape {X.shape}. Pass the columns before they were one-hot encoded, or X.toarray()."
        )
    if isinstance(X, (list, tuple)):
        X = _rows_to_array(X)
    if hasattr(X, "__array__"):
        return _from_array(np.asarray(X), owner, argument)
    if hasattr(X, "__arrow_c_stream__") or hasattr(X, "__dataframe__"):
        return _from_library(X, library, owner, argument)
    raise ArgumentTypeError(
        f"`{argument}` of `{owner}` must be a pandas, polars or pyarrow frame, or a two-dimensional array; "
        f"got a {type(X).__name__}. Put the columns into one of these."
    )


def refuse_repeated_names(names: Sequence[Any], what: str) -> None:
    """Raise a DataError when a name stands twice, with the positions (from 1) of the first such name."""
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        at = [n for n, name in enumerate(names, 1) if name == repeated[0]]
        more = f", and {len(repeated) - 1} more names repeat" if len(repeated) > 1 else ""
        raise DataError(
            f"The columns of {what} must have distinct names; {repeated[0]!r} is the name of columns "
            f"{', '.join(map(str, at[:-1]))} and {at[-1]} of {len(names)}{more}. Rename one of them."
        )


def _from_library(X: Any, library: str, owner: str, argument: str) -> "nw.DataFrame[Any]":
    if type(X).__name__ == "RecordBatch":
        import pyarrow as pa

        X = pa.Table.from_batches([X])
    names = _raw_names(X)
    if names is not None:
        refuse_repeated_names(names, f"`{argument}` of `{owner}`")
        if not all(isinstance(name, str) for name in names):
            texts = [str(name) for name in names]
            refuse_repeated_names(texts, f"`{argument}` of `{owner}`")
            X = X.copy(deep=False)
            X.columns = texts
    try:
        return nw.from_native(X, eager_only=True)
    except TypeError as error:
        advice = "Pass a frame with one or more columns, such as column.to_frame()."
        if hasattr(X, "collect"):
            advice = "Collect it first: X.collect()."
        raise ArgumentTypeError(
            f"`{argument}` of `{owner}` must be a frame; got a {library} {type(X).__name__}. {advice}"
        ) from error


def _raw_names(X: Any) -> list[Any] | None:
    if hasattr(X, "column_names"):  # pyarrow
        return list(X.column_names)
    if hasattr(X, "collect") or not hasattr(X, "columns"):  # a lazy frame, a column
        return None
    return list(X.columns)


def _rows_to_array(rows: Sequence[Any]) -> np.ndarray:
    """A list of rows as an array; of objects when it holds text, lest numbers become text too."""
    array = np.array(rows)
    return np.array(rows, dtype=object) if array.dtype.kind in "US" else array


def _from_array(X: np.ndarray, owner: str, argument: str) -> "nw.DataFrame[Any]":
    import pyarrow as pa

    if X.ndim != 2:
        raise ArgumentError(
            f"`{argument}` of `{owner}` must be two-dimensional; got an array of shape {X.shape}. Reshape "
            "your data: X.reshape(-1, 1) for a single column, X.reshape(1, -1) for a single row."
        )
    if X.dtype.kind == "c":
        raise ArgumentError(
            f"Complex data not supported: `{argument}` of `{owner}` must hold real numbers, text or dates; "
            f"got dtype {X.dtype}. Pass real and imaginary parts as two columns."
        )
    columns = [_array_column(X[:, n], n, owner, argument) for n in range(X.shape[1])]
    if not columns:
        return nw.from_native(pa.table({}), eager_only=True)
    return nw.from_native(pa.table(columns, names=[f"x{n}" for n in range(len(columns))]), eager_only=True)


def _array_column(column: np.ndarray, n: int, owner: str, argument: str) -> Any:
    import pyarrow as pa

    if column.dtype.kind == "f" and column.dtype.itemsize != 8:
        column = column.astype(np.float64)
    if column.dtype.kind != "O":
        return pa.array(np.ascontiguousarray(column))
    try:
        made = pa.array(column, from_pandas=True)
        if pa.types.is_binary(made.type) and any(isinstance(value, str) for value in column):
            raise TypeError("text beside bytes")  # of which Arrow makes bytes
        return made
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        kinds = sorted({type(value).__name__ for value in column if value is not None})
        raise DataError(
            f"Column {n} of `{argument}` of `{owner}` must hold values of one type; got {', '.join(kinds)}. "
            "Turn them into one type first, for instance into text with astype(str)."
        ) from error
