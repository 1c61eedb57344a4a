import datetime as dt

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plectrum.errors import ArgumentError, DataError
from plectrum.frames import DATE_PARTS, date_parts, date_spelling, expand_date, moments


def series(values, **options):
    return nw.from_native(pl.DataFrame({"when": pl.Series(values, **options)}))["when"]


@given(
    st.lists(st.one_of(st.none(), st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))), max_size=8)
)
def test_parts_are_those_of_pythons_calendar(values):
    parts = expand_date(series(values, dtype=pl.Datetime("us")), parts=DATE_PARTS)
    for row, value in zip(parts.rows(), values, strict=True):
        if value is None:
            assert set(row) == {None}
            continue
        tomorrow = value.date() + dt.timedelta(1) if value.date() < dt.date.max else None
        assert dict(zip(DATE_PARTS, row, strict=True)) == {
            "year": value.year,
            "quarter": (value.month + 2) // 3,
            "month": value.month,
            "week": value.isocalendar().week,
            "day": value.day,
            "day_of_year": value.timetuple().tm_yday,
            "weekday": value.strftime("%A"),
            "is_month_start": value.day == 1,
            "is_month_end": tomorrow is None or tomorrow.month != value.month,
            "hour": value.hour,
            "minute": value.minute,
        }


def test_parts_that_never_vary_are_left_out_and_short_spans_get_no_week():
    year = [dt.date(2013, 1, 1) + dt.timedelta(n) for n in range(365)]
    assert date_parts(series(year)) == ("month", "day", "weekday")
    years = [dt.date(2013, 1, 1) + dt.timedelta(n) for n in range(1000)]
    assert date_parts(series(years)) == ("year", "month", "week", "day", "day_of_year", "weekday")
    hours = [dt.datetime(2013, 1, 1) + dt.timedelta(hours=n) for n in range(48)]
    assert date_parts(series(hours)) == ("day", "weekday", "hour")
    assert date_parts(series([None], dtype=pl.Date)) == ()
    assert date_parts(series([dt.date(2013, 1, 1)] * 3)) == ()


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([dt.date(2013, 1, 31), None]),
        pd.Series(pd.to_datetime(["2013-01-31", None])),
        pd.Series(["2013-01-31", None]),
        pd.Series(["31.01.2013", None]).astype("category"),
        pd.Series(pd.to_datetime(["2013-01-31 12:00", None])).dt.tz_localize("Europe/Berlin"),
    ],
    ids=lambda s: str(s.dtype),
)
def test_the_container_of_a_date_does_not_matter(values):
    column = nw.from_native(values.to_frame("when"))["when"]
    expanded = expand_date(column, parts=["month", "day", "weekday"])
    assert expanded.columns == ["when_month", "when_day", "when_weekday"]
    assert expanded.rows() == [(1, 31, "Thursday"), (None, None, None)]


def test_a_time_zone_keeps_the_time_on_the_wall():
    late = pd.Series(pd.to_datetime(["2013-01-31 23:30"])).dt.tz_localize("America/New_York")
    expanded = expand_date(nw.from_native(late.to_frame("t"))["t"], parts=["day", "hour"])
    assert expanded.rows() == [(31, 23)]


def test_times_of_day_have_hours_and_minutes_only():
    times = nw.from_native(pa.table({"t": [dt.time(5, 15), dt.time(17, 40)]}))["t"]
    assert date_parts(times) == ("hour", "minute")


@pytest.mark.parametrize(
    ("values", "spelling"),
    [
        (["2013-01-31"], "ISO"),
        (["2013-01-31 05:00:00", "2013-01-31T06:00"], "ISO"),
        (["2013-01-31T05:00:00.123456789Z"], "ISO"),
        (["12/31/2013"], "%m/%d/%Y"),
        (["31/12/2013", "1/2/2013"], "%d/%m/%Y"),
        (["1/2/2013 5:07", "1/31/2013 17:00"], "%m/%d/%Y %H:%M"),
        (["2013/12/31"], "%Y/%m/%d"),
        (["1/2/2013"], None),
        (["30.02.2013"], None),
        (["12/31/13"], None),
        (["2013-01-31", "12/31/2013"], None),
        (["1.5", "2.5"], None),
        (["soon"], None),
        ([""], None),
    ],
)
def test_spellings_are_recognised_only_when_they_leave_no_doubt(values, spelling):
    assert date_spelling(series(values)) == spelling


def test_a_spelling_learned_earlier_reads_dates_that_leave_doubt():
    later = series(["03/04/2013", None])
    assert moments(later, spelling="%d/%m/%Y").astype("M8[D]").astype(str).tolist() == ["2013-04-03", "NaT"]
    assert expand_date(later, parts=["month"], spelling="%m/%d/%Y").rows() == [(3,), (None,)]
    with pytest.raises(DataError, match="'when' must hold dates; got '03/04/2013' in row 0"):
        moments(later)
    with pytest.raises(DataError, match=r"written like %m/%d/%Y; got '31/12/2013' in row 1, 1 of 2 rows"):
        moments(series(["03/04/2013", "31/12/2013"]), spelling="%m/%d/%Y")


def test_what_is_no_date_and_no_part_is_named():
    with pytest.raises(DataError, match="'when' must hold dates; got 'soon' in row 1"):
        moments(series(["2013-01-01", "soon"]))
    with pytest.raises(DataError, match="'when' must hold dates; got 5 in row 0"):
        moments(series([5]))
    with pytest.raises(ArgumentError, match=r"`parts` of `expand_date` must be of year, .*; got 'moon'"):
        expand_date(series([dt.date(2013, 1, 1)]), parts=["moon"])
    assert np.isnat(moments(series([None, None], dtype=pl.String))).all()
