"""Reading CSV, and explaining what is wrong with a file that cannot be read."""

import contextlib
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from plectrum.errors import DataError
from plectrum.frames._adapt import refuse_repeated_names

# Written for "no value" by R, pandas, databases and spreadsheets. The empty field is one too.
MISSING_MARKS = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None", "#N/A", "<NA>", "NaT")

_DELIMITERS = ",;\t|"
_SAMPLE_BYTES = 1 << 20
_LEADING_ZERO = re.compile(r"0\d+")
_MANY_DIGITS = re.compile(r"[1-9]\d{18,}")
_LARGEST_INTEGER = 2**63 - 1
_DECIMAL = {",": re.compile(r"-?\d+,\d+"), ".": re.compile(r"-?\d+\.\d+")}


@dataclass
class Dialect:
    """How a file is written, judged by its first megabyte."""

    header: list[str]
    delimiter: str
    start: int  # the byte at which the header begins, after blank lines
    as_text: set[int]  # positions of columns whose digits a number would lose
    decimal_point: str
    has_blanks: bool  # after every delimiter of the header


def read_csv(name: str, data: Any) -> Any:
    """A pyarrow.Table of the bytes of a CSV file."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv

    _refuse_foreign_bytes(name, data)
    dialect = _judge(_sample(name, data))
    named = [column.strip() or f"column_{n}" for n, column in enumerate(dialect.header, 1)]
    refuse_repeated_names(named, name)
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data[dialect.start :]),
            read_options=pacsv.ReadOptions(column_names=named, skip_rows_after_names=1),
            parse_options=pacsv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                null_values=list(MISSING_MARKS),
                strings_can_be_null=True,
                column_types={named[n]: pa.string() for n in dialect.as_text},
                decimal_point=dialect.decimal_point,
            ),
        )
    except pa.ArrowInvalid as error:
        _explain(name, data, dialect, error)
    if any(pa.types.is_binary(kind) for kind in table.schema.types):
        _refuse_not_utf8(name, data)
    _refuse_open_quote(name, data, dialect.delimiter)
    if dialect.has_blanks:
        for n, column in enumerate(table.columns):
            if pa.types.is_string(column.type):
                table = table.set_column(n, named[n], pc.utf8_ltrim_whitespace(column))
    return table


def _sample(name: str, data: Any) -> str:
    sample = data[:_SAMPLE_BYTES].to_pybytes()
    try:
        text = str(sample, "utf-8-sig", errors="strict")
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 3 or len(sample) == len(data):
            _refuse_not_utf8(name, data)
        text = str(sample, "utf-8-sig", errors="ignore")
    if not text.strip():
        raise DataError(f"{name} is empty: it holds nothing but blank lines. Write the file again.")
    return text if len(sample) == len(data) else text[: text.rfind("\n") + 1] or text


def _judge(sample: str) -> Dialect:
    blank = re.match(r"(?:[ \t]*\r?\n)*", sample)
    start = blank.end() if blank else 0
    sample = sample[start:]
    headers = {mark: next(_rows(sample, mark), []) for mark in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda mark: len(headers[mark]))
    header = headers[delimiter]
    dialect = Dialect(header, delimiter, start, set(), ".", False)
    dialect.has_blanks = len(header) > 1 and all(column.startswith(" ") for column in header[1:])
    n_decimals = dict.fromkeys(_DECIMAL, 0)
    rows = _rows(sample, delimiter)
    next(rows, None)
    for row in rows:
        for n, field in enumerate(row[: len(header)]):
            if _LEADING_ZERO.fullmatch(field):
                dialect.as_text.add(n)
            elif _MANY_DIGITS.fullmatch(field):
                if int(field) > _LARGEST_INTEGER:
                    dialect.as_text.add(n)
            elif delimiter != ",":
                for mark, written in _DECIMAL.items():
                    n_decimals[mark] += written.fullmatch(field) is not None
    if n_decimals[","] and not n_decimals["."]:
        dialect.decimal_point = ","
    return dialect


def _rows(sample: str, delimiter: str) -> Iterator[list[str]]:
    return _until_damage(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter))


def _refuse_foreign_bytes(name: str, data: Any) -> None:
    first = data[:4].to_pybytes()
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{name} is written in UTF-16; CSV files must be UTF-8. Convert it: iconv -f UTF-16 -t UTF-8."
        )
    start = data[:4096].to_pybytes()
    if start.lstrip().startswith((b'{"', b"[{", b"<")):
        kind = "HTML or XML" if start.lstrip().startswith(b"<") else "JSON"
        raise DataError(f"{name} looks like {kind}; CSV or Parquet is needed. Convert it first.")
    if b"\0" in start:
        raise DataError(
            f"{name} is neither CSV nor Parquet: it begins with the bytes {first!r} and holds zero bytes. "
            "Save it as CSV (UTF-8) or Parquet."
        )


def _explain(name: str, data: Any, dialect: Dialect, error: Exception) -> NoReturn:
    """Find the first line that does not fit, and say which it is."""
    _refuse_not_utf8(name, data)
    _refuse_open_quote(name, data, dialect.delimiter)
    n_columns, delimiter = len(dialect.header), dialect.delimiter
    rows = csv.reader(_text(data), delimiter=delimiter)
    for row in _until_damage(rows):
        if len(row) not in (0, n_columns):
            line, is_last = rows.line_num, next(rows, None) is None
            cut = " It is the last line: the file may have been cut off." if is_last else ""
            raise DataError(
                f"{name} must have {n_columns} {'field' if n_columns == 1 else 'fields'} in every line, as "
                f"in its header; line {line:,} has {len(row)}: {delimiter.join(row)[:80]!r}.{cut} Correct "
                "the line, or write the file again."
            ) from error
    raise DataError(f"{name} cannot be read as CSV: {error}. Write the file again.") from error


def _refuse_not_utf8(name: str, data: Any) -> None:
    """Raise when some byte is not UTF-8, naming its line and offset."""
    step, start = 1 << 24, 0
    while start < len(data):
        piece = data[start : start + step].to_pybytes()
        try:
            piece.decode("utf-8")
        except UnicodeDecodeError as error:
            at = start + error.start
            if error.reason == "unexpected end of data" and start + len(piece) < len(data):
                start = at  # a character that straddles two pieces
                continue
            line = data[:at].to_pybytes().count(b"\n") + 1
            raise DataError(
                f"{name} must be UTF-8; got the byte 0x{data[at]:02x} on line {line:,}, at offset {at:,}. If "
                "it came from Windows, convert it: iconv -f WINDOWS-1252 -t UTF-8."
            ) from error
        start += len(piece)


def _refuse_open_quote(name: str, data: Any, delimiter: str) -> None:
    """Raise when the file ends inside a quoted value; Arrow would take what is there for the whole value."""
    n_quotes = sum(data[at : at + (1 << 24)].to_pybytes().count(b'"') for at in range(0, len(data), 1 << 24))
    if n_quotes % 2 == 0:
        return
    rows = csv.reader(_text(data), delimiter=delimiter, strict=True)
    line = 0
    try:
        for _ in rows:
            line = rows.line_num
    except csv.Error as error:
        if "unexpected end" in str(error) or "field limit" in str(error):
            raise DataError(
                f"{name} ends inside a quoted value that begins on line {line + 1:,}: the file was cut off, "
                "or a quotation mark is missing. Correct the line, or write the file again."
            ) from error


def _until_damage(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """Rows up to the first that Python's reader cannot read, such as one with an endless quoted value."""
    with contextlib.suppress(csv.Error):
        yield from rows


def _text(data: Any) -> io.TextIOWrapper:
    """The bytes as a stream of text, so that a large file is decoded piece by piece."""
    import pyarrow as pa

    return io.TextIOWrapper(pa.BufferReader(data), "utf-8", newline="")
