"""Parquet: columns ``key``, ``count`` and ``vector``, which SQL engines and frames read as they are.

``vector`` is a fixed-size list of floats; ``key`` has Arrow's own type when all keys are of one type, else it
is text holding each key's JSON. The unknown and missing vectors, and the metadata, stand in the schema's
metadata under ``plectrum``. Any further columns are kept.
"""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._keys import keys_from_json, keys_to_json
from plectrum.formats._record import Record

_MAGIC = b"PAR1"
_OWN_COLUMNS = ("key", "count", "vector")
_ARROW_HOLDS = (str, bool, int, float, bytes, dt.datetime, dt.date)


def is_parquet(path: Path, head: bytes) -> bool:
    """Whether a file begins as Parquet does."""
    del path
    return head[:4] == _MAGIC


def read_parquet(path: Path, wanted: Wanted) -> Record:
    """Return the record of a Parquet file with a column of vectors."""
    del wanted
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, memory_map=True, page_checksum_verification=True)
        vectors = table["vector"].combine_chunks() if "vector" in table.column_names else None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, None, "a whole Parquet file", str(error).splitlines()[0]) from error
    if vectors is None or "key" not in table.column_names:
        raise damaged(
            path,
            None,
            "Parquet columns `key` and `vector`",
            f"columns {', '.join(table.column_names) or 'none'}",
            advice="Rename the columns.",
        )
    about = _about(path, table.schema)
    matrix = _matrix(path, vectors)
    further = {name: table[name].to_numpy() for name in table.column_names if name not in _OWN_COLUMNS}
    counts = table["count"].to_numpy() if "count" in table.column_names else None
    return Record(
        _read_keys(path, table["key"], about),
        matrix,
        None if counts is None or counts.dtype.kind not in "iu" else counts.astype(np.int64, copy=False),
        _vector_of(about.get("unknown"), matrix),
        _vector_of(about.get("missing"), matrix),
        about.get("metadata", {}),
        further,
    )


def _about(path: Path, schema: Any) -> dict[str, Any]:
    raw = (schema.metadata or {}).get(b"plectrum", b"{}")
    try:
        about = json.loads(raw)
        if not isinstance(about, dict) or not isinstance(about.get("metadata", {}), dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise damaged(path, None, "schema metadata `plectrum` in JSON", f"{raw[:40]!r}") from error
    return about


def _matrix(path: Path, vectors: Any) -> NDArray[Any]:
    import pyarrow as pa

    kind = vectors.type
    is_list = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not is_list or not pa.types.is_floating(kind.value_type):
        raise damaged(path, None, "a column `vector` of lists of floats", f"type {kind}")
    values = vectors.flatten()
    n = len(vectors)
    dim = kind.list_size if pa.types.is_fixed_size_list(kind) else (len(values) // n if n else 0)
    lengths_agree = pa.types.is_fixed_size_list(kind) or len(set(vectors.value_lengths().to_pylist())) <= 1
    if vectors.null_count or values.null_count or not lengths_agree or len(values) != n * dim:
        raise damaged(
            path, None, "vectors of one length and without nulls", f"{vectors.null_count} nulls, {kind}"
        )
    matrix: NDArray[Any] = values.to_numpy(zero_copy_only=False).reshape(n, dim)
    return matrix


def _read_keys(path: Path, column: Any, about: dict[str, Any]) -> list[Any]:
    try:
        keys: list[Any] = column.to_pylist()
    except (ValueError, OverflowError) as error:
        raise damaged(path, None, "readable keys", f"{error}") from error
    if about.get("keys") == "json":
        try:
            return keys_from_json([json.loads(key) for key in keys])
        except (TypeError, ValueError) as error:
            raise damaged(path, None, "keys in JSON", str(error)) from error
    if column.null_count:
        raise damaged(path, None, "a key in every row", f"{column.null_count:,} nulls in column `key`")
    return keys


def _vector_of(values: Any, matrix: NDArray[Any]) -> NDArray[Any] | None:
    return None if values is None else np.asarray(values, matrix.dtype)


def write_parquet(record: Record, path: Path) -> None:
    """Write a record as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    matrix = record.floats()
    n, dim = matrix.shape
    keys, how = _arrow_keys(record.keys)
    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1))
    arrays = {"key": keys}
    if record.counts is not None:
        arrays["count"] = pa.array(np.asarray(record.counts, np.int64))
    arrays["vector"] = (
        pa.FixedSizeListArray.from_arrays(flat, dim) if dim else pa.array([[]] * n, pa.list_(flat.type, 0))
    )
    arrays |= {
        name: column if isinstance(column, pa.Array) else pa.array(column)
        for name, column in record.columns.items()
    }
    about = {
        "version": 1,
        "keys": how,
        "unknown": _as_list(record.unknown),
        "missing": _as_list(record.missing),
        "metadata": record.metadata,
    }
    table = pa.table(arrays).replace_schema_metadata({"plectrum": json.dumps(about)})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_page_checksum=True)


def _arrow_keys(keys: Any) -> tuple[Any, str]:
    """Return the keys as an Arrow array: of their own type when that brings them back, else as JSON."""
    import pyarrow as pa

    if len({type(key) for key in keys}) == 1 and isinstance(keys[0], _ARROW_HOLDS):
        try:
            array = pa.array(keys)
            if array.to_pylist() == list(keys):
                return array, "arrow"
        except (pa.ArrowException, OverflowError, UnicodeError):
            pass  # an integer beyond 64 bits, a lone surrogate: JSON holds them
    return pa.array([json.dumps(value) for value in keys_to_json(keys)], pa.string()), "json"


def _as_list(vector: Any) -> list[float] | None:
    return None if vector is None else np.asarray(vector, np.float64).tolist()


FORMAT = Format(
    name="parquet",
    title="Parquet",
    suffixes=(".parquet", ".pq"),
    is_this=is_parquet,
    read=read_parquet,
    write=write_parquet,
    keys="any",
    holds=frozenset({"counts", "unknown", "missing", "columns", "dtype"}),
)
