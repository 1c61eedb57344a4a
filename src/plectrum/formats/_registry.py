"""The formats, in the order in which content is tried against them; reading and writing by any of them."""

import os
import warnings
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from plectrum.errors import ArgumentError, FormatError
from plectrum.formats import (
    _csv,
    _fasttext,
    _glove,
    _hugging_face,
    _native,
    _onnx,
    _parquet,
    _projector,
    _static_embedding,
    _word2vec_binary,
    _word2vec_text,
)
from plectrum.formats._atomic import atomic_path
from plectrum.formats._format import Format, Wanted, distinct
from plectrum.formats._record import Record
from plectrum.formats._source import read_head

# One line per format. Those that are recognised by a magic number stand before those that are text.
FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (
        _native,
        _parquet,
        _fasttext,
        _onnx,
        _static_embedding,
        _hugging_face,
        _projector,
        _word2vec_text,
        _word2vec_binary,
        _csv,
        _glove,
    )
}

_HEAD_BYTES = 1 << 16


def sniff(path: str | os.PathLike[str]) -> Format:
    """Return the format of a file or folder, by its content; its name plays no part.

    Raises
    ------
    FileNotFoundError
        Nothing stands at `path`.
    FormatError
        The content is of no known format.
    """
    path = Path(path)
    layout = "folder" if path.is_dir() else "file"
    head = b""
    if layout == "file":
        head = read_head(path, _HEAD_BYTES)
    for known in FORMATS.values():
        if known.layout == layout and known.is_this(path, head):
            return known
    known_names = ", ".join(known.title for known in FORMATS.values() if known.layout == layout)
    start = f"starts with {head[:16]!r}" if head else "it is empty" if layout == "file" else _listing(path)
    raise FormatError(
        f"{os.fspath(path)!r}: expected a {layout} of vectors in a known format ({known_names}); got none "
        "of them: "
        f"{start}. Name the format with `format=` when you know it.",
        path=os.fspath(path),
        offset=0,
        expected="a known format of vectors",
    )


def _listing(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    return f"it holds {', '.join(names[:6]) or 'nothing'}{', ...' if len(names) > 6 else ''}"


def read(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002  (the word users know)
    keys: Iterable[Hashable] | None = None,
    limit: int | None = None,
) -> Record:
    """Return the keys and vectors of a file in any known format.

    Parameters
    ----------
    path : path
        A file, or a folder for the formats that are folders.
    format : str, optional
        A name in `FORMATS`; recognised by content when None.
    keys : iterable, optional
        Read the rows of these keys only; those that the file has not are left out.
    limit : int, optional
        Read the first `limit` rows only (before `keys` is applied).

    Returns
    -------
    Record
        In the file's order. A key that stands twice keeps its first vector, and
        ``metadata["n_duplicates"]`` says how many rows were left out for that.

    Raises
    ------
    FormatError
        The file is damaged or of another format; names file, offset and what was expected.
    ArgumentError
        `format` is no known name, or `limit` is negative.
    """
    path = Path(path)
    if limit is not None and limit < 0:
        raise ArgumentError(
            f"`limit` of `read` must be 0 or more rows; got {limit}. Leave it out to read all."
        )
    if not path.exists():
        raise FileNotFoundError(f"{os.fspath(path)!r}: there is no such file or folder to read vectors from.")
    chosen = sniff(path) if format is None else named(format)
    if path.is_dir() != (chosen.layout == "folder"):
        kind = "folder" if path.is_dir() else "file"
        raise FormatError(
            f"{os.fspath(path)!r}: expected a {chosen.layout}, as {chosen.title} is one; got a {kind}. "
            "Give the path of the other, or another `format=`.",
            path=os.fspath(path),
            expected=f"a {chosen.layout}",
        )
    wanted = Wanted(keys, limit)
    record = chosen.read(path, wanted)
    record.metadata.setdefault("format", chosen.name)
    return _select(record, wanted)


def named(name: str) -> Format:
    """Return the format of this name; an `ArgumentError` lists them when there is none."""
    if name not in FORMATS:
        raise ArgumentError(
            f"`format` must be one of {', '.join(FORMATS)}; got {name!r}. Leave it out to find it."
        )
    return FORMATS[name]


def _select(record: Record, wanted: Wanted) -> Record:
    if wanted.limit is not None and len(record.keys) > wanted.limit:
        record = record.take(np.arange(wanted.limit))
    if wanted.keys is not None:
        rows = [row for row, key in enumerate(record.keys) if wanted.has(key)]
        if len(rows) < len(record.keys):
            record = record.take(np.array(rows, dtype=np.int64))
    if isinstance(record.keys, list) and _may_repeat(record.keys):
        first: dict[Hashable, int] = {}
        for row, key in enumerate(record.keys):
            first.setdefault(distinct(key), row)
        n_duplicates = len(record.keys) - len(first)
        if n_duplicates:
            record = record.take(np.array(list(first.values()), dtype=np.int64))
            record.metadata["n_duplicates"] = record.metadata.get("n_duplicates", 0) + n_duplicates
    return record


def _may_repeat(keys: list[Hashable]) -> bool:
    """Whether two keys have the same hash: for a million keys 8 MB, where a set of them takes 60."""
    hashes = np.fromiter(map(hash, keys), np.int64, len(keys))
    hashes.sort()
    return bool((hashes[1:] == hashes[:-1]).any())


def write(
    record: Record,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    columns: Mapping[str, Any] | None = None,
) -> None:
    """Write keys and vectors to `path`, whole or not at all.

    Parameters
    ----------
    record : Record
    path : path
        Replaced when it exists.
    format : str, optional
        A name in `FORMATS`; by the suffix of `path` when None.
    columns : mapping of str to array of length n, optional
        Further columns, for formats that hold them (Parquet, CSV).

    Raises
    ------
    ArgumentError
        The format is unknown, is read only, or cannot hold the keys or the columns.

    Warns
    -----
    UserWarning
        The format has no place for the unknown or the missing vector.
    """
    path = Path(path)
    chosen = _by_suffix(path) if format is None else named(format)
    if chosen.write is None:
        raise ArgumentError(
            f"`format` of `write` must be one that can be written; got {chosen.name!r}, read only."
        )
    if columns:
        record = replace(record, columns={**record.columns, **columns})
        if "columns" not in chosen.holds:
            raise ArgumentError(
                "`columns` of `write` needs a format that holds columns, such as parquet; got "
                f"{chosen.name!r}."
            )
    _refuse_what_cannot_be_held(record, chosen)
    with atomic_path(path) as beside:
        chosen.write(record, beside)


def _refuse_what_cannot_be_held(record: Record, chosen: Format) -> None:
    if chosen.keys == "text":
        for position, key in enumerate(record.keys):
            if not isinstance(key, str):
                raise ArgumentError(
                    f"`keys` must be text to be written as {chosen.title}; got {key!r} at position "
                    f"{position:,}. Write .safetensors or .parquet, which keep the types of keys, or turn "
                    "the "
                    "keys into text."
                )
    parts = {"unknown": "unknown vector", "missing": "missing vector", "subwords": "n-grams of unseen words"}
    lost = [
        what for name, what in parts.items() if getattr(record, name) is not None and name not in chosen.holds
    ]
    if lost:
        warnings.warn(
            f"{chosen.title} has no place for the {' and the '.join(lost)}, which this file goes without. "
            ".safetensors keeps all.",
            UserWarning,
            stacklevel=3,
        )


def _by_suffix(path: Path) -> Format:
    name = path.name.lower()
    fitting = [
        f for f in FORMATS.values() if f.write is not None and any(name.endswith(s) for s in f.suffixes)
    ]
    if fitting:
        return fitting[0]
    known = ", ".join(f"{s} ({f.name})" for f in FORMATS.values() if f.write for s in f.suffixes)
    raise ArgumentError(
        f"`path` must end in a known suffix when `format` is not given: {known}; got {path.name!r}. "
        f"Name one with `format=`: {', '.join(f.name for f in FORMATS.values() if f.write)}."
    )
