"""plectrum's own format: one safetensors file whose matrix is mapped into memory when it is opened.

Layout (safetensors: 8 bytes little-endian length of a JSON header, the header, then the tensors' bytes):

- ``matrix`` (n, dim), 64-byte aligned in the file; float16, float32, float64, or int8 with ``scales`` (n,).
- ``counts`` int64 (n,), ``unknown`` (dim,), ``missing`` (dim,): only when known.
- Keys. All text: ``key_bytes`` uint8 (UTF-8, one after the other) and ``key_ends`` int64 (n,), decoded when
  they are first looked into. Otherwise a JSON list in the metadata, each key with its type (`keys_to_json`).
- ``ngrams`` (n_ngram_rows, dim) and, if pruned, ``ngrams_kept`` int64 (2, n_kept): vectors for other words.
- Metadata entry ``plectrum``: a JSON object with ``version``, ``keys`` or null, ``metadata``, and
``subwords``
  (``min_n``, ``max_n``, ``bucket``) when there are n-grams.

Other safetensors readers open the file as well. No pickle anywhere.
"""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._keys import keys_from_json, keys_to_json
from plectrum.formats._record import Record
from plectrum.formats._subwords import Subwords
from plectrum.formats._text_keys import TextKeys, pack_text_keys

_VERSION = 1
_ALIGNMENT = 64
_NUMPY_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(numpy): name for name, numpy in _NUMPY_TYPES.items() if name != "BF16"}


# ------------------------------------------------------------------------------------ safetensors


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return a safetensors file's JSON header and the offset at which its tensors start."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise damaged(
                path, 0, "8 bytes that say how long the safetensors header is", f"{len(start)} bytes"
            )
        (length,) = struct.unpack("<Q", start)
        if length > size - 8:
            raise damaged(
                path, 0, f"a header of at most {size - 8:,} bytes, what the file has left", f"{length:,}"
            )
        raw = file.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise damaged(path, 8, "a JSON header of safetensors", f"{raw[:24]!r} ({error})") from error
    if not isinstance(header, dict):
        raise damaged(path, 8, "a JSON object as safetensors header", type(header).__name__)
    return header, 8 + length


def map_tensor(path: Path, header: dict[str, Any], start: int, name: str) -> NDArray[Any]:
    """Return one tensor of a safetensors file as a read-only memory map; BF16 comes as float32 (copied)."""
    entry: Any = header.get(name)
    try:
        dtype, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        numpy_type = np.dtype(_NUMPY_TYPES[dtype])
        n_values = 1
        for length in shape:
            n_values *= _as_count(length)
        first, last = _as_count(first), _as_count(last)
    except (TypeError, KeyError, ValueError) as error:
        raise damaged(
            path, 8, f"a safetensors entry for {name!r} with dtype, shape and data_offsets", f"{entry!r:.120}"
        ) from error
    if last - first != n_values * numpy_type.itemsize:
        expected = f"{n_values * numpy_type.itemsize:,} bytes for {name!r} of shape {shape} and type {dtype}"
        raise damaged(path, start + first, expected, f"{last - first:,} bytes")
    size = path.stat().st_size
    if start + last > size:
        raise damaged(
            path, start + first, f"{last - first:,} bytes of {name!r}", f"{max(size - start - first, 0):,}"
        )
    if n_values == 0:
        return np.zeros(shape, numpy_type)
    mapped = np.memmap(path, numpy_type, "r", start + first, shape)
    if dtype == "BF16":
        return (mapped.astype(np.uint32) << 16).view(np.float32)
    return mapped


def _as_count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def write_safetensors(path: Path, tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> None:
    """Write a safetensors file whose first tensor starts at a multiple of 64 bytes; copies no tensor."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": _NAMES[tensor.dtype.newbyteorder("<")],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-(8 + len(raw)) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        for tensor in tensors.values():
            _write_array(file, tensor)


def _write_array(file: BinaryIO, array: NDArray[Any]) -> None:
    rows_at_once = max(1, (1 << 24) // max(1, array[:1].nbytes))
    for first in range(0, len(array), rows_at_once):
        part = array[first : first + rows_at_once]
        file.write(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).data.cast("B"))


# ------------------------------------------------------------------------------------ plectrum's layout


def is_native(path: Path, head: bytes) -> bool:
    """Whether a file is safetensors with plectrum's metadata."""
    return len(head) > 8 and head[8:9] == b"{" and _is_ours(path)


def _is_ours(path: Path) -> bool:
    try:
        header, _ = read_header(path)
    except ValueError:
        # What begins like safetensors and is not: damaged, and reading will say where.
        with path.open("rb") as file:
            return b'"plectrum"' in file.read(4096)
    return "matrix" in header and "plectrum" in (header.get("__metadata__") or {})


def read_native(path: Path, wanted: Wanted) -> Record:
    """Return the record of a native file; the matrix is a read-only memory map of it."""
    del wanted  # mapping costs the same for any number of rows
    header, start = read_header(path)
    about = _about(path, header)
    matrix = map_tensor(path, header, start, "matrix")
    if matrix.ndim != 2:
        raise damaged(path, start, "a matrix of two dimensions", f"shape {matrix.shape}")
    n, dim = matrix.shape
    keys = _read_keys(path, header, start, about, n)
    parts = {
        name: _optional(path, header, start, name, shape)
        for name, shape in {"counts": (n,), "unknown": (dim,), "missing": (dim,)}.items()
    }
    subwords = _read_subwords(path, header, start, about, dim)
    scales = _optional(path, header, start, "scales", (n,))
    if (matrix.dtype == np.int8) != (scales is not None) or matrix.dtype.kind not in "fi":
        raise damaged(path, start, "a matrix of floats, or of int8 with `scales`", f"type {matrix.dtype}")
    return Record(keys, matrix, **parts, metadata=about["metadata"], scales=scales, subwords=subwords)


def _about(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    try:
        about = json.loads(header["__metadata__"]["plectrum"])
        version, metadata = about["version"], about.setdefault("metadata", {})
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(
            path, 8, "a metadata entry `plectrum` that is a JSON object", f"{error!r:.80}"
        ) from error
    if version != _VERSION or not isinstance(metadata, dict):
        raise damaged(
            path,
            8,
            f"version {_VERSION} of the native format",
            f"version {version!r}",
            advice="Update plectrum.",
        )
    return dict(about)


def _read_keys(
    path: Path, header: dict[str, Any], start: int, about: dict[str, Any], n: int
) -> Sequence[Any]:
    if about.get("keys") is not None:
        if not isinstance(about["keys"], list) or len(about["keys"]) != n:
            raise damaged(path, 8, f"a list of {n:,} keys", f"{about['keys']!r:.60}")
        return keys_from_json(about["keys"])
    blob = map_tensor(path, header, start, "key_bytes")
    ends = map_tensor(path, header, start, "key_ends")
    if blob.ndim != 1 or blob.dtype != np.uint8 or ends.shape != (n,) or ends.dtype != np.int64:
        raise damaged(
            path, start, f"`key_bytes` and {n:,} `key_ends`", f"shapes {blob.shape} and {ends.shape}"
        )
    return TextKeys(blob, ends, path)


def _optional(path: Path, header: dict[str, Any], start: int, name: str, shape: tuple[int, ...]) -> Any:
    if name not in header:
        return None
    found = map_tensor(path, header, start, name)
    if found.shape != shape:
        raise damaged(path, start, f"{name!r} of shape {shape}", f"shape {found.shape}")
    return found


def _read_subwords(
    path: Path, header: dict[str, Any], start: int, about: dict[str, Any], dim: int
) -> Subwords | None:
    how = about.get("subwords")
    if how is None:
        return None
    table = map_tensor(path, header, start, "ngrams")
    kept = map_tensor(path, header, start, "ngrams_kept") if "ngrams_kept" in header else None
    try:
        min_n, max_n, bucket = (_as_count(how[name]) for name in ("min_n", "max_n", "bucket"))
        if table.ndim != 2 or table.shape[1] != dim or table.dtype.kind != "f":
            raise ValueError(f"a table of shape {table.shape}")
        if kept is not None and (
            kept.ndim != 2 or len(kept) != 2 or kept.dtype != np.int64 or kept.min(initial=0) < 0
        ):
            raise ValueError(f"kept n-grams of shape {kept.shape}")
        return Subwords(table, min_n, max_n, bucket, kept=kept)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(
            path, start, f"`ngrams` of {dim} dimensions and their description", f"{error}"
        ) from error


def write_native(record: Record, path: Path) -> None:
    """Write a record in the native format."""
    matrix = record.matrix if record.scales is not None else record.floats()
    tensors: dict[str, NDArray[Any]] = {"matrix": matrix}
    if record.scales is not None:
        tensors["scales"] = np.asarray(record.scales, np.float32)
    keys_as_json = None
    if all(type(key) is str for key in record.keys):
        blob, ends = pack_text_keys(record.keys)
        tensors |= {"key_ends": ends}
    else:
        blob, keys_as_json = None, keys_to_json(record.keys)
    if record.counts is not None:
        tensors["counts"] = np.asarray(record.counts, np.int64)
    if record.subwords is not None:
        tensors["ngrams"] = record.subwords.ngram_table()
        if record.subwords.kept is not None:
            tensors["ngrams_kept"] = np.ascontiguousarray(record.subwords.kept)
    for name in ("unknown", "missing"):
        vector = getattr(record, name)
        if vector is not None:
            tensors[name] = np.asarray(vector, np.float32 if matrix.dtype == np.int8 else matrix.dtype)
    if blob is not None:
        tensors["key_bytes"] = blob  # last: its length would break the alignment of what follows
    about = {"version": _VERSION, "keys": keys_as_json, "metadata": record.metadata}
    if record.subwords is not None:
        how = record.subwords
        about["subwords"] = {"min_n": how.min_n, "max_n": how.max_n, "bucket": how.bucket}
    write_safetensors(path, tensors, {"format": "plectrum", "plectrum": json.dumps(about)})


FORMAT = Format(
    name="native",
    title="plectrum's safetensors",
    suffixes=(".safetensors",),
    is_this=is_native,
    read=read_native,
    write=write_native,
    keys="any",
    holds=frozenset({"counts", "unknown", "missing", "dtype", "subwords"}),
)
