import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plectrum.kernels.parse_text import numpy_ops, reference

SIMPLE = st.one_of(
    st.floats(-1e3, 1e3).map(lambda x: f"{x:.6f}"),
    st.floats(-10, 10).map(lambda x: f"{x:.5g}"),
    st.floats(width=32, allow_nan=False).map(lambda x: str(np.float32(x))),
    st.integers(-(10**9), 10**9).map(str),
    st.from_regex(r"[+-]?([0-9]{1,9}\.?[0-9]{0,10}|\.[0-9]{1,9})([eE][+-]?[0-9]{1,2})?", fullmatch=True),
)


def parsed(raw, dim):
    matrix = np.full((raw.count(b"\n"), dim), np.nan, np.float32)
    return numpy_ops.parse_lines(np.frombuffer(raw, np.uint8), matrix), matrix


@given(
    st.lists(
        st.tuples(st.from_regex(r"[^ \n\r]{0,5}", fullmatch=True), st.lists(SIMPLE, min_size=3, max_size=3))
    ),
    st.booleans(),
)
@example([("u.s.", ["1.5", "-.5", "5."]), (".", ["-0.0", "0", "99999999.99999999"])], False)
@example([("a", ["9007199.254740993", "0.0000000012345678", "90071.99254740993"])], False)
@example([("", ["0.000001", "1234567.12345678", "1e5"])], True)
@settings(max_examples=400, deadline=None)
def test_lines_are_the_references_or_left_to_others(lines, space):
    raw = "".join(f"{key} {' '.join(numbers)}{' ' if space else ''}\n" for key, numbers in lines).encode()
    if not raw:
        return
    found, matrix = parsed(raw, 3)
    if found is not None:
        keys, expected = reference.parse_lines(raw, 3)
        assert found.split(b"\n")[:-1] == keys
        assert matrix.tobytes() == expected.tobytes()
    else:
        assert any(number.strip("0123456789+-.") for _, ns in lines for number in ns) or len(lines) > 20


def test_ordinary_numbers_are_all_parsed_here(monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 50))
    for form in ("%.6f", "%.5g", "%.4f", "%.9f", "%.12f"):
        raw = "".join(f"k.{i} {' '.join(form % v for v in row)}\n" for i, row in enumerate(values)).encode()
        found, matrix = parsed(raw, 50)
        assert found.split(b"\n")[:-1] == [b"k.%d" % i for i in range(200)]
        assert matrix.tobytes() == reference.parse_lines(raw, 50)[1].tobytes()


@pytest.mark.parametrize(
    "raw",
    [
        b"a b 1 2\n",
        b"a 1\n",
        b"a 1 2\n\n",
        b"a 1 2\nb 1 2 3\n",
        b"a 1 x\n",
        b"a  1 2\n",
        b"a 1 2\nb c 2\n d\n",
    ],
)
def test_what_is_not_well_formed_is_left_to_others(raw):
    found, _ = parsed(raw, 2)
    if found is not None:  # "a  1 2" is no longer than it must be
        keys, _ = reference.parse_lines(raw, 2)
        assert found.split(b"\n")[:-1] == keys


@pytest.mark.parametrize("between", [b"", b"\n", b"\n\n"])
def test_binary_records_are_split_with_and_without_newlines(between):
    rows = np.arange(6, dtype="<f4").reshape(3, 2)
    records = zip([b"a", b"", b"ccc"], rows, strict=True)
    raw = bytearray(b"".join(key + b" " + row.tobytes() + between for key, row in records))
    keys, starts, at = numpy_ops.split_records(raw, len(raw), 8, 3)
    assert keys == b"a " + between + b" " + between + b"ccc "
    assert at == len(raw) - len(between)
    matrix = np.empty((3, 2), np.float32)
    numpy_ops.take_bytes(raw, starts, matrix)
    np.testing.assert_array_equal(matrix, rows)
    assert len(numpy_ops.split_records(raw, len(raw) - 1 - len(between), 8, 3)[1]) == 2
    assert len(numpy_ops.split_records(raw, len(raw), 8, 1)[1]) == 1
    assert numpy_ops.split_records(raw, 5, 8, 3)[0] == b""
