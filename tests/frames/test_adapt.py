import datetime as dt

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from plectrum.errors import ArgumentError, ArgumentTypeError, DataError
from plectrum.frames import as_frame

ROWS = [("a", 1), ("b", 2)]
COLUMNS = {"k": ["a", "b"], "n": [1, 2]}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(COLUMNS),
        pl.DataFrame(COLUMNS),
        pa.table(COLUMNS),
        pa.RecordBatch.from_pydict(COLUMNS),
        nw.from_native(pa.table(COLUMNS)),
    ],
    ids=lambda frame: type(frame).__module__,
)
def test_every_frame_is_taken_without_change(frame):
    taken = as_frame(frame)
    assert taken.columns == ["k", "n"]
    assert taken.rows() == ROWS


def test_columns_of_an_array_are_called_as_scikit_learn_calls_them():
    assert as_frame(np.arange(6).reshape(2, 3)).columns == ["x0", "x1", "x2"]
    assert as_frame([[1, 2.5], [3, 4.5]]).rows() == [(1, 2.5), (3, 4.5)]
    assert as_frame(np.zeros((0, 2))).shape == (0, 2)
    assert as_frame(np.zeros((3, 0))).columns == []


def test_objects_keep_their_types_column_by_column():
    day = dt.date(2013, 1, 31)
    array = np.array([["a", 1, True, day], [None, 2, None, None], [np.nan, 3, False, day]], object)
    assert as_frame(array).rows() == [("a", 1, True, day), (None, 2, None, None), (None, 3, False, day)]
    assert as_frame([["a", 1], ["b", 2]]).rows() == ROWS


@pytest.mark.parametrize(
    "values", [["a", 1], ["a", b"b"], [1, True], [[1], [2, 3]], [1, dt.date(2013, 1, 1)]]
)
def test_a_column_of_several_types_is_refused_in_an_array(values):
    array = np.empty((2, 1), object)
    array[:, 0] = values
    if isinstance(values[0], list):
        assert as_frame(array).schema["x0"].is_nested()
        return
    with pytest.raises(DataError, match=r"Column 0 of `X` .* one type; got "):
        as_frame(array)


def test_names_that_are_no_strings_become_strings_and_the_frame_stays_as_it_was():
    frame = pd.DataFrame([[1, 2]])
    assert as_frame(frame).columns == ["0", "1"]
    assert list(frame.columns) == [0, 1]
    with pytest.raises(DataError, match="'1' is the name of columns 1 and 2"):
        as_frame(pd.DataFrame([[1, 2]], columns=[1, "1"]))


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), pa.table([[1], [2], [3]], names=["a", "b", "a"])],
)
def test_two_columns_of_one_name_are_refused(frame):
    with pytest.raises(DataError, match="'a' is the name of columns 1 and 3 of 3"):
        as_frame(frame)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (pd.Series([1]), r"to_frame\(\)"),
        (pl.Series([1]), r"to_frame\(\)"),
        (pl.LazyFrame({"a": [1]}), r"X\.collect\(\)"),
        ("data.csv", "got a str"),
        (None, "got a NoneType"),
        ({"a": [1]}, "got a dict"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_frame_is_refused_with_advice(wrong, advice):
    with pytest.raises(ArgumentTypeError, match=advice):
        as_frame(wrong)


def test_sparse_complex_and_wrongly_shaped_arrays_are_refused():
    import scipy.sparse as sparse

    with pytest.raises(ArgumentTypeError, match="sparse csr_array of shape"):
        as_frame(sparse.csr_array(np.eye(2)))
    with pytest.raises(ArgumentError, match="Complex data not supported"):
        as_frame(np.ones((2, 2), complex))
    for shape in [(3,), (), (2, 2, 2)]:
        with pytest.raises(ArgumentError, match=r"two-dimensional.*Reshape your data"):
            as_frame(np.zeros(shape))
