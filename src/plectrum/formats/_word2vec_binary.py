"""word2vec's binary: a header ``n dim`` in text, then per record a token, a space and dim little-endian
float32.

word2vec.c writes a newline behind each record; GoogleNews and gensim do not. Newlines before a token are
passed over, so both are read. Tokens are bytes (word2vec.c cuts them at 99, possibly within a character):
what is no UTF-8 is kept as surrogate escapes; ``key.encode("utf-8", "surrogateescape")`` gives it back.
Source: word2vec.c, function TrainModel.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._record import Record
from plectrum.formats._source import Source
from plectrum.formats._text_lines import RowStore
from plectrum.formats._word2vec_text import header_of, kind_behind_header
from plectrum.formats._word_keys import refuse_keys

_LONGEST_HEADER = 64
_LONGEST_TOKEN = 1 << 20
_PIECE = 1 << 22


def is_word2vec_binary(path: Path, head: bytes) -> bool:
    """Whether a file begins with a header and what follows is no text."""
    del path
    return kind_behind_header(head) == "binary"


def read_word2vec_binary(path: Path, wanted: Wanted) -> Record:
    """Return the record of a word2vec binary file."""
    with Source(path) as source:
        head = source.read(_LONGEST_HEADER)
        header = header_of(head)
        if header is None:
            raise damaged(path, 0, "a first line of two whole numbers, rows and dimensions", f"{head!r:.70}")
        n, dim, length = header
        if dim == 0:
            raise damaged(path, 0, "at least one dimension", "0")
        if source.size is not None and n * (4 * dim + 1) + length > source.size:
            expected = f"at least {n * (4 * dim + 1) + length:,} bytes for {n:,} records of {dim:,} floats"
            raise damaged(path, source.size, expected, f"a file of {source.size:,}")
        keys, matrix = _read_records(source, head[length:], n, dim, wanted)
    return Record(keys, matrix)


def _read_records(
    source: Source, head: bytes, n: int, dim: int, wanted: Wanted
) -> tuple[list[str], NDArray[np.float32]]:
    from plectrum.kernels._threads import run_in_threads
    from plectrum.kernels.parse_text import numpy_ops

    n_wanted = wanted.rows_to_read(n)
    width = 4 * dim
    if source.size is None and width > 1 << 26:
        raise damaged(source.path, 0, "at most 16 million dimensions", f"{dim:,}")
    size = max(_PIECE, 2 * (width + _LONGEST_TOKEN))
    buffer, other = bytearray(size), bytearray(size)
    store, n_read = RowStore(dim, n_wanted if wanted.keys is None and source.size else 0), 0
    keys: list[str] = []
    left: bytes | bytearray = head
    copy: list[tuple[Callable[[], Any]]] = []  # of the rows of the piece before, while the next one is read

    def read_piece() -> tuple[int, tuple[bytes, NDArray[np.int64], int]]:
        buffer[: len(left)] = left
        filled = len(left) + source.read_into(memoryview(buffer)[len(left) :])
        return filled, numpy_ops.split_records(buffer, filled, width, n_wanted - n_read)

    while n_read < n_wanted:
        (filled, (tokens, starts, end)), *_ = run_in_threads(_call, [(read_piece,), *copy], 2)
        if not tokens:
            expected = f"record {n_read + 1:,} of {n:,}: a token, a space and {dim:,} floats"
            got = f"{filled - end:,} bytes, {bytes(buffer[end : min(filled, end + 16)])!r}"
            raise damaged(source.path, source.position - filled + end, expected, got)
        n_read += len(starts)
        found = _split_tokens(tokens)
        if wanted.keys is not None:
            at = [row for row, key in enumerate(found) if wanted.has(key)]
            found, starts = [found[row] for row in at], starts[at]
        keys += found
        left = buffer[end:filled]
        copy = [(partial(numpy_ops.take_bytes, buffer, starts, store.add(len(starts))),)]
        buffer, other = other, buffer
    run_in_threads(_call, copy, 1)
    if n_wanted == n:
        _refuse_rest(source, bytes(left))
    return keys, store.finish()


def _call(work: Callable[[], Any]) -> Any:
    return work()


def _split_tokens(tokens: bytes) -> list[str]:
    """Return the tokens, of which each has a space behind it, without the newlines before them."""
    found = tokens.decode("utf-8", "surrogateescape").split(" ")[:-1]
    return [token.lstrip("\n") for token in found] if b"\n" in tokens else found


def _refuse_rest(source: Source, left: bytes) -> None:
    left = left or source.read(16)
    if left.lstrip(b"\n"):
        raise damaged(
            source.path,
            source.position - len(left),
            "the end of the file behind the last record",
            f"{left[:16]!r}",
        )


def write_word2vec_binary(record: Record, path: Path) -> None:
    """Write a record as word2vec binary, without newlines between records, as gensim does."""
    refuse_keys(record.keys, "word2vec binary", also=", nor begins with a newline")
    matrix = record.floats()
    with path.open("wb") as file:
        file.write(f"{len(record.keys)} {matrix.shape[1]}\n".encode())
        for key, row in zip(record.keys, matrix, strict=True):
            file.write(str(key).encode("utf-8", "surrogateescape") + b" ")
            file.write(np.asarray(row, "<f4").tobytes())


FORMAT = Format(
    name="word2vec-binary",
    title="word2vec binary",
    suffixes=(".w2v", ".bin"),
    is_this=is_word2vec_binary,
    read=read_word2vec_binary,
    write=write_word2vec_binary,
)
