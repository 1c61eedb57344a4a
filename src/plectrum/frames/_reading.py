"""Reading a file into a frame: CSV or Parquet, from disk or standard input.

One reader library, pyarrow. What it reports about a damaged file is turned into the line, the byte and what
to do; nothing is repaired in silence.
"""

import bz2
import gzip
import lzma
import sys
import zlib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import narwhals as nw

from plectrum.errors import DataError, MissingFileError
from plectrum.frames._adapt import as_frame, refuse_repeated_names
from plectrum.frames._reading_csv import read_csv

_UNPACK = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}


def read(source: str | Path) -> "nw.DataFrame[Any]":
    """The frame in a CSV or Parquet file, held in Arrow memory.

    What a file is, its first bytes say, not its name; gzip, bzip2 and xz are unpacked. A CSV file is UTF-8
    with one header line; comma, semicolon, tab and bar are recognised as delimiters. What else is read how,
    the first megabyte decides:

    - Empty fields and the marks NA, N/A, NaN, NULL, None, #N/A, <NA> and NaT are missing values.
    - A column with digits after a leading zero ('00501'), or with numbers beyond 64 bits, is text.
    - ISO dates and times are dates.
    - Where fields are not parted by commas, 1,5 is read as 1.5 unless points occur too.
    - Where the header has a blank after every comma, these blanks are dropped from all text.

    Blank lines are passed over. A column without a name is called ``column_`` and its position, counted from
    1.

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
        table = read_csv(name, data)
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
        if not path.is_file() or path.stat().st_size == 0:  # a pipe such as <(zcat file): it cannot be mapped
            return str(path), _unpack(str(path), pa.py_buffer(path.read_bytes()))
        with pa.memory_map(str(path)) as mapped:
            return str(path), _unpack(str(path), mapped.read_buffer())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. Check the file.") from error


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
