"""What holds for every registered format; a new one is tested here without being asked."""

import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plectrum import formats
from plectrum.errors import ArgumentError, FormatError, PlectrumError
from plectrum.formats import FORMATS, Record

WRITTEN = sorted(name for name, known in FORMATS.items() if known.write)
FILES = sorted(name for name in WRITTEN if FORMATS[name].layout == "file")


def some_record(n=7, dim=5, *, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    keys = ["the", "naïve", "東京", "-", "x" * 40, "</s>", "42"][:n]
    return Record(keys, rng.normal(size=(n, dim)).astype(dtype))


def written(name, path, record=None):
    formats.write(record or some_record(), path, format=name)
    return path


@pytest.fixture
def place(tmp_path):
    return tmp_path / "vectors"


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_read_back_bit_for_bit(name, place):
    record = some_record()
    back = formats.read(written(name, place, record), format=name)
    assert list(back.keys) == record.keys
    assert back.matrix.dtype == np.float32
    np.testing.assert_array_equal(back.matrix, record.matrix)


@pytest.mark.parametrize("name", WRITTEN)
def test_hard_numbers_are_read_back_bit_for_bit(name, place):
    numbers = [0.0, -0.0, 1e-45, -3.4028235e38, 1.17549435e-38, 1 / 3, 16777217.0, 1e-7, 123456.789, 5e9]
    matrix = np.array(numbers, np.float32).reshape(2, 5)
    back = formats.read(written(name, place, Record(["a", "b"], matrix)), format=name)
    assert back.matrix.tobytes() == matrix.tobytes()


@pytest.mark.parametrize("name", WRITTEN)
def test_the_content_says_the_format(name, place):
    known = formats.sniff(written(name, place))
    np.testing.assert_array_equal(formats.read(place).matrix, some_record().matrix)
    assert known.layout == FORMATS[name].layout


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(("n", "dim"), [(1, 1), (1, 3), (3, 1)])
def test_small_shapes_are_read_back(name, place, n, dim):
    record = some_record(n, dim)
    back = formats.read(written(name, place, record), format=name)
    assert list(back.keys) == record.keys
    np.testing.assert_array_equal(back.matrix, record.matrix)


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_float_types_are_written(name, place, dtype):
    record = some_record(dtype=dtype)
    back = formats.read(written(name, place, record), format=name)
    expected = record.matrix if "dtype" in FORMATS[name].holds else record.matrix.astype(np.float32)
    np.testing.assert_array_equal(back.matrix, expected)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_subset_is_read_by_key_and_by_limit(name, place):
    record = some_record()
    written(name, place, record)
    by_key = formats.read(place, format=name, keys=["42", "the", "absent"])
    assert list(by_key.keys) == ["the", "42"]
    np.testing.assert_array_equal(by_key.matrix, record.matrix[[0, 6]])
    by_limit = formats.read(place, format=name, limit=3)
    assert list(by_limit.keys) == record.keys[:3]
    np.testing.assert_array_equal(by_limit.matrix, record.matrix[:3])
    assert len(formats.read(place, format=name, limit=0).keys) == 0
    assert list(formats.read(place, format=name, limit=3, keys=["naïve", "42"]).keys) == ["naïve"]


@pytest.mark.parametrize("name", WRITTEN)
def test_what_a_format_holds_comes_back(name, place):
    record = some_record()
    record.counts = np.arange(7, 0, -1)
    record.unknown, record.missing = record.matrix[0] * 2, record.matrix[0] * 3
    record.metadata["origin"] = "test"
    holds = FORMATS[name].holds
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        written(name, place, record)
    assert any("no place" in str(w.message) for w in caught) == (not {"unknown", "missing"} <= holds)
    back = formats.read(place, format=name)
    for part in ("counts", "unknown", "missing"):
        if part in holds:
            np.testing.assert_array_equal(getattr(back, part), getattr(record, part))
        else:
            assert getattr(back, part) is None


@pytest.mark.parametrize("name", [name for name in WRITTEN if FORMATS[name].keys == "any"])
def test_keys_keep_their_types(name, place):
    import datetime as dt

    for keys in (
        [1, 2.5, "1", True, b"x", dt.date(2013, 1, 1), dt.datetime(2013, 1, 1, 5, 6)],
        [1, 2, 3],
        [2**70, 1, 2],
        [dt.date(2013, 1, 1), dt.date(2014, 1, 1)],
        [True, False],
        [b"\xff", b""],
        ["a\nb", "", " ", "\ud800"],
    ):
        back = formats.read(written(name, place, Record(keys, np.ones((len(keys), 2)))), format=name)
        assert list(back.keys) == keys
        assert [type(key) for key in back.keys] == [type(key) for key in keys]


@pytest.mark.parametrize("name", [name for name in WRITTEN if FORMATS[name].keys == "text"])
def test_keys_that_are_no_text_are_refused_by_text_formats(name, place):
    with pytest.raises(ArgumentError, match="got 2 at position 1"):
        written(name, place, Record(["a", 2], np.ones((2, 2))))
    assert not place.exists()


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("key", ["New York", "a\nb", "", "tab\tbed", "\r", " lead", "a\0b", "\x85\xa0"])
def test_an_awkward_key_comes_back_or_is_refused(name, place, key):
    record = Record(["plain", key, "last"], some_record(3, 4).matrix)
    try:
        written(name, place, record)
    except ArgumentError as error:  # refusing is one of two right answers
        assert "position 1" in str(error)  # noqa: PT017
        assert not place.exists()
        return
    back = formats.read(place, format=name)
    assert list(back.keys) == record.keys
    np.testing.assert_array_equal(back.matrix, record.matrix)


def read_or_refuse(name, path):
    """Read a file that may be damaged: a record that is not too large, or an error that tells."""
    try:
        back = formats.read(path, format=name)
        list(back.keys)
    except FormatError as error:
        told = str(error)
    else:
        assert back.matrix.nbytes <= 200_000
        return back
    assert str(path) in told
    assert "expected" in told
    return None


@pytest.mark.parametrize("name", FILES)
def test_truncation_at_every_byte_is_a_clear_error_or_whole_rows(name, place):
    record = some_record(4, 3)
    raw = written(name, place, record).read_bytes()
    for length in range(len(raw)):
        place.write_bytes(raw[:length])
        back = read_or_refuse(name, place)
        if back is not None:  # text without a row count, cut between rows: nothing can tell
            n = len(back.keys)
            assert FORMATS[name].says_no_length
            assert list(back.keys) == record.keys[:n]
            np.testing.assert_array_equal(back.matrix, record.matrix[:n])


BYTES = st.sampled_from([b"\0", b" ", b"\n", b"9", b"\x7f", b"\xff", b"\xff" * 8, b"999999999999"])
EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), BYTES | st.binary(max_size=4)), min_size=1, max_size=6
)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, insert=st.booleans(), kept=st.floats(0.3, 1.0) | st.just(1.0))
def test_random_damage_never_crashes_a_reader(name, place, edits, insert, kept):
    whole = place.with_name("whole")
    if not whole.exists():
        written(name, whole, some_record(4, 3))
    raw = bytearray(whole.read_bytes())
    for share, put in edits:
        at = int(share * len(raw))
        raw[at : at if insert else at + len(put)] = put
    place.write_bytes(raw[: int(kept * len(raw))])
    read_or_refuse(name, place)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_content_of_another_kind_is_a_format_error(name, tmp_path):
    if FORMATS[name].layout == "folder":
        place = tmp_path / "folder"
        place.mkdir()
        (place / "README.md").write_text("nothing here")
        with pytest.raises(FormatError):
            formats.read(place, format=name)
        return
    place = tmp_path / "file"
    for content in (b"", b"\n", b"\0" * 100, b"\xff" * 100, b"{}", b"plain prose, not vectors\n" * 3):
        place.write_bytes(content)
        assert read_or_refuse(name, place) is None


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_folder_for_a_file_and_a_file_for_a_folder_are_told_apart(name, tmp_path):
    place = tmp_path / "thing"
    if FORMATS[name].layout == "folder":
        place.write_text("a file")
    else:
        place.mkdir()
    with pytest.raises(FormatError, match=f"expected a {FORMATS[name].layout}"):
        formats.read(place, format=name)


@pytest.mark.parametrize("name", WRITTEN)
def test_reading_changes_nothing_beside_the_file(name, place):
    written(name, place)
    before = sorted(place.parent.iterdir())
    formats.read(place, format=name)
    assert sorted(place.parent.iterdir()) == before


def test_suffixes_are_unique_and_writable():
    suffixes = [suffix for known in FORMATS.values() for suffix in known.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(known.write for known in FORMATS.values() if known.suffixes)


def test_an_unknown_format_lists_the_known_ones(tmp_path):
    with pytest.raises(PlectrumError, match="native"):
        formats.read(written("native", tmp_path / "w"), format="nothing")
    with pytest.raises(PlectrumError, match=r"\.safetensors"):
        formats.write(some_record(), tmp_path / "w.unheard")


@pytest.mark.parametrize("name", [name for name in WRITTEN if FORMATS[name].layout == "folder"])
def test_damage_to_any_file_of_a_folder_never_crashes_a_reader(name, place):
    record = some_record(4, 3)
    written(name, place, record)
    rng = random.Random(0)
    for file in sorted(place.iterdir()):
        raw = file.read_bytes()
        for length in sorted({*range(0, len(raw), max(1, len(raw) // 60)), len(raw) - 1}):
            file.write_bytes(raw[:length])
            read_or_refuse(name, place)
        for _ in range(100):
            damaged = bytearray(raw)
            damaged[rng.randrange(len(damaged))] = rng.choice([0, 0x20, 0x0A, 0x22, 0x39, 0xFF])
            file.write_bytes(damaged)
            read_or_refuse(name, place)
        file.unlink()
        read_or_refuse(name, place)
        file.write_bytes(raw)


def test_the_guide_lists_every_format_and_its_suffixes():
    guide = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = {
        line.split("`")[1]: line
        for line in guide.splitlines()
        if line.startswith("| `") and "format=" not in line
    }
    assert sorted(rows) == sorted(FORMATS)
    for name, known in FORMATS.items():
        assert all(f"`{suffix}`" in rows[name] for suffix in known.suffixes)
        assert ("read only" in rows[name]) == (known.write is None)
        assert ("folder" in rows[name]) == (known.layout == "folder")
