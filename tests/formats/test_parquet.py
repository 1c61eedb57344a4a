import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plectrum import formats
from plectrum.errors import FormatError
from plectrum.formats import Record


@pytest.fixture
def place(tmp_path):
    return tmp_path / "w.parquet"


def test_columns_are_what_other_tools_expect(place):
    record = Record(["a", "b"], np.eye(2, dtype=np.float32), counts=np.array([5, 2]))
    formats.write(record, place, columns={"x": np.array([0.5, 1.5]), "kind": ["p", "q"]})
    schema = pq.read_schema(place)
    assert schema.names == ["key", "count", "vector", "x", "kind"]
    assert schema.field("vector").type == pa.list_(pa.float32(), 2)
    frame = pl.read_parquet(place)
    assert frame["vector"].dtype == pl.Array(pl.Float32, 2)
    assert frame["count"].to_list() == [5, 2]


def test_further_columns_come_back(place):
    formats.write(Record(["a", "b"], np.eye(2)), place, columns={"x": np.array([0.5, 1.5])})
    np.testing.assert_array_equal(formats.read(place).columns["x"], [0.5, 1.5])
    assert formats.read(place, keys=["b"]).columns["x"].tolist() == [1.5]


def test_a_file_of_another_tool_is_read(place):
    frame = pl.DataFrame({"key": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]]})
    frame.write_parquet(place)
    np.testing.assert_array_equal(formats.read(place).matrix, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "frame",
    [
        {"word": ["a"], "vector": [[1.0]]},
        {"key": ["a"], "vector": ["1.0"]},
        {"key": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]},
        {"key": ["a", "b"], "vector": [[1.0], None]},
        {"key": ["a", "b"], "vector": [[1.0], [None]]},
        {"key": ["a", None], "vector": [[1.0], [2.0]]},
    ],
)
def test_columns_that_hold_no_vectors_are_refused(place, frame):
    pl.DataFrame(frame).write_parquet(place)
    with pytest.raises(FormatError, match=r"w\.parquet"):
        formats.read(place)
