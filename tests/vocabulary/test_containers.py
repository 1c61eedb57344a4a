"""The row of a value never depends on the container or the dtype."""

import datetime as dt
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plectrum.errors import ArgumentError, ArgumentTypeError
from plectrum.vocabulary import Vocabulary


def containers_of_text(values):
    """Every container that holds these strings and None without changing them."""
    levels = list(dict.fromkeys(v for v in values if v is not None))
    yield tuple(values)
    yield np.array([*values, ""], object)[:-1]
    yield pd.Series(values, dtype=object)
    if not any("\0" in level for level in levels):  # pandas 2 takes 'a' and 'a\0' for one category
        yield pd.Series(values, dtype=object).astype("category")
        yield pd.Categorical(values, categories=levels[::-1])
    if not any(v is None or v.endswith("\0") for v in values):
        yield np.array([*values, ""])[:-1]
        yield np.array(values, np.dtypes.StringDType())
    if any(not is_utf8(v) for v in values):
        return
    yield pd.Series(values, dtype="str")
    yield pd.Series(values, dtype=pd.StringDtype("python"))
    yield pd.Series(values, dtype=pd.ArrowDtype(pa.string()))
    yield pd.Index(values, dtype="str")
    yield pl.Series(values, dtype=pl.String)
    yield pl.Series(values, dtype=pl.Categorical)
    yield pl.Series(values, dtype=pl.Enum(levels[::-1]))
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        yield pa.array(values, kind)
    halves = [pa.array(values[:2], pa.string()), pa.array(values[2:], pa.string())]
    yield pa.chunked_array(halves)
    yield pa.chunked_array([half.dictionary_encode() for half in halves])


def is_utf8(value):
    return value is None or value == value.encode(errors="replace").decode()


def containers_of_whole_numbers(values):
    yield tuple(values)
    yield [None if v is None else np.int64(v) for v in values]
    yield [None if v is None else Decimal(v) for v in values]
    yield pd.Series(values, dtype=object)
    yield pd.Series(values, dtype="Int64")
    yield pd.Series(values, dtype="Int64").astype("category")
    yield pd.Series(values, dtype=pd.ArrowDtype(pa.int64()))
    yield pl.Series(values, dtype=pl.Int64)
    yield pl.Series(values, dtype=pl.Decimal(38, 0))
    if hasattr(pl, "Int128"):
        yield pl.Series(values, dtype=pl.Int128)
    yield pa.array(values, pa.int64())
    yield pa.array(values, pa.int64()).dictionary_encode()
    yield pa.array([None if v is None else Decimal(v) for v in values], pa.decimal128(38, 2))
    if None not in values:
        yield np.array(values, np.int64)
        yield np.array(values, ">i8")
        yield np.array([*values, 0, 0], np.int64).repeat(2)[: 2 * len(values) : 2]
        if not values or min(values) >= 0:
            yield np.array(values, np.uint64)
    if all(v is None or abs(v) <= 2**53 for v in values):
        floats = [None if v is None else float(v) for v in values]
        yield floats
        yield np.array(floats, np.float64)
        yield pd.Series(floats, dtype="float64")
        yield pd.Series(floats, dtype="Float64")
        yield pl.Series(floats, dtype=pl.Float64)
        yield pa.array(floats, pa.float64())
    if all(v is None or abs(v) <= 100 for v in values):
        small = np.array([0 if v is None else v for v in values], np.int8)
        yield np.ma.masked_array(small, [v is None for v in values])
        yield np.array([np.nan if v is None else v for v in values], np.float16)
        yield pd.Series(values, dtype="Int8")
        yield pa.array(values, pa.float32())
        yield pa.array([None if v is None else np.float16(v) for v in values], pa.float16())


def containers_of_moments(values):
    """Datetimes in whole seconds of the years that nanoseconds reach."""
    yield tuple(values)
    yield pd.Series(values, dtype=object)
    for unit in ("s", "ms", "us", "ns"):
        array = np.array(values, f"M8[{unit}]")
        yield array
        yield pd.Series(array)
        yield pa.array(array)
        yield pd.Series(array).astype("category")
    yield pl.Series(values, dtype=pl.Datetime("ms"))
    yield pl.Series(values, dtype=pl.Datetime("ns"))
    yield [pd.NaT if v is None else pd.Timestamp(v) for v in values]
    if all(v is None or (v.hour, v.minute, v.second) == (0, 0, 0) for v in values):
        dates = [None if v is None else v.date() for v in values]
        yield dates
        yield np.array(dates, "M8[D]")
        yield pl.Series(dates, dtype=pl.Date)
        yield pa.array(dates, pa.date32())
        yield pa.array(dates, pa.date64())


moments = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)).map(
    lambda t: t.replace(microsecond=0)
)
midnights = moments.map(lambda t: t.replace(hour=0, minute=0, second=0))
whole_numbers = st.one_of(
    st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**53, 2**53 + 1])
)
surrogates = st.text(st.characters(codec=None), max_size=3)


def columns(values):
    return st.lists(st.one_of(st.none(), values), max_size=12)


def assert_container_does_not_matter(values, containers):
    learned = Vocabulary.learn(values)
    rows = learned.encode(values).tolist()
    for container in containers:
        other = Vocabulary.learn(container)
        assert other == learned, (type(container), getattr(container, "dtype", None))
        assert list(map(type, other.keys)) == list(map(type, learned.keys)), type(container)
        assert other.counts.tolist() == learned.counts.tolist()
        assert learned.encode(container).tolist() == rows, type(container)


def test_the_assertion_can_fail():
    with pytest.raises(AssertionError):
        assert_container_does_not_matter(["1", "2"], [[1, 2]])


@given(columns(st.one_of(st.sampled_from(["a", "b", "", "1", "\u00e9", "e\u0301", "a\0", "\0"]), surrogates)))
def test_strings_have_the_same_rows_in_every_container(values):
    assert_container_does_not_matter(values, containers_of_text(values))


@given(columns(whole_numbers))
def test_whole_numbers_have_the_same_rows_in_every_container(values):
    assert_container_does_not_matter(values, containers_of_whole_numbers(values))


@given(st.one_of(columns(moments), columns(midnights)))
def test_moments_have_the_same_rows_in_every_container(values):
    assert_container_does_not_matter(values, containers_of_moments(values))


@given(columns(st.booleans()))
def test_booleans_have_the_same_rows_in_every_container(values):
    forms = [
        pd.Series(values, dtype=object),
        pd.Series(values, dtype="boolean"),
        pl.Series(values, dtype=pl.Boolean),
        pa.array(values, pa.bool_()),
        pd.Series(values, dtype="boolean").astype("category"),
        [None if v is None else np.bool_(v) for v in values],
    ]
    if None not in values:
        forms.append(np.array(values, bool))
    assert_container_does_not_matter(values, forms)


@given(columns(st.binary(max_size=3)))
def test_bytes_have_the_same_rows_in_every_container(values):
    forms = [
        pd.Series(values, dtype=object),
        pl.Series(values, dtype=pl.Binary),
        pa.array(values, pa.binary()),
    ]
    if not any(v is None or v.endswith(b"\0") for v in values):
        forms.append(np.array([*values, b""])[:-1])
    assert_container_does_not_matter(values, forms)


@given(columns(st.timedeltas(dt.timedelta(-(10**4)), dt.timedelta(10**4))))
def test_durations_have_the_same_rows_in_every_container(values):
    forms = [
        np.array(values, "m8[us]"),
        np.array(values, "m8[ns]"),
        pd.Series(values, dtype="timedelta64[us]"),
        pl.Series(values, dtype=pl.Duration("us")),
        pa.array(values, pa.duration("us")),
        [pd.NaT if v is None else pd.Timedelta(v) for v in values],
    ]
    assert_container_does_not_matter(values, forms)


@given(columns(st.floats(width=32)))
def test_fractions_have_the_same_rows_in_every_container(values):
    forms = [
        np.array(values, np.float32),
        pd.Series(values, dtype="float64"),
        pl.Series(values, dtype=pl.Float32),
        pa.array(values, pa.float32()),
        pd.Series(values, dtype=object),
    ]
    assert_container_does_not_matter(values, forms)


def test_moments_with_a_time_zone_are_equal_by_instant_and_distinct_from_those_without():
    noon = dt.datetime(2020, 6, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    utc = noon.astimezone(dt.UTC)
    v = Vocabulary.learn([noon])
    forms = [
        [utc],
        pd.Series([noon]),
        pd.Series([pd.Timestamp(noon)], dtype="datetime64[ns, Europe/Berlin]"),
        pl.Series([utc]).dt.convert_time_zone("Asia/Tokyo"),
        pa.array([utc], pa.timestamp("s", "America/New_York")),
    ]
    for form in forms:
        assert v.encode(form).tolist() == [3]
    assert v.encode([utc.replace(tzinfo=None), noon.replace(tzinfo=None)]).tolist() == [1, 1]
    midnight = dt.datetime(2020, 6, 1, tzinfo=dt.UTC)
    assert Vocabulary.learn([midnight]).encode([midnight.date()]).tolist() == [1]


def test_nanoseconds_and_far_years_keep_their_exact_value():
    fine = np.array(
        ["2020-01-01T00:00:00.000000001", "2020-01-01T00:00:00.000000002", "2020-01-01"], "M8[ns]"
    )
    v = Vocabulary.learn(fine)
    assert len(v) == 3
    for form in (
        pd.Series(fine),
        pl.Series(fine),
        pa.array(fine),
        list(fine),
        [pd.Timestamp(t) for t in fine],
    ):
        assert v.encode(form).tolist() == [3, 4, 5]
    far = Vocabulary.learn(np.array(["-0044-03-15", "12020-01-01"], "M8[D]"))
    assert far.encode(np.array(["12020-01-01T00", "-0044-03-15T00"], "M8[s]")).tolist() == [4, 3]


def test_a_generator_and_lazy_sequences_are_read_once():
    assert Vocabulary.learn(c for c in "abca").keys == ["a", "b", "c"]
    assert Vocabulary.learn(range(3)).keys == [0, 1, 2]
    assert Vocabulary.learn({"a": 1, "b": 2}.keys()).keys == ["a", "b"]


def test_a_category_column_whose_levels_differ_keeps_the_rows_of_its_values():
    # Codes of a new frame are not the codes of the frame that was learned from.
    learned = Vocabulary.learn(pd.Series(["a", "b", "c"], dtype="category"))
    new = pd.Series(["b", "c", "z"], dtype="category")
    assert learned.encode(new).tolist() == [4, 5, 1]


def test_intervals_and_periods_of_pandas_are_their_text():
    v = Vocabulary.learn(pd.cut([1, 2, 2, 9], [0, 1, 5, 10]))
    assert v.keys == ["(1, 5]", "(0, 1]", "(5, 10]"]
    assert v.encode(pd.Series(pd.arrays.IntervalArray.from_tuples([(1, 5), (5, 6)]))).tolist() == [3, 1]
    assert Vocabulary.learn(pd.period_range("2013-01", periods=2, freq="M")).keys == ["2013-01", "2013-02"]


def test_missing_never_shares_the_row_of_zero():
    v = Vocabulary.learn(pd.Series([0, 1, 2, None, 1]))
    assert v.encode(pd.Series([0, 1, 2, None, 1])).tolist() == v.encode([0, 1, 2, None, 1]).tolist()
    assert v.encode([0, None]).tolist() == [4, 2]


MISSING = [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("NaN")]


MISSING += [Decimal("sNaN"), np.timedelta64("NaT"), pa.scalar(None), np.ma.masked]


@pytest.mark.parametrize("value", MISSING, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("others", [["a"], [1], [1.5, "a"], []], ids=lambda value: type(value).__name__)
def test_every_kind_of_missing_value_has_the_missing_row(value, others):
    v = Vocabulary.learn([*others, value])
    assert v.keys == others
    assert v.encode([value, *others]).tolist() == [2, *range(3, 3 + len(others))]


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ("abc", r"\['abc'\]"),
        (b"abc", "goes into a list"),
        ({"a": 1}, r"list\(mapping\)"),
        ({"a", "b"}, r"sorted\(values\)"),
        (3, "Put it into a list"),
        (None, "Put it into a list"),
        (pd.NA, "Put it into a list"),
        (pa.scalar(1), "Put it into a list"),
        (object(), "Put it into a list"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_column_is_refused_with_advice(values, advice):
    with pytest.raises(ArgumentTypeError, match=advice):
        Vocabulary.learn(values)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 2)),
        np.zeros((2, 1)),
        np.array(3),
        pd.DataFrame({"a": [1]}),
        pl.DataFrame({"a": [1]}),
        pa.table({"a": [1]}),
    ],
)
def test_two_dimensions_are_refused(values):
    with pytest.raises(ArgumentError, match=r"one-dimensional; got .* of shape"):
        Vocabulary.learn(values)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([["a"], ["b"]], r"list \['a'\] at position 0 of 2"),
        (["a", {"b": 1}], "dict .* at position 1"),
        (["a", ("b", 1)], "tuple. .*position 1"),
        (pl.Series([[1], [2]]), "large_list"),
        (pa.array([{"a": 1}]), "struct"),
        (pd.Series([uuid.UUID(int=1)]).astype("category"), "UUID"),
        (np.array([(1, 2)], "i4,i4"), "structured"),
        (pd.MultiIndex.from_tuples([("a", 1)]), "tuple"),
        (np.array([1], "m8[M]"), "timedelta64"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_cannot_be_keys_are_named(values, found):
    with pytest.raises(ArgumentTypeError, match=found):
        Vocabulary.learn(values)
    with pytest.raises(ArgumentTypeError, match=found):
        Vocabulary.learn(["a"]).encode(values)
