"""Reading lines of ``key number ... number`` in pieces, by all processors, into one matrix."""

import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import FormatError
from plectrum.formats._damage import damaged
from plectrum.formats._format import Wanted
from plectrum.formats._source import Source

_PIECE = 1 << 17  # bytes that one thread parses at a time
_LONGEST_LINE = 1 << 26
_SMALL = 1 << 17  # bytes; a file below that is read in the time that loading a compiled kernel takes
_NEWLINE = 10


class RowStore:
    """A float32 matrix that grows row by row and is not held twice.

    Large ones live in memory mapped for them alone, whose pages cost nothing until they are written: room for
    more rows than come is free, where numpy.resize would fill it with zeros or copy the matrix.
    """

    def __init__(self, dim: int, n_expected: int) -> None:
        self.dim = dim
        self.n = 0
        self._rows = self._room(n_expected)

    def _room(self, n_rows: int) -> NDArray[np.float32]:
        n_bytes = 4 * n_rows * self.dim
        if n_bytes < 1 << 20:
            return np.empty((n_rows, self.dim), np.float32)
        room = mmap.mmap(-1, n_bytes)
        if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux: a page of 2 MB is found faster than 512 of 4 kB
            with suppress(OSError):
                room.madvise(mmap.MADV_HUGEPAGE)
        return np.frombuffer(room, np.float32).reshape(n_rows, self.dim)

    def reserve(self, n_rows: int) -> None:
        """Make room for this many rows in all."""
        if n_rows > len(self._rows):
            grown = self._room(n_rows)
            grown[: self.n] = self._rows[: self.n]
            self._rows = grown

    def append(self, rows: NDArray[np.float32]) -> None:
        """Put rows behind the others."""
        self.add(len(rows))[:] = rows

    def add(self, n_rows: int) -> NDArray[np.float32]:
        """Return so many new rows behind the others, to be written."""
        if self.n + n_rows > len(self._rows):
            self.reserve(max(self.n + n_rows, 2 * self.n))
        self.n += n_rows
        return self._rows[self.n - n_rows : self.n]

    def finish(self) -> NDArray[np.float32]:
        """Return the matrix, without the room that was not needed."""
        return self._rows[: self.n]


def read_lines(
    source: Source,
    dim: int,
    wanted: Wanted,
    *,
    n_rows: int | None = None,
    first_line: int = 1,
    head: bytes = b"",
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the keys and vectors of the lines that are left in a source.

    Parameters
    ----------
    source : Source
        Positioned behind a header, if there is one.
    dim : int
        How many numbers stand in a line.
    wanted : Wanted
    n_rows : int, optional
        What a header says; more or fewer lines are an error.
    first_line : int
        The number of the first line, for errors.
    head : bytes
        Bytes that were taken from the source already and are to be parsed before the rest.

    Notes
    -----
    Memory: the matrix, the keys, and about 1 MB per processor.
    """
    keys: list[str] = []
    store = RowStore(dim, _rows_to_expect(source, wanted, n_rows))
    n_seen, line = 0, first_line
    for piece in _whole_lines(source, head):
        found, rows, n_lines = _parse(source, piece, dim, line)
        line += n_lines
        n_seen += len(found)
        found, rows = _of_these_wanted(wanted, found, rows, n_seen)
        if store.n == 0 and source.size is not None and n_rows is None and wanted.everything:
            # As many rows as the first lines promise, and half as many again.
            store.reserve(int(len(found) * source.size / source.position * 1.5))
        keys += found
        store.append(rows)
        if wanted.limit is not None and n_seen >= wanted.limit:
            return keys, store.finish()
        if n_rows is not None and n_seen > n_rows:
            break
    if n_rows is not None and n_seen != n_rows:
        got = f"more: {n_seen:,}" if n_seen > n_rows else f"{n_seen:,}"
        raise damaged(source.path, line, f"{n_rows:,} rows, as the header says", got, unit="line")
    return keys, store.finish()


def _rows_to_expect(source: Source, wanted: Wanted, n_rows: int | None) -> int:
    """How many rows to make room for at once: what a header says, if the file is known to be long enough."""
    if n_rows is None or source.size is None or wanted.keys is not None:
        return 0
    return wanted.rows_to_read(n_rows)


def _of_these_wanted(
    wanted: Wanted, found: list[str], rows: NDArray[np.float32], n_seen: int
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the keys and rows of a piece that are wanted, `n_seen` being the file's rows up to its end."""
    if wanted.limit is not None and n_seen > wanted.limit:
        n_left = len(found) - (n_seen - wanted.limit)
        found, rows = found[:n_left], rows[:n_left]
    if wanted.keys is not None:
        at = [row for row, key in enumerate(found) if wanted.has(key)]
        found, rows = [found[row] for row in at], rows[at]
    return found, rows


def _whole_lines(source: Source, head: bytes) -> Iterator[NDArray[np.uint8]]:
    """Yield the source in pieces that end with a newline; the next piece overwrites the one before."""
    n_bytes = _PIECE * _n_threads()
    if source.size is not None:
        n_bytes = max(4096, min(n_bytes, source.size + 1))
    buffer = np.empty(max(n_bytes, 2 * len(head)), np.uint8)
    buffer[: len(head)] = np.frombuffer(head, np.uint8)
    filled = len(head)
    while True:
        got = source.read_into(buffer.data[filled:])
        filled += got
        end = _behind_last_newline(buffer, filled)
        if end:
            yield buffer[:end]
            buffer[: filled - end] = buffer[end:filled].copy()
            filled -= end
        elif filled == len(buffer):
            if filled >= _LONGEST_LINE:
                raise damaged(source.path, source.position - filled, "a newline", f"none in {filled:,} bytes")
            buffer = np.concatenate([buffer, np.empty(len(buffer), np.uint8)])
            continue
        if not got:
            break
    if filled:
        tail = bytes(buffer[max(0, filled - 20) : filled])
        raise damaged(
            source.path,
            source.position,
            "a newline at the end of the last line",
            f"the end of the file behind {tail!r}",
            advice="The file was cut short within a line; fetch it again. If it is whole, add a newline.",
        )


def _behind_last_newline(buffer: NDArray[np.uint8], filled: int) -> int:
    """Return the place behind the last newline of ``buffer[:filled]``, 0 when there is none."""
    step = 1 << 12
    for end in range(filled, 0, -step):
        found = np.flatnonzero(buffer[max(0, end - step) : end] == _NEWLINE)
        if len(found):
            return max(0, end - step) + int(found[-1]) + 1
    return 0


def _n_threads() -> int:
    return min(os.cpu_count() or 1, 8)


def _parse(
    source: Source, piece: NDArray[np.uint8], dim: int, line: int
) -> tuple[list[str], NDArray[np.float32], int]:
    """Return keys, rows and the number of lines of a piece of whole lines."""
    if source.size is not None and source.size < _SMALL and (small := _parse_small(piece, dim)) is not None:
        return small
    from plectrum.kernels._threads import run_in_threads

    borders = _cut(piece, _n_threads())
    n_lines = [int(np.count_nonzero(piece[a:b] == _NEWLINE)) for a, b in borders]
    first_rows = np.concatenate([[0], np.cumsum(n_lines)])
    matrix = np.empty((int(first_rows[-1]), dim), np.float32)
    key_bytes = np.empty(len(piece), np.uint8)
    work = [
        (piece, border, matrix, int(row), key_bytes)
        for border, row in zip(borders, first_rows[:-1], strict=True)
    ]
    try:
        parts = run_in_threads(_parse_part, work, _n_threads())
    except _BadLineError as bad:
        number = line + int(np.count_nonzero(piece[: bad.position] == _NEWLINE))
        raise _line_error(source, number, dim, bad) from None
    keys: list[str] = []
    for text, _ in parts:
        keys += text.decode("utf-8", "surrogateescape").split("\n")[:-1]
    n_found = [n for _, n in parts]
    if n_found != n_lines:  # blank lines: close the gaps
        kept = [np.arange(row, row + n) for row, n in zip(first_rows[:-1], n_found, strict=True)]
        matrix = matrix[np.concatenate(kept)]
    return keys, matrix, int(first_rows[-1])


def _parse_small(piece: NDArray[np.uint8], dim: int) -> tuple[list[str], NDArray[np.float32], int] | None:
    """Parse by the definition, which needs no compiler; None if a line is at fault: the kernel says which."""
    from plectrum.kernels.parse_text import reference

    raw = piece.tobytes()
    try:
        keys, matrix = reference.parse_lines(raw, dim)
    except ValueError:
        return None
    return [key.decode("utf-8", "surrogateescape") for key in keys], matrix, raw.count(b"\n")


def _cut(piece: NDArray[np.uint8], n_parts: int) -> list[tuple[int, int]]:
    """Cut a piece of whole lines into about equal parts of whole lines."""
    if len(piece) < 1 << 16:
        return [(0, len(piece))]
    ends = [_behind_last_newline(piece, len(piece) * (part + 1) // n_parts) for part in range(n_parts)]
    return [(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True) if b > a]


class _BadLineError(Exception):
    """A line without a vector, at a byte of the piece; with the text that is no number, if it is that."""

    def __init__(self, position: int, text: bytes | None = None) -> None:
        super().__init__(position)
        self.position, self.text = position, text


def _parse_part(
    piece: NDArray[np.uint8],
    place: tuple[int, int],
    matrix: NDArray[np.float32],
    first_row: int,
    key_bytes: NDArray[np.uint8],
) -> tuple[bytes, int]:
    """Parse ``piece[place]`` into its rows of the matrix; return its keys and the number of rows."""
    from plectrum.kernels.parse_text import numpy_ops

    start, stop = place
    n_lines = int(np.count_nonzero(piece[start:stop] == _NEWLINE))
    keys = numpy_ops.parse_lines(piece[start:stop], matrix[first_row : first_row + n_lines])
    if keys is not None:
        return keys, n_lines
    return _parse_any(piece, place, matrix, first_row, key_bytes)


def _parse_any(
    piece: NDArray[np.uint8],
    place: tuple[int, int],
    matrix: NDArray[np.float32],
    first_row: int,
    key_bytes: NDArray[np.uint8],
) -> tuple[bytes, int]:
    """Parse lines that may hold anything, by the compiled kernel."""
    from plectrum.kernels.parse_text import cpu

    start, stop = place
    dim = matrix.shape[1]
    hard = np.empty((max(1024, 4 * dim), 4), np.int64)
    at, row, key_at = start, first_row, start
    while True:
        status, n_rows, n_key_bytes, n_hard, at = cpu.parse_lines(
            piece, at, stop, dim, matrix, row, key_bytes, key_at, hard
        )
        _read_hard(piece, matrix, hard[:n_hard])
        row += n_rows
        key_at += n_key_bytes
        if status == cpu.BAD_LINE:
            raise _BadLineError(at)
        if status == cpu.OK:
            return key_bytes[start:key_at].tobytes(), row - first_row


def _read_hard(piece: NDArray[np.uint8], matrix: NDArray[np.float32], hard: NDArray[np.int64]) -> None:
    """Let Python read the numbers that the kernel was not certain of."""
    for row, column, start, end in hard.tolist():
        text = piece[start:end].tobytes()
        try:
            with np.errstate(over="ignore"):
                matrix[row, column] = np.float32(float(text))
        except ValueError:
            raise _BadLineError(start, text) from None


def _line_error(source: Source, line: int, dim: int, bad: _BadLineError) -> FormatError:
    if bad.text is None:
        return damaged(
            source.path, line, f"a key and {dim} numbers, separated by single spaces", "fewer", unit="line"
        )
    return damaged(source.path, line, "a number", f"{bad.text[:40]!r}", unit="line")


def trailing_numbers(line: bytes) -> int:
    """Return how many fields at the end of a line are numbers; at most all but one, which is the key."""
    fields = line.removesuffix(b"\r").rstrip(b" ").split(b" ")
    n = 0
    while n < len(fields) - 1 and _is_number(fields[-1 - n]):
        n += 1
    return n


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def write_lines(file: Any, keys: Any, matrix: NDArray[Any]) -> None:
    """Write lines of ``key number ... number``: the shortest text that reads back as the same float32."""
    import pyarrow as pa

    n, dim = matrix.shape
    rows_at_once = max(1, 200_000 // max(1, dim))
    for first in range(0, n, rows_at_once):
        part = np.ascontiguousarray(matrix[first : first + rows_at_once], np.float32)
        numbers = pa.array(part.reshape(-1)).cast(pa.string()).to_pylist()
        for i, key in enumerate(keys[first : first + rows_at_once]):
            line = f"{key} {' '.join(numbers[i * dim : (i + 1) * dim])}\n"
            file.write(line.encode("utf-8", "surrogateescape"))
