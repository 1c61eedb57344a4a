"""Text with a header, as word2vec, gensim and fastText (``.vec``) write it.

``n dim`` in the first line; then per line a key, a space, and dim numbers; a space behind the last number is
allowed (word2vec.c and fastText leave one). Source: word2vec.c, function TrainModel; fastText's saveVectors.
"""

import re
from pathlib import Path
from typing import Literal

from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._record import Record
from plectrum.formats._source import Source
from plectrum.formats._text_lines import read_lines, trailing_numbers, write_lines
from plectrum.formats._word_keys import refuse_keys

_HEADER = re.compile(rb"\s*(\d{1,12})[ \t]+(\d{1,9})[ \t]*\r?\n")
_LONGEST_HEADER = 64


def header_of(head: bytes) -> tuple[int, int, int] | None:
    """Return (n, dim, length of the header), or None when a file does not begin with a word2vec header."""
    found = _HEADER.match(head[:_LONGEST_HEADER])
    return None if found is None else (int(found[1]), int(found[2]), found.end())


def kind_behind_header(head: bytes) -> Literal["text", "binary", "numbers"] | None:
    """Return what a file is that begins like word2vec's; None when it does not begin so.

    "numbers": each line, the first too, is a whole number as key and one number (text of one dimension).
    Damaged text is still "text", so that reading it says what is wrong.
    """
    header = header_of(head)
    if header is None:
        return None
    n, dim, length = header
    body = head[length:]
    line, newline, _ = body.partition(b"\n")
    if not newline and len(line) > 1024:  # longer than what was read: look at the fields that are whole
        line, dim = line.rpartition(b" ")[0], min(1, dim)
    if n == 0 or not body or trailing_numbers(line) >= dim:
        return "text"
    if not _is_readable(body):
        return "binary"
    return "numbers" if newline and trailing_numbers(line) == line.strip().count(b" ") == 1 else "text"


def _is_readable(raw: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters."""
    try:
        raw[: len(raw) - 4].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(raw) - 8:
            return False
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in raw[:4096])


def is_word2vec_text(path: Path, head: bytes) -> bool:
    """Whether a file begins with a header and text."""
    del path
    return kind_behind_header(head) == "text"


def read_word2vec_text(path: Path, wanted: Wanted) -> Record:
    """Return the record of a word2vec text file."""
    with Source(path) as source:
        head = source.read(_LONGEST_HEADER)
        header = header_of(head)
        if header is None:
            raise damaged(
                path,
                1,
                "a first line of two whole numbers, rows and dimensions",
                f"{head!r:.70}",
                unit="line",
            )
        n, dim, length = header
        if dim == 0:
            raise damaged(path, 1, "at least one dimension", "0", unit="line")
        if source.size is not None and n * (2 * dim + 1) > source.size:
            expected = f"at least {n * (2 * dim + 1):,} bytes for the {n:,} x {dim:,} numbers of the header"
            raise damaged(path, source.size, expected, f"a file of {source.size:,}")
        keys, matrix = read_lines(source, dim, wanted, n_rows=n, first_line=2, head=head[length:])
    return Record(keys, matrix)


def write_word2vec_text(record: Record, path: Path) -> None:
    """Write a record as word2vec text; gensim, fastText's tools and word2vec's read it."""
    refuse_keys(record.keys, "word2vec text")
    matrix = record.floats()
    with path.open("wb") as file:
        file.write(f"{len(record.keys)} {matrix.shape[1]}\n".encode())
        write_lines(file, record.keys, matrix)


FORMAT = Format(
    name="word2vec",
    title="word2vec text",
    suffixes=(".vec", ".w2v.txt"),
    is_this=is_word2vec_text,
    read=read_word2vec_text,
    write=write_word2vec_text,
)
