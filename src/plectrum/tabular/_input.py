"""What comes into the estimators: any frame or 2-D array becomes one frame, a target becomes an array."""

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils import check_array, column_or_1d

from plectrum import frames
from plectrum.errors import ArgumentError, ArgumentTypeError, DataError, MissingColumnError

_PLAIN = (str, bytes, bool, int, float, complex, np.generic, type(None))


def is_frame(X: Any) -> bool:
    """Whether X brings its own column names and dtypes."""
    return isinstance(X, nw.DataFrame) or nw.dependencies.is_into_dataframe(X)


def read_features(X: Any, *, owner: str) -> tuple["nw.DataFrame[Any]", list[str] | None]:
    """Return X as a frame, and its column names, None when it is an array and has none."""
    if is_frame(X):
        frame = frames.as_frame(X)
        if not frame.columns:
            raise DataError(
                f"`X` of `{owner}` must have at least one column; found array with 0 feature(s) (shape="
                f"({len(frame)}, 0)) while a minimum of 1 is required. Pass the columns to learn from."
            )
        if not len(frame):
            raise DataError(
                f"`X` of `{owner}` must have at least one row; found array with 0 sample(s) while a minimum "
                "of 1 is required. Pass rows to learn from."
            )
        return frame, list(frame.columns)
    if isinstance(X, (list, tuple)) and np.array(X).dtype.kind in "US":
        X = np.array(X, dtype=object)  # else NumPy would turn the numbers beside text into text
    array = check_array(X, dtype=None, ensure_all_finite=False, estimator=owner)
    if array.dtype == object:
        return _frame_of_objects(array, owner), None
    return frames.as_frame(array), None


def _frame_of_objects(array: np.ndarray, owner: str) -> "nw.DataFrame[Any]":
    """A frame of an object array: a column is numeric when all its values are."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for position in range(array.shape[1]):
        values = array[:, position]
        for row, value in enumerate(values):
            if not isinstance(value, _PLAIN) and not hasattr(value, "isoformat"):
                raise ArgumentTypeError(
                    f"`X` of `{owner}` must hold plain values: the argument must be a string or a number; "
                    f"got {type(value).__name__} at ({row}, {position}). Turn it into one of these."
                )
        try:
            columns[f"x{position}"] = np.array([np.nan if v is None else v for v in values], np.float64)
        except (TypeError, ValueError):
            columns[f"x{position}"] = pa.array(
                [None if _is_missing(v) else v if hasattr(v, "isoformat") else str(v) for v in values]
            )
    return frames.as_frame(pa.table(columns))


def _is_missing(value: Any) -> bool:
    return value is None or bool(value != value)  # noqa: PLR0124  (NaN and NaT)


def match_columns(
    X: Any, *, owner: str, names: Sequence[str] | None, n_features: int, used: Sequence[str]
) -> "nw.DataFrame[Any]":
    """Return X, as it comes to a prediction, as a frame that has the columns `used`.

    A frame is matched by name: order and further columns do not matter. An array, or a frame for an estimator
    that was fitted on an array, is matched by position.
    """
    frame, given = read_features(X, owner=owner)
    if names is not None and given is not None:
        missing = [name for name in used if name not in given]
        if missing:
            raise MissingColumnError(
                "The feature names should match those that were passed during fit.\n"
                f"`X` of `{owner}` must have the columns it was fitted on; missing: "
                f"{', '.join(map(repr, missing))}, {len(missing)} of {len(used)}. It has "
                f"{', '.join(map(repr, given[:20]))}. Add or rename them.",
                columns=missing,
                available=given,
            )
        return frame
    if len(frame.columns) != n_features:
        raise ArgumentError(
            f"X has {len(frame.columns)} features, but {owner} is expecting {n_features} features as input. "
            "Without column names the columns are matched by position: pass the same ones."
        )
    fitted = list(names) if names is not None else [f"x{i}" for i in range(n_features)]
    return frame.rename(dict(zip(frame.columns, fitted, strict=True)))


def read_target(y: Any, *, owner: str, numeric: bool) -> np.ndarray:
    """Return y as a one-dimensional array without missing values; float64 when `numeric`."""
    if y is None:
        raise ArgumentError(
            f"`y` of `{owner}` must be the target; requires y to be passed, but the target y is None. Pass "
            "one value a row."
        )
    if hasattr(y, "to_pylist"):  # pyarrow
        y = y.to_numpy(zero_copy_only=False)
    elif hasattr(y, "to_numpy"):
        y = y.to_numpy()
    y = column_or_1d(y, warn=True)
    if numeric:
        return check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=owner)
    if y.dtype.kind == "f":
        return check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=owner)
    if y.dtype.kind == "O":
        absent = np.array([_is_missing(value) for value in y], bool)
        if absent.any():
            raise DataError(
                f"`y` of `{owner}` must have a class for every row. Input y contains NaN: row "
                f"{int(np.argmax(absent)):,} is the first of {int(absent.sum()):,} of {len(y):,}. Leave "
                "these rows out."
            )
    return y


def check_lengths(frame: "nw.DataFrame[Any]", y: np.ndarray, *, owner: str) -> None:
    """Raise unless X and y have the same number of rows."""
    if len(frame) != len(y):
        raise ArgumentError(
            f"`y` of `{owner}` must have one value for each row of `X`. Found input variables with "
            f"inconsistent numbers of samples: [{len(frame)}, {len(y)}]. Pass matching rows."
        )
