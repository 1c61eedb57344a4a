import datetime as dt
import json
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plectrum.errors import ArgumentTypeError, FormatError
from plectrum.formats import keys_from_json, keys_to_json

KEYS = st.one_of(
    st.text(),
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.binary(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.uuids(),
    st.tuples(st.text(), st.integers()),
)


@given(st.lists(KEYS))
def test_keys_survive_json_with_their_types(keys):
    back = keys_from_json(json.loads(json.dumps(keys_to_json(keys))))
    assert back == keys
    assert [type(key) for key in back] == [type(key) for key in keys]


def test_special_keys_survive_json():
    keys = [
        float("inf"),
        -0.0,
        dt.datetime(2013, 1, 1, 5, tzinfo=dt.UTC),
        Decimal("1e999999"),
        Fraction(1, 3),
        1 + 2j,
        np.datetime64("2013-01-01T00:00:00.000000001", "ns"),
        np.timedelta64(5, "ns"),
        "\ud800",
    ]
    assert keys_from_json(json.loads(json.dumps(keys_to_json(keys)))) == keys


def test_numpy_scalars_are_written_as_python_values():
    assert keys_to_json([np.int64(3), np.str_("a"), np.float32(0.5), np.bool_(True)]) == [3, "a", 0.5, True]


def test_a_key_that_no_file_can_hold_is_refused_with_its_position():
    with pytest.raises(ArgumentTypeError, match=r"object at position 1"):
        keys_to_json(["a", object()])


@pytest.mark.parametrize(
    "value", [None, [], {}, {"no": 1}, {"date": "x"}, {"date": 1}, {"a": 1, "b": 2}, {"bytes": "%"}]
)
def test_what_is_no_key_in_json_is_a_format_error(value):
    with pytest.raises(FormatError, match="position 1"):
        keys_from_json(["fine", value])
