import datetime as dt
import lzma
import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from plectrum.errors import ArgumentError, MissingColumnError
from plectrum.frames import column_kinds, read

ROOT = Path(__file__).parents[2]
TABULAR = ROOT / ".." / "shared" / "data" / "tabular"
N = 400
rng = np.random.default_rng(0)


def kind(values, name="x"):
    return column_kinds(pd.DataFrame({name: values}))[name]


def many(*values):
    return [values[n % len(values)] for n in range(N)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (many("a", "b", "c"), "categorical"),
        (many("a", None), "categorical"),
        (many(True, False), "boolean"),
        (many(True, False, None), "boolean"),
        (many(0, 1), "boolean"),
        (many(0.0, 1.0, None), "boolean"),
        (many(1, 2, 3), "categorical"),
        (many(1.0, 2.0, None), "categorical"),
        (many(0.5, 1.5), "numeric"),
        (many(Decimal("0.5"), Decimal("1.5")), "numeric"),
        (rng.normal(size=N), "numeric"),
        (rng.integers(18, 90, N), "numeric"),
        (rng.integers(0, 2, N) * 1e12, "categorical"),
        (many(1.0, float("inf")), "numeric"),
        (many(dt.date(2013, 1, 1), dt.date(2013, 1, 2)), "date"),
        (many(dt.datetime(2013, 1, 1), None, dt.datetime(2013, 1, 2, 5)), "date"),
        (many("2013-01-01", "2013-01-31", None), "date"),
        (many("2013-01-01 05:00:00Z", "2013-01-31T06:00:00+02:00"), "date"),
        (many("01/31/2013", "02/01/2013"), "date"),
        (many("31.01.2013", "1.2.2013"), "date"),
        (many("01/02/2013", "02/01/2013"), "categorical"),
        (many("31.02.2013", "01.01.2013"), "categorical"),
        (many("2013-01-01", "soon"), "categorical"),
        (many("1-2", "3-4"), "categorical"),
        (many(dt.timedelta(1), dt.timedelta(2)), "numeric"),
        (many(None), "ignored"),
        (many("same"), "ignored"),
        (many(7), "ignored"),
        ([f"id-{n}" for n in range(N)], "ignored"),
        ([f"id-{n}" for n in range(N - 10)] + ["id-0"] * 10, "ignored"),
        (range(N), "ignored"),
        (np.arange(N)[::-1] + 1000, "ignored"),
        (many("a", 1, None), "categorical"),
        (many([1], [2]), "ignored"),
        (many(uuid.UUID(int=1), uuid.UUID(int=2)), "ignored"),
        (pd.cut(np.arange(N), 5), "categorical"),
        (pd.arrays.SparseArray(many(0, 0, 1)), "boolean"),
        (pd.period_range("1990-01", periods=N, freq="D"), "date"),
        (pd.date_range("2013-01", periods=N, tz="America/New_York"), "date"),
    ],
)
def test_what_a_column_is(values, expected):
    found = kind(values)
    assert found.kind == expected, found
    assert found.why


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("store_id", "categorical"),
        ("StoreId", "categorical"),
        ("zip", "categorical"),
        ("PULocationID", "categorical"),
        ("Postal Code", "categorical"),
        ("hour of day", "categorical"),
        ("width", "numeric"),
        ("paid", "numeric"),
        ("horsepower", "numeric"),
    ],
)
def test_whole_numbers_are_names_when_the_column_is_called_so(name, expected):
    assert kind(rng.integers(100, 190, N), name).kind == expected


def test_a_column_of_unique_ids_is_ignored_even_when_it_has_gaps():
    assert kind(rng.permutation(10 * N)[:N], "order_id").kind == "ignored"


def test_a_numbering_of_things_is_told_from_amounts():
    shops = rng.choice(rng.permutation(np.repeat(np.arange(1, 301), rng.integers(1, 60, 300))), 20_000)
    minutes = np.minimum(rng.poisson(rng.gamma(5, 12, 20_000)), 400)
    frame = pd.DataFrame({"a": shops, "b": minutes, "c": rng.integers(20, 700, 20_000)})
    kinds = column_kinds(frame)
    assert [kinds[name].kind for name in "abc"] == ["categorical", "numeric", "numeric"]
    assert "numbers something from 1 to 300" in kinds["a"].why


def test_few_rows_are_not_judged_by_chance():
    assert kind(["a", "b", "c"]).kind == "categorical"
    assert kind([3, 1, 2]).kind == "numeric"
    assert kind(["a"]).kind == "categorical"


def test_a_frame_without_rows_is_judged_by_its_types():
    table = pa.table(
        {"s": pa.array([], pa.string()), "f": pa.array([], pa.float64()), "d": pa.array([], pa.date32())}
    )
    assert {name: k.kind for name, k in column_kinds(table).items()} == {
        "s": "categorical",
        "f": "numeric",
        "d": "date",
    }


COLUMNS = {
    "text": many("a", "b", None),
    "number": [n / 7 for n in range(N)],
    "whole": many(1, 2, None),
    "flag": many(True, False),
    "day": many(dt.date(2013, 1, 1), dt.date(2013, 1, 2), None),
}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS, dtype=object),
        pd.DataFrame(COLUMNS).convert_dtypes(),
        pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
        pl.DataFrame(COLUMNS),
        pa.table(COLUMNS),
        pa.table({**COLUMNS, "text": pa.array(COLUMNS["text"]).dictionary_encode()}),
    ],
)
def test_kinds_do_not_depend_on_the_library(frame):
    kinds = column_kinds(frame)
    assert {name: k.kind for name, k in kinds.items()} == {
        "text": "categorical",
        "number": "numeric",
        "whole": "categorical",
        "flag": "boolean",
        "day": "date",
    }
    assert [k.n_levels for k in kinds.values()] == [2, N, 2, 2, 2]
    assert [k.n_missing for k in kinds.values()] == [N // 3, 0, N // 3, 0, N // 3]


def test_declared_levels_that_no_row_has_are_not_counted():
    frame = pd.DataFrame({"x": pd.Categorical(many("a", "b"), categories=["z", "b", "a", "y"])})
    assert column_kinds(frame)["x"].n_levels == 2


def test_overrides_are_taken_and_checked():
    frame = pd.DataFrame({"age": rng.integers(18, 90, N), "id": range(N)})
    kinds = column_kinds(frame, {"age": "categorical", "id": "numeric"})
    assert [(k.kind, k.why) for k in kinds.values()] == [
        ("categorical", "you said so"),
        ("numeric", "you said so"),
    ]
    with pytest.raises(MissingColumnError, match=r"'aeg'.*Did you mean 'age'"):
        column_kinds(frame, {"aeg": "categorical"})
    with pytest.raises(ArgumentError, match=r"'age' must be one of categorical, .*; got 'text'"):
        column_kinds(frame, {"age": "text"})


def test_the_flights_are_judged_as_a_reader_would():
    kinds = column_kinds(read(ROOT / "examples" / "data" / "flights.parquet"))
    assert {name: k.kind for name, k in kinds.items()} == {
        "date": "date",
        "carrier": "categorical",
        "tailnum": "categorical",
        "origin": "categorical",
        "dest": "categorical",
        "hour": "categorical",
        "air_time": "numeric",
    }


@pytest.mark.skipif(not TABULAR.exists(), reason="the real data of ../shared/data are not here")
def test_students_and_lecturers_are_names_though_they_are_numbers():
    kinds = column_kinds(read(TABULAR / "InstEval.csv.xz"))
    assert {name: k.kind for name, k in kinds.items()} == {
        "rownames": "ignored",
        "s": "categorical",
        "d": "categorical",
        "studage": "categorical",
        "lectage": "categorical",
        "service": "boolean",
        "dept": "categorical",
        "y": "categorical",
    }


@pytest.mark.skipif(not TABULAR.exists(), reason="the real data of ../shared/data are not here")
def test_the_columns_of_adult_are_judged_as_a_reader_would(tmp_path):
    names = (
        "age workclass fnlwgt education education_num marital occupation relationship race sex gain loss "
        "hours country income"
    )
    rows = lzma.decompress((TABULAR / "adult.data.xz").read_bytes())
    (tmp_path / "adult.csv").write_bytes(names.replace(" ", ",").encode() + b"\n" + rows)
    kinds = column_kinds(read(tmp_path / "adult.csv"))
    numeric = {name for name, k in kinds.items() if k.kind == "numeric"}
    assert numeric == {"age", "fnlwgt", "gain", "loss", "hours"}
    assert {k.kind for name, k in kinds.items() if name not in numeric} == {"categorical"}
