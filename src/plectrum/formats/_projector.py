"""A folder for TensorBoard's embedding projector: numbers and labels in two TSV files, and a configuration.

``vectors.tsv`` has no header. ``metadata.tsv`` has one only when it has more than one column (the projector
takes the first row of a single column for a label). Show it with ``tensorboard --logdir FOLDER``. Other names
are found through ``projector_config.pbtxt``; without it, ``vectors.tsv`` or ``tensors.tsv``.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._record import Record
from plectrum.formats._source import Source
from plectrum.formats._text_lines import read_lines
from plectrum.formats._word_keys import refuse_keys

_CONFIG = "projector_config.pbtxt"
_VECTOR_NAMES, _LABEL_NAMES = ("vectors.tsv", "tensors.tsv"), ("metadata.tsv", "labels.tsv")


def is_projector(path: Path, head: bytes) -> bool:
    """Whether a folder holds vectors and metadata for the projector."""
    del head
    return (path / _CONFIG).is_file() or _first_there(path, _VECTOR_NAMES) is not None


def _first_there(path: Path, names: tuple[str, ...]) -> Path | None:
    return next((path / name for name in names if (path / name).is_file()), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that the file system refuses, such as one that is too long
        return False


def _files(path: Path) -> tuple[Path, Path]:
    """Return the files of numbers and of labels: those that the configuration names, else the usual ones."""
    named: dict[str, str] = {}
    if (path / _CONFIG).is_file():
        text = (path / _CONFIG).read_text(encoding="utf-8", errors="replace")
        named = dict(
            re.findall(r'(tensor_path|metadata_path)\s*:\s*"([^"]+)"', text)[::-1]
        )  # the first of each
    return (
        _file(path, named.get("tensor_path"), _VECTOR_NAMES),
        _file(path, named.get("metadata_path"), _LABEL_NAMES),
    )


def _file(path: Path, name: str | None, usual: tuple[str, ...]) -> Path:
    found = _first_there(path, usual) if name is None else path / name
    if found is None or not _is_file(found):
        expected = f"a file {usual[0]}, or one that {_CONFIG} names"
        raise damaged(
            path, None, expected, "none" if found is None else f"no file {name!r}", advice="Add it."
        )
    return found


def read_projector(path: Path, wanted: Wanted) -> Record:
    """Return the record of a projector folder; of several columns of metadata the first holds the keys."""
    vectors, labels = _files(path)
    matrix = _read_numbers(vectors)
    rows = labels.read_bytes().decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    if len(rows) == len(matrix) + 1 and "\t" in rows[0]:
        names, rows = rows[0].split("\t"), rows[1:]
    else:
        names = ["label"]
    if len(rows) != len(matrix):
        raise damaged(
            labels, len(rows), f"{len(matrix):,} labels, one per vector", f"{len(rows):,}", unit="line"
        )
    fields = [row.removesuffix("\r").split("\t") for row in rows]
    counts = None
    if "count" in names[1:]:
        at = names.index("count")
        try:
            counts = np.array([int(row[at]) for row in fields], np.int64)
        except (ValueError, IndexError, OverflowError) as error:
            raise damaged(
                labels, None, "a whole number in column `count`", f"{error}", unit="line"
            ) from error
    del wanted
    return Record([row[0] for row in fields], matrix, counts)


def _read_numbers(path: Path) -> NDArray[np.float32]:
    """Read lines of numbers divided by tabs: as lines of an empty key and numbers divided by spaces."""
    with Source(path) as source:
        raw = bytearray()
        while part := source.read(1 << 24):
            raw += part
    first = bytes(raw[: raw.find(b"\n") + 1])
    if not first.strip():
        raise damaged(path, 1, "lines of numbers divided by tabs", f"{bytes(raw[:40])!r}", unit="line")
    dim = first.count(b"\t") + 1
    lines = b"\n".join(
        b" " + line.replace(b"\t", b" ") for line in bytes(raw).removesuffix(b"\n").split(b"\n")
    )
    _, matrix = read_lines(_Text(path, lines + raw[-1:]), dim, Wanted())
    return matrix


class _Text(Source):
    """Lines that are in memory already, under the name of the file they came from."""

    def __init__(self, path: Path, raw: bytes) -> None:
        self.path, self.position, self.size, self._raw = path, 0, len(raw), raw

    def read_into(self, buffer: memoryview) -> int:
        part = self._raw[self.position : self.position + len(buffer)]
        buffer[: len(part)] = part
        self.position += len(part)
        return len(part)


def write_projector(record: Record, path: Path) -> None:
    """Write a folder for the projector."""
    import pyarrow as pa

    refuse_keys(record.keys, "TSV for the projector", forbidden="\t\n\r")
    path.mkdir()
    matrix = np.ascontiguousarray(record.floats(), np.float32)
    n, dim = matrix.shape
    with (path / "vectors.tsv").open("w", encoding="utf-8", newline="\n") as file:
        for row in matrix:
            file.write("\t".join(pa.array(row).cast(pa.string()).to_pylist()) + "\n")
    with (path / "metadata.tsv").open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        columns = _columns_of(record)
        if len(columns) > 1:
            file.write("\t".join(columns) + "\n")
        file.writelines("\t".join(row) + "\n" for row in zip(*columns.values(), strict=True))
    (path / _CONFIG).write_text(
        "embeddings {\n"
        f'  tensor_name: "vectors ({n} x {dim})"\n'
        '  tensor_path: "vectors.tsv"\n'
        '  metadata_path: "metadata.tsv"\n'
        "}\n",
        encoding="utf-8",
    )


def _columns_of(record: Record) -> dict[str, Iterable[str]]:
    """Return the columns of the metadata as text: keys, counts, and further columns of one value a row."""
    columns: dict[str, Iterable[str]] = {"key": cast("Sequence[str]", record.keys)}
    if record.counts is not None:
        columns["count"] = map(str, record.counts.tolist())
    for name, values in record.columns.items():
        array = np.asarray(values)
        if array.ndim == 1 and array.dtype.kind in "biufUO" and not _holds_parts(array):
            columns[_one_field(name)] = map(_one_field, array.tolist())
    return columns


def _holds_parts(array: NDArray[Any]) -> bool:
    return array.dtype.kind == "O" and any(isinstance(v, dict | list | tuple | np.ndarray) for v in array)


def _one_field(value: Any) -> str:
    """Return a value as it stands between two tabs; what is not known leaves the field empty."""
    if value is None or value != value:  # noqa: PLR0124  (NaN is not itself)
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


FORMAT = Format(
    name="projector",
    title="TensorBoard projector folder",
    suffixes=(),
    is_this=is_projector,
    read=read_projector,
    write=write_projector,
    layout="folder",
    holds=frozenset({"counts", "columns"}),
)
