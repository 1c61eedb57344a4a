import json

import numpy as np
import pytest

from plectrum import formats
from plectrum.errors import FormatError
from plectrum.formats import Record


@pytest.fixture
def place(tmp_path):
    return tmp_path / "w.safetensors"


def test_the_matrix_is_mapped_not_read(place):
    formats.write(Record(["a", "b"], np.eye(2, dtype=np.float32)), place)
    matrix = formats.read(place).matrix
    assert isinstance(matrix, np.memmap)
    assert not matrix.flags.writeable
    assert matrix.offset % 64 == 0


def test_the_safetensors_library_reads_the_file(place):
    from safetensors.numpy import load_file

    formats.write(Record(["a", "é"], np.eye(2), counts=np.array([3, 1])), place)
    tensors = load_file(place)
    np.testing.assert_array_equal(tensors["matrix"], np.eye(2))
    np.testing.assert_array_equal(tensors["counts"], [3, 1])
    assert tensors["key_bytes"].tobytes().decode() == "aé"


def test_int8_rows_come_with_their_scales(place):
    record = Record(["a"], np.array([[127, -64]], np.int8), scales=np.array([0.5], np.float32))
    formats.write(record, place)
    back = formats.read(place)
    assert back.matrix.dtype == np.int8
    np.testing.assert_array_equal(back.floats(), [[63.5, -32.0]])


def test_a_length_in_the_header_that_the_file_has_not_is_refused_without_allocating(place):
    place.write_bytes((1 << 60).to_bytes(8, "little") + b'{"plectrum"')
    with pytest.raises(FormatError, match="at byte 0: expected a header of at most 11 bytes"):
        formats.read(place)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [2**40, 2**40]},
        {"shape": [-1, 2]},
        {"shape": "ab"},
        {"dtype": "F99"},
        {"data_offsets": [0, 2**50]},
        {"data_offsets": [16, 0]},
        {"data_offsets": None},
    ],
)
def test_a_matrix_that_cannot_be_there_is_refused(place, change):
    formats.write(Record(["a", "b"], np.eye(2, dtype=np.float32)), place)
    raw = place.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    header["matrix"] |= change
    text = json.dumps(header).encode()
    place.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    with pytest.raises(FormatError, match="matrix"):
        formats.read(place)


def test_a_file_of_a_newer_version_says_update(place):
    formats.write(Record(["a"], np.eye(1)), place)
    place.write_bytes(place.read_bytes().replace(b'\\"version\\": 1', b'\\"version\\": 9'))
    with pytest.raises(FormatError, match=r"version 9.*Update plectrum"):
        formats.read(place)
