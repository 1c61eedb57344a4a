"""One column of a frame, looked at from several sides; each side is computed once, when first asked for.

All counting happens in Arrow memory; Python objects are made of distinct values only, and only when their
spelling matters.
"""

from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np

from plectrum.errors import ArgumentTypeError, DataError
from plectrum.frames._spelling import find_spelling, parse_dates
from plectrum.vocabulary import factor

MOMENTS = (nw.Date, nw.Datetime, nw.Time)


class UnusableColumnError(DataError):
    """A column of which no side can be looked at.

    Attributes
    ----------
    why : str
        The reason, as the end of a sentence: "it holds ...".
    """

    def __init__(self, series: "nw.Series[Any]", what: str, advice: str) -> None:
        super().__init__(
            f"The column {series.name!r} must hold one key, number or date per row; {what}. {advice}"
        )
        self.why = what


class Column:
    """A column of values as codes into levels, as numbers, as moments.

    Parameters
    ----------
    series : narwhals.Series

    Raises
    ------
    UnusableColumnError
        When the column holds lists or structures, or values that cannot be keys.
    """

    def __init__(self, series: "nw.Series[Any]") -> None:
        if series.dtype.is_nested():
            raise UnusableColumnError(series, f"it holds {series.dtype}, not one value per row", "Unnest it.")
        self.series = _settled(series)
        self.name, self.dtype = self.series.name, self.series.dtype
        self.n_rows = len(series)
        if self.arrow is None:
            try:
                _ = self._encoded
            except ArgumentTypeError as error:
                what = "it holds values that cannot be keys"
                raise UnusableColumnError(series, what, str(error)) from error

    @cached_property
    def arrow(self) -> Any:
        """The values as one Arrow array; None where Arrow cannot hold them (objects of mixed types)."""
        import pyarrow as pa

        if self.dtype in (nw.Object, nw.Unknown):
            return None
        try:
            column = self.series.to_arrow()
        except UnicodeEncodeError:  # a lone surrogate
            return None
        if isinstance(column, pa.ChunkedArray):
            column = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column
            column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        return column

    # ---- levels

    @cached_property
    def _encoded(self) -> tuple[np.ndarray, Any]:
        """Codes (n,), -1 for missing, and distinct values as a list or an Arrow array."""
        import pyarrow as pa

        if self.arrow is None:
            codes, keys = factor(self.series.to_native())
            missing = next((n for n, key in enumerate(keys) if key is None), None)
            return (codes if missing is None else np.where(codes == missing, -1, codes)), keys
        if pa.types.is_null(self.arrow.type):
            return np.full(self.n_rows, -1), []
        if pa.types.is_floating(self.arrow.type):
            encoded = pa.array(self.numbers, from_pandas=True).dictionary_encode()
        elif pa.types.is_dictionary(self.arrow.type):
            encoded = self.arrow
        else:
            encoded = self.arrow.dictionary_encode()
        return encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(), encoded.dictionary

    @property
    def codes(self) -> np.ndarray:
        """The level of each row, (n,); -1 for missing."""
        return self._encoded[0]

    @cached_property
    def keys(self) -> list[Any]:
        """The levels as Python values, in the order of the codes; some may have no row."""
        levels = self._encoded[1]
        return levels if isinstance(levels, list) else levels.to_pylist()

    @cached_property
    def texts(self) -> list[str] | None:
        """The levels when all of them are strings, else None."""
        levels = self._encoded[1]
        if not isinstance(levels, list) and not _is_text(levels.type):
            return None
        return self.keys if all(type(key) is str for key in self.keys) else None

    @cached_property
    def rows_per_level(self) -> np.ndarray:
        """How many rows each level has, in the order of the codes; 0 for one that is only declared."""
        codes = self.codes if self.n_missing == 0 else self.codes[self.codes >= 0]
        return np.bincount(codes, minlength=len(self._encoded[1]))

    @cached_property
    def counts(self) -> np.ndarray:
        """How many rows each level that occurs has, (n_levels,)."""
        counts = self.rows_per_level
        return counts[counts > 0]

    @property
    def n_levels(self) -> int:
        """Distinct values that occur, without missing."""
        return len(self.counts)

    @cached_property
    def n_missing(self) -> int:
        """Rows without a value."""
        return int(np.count_nonzero(self.codes < 0))

    @property
    def n_present(self) -> int:
        """Rows with a value."""
        return self.n_rows - self.n_missing

    @cached_property
    def n_single(self) -> int:
        """Levels that one row has."""
        return int(np.count_nonzero(self.counts == 1))

    # ---- numbers and moments

    @cached_property
    def numbers(self) -> np.ndarray:
        """float64 (n,), missing values as NaN; booleans as 0 and 1, durations as seconds."""
        import pyarrow as pa

        column = self.arrow
        try:
            if column is None:
                column = pa.array([None if v is None else float(v) for v in self.series.to_list()])
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            if pa.types.is_duration(column.type):
                return _float64(column.cast(pa.duration("ns")).cast(pa.int64())) / 1e9
            if pa.types.is_boolean(column.type):
                column = column.cast(pa.uint8())
            return _float64(column)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, TypeError, ValueError) as error:
            raise self._not("numbers", _is_number, "Clean the column, or take it for categorical") from error

    @cached_property
    def spelling(self) -> str | None:
        """How the dates in a column of text are written; None when it holds anything else."""
        texts = self.texts
        return find_spelling(texts) if texts else None

    def moments(self, spelling: str | None = None) -> np.ndarray:
        """datetime64[us] (n,), missing values as NaT."""
        if self.dtype in MOMENTS:
            return arrow_moments(self.arrow)
        spelling = spelling or self.spelling
        texts = self.texts
        parsed = parse_dates(texts, spelling) if texts and spelling else None
        if parsed is None:
            if self.n_levels == 0:
                return np.full(self.n_rows, np.datetime64("NaT"), "M8[us]")
            written = f", written like {spelling}" if spelling and spelling != "ISO" else ""
            raise self._not(
                f"dates{written}",
                lambda value: parse_dates([str(value)], spelling or "ISO") is not None,
                "Write dates as 2013-01-31, or take the column for categorical",
            )
        return np.append(parsed, np.datetime64("NaT"))[self.codes]

    def ranks(self) -> np.ndarray:
        """The place of each row's value among the distinct values in rising order, (n,); -1 for missing."""
        if self.dtype in MOMENTS or self.spelling is not None:
            moments = self.moments()
            present = ~np.isnat(moments)
            values = moments[present]
        elif self.arrow is not None and (self.dtype.is_numeric() or self.dtype == nw.Boolean):
            present = self.codes >= 0
            values = np.asarray(self._encoded[1].to_numpy(zero_copy_only=False))[self.codes[present]]
        else:
            return self._ranks_of_keys()
        ranks = np.full(self.n_rows, -1)
        ranks[present] = np.unique_inverse(values).inverse_indices
        return ranks

    def _ranks_of_keys(self) -> np.ndarray:
        occurring = np.flatnonzero(self.rows_per_level).tolist()
        try:
            order = sorted(occurring, key=self.keys.__getitem__)
        except TypeError:
            kinds = ", ".join(sorted({type(self.keys[n]).__name__ for n in occurring}))
            raise DataError(
                f"The column {self.name!r} must hold values that can be put in order; got values of {kinds}. "
                "Make them one type, or choose another column."
            ) from None
        ranks = np.full(len(self.keys) + 1, -1)
        ranks[order] = np.arange(len(order))
        return ranks[self.codes]

    def _not(self, what: str, fits: Any, advice: str) -> DataError:
        """An error that names the first value that does not fit."""
        for level, key in enumerate(self.keys):
            at = np.flatnonzero(self.codes == level) if not fits(key) else np.zeros(0, int)
            if len(at):
                return DataError(
                    f"The column {self.name!r} must hold {what}; got {key!r} in row {at[0]:,}, {len(at):,} "
                    f"of {self.n_rows:,} rows. {advice}."
                )
        return DataError(f"The column {self.name!r} must hold {what}; its type is {self.dtype}. {advice}.")


def _settled(series: "nw.Series[Any]") -> "nw.Series[Any]":
    """A column of Python objects of one type (dates, decimals, ...) as a column of that type.

    Likewise a type that narwhals has no name for: some time zones of pandas, its sparse columns.
    """
    import pyarrow as pa

    if series.dtype not in (nw.Object, nw.Unknown):
        return series
    try:
        column = (
            series.to_arrow() if series.dtype == nw.Unknown else pa.array(_objects(series), from_pandas=True)
        )
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        values = np.asarray(series.to_native())
        if values.dtype.kind not in "biuf":
            return series  # of several types
        column = pa.array(values)
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_null(kind) or pa.types.is_nested(kind):
        return series  # Arrow makes bytes of text beside bytes
    if hasattr(kind, "extension_name"):
        return series
    return nw.from_native(pa.table({series.name: column}), eager_only=True)[series.name]


def _objects(series: "nw.Series[Any]") -> np.ndarray:
    return np.asarray(series.to_native(), object)


def _float64(column: Any) -> np.ndarray:
    import pyarrow as pa

    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def arrow_moments(column: Any) -> np.ndarray:
    """Arrow dates, timestamps or times of day as datetime64[us] (n,), in their own local time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    if pa.types.is_time(column.type):
        column = column.cast(pa.time64("us"), safe=False).cast(pa.int64())
    moved = column.cast(pa.timestamp("us"), safe=False)
    return np.asarray(moved.to_numpy(zero_copy_only=False), "M8[us]")


def numbers(series: "nw.Series[Any]") -> np.ndarray:
    """The column as float64 (n,), missing values as NaN; booleans as 0 and 1, durations as seconds.

    Raises
    ------
    DataError
        When the column holds something that is no number; names the first such value.

    Examples
    --------
    >>> import narwhals, pyarrow
    >>> numbers(narwhals.from_native(pyarrow.table({"n": [1, None, 3]}))["n"]).tolist()
    [1.0, nan, 3.0]
    """
    return Column(series).numbers


def moments(series: "nw.Series[Any]", *, spelling: str | None = None) -> np.ndarray:
    """The column as datetime64[us] (n,), missing values as NaT.

    Dates, datetimes (with a time zone: in its local time, as the clock on the wall showed) and times of day
    (on 1970-01-01) are converted; text is read in the spelling given, or the one that fits all of it (with a
    time zone: in UTC).

    Parameters
    ----------
    series : narwhals.Series
    spelling : str, optional
        What `date_spelling` found in the rows that were learned from. A few later rows, such as 03/04/2013
        alone, may not tell how they are meant.

    Raises
    ------
    DataError
        When the column holds something that is no date; names the first such value.
    """
    return Column(series).moments(spelling)


def date_spelling(series: "nw.Series[Any]") -> str | None:
    """How the dates in a column of text are written: "ISO" or a format such as "%m/%d/%Y".

    None when the column is no text, or some of it is no date, or it could be read in two ways.

    Examples
    --------
    >>> import narwhals, pyarrow
    >>> days = {"us": ["03/04/2013", "03/31/2013"], "either": ["03/04/2013", "05/06/2013"]}
    >>> frame = narwhals.from_native(pyarrow.table(days))
    >>> date_spelling(frame["us"]), date_spelling(frame["either"])
    ('%m/%d/%Y', None)
    """
    return Column(series).spelling


def levels(series: "nw.Series[Any]") -> tuple[np.ndarray, list[Any]]:
    """Codes (n,) and distinct keys, as `plectrum.vocabulary.factor` gives them; None stands for missing."""
    return factor(series.to_native())
