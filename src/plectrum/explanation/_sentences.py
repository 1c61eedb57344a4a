"""The sentences at the beginning of a file of text: one window needs no more."""

import os
from pathlib import Path

from plectrum.errors import DataError

_TEXT_BYTES = 2_000_000  # how much of a text is read
_SENTENCE = 1_000  # words after which a text without line ends is cut


def read_sentences(file: str | os.PathLike[str], column: str | None = None) -> list[list[str]]:
    """Return lists of words from a file as `Word2Vec.fit` reads it: plain, compressed, or with columns.

    Raises
    ------
    DataError
        It is no text.
    """
    from plectrum.text._sources import is_frame, open_text

    if is_frame(file):
        raw = b"".join(_first_pieces(file, column))
    else:
        with open_text(Path(file)) as stream:
            raw = stream.read(_TEXT_BYTES)
    if b"\0" in raw:
        raise DataError(
            f"{os.fspath(file)!r} must be CSV, Parquet or plain text; it holds NUL bytes. Pass another file."
        )
    return [
        words[start : start + _SENTENCE]
        for words in map(str.split, raw.decode("utf-8", errors="replace").splitlines())
        for start in range(0, len(words), _SENTENCE)
    ]


def _first_pieces(file: str | os.PathLike[str], column: str | None) -> list[bytes]:
    from plectrum.text._sources import read_column_pieces

    pieces, n_bytes = [], 0
    for piece in read_column_pieces(file, column):
        pieces.append(piece)
        n_bytes += len(piece)
        if n_bytes >= _TEXT_BYTES:
            break
    return pieces
