import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from plectrum.errors import MissingColumnError
from plectrum.frames import check, read

N = 600
rng = np.random.default_rng(0)


def frame(**columns):
    made = {
        "city": rng.choice(["Oslo", "Rome", "Lima"], N),
        "size": rng.normal(size=N),
        "y": rng.normal(size=N),
    }
    return pd.DataFrame(made | columns)


def found(data, target="y", column="y"):
    return [(f.severity, f.message) for f in check(data, target) if f.column == column]


def assert_found(data, severity, part, target="y", column="y"):
    """Some finding about the column has this severity and holds this part."""
    findings = found(data, target, column)
    assert any(s == severity and part in message for s, message in findings), findings


def test_the_assertion_can_fail():
    with pytest.raises(AssertionError):
        assert_found(frame(), "error", "constant")


def test_a_sound_frame_has_no_findings():
    assert check(frame(), "y") == []
    assert check(frame().drop(columns="y")) == []


def test_a_wrong_target_names_the_nearest_column():
    with pytest.raises(MissingColumnError, match=r"got 'Y '\. Did you mean 'y'"):
        check(frame(), "Y ")
    with pytest.raises(MissingColumnError, match="It has: city, size, y"):
        check(frame(), "temperature")


def test_faults_of_the_target_are_errors():
    y = rng.normal(size=N)
    assert_found(frame(y=np.ones(N)), "error", "same value, 1.0, in all 600 rows")
    assert_found(frame(y=["x"] * N), "error", "same value, 'x', in all 600 rows")
    assert_found(frame(y=[None] * N), "error", "missing in all 600 rows")
    y[[7, 9]] = np.nan
    assert_found(frame(y=y), "error", "missing in 2 of 600 rows, first in row 7")
    y[[7, 9]] = np.inf, -np.inf
    assert_found(frame(y=y), "error", "infinite in 2 of 600 rows, first in row 7")
    assert_found(frame(y=[f"id{n}" for n in range(N)]), "error", "600 classes in 600 rows")
    assert_found(frame(y=[1.0, None] * (N // 2)), "error", "same value, 1.0, in all 300 rows that have one")


def test_a_target_of_dates_or_lists_is_an_error():
    assert_found(frame(y=pd.date_range("2013-01-01", periods=N)), "error", "The target holds dates")
    nested = pa.table({"k": ["a", "b"] * 100, "y": [[1], [2]] * 100})
    assert_found(nested, "error", "it holds List(Int64), not one value per row")


def test_doubtful_targets_are_warned_of():
    y = rng.normal(size=N)
    y[5] = 1e6
    assert_found(frame(y=y), "warning", "1 of 600 values of the target lie far outside the rest, up to 1e+06")
    assert_found(
        frame(y=["a", "b"] * 299 + ["c", "a"]), "warning", "1 of 3 classes of the target have one row"
    )
    assert_found(frame(y=["a"] * (N - 3) + ["b"] * 3), "note", "rarest class of the target has 3 of 600")
    assert_found(frame(y=["yes", "no", "Yes"] * (N // 3)), "warning", "'yes' and 'Yes'")


def test_too_few_rows_and_columns_are_said():
    empty = frame().head(0)
    assert [(f.severity, f.message) for f in check(empty, "y")] == [("error", "There are no rows.")]
    assert_found(frame().head(1), "error", "one row", column=None)
    assert_found(frame().head(30), "warning", "There are 30 rows", column=None)
    assert_found(frame()[["y"]], "error", "no column beside the target", column=None)
    assert_found(
        frame(city="x", size=1)[["city", "size", "y"]], "error", "Every column is left out", column=None
    )


def test_columns_that_are_left_out_are_said_to_be():
    data = frame(empty=[None] * N, one="x", id=[f"id{n}" for n in range(N)])
    assert_found(data, "warning", "every value is missing", column="empty")
    assert_found(data, "note", "every row has the same value", column="one")
    assert_found(data, "note", "identifier", column="id")
    nested = pa.table({"l": [[1], [2]] * 100, "k": ["a", "b"] * 100, "y": rng.normal(size=200)})
    assert_found(nested, "note", "left out: it holds List", column="l")


def test_values_that_mean_trouble_are_found():
    odd = rng.normal(size=N)
    odd[3] = np.inf
    data = frame(
        odd=odd,
        spelled=["New York", "new york ", "Rome"] * (N // 3),
        marked=["a", "b", "?"] * (N // 3),
        commas=["1,200", "3,400", "900"] * (N // 3),
        digits=["12", "7", "900"] * (N // 3),
        mixed=[1, "1", 2] * (N // 3),
        many=[f"k{n // 2}" for n in range(N)],
        holes=[None, None, "a", "b", None] * (N // 5),
        flat=["a"] * (N - 1) + ["b"],
    )
    data = pd.concat([data, data.assign(flat="a")], ignore_index=True)
    data.loc[N:, "many"] += "'"
    assert_found(data, "warning", "2 of 1,200 values are infinite, first in row 3", column="odd")
    assert_found(data, "warning", "1 value that differs", column="spelled")
    assert_found(data, "note", "'?' (400 rows) looks like a mark for missing", column="marked")
    assert_found(data, "warning", "numbers written with commas, such as '1,200'", column="commas")
    assert_found(data, "note", "All 3 values are numbers written as text", column="digits")
    assert_found(data, "warning", "several types: int, str", column="mixed")
    assert_found(data, "warning", "600 different values in 1,200 rows: 2.0 rows each", column="many")
    assert_found(data, "note", "60% of the values are missing", column="holes")
    assert_found(data, "note", "All rows but 1 have the same value", column="flat")
    assert_found(data, "note", "1 of 2 values has fewer than 10 rows, under 0.1% of all rows", column="flat")


def test_columns_that_give_the_target_away_are_found():
    y = rng.normal(size=N)
    data = frame(y=y, same=y, fahrenheit=1.8 * y + 32, noisy=y + rng.normal(size=N))
    assert_found(data, "warning", "equals the target in every row", column="same")
    assert_found(data, "warning", "same order as the target", column="fahrenheit")
    assert found(data, column="noisy") == []
    classes = rng.choice(["yes", "no"], N)
    code = np.where(classes == "yes", "a", rng.choice(["b", "c"], N))
    score = np.where(classes == "yes", 2, 0) + rng.random(N)
    data = frame(y=classes, code=code, score=score)
    assert_found(data, "warning", "determines the target", column="code")
    assert_found(data, "warning", "separates the two classes", column="score")
    assert found(data, column="city") == []


def test_a_column_with_a_row_per_value_determines_nothing():
    rare = np.array(["no"] * N, object)
    rare[::50] = "yes"
    data = frame(y=rare, shop=np.arange(N) // 2)
    assert not any("determines" in message for _, message in found(data, column="shop"))


def test_columns_that_say_the_same_and_rows_that_repeat_are_noted():
    city = rng.choice(["Oslo", "Rome", "Lima"], N)
    data = frame(city=city, code=np.where(city == "Oslo", "O", np.where(city == "Rome", "R", "L")))
    assert_found(data, "note", "says the same as 'city'", column="code")
    twice = pd.concat([frame(), frame().head(100)], ignore_index=True)
    twice = pd.concat([twice, twice.head(200)], ignore_index=True)
    assert_found(twice, "note", "200 of 900 rows are equal to another row", column=None)


def test_values_that_only_the_latest_rows_have_are_found():
    days = [dt.date(2013, 1, 1) + dt.timedelta(n) for n in range(N)]
    plane = np.array([f"N{n % 40}" for n in range(N)], object)
    plane[-30:] = "N99"
    data = frame(day=days, plane=plane)
    assert_found(
        data, "warning", "50.0% of the latest rows (by 'day') have a value that no earlier", column="plane"
    )


def test_errors_come_first():
    severities = [f.severity for f in check(frame(y=1.0, empty=None).head(50), "y")]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert severities[0] == "error"


def test_the_findings_do_not_depend_on_the_library(tmp_path):
    data = frame(spelled=["New York", "new york ", "Rome"] * (N // 3), flag=[True, False] * (N // 2))
    data.to_csv(tmp_path / "data.csv", index=False)
    assert (
        check(data, "y") == check(pa.Table.from_pandas(data), "y") == check(read(tmp_path / "data.csv"), "y")
    )
