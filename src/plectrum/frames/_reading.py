"""Reading a file into a frame: CSV or Parquet, from disk or standard input.

One reader library, pyarrow. What it reports about a damaged file is turned into the line, the byte and what
to do; nothing is repaired in silence.
"""

import bz2
import csv
import gzip
import io
import lzma
import re
import sys
import zlib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import narwhals as nw

from plectrum.errors import DataError, MissingFileError
from plectrum.frames._adapt import as_frame, refuse_repeated_names

# Written for "no value" by R, pandas, databases and spreadsheets. The empty field is one too.
MISSING_MARKS = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None", "#N/A", "<NA>", "NaT")

_DELIMITERS = ",;\t|"
_SAMPLE_BYTES = 1 << 20
_KEEP_AS_TEXT = re.compile(
    r"0\d+|\d{19,}"
)  # '00501' and numbers beyond 64 bits would lose digits as integers
_UNPACK = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}


def read(source: str | Path) -> "nw.DataFrame[Any]":
    """The frame in a CSV or Parquet file, held in Arrow memory.

    What a file is, its first bytes say, not its name; gzip, bzip2 and xz are unpacked. A CSV file is UTF-8
    with one header line; comma, semicolon, tab and bar are recognised as delimiters. Empty fields and the
    marks NA, N/A, NaN, NULL, None, #N/A and <NA> are missing values. Columns of digits with leading zeros
    ('00501') stay strings, when the first megabyte shows one. ISO dates and times become dates. A column
    without a name is called ``column_`` and its position, counted from 1.

    Parameters
    ----------
    source : str or Path
        A path, or ``"-"`` for standard input.

    Returns
    -------
    narwhals.DataFrame
        Over a pyarrow.Table. It may have no rows.

    Raises
    ------
    MissingFileError
        When there is no such file; names the files there that are called nearly the same.
    DataError
        When the file is empty, cut off, not UTF-8 (with line and offset), has lines of different length, or
        two columns of one name.

    Notes
    -----
    Cost: the file once; a plain CSV file is mapped, not copied.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "shops.csv"
    >>> _ = path.write_text("shop,sales\\n007,3\\n012,5\\n")
    >>> read(path)["shop"].to_list()
    ['007', '012']
    """
    name, data = _load(source)
    if len(data) == 0:
        raise DataError(f"{name} is empty: it has no bytes, not even a header line. Write the file again.")
    if data[:4].to_pybytes() == b"PAR1":
        table = _read_parquet(name, data)
    else:
        table = _read_csv(name, data)
    return as_frame(table)


# ---------------------------------------------------------------------------------------------- bytes


def _load(source: str | Path) -> tuple[str, Any]:
    """A name for messages, and the unpacked bytes as an Arrow buffer."""
    import pyarrow as pa

    if str(source) == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise DataError("Standard input is a terminal; `-` reads a CSV or Parquet file that is piped in.")
        return "standard input", _unpack("standard input", pa.py_buffer(sys.stdin.buffer.read()))
    path = Path(source)
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.suffix in {".csv", ".parquet"})[:3]
        hint = f"It holds {', '.join(inside)}: pass one of these." if inside else "Pass a file."
        raise DataError(f"{path} is a folder, not a CSV or Parquet file. {hint}")
    if not path.exists():
        raise _missing_file(path)
    try:
        if path.stat().st_size == 0:
            return str(path), pa.py_buffer(b"")
        if not path.is_file():  # a pipe, such as <(zcat file): it cannot be mapped
            return str(path), _unpack(str(path), pa.py_buffer(path.read_bytes()))
        with pa.memory_map(str(path)) as mapped:
            return str(path), _unpack(str(path), mapped.read_buffer())
    except PermissionError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}. Check its permissions.") from error


def _missing_file(path: Path) -> MissingFileError:
    folder = path.parent
    if not folder.is_dir():
        return MissingFileError(
            f"There is no file {path}: its folder {folder} does not exist. Check the path."
        )
    others = [p.name for p in folder.iterdir() if p.is_file()]
    near = get_close_matches(path.name, others, n=3, cutoff=0.6)
    near += [n for n in others if Path(n).stem == path.stem and n not in near][:1]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"The folder holds {len(others):,} other files."
    return MissingFileError(f"There is no file {path}. {hint}")


def _unpack(name: str, data: Any) -> Any:
    import pyarrow as pa

    first = data[:6].to_pybytes()
    for mark, unpack in _UNPACK.items():
        if first.startswith(mark):
            try:
                return pa.py_buffer(unpack(data))
            except (EOFError, ValueError, OSError, lzma.LZMAError, zlib.error) as error:
                raise DataError(
                    f"{name} is a compressed file that is cut off or damaged ({error}). Fetch it again."
                ) from error
    if first.startswith(b"PK\x03\x04"):
        raise DataError(
            f"{name} is a zip archive or an Excel workbook; CSV or Parquet is needed. Unpack it, or save the "
            "sheet as CSV."
        )
    return data


# ---------------------------------------------------------------------------------------------- Parquet


def _read_parquet(name: str, data: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        refuse_repeated_names(file.schema_arrow.names, name)
        return file.read()
    except (pa.ArrowInvalid, OSError) as error:
        if data[-4:].to_pybytes() != b"PAR1":
            raise DataError(
                f"{name} is a Parquet file that is cut off: its {len(data):,} bytes do not end with the "
                "footer that lists its columns. Copy or write it again."
            ) from error
        raise DataError(f"{name} is a damaged Parquet file: {error}. Copy or write it again.") from error


# ---------------------------------------------------------------------------------------------- CSV


def _read_csv(name: str, data: Any) -> Any:
    import pyarrow as pa
    import pyarrow.csv as pacsv

    _refuse_foreign_bytes(name, data)
    header, delimiter = _header(name, data)
    named = [column or f"column_{n}" for n, column in enumerate(header, 1)]
    refuse_repeated_names(named, name)
    types = {named[n]: pa.string() for n in _columns_to_keep_as_text(data, delimiter, len(header))}
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            read_options=pacsv.ReadOptions(column_names=named, skip_rows_after_names=1),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                null_values=list(MISSING_MARKS), strings_can_be_null=True, column_types=types
            ),
        )
    except pa.ArrowInvalid as error:
        _explain_csv(name, data, delimiter, len(header), error)
    if any(pa.types.is_binary(kind) for kind in table.schema.types):
        _refuse_not_utf8(name, data)
    _refuse_open_quote(name, data, delimiter)
    return table


def _refuse_foreign_bytes(name: str, data: Any) -> None:
    first = data[:4].to_pybytes()
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{name} is written in UTF-16; CSV files must be UTF-8. Convert it: iconv -f UTF-16 -t UTF-8."
        )
    if b"\0" in data[:4096].to_pybytes():
        raise DataError(
            f"{name} is neither CSV nor Parquet: it begins with the bytes {first!r} and holds zero bytes. "
            "Save it as CSV (UTF-8) or Parquet."
        )


def _header(name: str, data: Any) -> tuple[list[str], str]:
    """The names in the first line, and the delimiter that splits it into most parts."""
    sample = data[:_SAMPLE_BYTES].to_pybytes()
    try:
        text = sample.decode("utf-8-sig", errors="strict")
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 3 or len(sample) == len(data):
            _refuse_not_utf8(name, data)
        text = sample.decode("utf-8-sig", errors="ignore")
    if not text.strip():
        raise DataError(f"{name} is empty: it holds nothing but blank lines. Write the file again.")
    rows = {mark: next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), []) for mark in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda mark: len(rows[mark]))
    return rows[delimiter], delimiter


def _columns_to_keep_as_text(data: Any, delimiter: str, n_columns: int) -> set[int]:
    """Positions of columns whose digits an integer would lose, judged by the first megabyte."""
    text = data[:_SAMPLE_BYTES].to_pybytes().decode("utf-8", errors="ignore")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    next(rows, None)
    kept: set[int] = set()
    for row in rows:
        kept.update(n for n, field in enumerate(row[:n_columns]) if _KEEP_AS_TEXT.fullmatch(field))
    return kept


def _explain_csv(name: str, data: Any, delimiter: str, n_columns: int, error: Exception) -> NoReturn:
    """Find the first line that does not fit, and say which it is."""
    _refuse_not_utf8(name, data)
    _refuse_open_quote(name, data, delimiter)
    rows = csv.reader(_text(data), delimiter=delimiter)
    for row in rows:
        if len(row) not in (0, n_columns):
            line, is_last = rows.line_num, next(rows, None) is None
            cut = " It is the last line: the file may have been cut off." if is_last else ""
            raise DataError(
                f"{name} must have {n_columns} fields in every line, as in its header; line {line:,} has "
                f"{len(row)}: {delimiter.join(row)[:80]!r}.{cut} Correct the line, or write the file again."
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
        if "unexpected end" in str(error):
            raise DataError(
                f"{name} ends inside a quoted value that begins on line {line + 1:,}: the file was cut off, "
                "or a quotation mark is missing. Correct the line, or write the file again."
            ) from error


def _text(data: Any) -> io.TextIOWrapper:
    """The bytes as a stream of text, so that a large file is decoded piece by piece."""
    import pyarrow as pa

    return io.TextIOWrapper(pa.BufferReader(data), "utf-8", newline="")
