import numpy as np
import polars as pl
import pytest

from plectrum import formats, load
from plectrum.errors import FormatError
from plectrum.formats import Record


@pytest.fixture
def place(tmp_path):
    return tmp_path / "w.csv"


def test_the_columns_are_key_count_and_numbers(place):
    formats.write(Record(["a", 'say "b", c'], np.eye(2), np.array([3, 1])), place)
    frame = pl.read_csv(place)
    assert frame.columns == ["key", "count", "d0", "d1"]
    assert frame["key"].to_list() == ["a", 'say "b", c']
    assert load(place).counts.tolist() == [3, 1]


@pytest.mark.parametrize(
    "text",
    [
        "a,1,2\nb,3,4\n",
        "word,x,y\na,1,2\nb,3,4\n",
        "x,key,y\n1,a,2\n3,b,4\n",
        "key,d0,d1\r\na,1,2\r\nb,3,4\r\n",
    ],
)
def test_headers_of_others_and_none_are_understood(place, text):
    place.write_bytes(text.encode())
    vectors = load(place)
    assert vectors.keys == ["a", "b"]
    np.testing.assert_array_equal(vectors.matrix, [[1, 2], [3, 4]])


def test_keys_stay_text(place):
    place.write_text("key,d0\n007,1\n1.0,2\n")
    assert load(place).keys == ["007", "1.0"]


@pytest.mark.parametrize(
    "text", ["key,d0\na,1\nb,x\n", "key,d0\na,1\nb,1,2\n", "key,d0\na,1\nb,\n", "key,d0\na,1\nb,2"]
)
def test_damage_names_the_file(place, text):
    place.write_text(text)
    with pytest.raises(FormatError, match=r"w\.csv.*expected"):
        formats.read(place)
