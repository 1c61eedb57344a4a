"""GloVe's text: per line a token, a space, and the numbers; no header, so the lines themselves say how many.

Tokens may hold spaces (GloVe's own 840B file has ". . ." and "at name@domain.com"): the numbers are the last
fields. ``<unk>``, which GloVe puts last, is a key like any other. Source: GloVe's glove.c, function
save_params.
"""

from pathlib import Path

from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._record import Record
from plectrum.formats._source import Source
from plectrum.formats._text_lines import read_lines, trailing_numbers, write_lines
from plectrum.formats._word2vec_text import kind_behind_header
from plectrum.formats._word_keys import refuse_keys

_HEAD = 1 << 16
_LONGEST_HEAD = 1 << 22
_LINES_LOOKED_AT = 20


def dimensions(head: bytes) -> int:
    """Return how many numbers most of the first lines end with; 0 when some line ends with none.

    A token with spaces that ends in a number makes its line seem longer, so a single line cannot tell.
    """
    lines = [line for line in head.split(b"\n")[:-1] if line.strip()][:_LINES_LOOKED_AT]
    counts = [trailing_numbers(line) for line in lines]
    return max(counts, key=counts.count) if counts and min(counts) > 0 else 0


def is_glove(path: Path, head: bytes) -> bool:
    """Whether a file begins with lines of a token and the same number of numbers."""
    del path
    if kind_behind_header(head) in ("text", "binary"):
        return False
    first = head.partition(b"\n")[0]
    return dimensions(head) > 0 or (b"\n" not in head and trailing_numbers(first.rpartition(b" ")[0]) > 0)


def read_glove(path: Path, wanted: Wanted) -> Record:
    """Return the record of a GloVe text file."""
    with Source(path) as source:
        head = source.read(_HEAD)
        while b"\n" not in head and len(head) < _LONGEST_HEAD:
            more = source.read(len(head) or 1)
            if not more:
                break
            head += more
        dim = dimensions(head)
        if dim == 0:
            expected = "whole lines of a token and numbers, separated by single spaces"
            raise damaged(path, 1, expected, f"{head[:40]!r}", unit="line")
        keys, matrix = read_lines(source, dim, wanted, head=head)
    return Record(keys, matrix)


def write_glove(record: Record, path: Path) -> None:
    """Write a record as GloVe text."""
    refuse_keys(record.keys, "GloVe text", forbidden="\n")
    with path.open("wb") as file:
        write_lines(file, record.keys, record.floats())


FORMAT = Format(
    name="glove",
    title="GloVe text",
    suffixes=(".glove", ".glove.txt", ".txt"),
    is_this=is_glove,
    read=read_glove,
    write=write_glove,
    says_no_length=True,
)
