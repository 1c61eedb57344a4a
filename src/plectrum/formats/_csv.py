"""CSV: a column of keys, perhaps one of counts, and a column per dimension.

Written with the header ``key,count,d0,d1,...``. Read with or without a header: the keys are the column
``key`` or the first one, the counts a column ``count``, and all others are numbers. Keys are text.
"""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from plectrum.errors import FormatError
from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._record import Record
from plectrum.formats._source import Source
from plectrum.formats._word_keys import refuse_keys


def is_csv(path: Path, head: bytes) -> bool:
    """Whether the first rows have equally many fields, of which all but one are numbers."""
    del path
    try:
        lines = _first_rows(head)
    except (csv.Error, UnicodeDecodeError):
        return False
    if not lines or len(lines[0]) < 2:
        return False
    if len(lines) == 1:
        return _is_header(lines[0]) and lines[0][0] == "key"
    columns = _columns(lines[0])
    return len(lines[1]) == len(lines[0]) and all(
        _is_number(lines[1][at]) for at in range(len(lines[1])) if at != columns[0]
    )


def _first_rows(head: bytes) -> list[list[str]]:
    """Return up to two whole rows of the head."""
    whole = head[: head.rfind(b"\n") + 1].decode("utf-8")
    rows = csv.reader(io.StringIO(whole, newline=""), strict=True)
    return [row for row, _ in zip(rows, range(2), strict=False)]


def _is_header(row: list[str]) -> bool:
    return not all(_is_number(field) for field in row[1:])


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _columns(first: list[str]) -> tuple[int, int | None]:
    """Return the places of the keys and of the counts (None: there are none), from the first row."""
    if not _is_header(first):
        return 0, None
    at = first.index("key") if "key" in first else 0
    return at, first.index("count") if "count" in first and first.index("count") != at else None


def read_csv(path: Path, wanted: Wanted) -> Record:
    """Return the record of a CSV file of vectors."""
    del wanted
    raw = _all_of(path)
    if not raw.endswith(b"\n"):
        raise damaged(path, len(raw), "a newline at the end of the last row", f"{raw[-20:]!r}")
    try:
        rows = _first_rows(raw[: 1 << 20])
    except (csv.Error, UnicodeDecodeError) as error:
        raise damaged(path, 0, "a header or a row in CSV", f"{error}") from error
    if not rows or len(rows[0]) < 2:
        raise damaged(path, 0, "at least two fields, divided by commas", f"{raw[:40]!r}")
    table = _table(path, raw, rows[0])
    key_at, count_at = _columns(rows[0])
    numbers = [at for at in range(len(rows[0])) if at not in (key_at, count_at)]
    matrix = np.empty((len(table), len(numbers)), np.float32)
    with np.errstate(over="ignore"):
        for column, at in enumerate(numbers):
            matrix[:, column] = table.column(at).to_numpy()
    counts = None if count_at is None else table.column(count_at).to_numpy().astype(np.int64)
    try:
        keys = table.column(key_at).to_pylist()
    except UnicodeDecodeError as error:
        raise damaged(path, None, "keys in UTF-8", f"{error}") from error
    return Record(keys, matrix, counts)


def _all_of(path: Path) -> bytes:
    with Source(path) as source:
        parts = []
        while part := source.read(1 << 24):
            parts.append(part)
    return b"".join(parts)


def _table(path: Path, raw: bytes, first: list[str]) -> Any:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    names = [f"c{at}" for at in range(len(first))]
    key_at, count_at = _columns(first)
    types = {name: pa.float64() for name in names}
    types[names[key_at]] = pa.string()
    if count_at is not None:
        types[names[count_at]] = pa.int64()
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(raw),
            read_options=pa_csv.ReadOptions(
                column_names=names, skip_rows=0, skip_rows_after_names=_is_header(first)
            ),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=types, null_values=[], strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, ValueError) as error:
        raise _csv_error(path, str(error)) from error
    if any(column.null_count for column in table.columns):
        raise damaged(path, None, "a key and numbers in every row", "empty fields")
    return table


def _csv_error(path: Path, told: str) -> FormatError:
    return damaged(path, None, "rows of a key and numbers, all of one length", told.splitlines()[0][:200])


def write_csv(record: Record, path: Path) -> None:
    """Write a record as CSV."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    refuse_keys(record.keys, "CSV", forbidden="\0\r", may_be_empty=True)
    matrix = record.floats()
    arrays: dict[str, Any] = {"key": pa.array(list(record.keys), pa.string())}
    if record.counts is not None:
        arrays["count"] = pa.array(record.counts)
    for column in range(matrix.shape[1]):
        arrays[f"d{column}"] = pa.array(np.ascontiguousarray(matrix[:, column], np.float32))
    pa_csv.write_csv(pa.table(arrays), path)


FORMAT = Format(
    name="csv",
    title="CSV",
    suffixes=(".csv",),
    is_this=is_csv,
    read=read_csv,
    write=write_csv,
    says_no_length=True,
    holds=frozenset({"counts"}),
)
