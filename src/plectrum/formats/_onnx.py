"""ONNX that takes strings and returns vectors: LabelEncoder (string to row), then Gather (row to vector).

Input ``keys``, a tensor of strings of any shape; output ``vectors``, of that shape and (embedding_dim,). Row
0 is the unknown vector, which any string that is no key gets. Written and read without the `onnx` package:
the file is a protocol buffer of two nodes. Source: onnx.proto; operators ai.onnx.ml.LabelEncoder-2 and
Gather-13.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plectrum.errors import ArgumentError
from plectrum.formats._damage import damaged
from plectrum.formats._format import Format, Wanted
from plectrum.formats._protobuf import Message, bytes_field, length_field, number_field
from plectrum.formats._record import Record

_FLOAT, _STRING = 1, 8  # TensorProto.DataType
_INT_ATTRIBUTE, _INTS_ATTRIBUTE, _STRINGS_ATTRIBUTE = 2, 7, 8  # AttributeProto.AttributeType
_LARGEST = (1 << 31) - 1  # bytes; a protocol buffer cannot be longer


def is_onnx(path: Path, head: bytes) -> bool:
    """Whether a file is an ONNX model that begins by turning strings into rows."""
    del path
    return head[:1] == b"\x08" and b"LabelEncoder" in head and b"ai.onnx.ml" in head


# ------------------------------------------------------------------------------------ writing


def write_onnx(record: Record, path: Path) -> None:
    """Write a model that onnxruntime and any other runtime with ai.onnx.ml can run."""
    matrix = record.floats().astype("<f4", copy=False)
    n, dim = matrix.shape
    for position, key in enumerate(record.keys):
        try:
            str(key).encode("utf-8")
        except UnicodeEncodeError as error:
            raise ArgumentError(
                f"`keys` written as ONNX must be UTF-8 text; got {key!r} at position {position:,}. Replace "
                "it."
            ) from error
    unknown = np.zeros(dim, "<f4") if record.unknown is None else np.asarray(record.unknown, "<f4")
    nodes = bytes_field(1, _encoder_node(record)) + bytes_field(1, _gather_node())
    shape = bytes_field(1, bytes_field(2, "n"))
    ends = (
        bytes_field(2, "plectrum")
        + bytes_field(11, _value("keys", _STRING, shape))
        + bytes_field(12, _value("vectors", _FLOAT, shape + bytes_field(1, number_field(1, dim))))
    )
    tensor_head = (
        number_field(1, n + 1) + number_field(1, dim) + number_field(2, _FLOAT) + bytes_field(8, "table")
    )
    n_raw = 4 * (n + 1) * dim
    tensor_head += length_field(9, n_raw)
    n_tensor = len(tensor_head) + n_raw
    table_start = length_field(5, n_tensor)
    head = number_field(1, 8) + bytes_field(2, "plectrum")  # ir_version, producer_name
    for domain, version in (("", 13), ("ai.onnx.ml", 2)):
        head += bytes_field(8, bytes_field(1, domain) if domain else b"", number_field(2, version))
    if record.unknown is None:
        head += bytes_field(14, bytes_field(1, "plectrum.unknown"), bytes_field(2, "none"))
    n_graph = len(nodes) + len(ends) + len(table_start) + n_tensor
    if n_graph + len(head) > _LARGEST - 64:
        raise ArgumentError(
            f"`matrix` written as ONNX must fit into 2 GiB; got {n:,} x {dim:,}, {n_raw:,} bytes. Trim it "
            "first."
        )
    with path.open("wb") as file:
        file.write(head + length_field(7, n_graph) + nodes + ends + table_start + tensor_head)
        file.write(unknown.tobytes())
        for row in range(0, n, 65_536):
            file.write(np.ascontiguousarray(matrix[row : row + 65_536]).tobytes())


def _encoder_node(record: Record) -> bytes:
    strings = b"".join(bytes_field(9, str(key)) for key in record.keys)
    rows = b"".join(number_field(8, row + 1) for row in range(len(record.keys)))
    return (
        bytes_field(1, "keys")
        + bytes_field(2, "rows")
        + bytes_field(4, "LabelEncoder")
        + bytes_field(5, bytes_field(1, "keys_strings"), strings, number_field(20, _STRINGS_ATTRIBUTE))
        + bytes_field(5, bytes_field(1, "values_int64s"), rows, number_field(20, _INTS_ATTRIBUTE))
        + bytes_field(
            5, bytes_field(1, "default_int64"), number_field(3, 0), number_field(20, _INT_ATTRIBUTE)
        )
        + bytes_field(7, "ai.onnx.ml")
    )


def _gather_node() -> bytes:
    axis = bytes_field(5, bytes_field(1, "axis"), number_field(3, 0), number_field(20, _INT_ATTRIBUTE))
    return (
        bytes_field(1, "table")
        + bytes_field(1, "rows")
        + bytes_field(2, "vectors")
        + bytes_field(4, "Gather")
        + axis
    )


def _value(name: str, kind: int, shape: bytes) -> bytes:
    tensor = number_field(1, kind) + bytes_field(2, shape)
    return bytes_field(1, name) + bytes_field(2, bytes_field(1, tensor))


# ------------------------------------------------------------------------------------ reading


def read_onnx(path: Path, wanted: Wanted) -> Record:
    """Return the strings and vectors of an ONNX model of LabelEncoder and Gather."""
    del wanted
    raw = _mapped(path)
    graph, says_none = _graph(path, Message(path, raw, 0, len(raw)))
    nodes: dict[str, tuple[list[str], dict[str, Message]]] = {}
    tables: dict[str, NDArray[np.float32] | None] = {}
    for number, value in graph.fields():
        if number == 1 and isinstance(value, Message):
            kind, inputs, attributes = _node(value)
            nodes.setdefault(kind, (inputs, attributes))
        elif number == 5 and isinstance(value, Message):
            name, table = _tensor(value)
            tables[name] = table
    if "LabelEncoder" not in nodes or "Gather" not in nodes:
        raise damaged(path, graph.start, "the nodes LabelEncoder and Gather", f"{', '.join(nodes) or 'none'}")
    attributes = nodes["LabelEncoder"][1]
    keys = [value.text() for value in _values(attributes, "keys_strings", 9) if isinstance(value, Message)]
    rows = np.array([_signed(value) for value in _integers(attributes, "values_int64s", 8)], np.int64)
    unknown_row = next(map(_signed, _integers(attributes, "default_int64", 3)), 0)
    table_name = nodes["Gather"][0][:1]
    matrix = tables.get(table_name[0]) if table_name else None
    if matrix is None or matrix.ndim != 2:
        raise damaged(path, graph.start, "a matrix that Gather takes rows of", f"{table_name}")
    if len(rows) != len(keys) or (len(rows) and (rows.min() < 0 or rows.max() >= len(matrix))):
        raise damaged(
            path, graph.start, f"a row below {len(matrix):,} for each of {len(keys):,} keys", f"{len(rows)}"
        )
    unknown = matrix[unknown_row] if 0 <= unknown_row < len(matrix) and not says_none else None
    in_order = len(rows) > 0 and bool((np.diff(rows) == 1).all())
    taken = matrix[rows[0] : rows[-1] + 1] if in_order else matrix[rows]
    return Record(keys, taken, unknown=unknown)


def _mapped(path: Path) -> memoryview:
    with path.open("rb") as file:
        if not file.read(1):
            raise damaged(path, 0, "an ONNX model", "an empty file")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _graph(path: Path, model: Message) -> tuple[Message, bool]:
    """Return the graph, and whether the file says that its unknown vector is none."""
    graph, says_none = None, False
    for number, value in model.fields():
        if number == 7 and isinstance(value, Message):
            graph = value
        elif number == 14 and isinstance(value, Message):
            says_none = says_none or bytes(value.bytes()).find(b"plectrum.unknown") >= 0
    if graph is None:
        raise damaged(path, 0, "an ONNX model with a graph", "none")
    return graph, says_none


def _node(node: Message) -> tuple[str, list[str], dict[str, Message]]:
    """Return a node's operator, the names of its inputs, and its attributes."""
    kind, inputs, attributes = "", [], {}
    for number, value in node.fields():
        if not isinstance(value, Message):
            continue
        if number == 1:
            inputs.append(value.text())
        elif number == 4:
            kind = value.text()
        elif number == 5:
            name = next((v.text() for n, v in value.fields() if n == 1 and isinstance(v, Message)), "")
            attributes[name] = value
    return kind, inputs, attributes


def _values(attributes: dict[str, Message], name: str, number: int) -> Iterator[int | Message]:
    if name in attributes:
        yield from (value for n, value in attributes[name].fields() if n == number)


def _integers(attributes: dict[str, Message], name: str, number: int) -> Iterator[int]:
    for value in _values(attributes, name, number):
        if isinstance(value, Message):
            yield from value.packed()
        else:
            yield value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _tensor(tensor: Message) -> tuple[str, NDArray[np.float32] | None]:
    """Return an initializer's name and its matrix, a view of the file; None if it is no float32 matrix."""
    name, shape, kind, raw = "", [], 0, None
    for number, value in tensor.fields():
        if number == 1:
            shape += list(value.packed()) if isinstance(value, Message) else [value]
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8 and isinstance(value, Message):
            name = value.text()
        elif number == 9 and isinstance(value, Message):
            raw = value
    if kind != _FLOAT or raw is None or len(shape) != 2:
        return name, None
    if shape[0] * shape[1] * 4 != raw.end - raw.start:
        expected = f"{shape[0]:,} x {shape[1]:,} floats"
        raise damaged(tensor.path, raw.start, expected, f"{raw.end - raw.start:,} bytes")
    return name, np.frombuffer(raw.bytes(), "<f4").reshape(shape)


FORMAT = Format(
    name="onnx",
    title="string-in ONNX",
    suffixes=(".onnx",),
    is_this=is_onnx,
    read=read_onnx,
    write=write_onnx,
    holds=frozenset({"unknown"}),
)
