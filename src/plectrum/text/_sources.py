"""Where text comes from: plain and compressed files, standard input, columns of Parquet and CSV."""

import lzma
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from plectrum.errors import ArgumentError, DataError, MissingColumnError
from plectrum.formats._source import compression_of, decompressing

PIECE = 1 << 24  # bytes read at once


@contextmanager
def open_text(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file of text for reading bytes, whatever it is compressed with (told by its first bytes).

    ``-`` is standard input, which is not decompressed.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    if os.fspath(path) == "-":
        yield sys.stdin.buffer
        return
    with Path(path).open("rb") as file:
        compression = compression_of(file.read(6))
        file.seek(0)
        plain = decompressing(file, compression)
        yield plain
        if plain is not file:
            plain.close()


def read_pieces(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yield the bytes of a file in pieces that end where a word ends; a word may be of any length."""
    with open_text(path) as file:
        try:
            yield from _whole_words(iter(lambda: file.read(PIECE), b""))
        except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno is not None:  # the disk's fault
                raise
            raise DataError(
                f"The text of `fit` must be a whole file; {os.fspath(path)!r} is damaged or cut off "
                f"({error}). Fetch or write it again."
            ) from error


def _whole_words(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for piece in pieces:
        cut = max(piece.rfind(b" "), piece.rfind(b"\n"))
        if cut < 0:
            rest.append(piece)
            continue
        yield b"".join((*rest, piece[: cut + 1]))
        rest = [piece[cut + 1 :]]
    if any(rest):
        yield b"".join(rest)


def is_frame(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a file with columns."""
    return str(path).lower().endswith((".parquet", ".csv", ".tsv"))


def read_column_pieces(path: str | os.PathLike[str], column: str | None) -> Iterator[bytes]:
    """Yield the texts of a column of a Parquet or CSV file, one per line; missing ones are left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in _column_batches(path, column):
        coded = pa.types.is_dictionary(batch.type)
        values = batch.cast(batch.type.value_type) if coded else batch
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            raise DataError(
                f"`column` of `fit` must be a column of text; {column!r} of {os.fspath(path)!r} "
                f"holds {values.type}. Name another column."
            )
        lines = pc.replace_substring(pc.drop_null(values), "\n", " ")
        text = "\n".join(lines.to_pylist())
        yield text.encode() + b"\n"


def _column_batches(path: str | os.PathLike[str], column: str | None) -> Iterator[Any]:
    names, batches = _open_parquet(path) if str(path).lower().endswith(".parquet") else _open_csv(path)
    if column is None:
        if len(names) != 1:
            raise ArgumentError(
                f"`column` of `fit` must name the column of text; {os.fspath(path)!r} has {len(names)} "
                f"columns: {', '.join(names)}. Pass column=..."
            )
        column = names[0]
    if column not in names:
        raise MissingColumnError(
            f"`column` of `fit` must be a column of {os.fspath(path)!r}; got {column!r}, and there are: "
            f"{', '.join(names)}.",
            columns=[column],
            available=names,
        )
    for batch in batches(column):
        yield batch.column(column)


def _open_parquet(path: str | os.PathLike[str]) -> tuple[list[str], Any]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    return file.schema_arrow.names, lambda column: file.iter_batches(columns=[column])


def _open_csv(path: str | os.PathLike[str]) -> tuple[list[str], Any]:
    from pyarrow import csv

    parse = csv.ParseOptions(
        delimiter="\t" if str(path).lower().endswith(".tsv") else ",", newlines_in_values=True
    )
    return csv.open_csv(path, parse_options=parse).schema.names, lambda column: csv.open_csv(
        path, parse_options=parse, convert_options=csv.ConvertOptions(include_columns=[column])
    )
