import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from plectrum import formats, load
from plectrum.errors import ArgumentError, FormatError
from plectrum.formats import Record, _text_lines

DATA = Path(__file__).parents[3] / "shared" / "data" / "vectors"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "w.txt"


def real(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real data are not here: {path}")
    return path


def read(place, content, **options):
    place.write_bytes(content)
    return formats.read(place, **options)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"2 3\na 1 2 3\nb 4 5 6\n", "word2vec"),
        (b"2 3 \na 1 2 3 \nb 4 5 6 \n", "word2vec"),
        (b"2 3\r\na 1 2 3\r\nb 4 5 6\r\n", "word2vec"),
        (b"a 1 2 3\nb 4 5 6\n", "glove"),
        (b"a 1 2 3\r\nb 4 5 6\r\n", "glove"),
    ],
)
def test_a_header_makes_the_difference(place, content, name):
    record = read(place, content)
    assert record.metadata["format"] == name
    assert record.keys == ["a", "b"]
    np.testing.assert_array_equal(record.matrix, [[1, 2, 3], [4, 5, 6]])
    assert record.matrix.dtype == np.float32


def test_numbers_as_keys_of_one_dimension_are_no_header(place):
    record = read(place, b"5 2\n7 3\n9 4\n")
    assert record.keys == ["5", "7", "9"]
    np.testing.assert_array_equal(record.matrix, [[2], [3], [4]])


@pytest.mark.parametrize("content", [b"2 3\na 1 2\nb 4 5 6\n", b"2 3\na 1 2 x\nb 4 5 6\n", b"9 3\na 1 2 3\n"])
def test_damaged_text_behind_a_header_is_not_taken_for_something_else(place, content):
    with pytest.raises(FormatError, match="expected"):
        read(place, content)


def test_tokens_with_spaces_and_tokens_that_are_numbers(place):
    record = read(place, b". . . 1 2\n7 3 4\nat name@domain.com 5 6\n1 2 7 8\n<unk> 9 9\n")
    assert record.keys == [". . .", "7", "at name@domain.com", "1 2", "<unk>"]
    np.testing.assert_array_equal(record.matrix[:, 0], [1, 3, 5, 7, 9])


def test_white_space_of_unicode_belongs_to_the_token(place):
    keys = ["a\u00a0b", "\u0085", "\u2028", "\x0b", "\x1c"]
    record = read(place, "".join(f"{key} 1 2\n" for key in keys).encode())
    assert record.keys == keys


def test_bytes_that_are_no_utf8_are_kept(place):
    record = read(place, b"a\xff 1 2\nb 3 4\n")
    assert record.keys[0].encode("utf-8", "surrogateescape") == b"a\xff"


def test_of_a_key_that_stands_twice_the_first_is_kept(place):
    record = read(place, b"a 1 2\nb 3 4\na 5 6\n")
    assert record.keys == ["a", "b"]
    assert record.metadata["n_duplicates"] == 1
    np.testing.assert_array_equal(record.matrix, [[1, 2], [3, 4]])


def zstandard(raw):
    return pa.compress(raw, codec="zstd", asbytes=True)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstandard])
@pytest.mark.parametrize("name", ["word2vec", "word2vec-binary", "glove"])
def test_compressed_files_are_read_as_they_are(place, compress, name):
    record = Record(
        [f"key{i}" for i in range(5000)], np.random.default_rng(0).normal(size=(5000, 20)).astype("f4")
    )
    formats.write(record, place, format=name)
    raw = place.read_bytes()
    back = read(place, compress(raw))
    assert back.metadata["format"] == name
    assert list(back.keys) == record.keys
    np.testing.assert_array_equal(back.matrix, record.matrix)
    with pytest.raises(FormatError, match=r"w\.txt"):
        read(place, compress(raw)[:-9])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"3 2\na 1 2\nb 3 4\n", r"at line 4: expected 3 rows, as the header says; got 2"),
        (b"1 2\na 1 2\nb 3 4\n", r"expected 1 rows, as the header says; got more: 2"),
        (b"2 2\na 1 2\nb 3\n", r"at line 3: expected a key and 2 numbers"),
        (b"2 2\na 1 2\nb 3 x\n", r"at line 3: expected a number; got b'x'"),
        (b"2 2\na 1 2\nb 3 4", r"expected a newline at the end of the last line"),
        (b"9999999 300\na 1 2\n", r"expected at least 6,009,999,399 bytes for the 9,999,999 x 300 numbers"),
        (b"a 1 2\nb 3\n", "at line 1|at line 2"),
        (b"a 1 2\n\n\nb 3 x\n", "expected"),
    ],
)
def test_damage_names_file_line_and_what_was_expected(place, content, told):
    place.write_bytes(content)
    with pytest.raises(FormatError, match=told) as caught:
        formats.read(place, format="word2vec" if content[:1].isdigit() else "glove")
    assert str(place) in str(caught.value)
    assert caught.value.path == str(place)


def test_the_line_of_damage_is_right_across_pieces_and_threads(place, monkeypatch):
    monkeypatch.setattr(_text_lines, "_PIECE", 50_000)
    lines = [f"key{i} 1.5 2.5" for i in range(30_000)]
    lines[25_000] = "key 1.5 2.x"
    place.write_text("\n".join(lines) + "\n")
    with pytest.raises(FormatError, match=r"at line 25,001: expected a number; got b'2\.x'"):
        formats.read(place)


def test_pieces_join_without_a_seam(place, monkeypatch):
    monkeypatch.setattr(_text_lines, "_PIECE", 40_000)
    record = Record(
        [f"kéy{i}" for i in range(20_000)], np.random.default_rng(0).normal(size=(20_000, 7)).astype("f4")
    )
    formats.write(record, place, format="glove")
    back = formats.read(place)
    assert back.keys == record.keys
    assert back.matrix.tobytes() == record.matrix.tobytes()
    place.write_bytes(place.read_bytes().replace(b"5\n", b"5\n\n"))
    assert formats.read(place).matrix.tobytes() == record.matrix.tobytes()


def test_a_long_line_is_read(place):
    record = Record(["a", "b"], np.random.default_rng(0).normal(size=(2, 300_000)).astype("f4"))
    for name in ("glove", "word2vec"):
        formats.write(record, place, format=name)
        np.testing.assert_array_equal(formats.read(place).matrix, record.matrix)


def test_keys_that_would_break_the_records_are_refused(place):
    for name in ("word2vec", "word2vec-binary"):
        with pytest.raises(ArgumentError, match="'New York' at position 1, 2 such keys"):
            formats.write(Record(["a", "New York", "a b"], np.ones((3, 2))), place, format=name)


@pytest.mark.parametrize("name", ["test_glove.txt", "crime-and-punishment.vec"])
def test_real_text_is_numpy_float32_of_float(name):
    path = real(name)
    lines = path.read_bytes().split(b"\n")[1 if name.endswith("vec") else 0 : -1]
    expected = [[np.float32(float(x)) for x in line.rstrip().split(b" ")[1:]] for line in lines]
    vectors = load(path)
    np.testing.assert_array_equal(vectors.matrix, np.array(expected, np.float32))
    assert vectors.keys == [line.split(b" ")[0].decode() for line in lines]


def test_real_glove_is_numpy_float32_of_float(tmp_path):
    vectors = load(real("glove.6B.100d.top50k.txt.xz"))
    assert vectors.matrix.shape == (50_000, 100)
    with lzma.open(DATA / "glove.6B.100d.top50k.txt.xz") as file:
        for row, line in enumerate(file):
            key, *numbers = line.rstrip(b"\n").split(b" ")
            if row % 25 == 0:
                assert vectors.keys[row] == key.decode()
                assert vectors.matrix[row].tolist() == [np.float32(float(x)) for x in numbers]


def test_real_word2vec_binary_is_read():
    raw = real("euclidean_vectors.bin").read_bytes()
    vectors = load(DATA / "euclidean_vectors.bin")
    assert vectors.matrix.shape == (2747, 10)
    assert vectors.keys[:3] == ["the", "to", "of"]
    np.testing.assert_array_equal(vectors["the"], np.frombuffer(raw[12:52], "<f4"))


def test_binary_with_newlines_between_records_is_read(place):
    rows = np.arange(4, dtype="<f4").reshape(2, 2)
    record = read(place, b"2 2\na " + rows[0].tobytes() + b"\nb " + rows[1].tobytes() + b"\n")
    assert record.keys == ["a", "b"]
    np.testing.assert_array_equal(record.matrix, rows)


def test_bytes_behind_the_last_binary_record_are_refused(place):
    formats.write(Record(["a", "b"], np.ones((2, 3))), place, format="word2vec-binary")
    with pytest.raises(FormatError, match="the end of the file behind the last record"):
        read(place, place.read_bytes() + b"x")


def test_binary_pieces_join_without_a_seam(place, monkeypatch):
    from plectrum.formats import _word2vec_binary

    monkeypatch.setattr(_word2vec_binary, "_PIECE", 10_000)
    monkeypatch.setattr(_word2vec_binary, "_LONGEST_TOKEN", 1_000)
    record = Record(
        [f"kéy{i}" for i in range(3000)], np.random.default_rng(0).normal(size=(3000, 7)).astype("f4")
    )
    formats.write(record, place, format="word2vec-binary")
    back = formats.read(place)
    assert list(back.keys) == record.keys
    np.testing.assert_array_equal(back.matrix, record.matrix)
