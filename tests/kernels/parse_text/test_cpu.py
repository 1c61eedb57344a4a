import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plectrum.kernels.parse_text import cpu, reference


def parsed(raw, dim):
    """Return keys and matrix of the kernel, with the numbers that it leaves to Python read by Python."""
    piece = np.frombuffer(raw, np.uint8)
    n_lines = raw.count(b"\n")
    matrix = np.full((n_lines, dim), np.nan, np.float32)
    keys = np.empty(len(raw), np.uint8)
    hard = np.empty((1000, 4), np.int64)
    status, n_rows, n_key_bytes, n_hard, at = cpu.parse_lines(
        piece, 0, len(piece), dim, matrix, 0, keys, 0, hard
    )
    for row, column, start, end in hard[:n_hard].tolist():
        with np.errstate(over="ignore"):
            matrix[row, column] = np.float32(float(raw[start:end]))
    return status, keys[:n_key_bytes].tobytes().split(b"\n")[:-1], matrix[:n_rows], n_hard, at


def assert_same_as_the_reference(raw, dim):
    keys, matrix = reference.parse_lines(raw, dim)
    status, found_keys, found, _, _ = parsed(raw, dim)
    assert status == cpu.OK
    assert found_keys == keys
    assert found.tobytes() == matrix.tobytes()


def test_the_comparison_can_fail(monkeypatch):
    monkeypatch.setattr(reference, "parse_lines", lambda raw, dim: ([b"a"], np.zeros((1, 1), np.float32)))
    with pytest.raises(AssertionError):
        assert_same_as_the_reference(b"a 1\n", 1)


NUMBERS = st.one_of(
    st.floats(allow_nan=False).map(repr),
    st.floats(width=32, allow_nan=False).map(lambda x: str(np.float32(x))),
    st.floats(-1e3, 1e3).map(lambda x: f"{x:.6f}"),
    st.floats(allow_nan=False).map(lambda x: f"{x:.30e}"),
    st.integers(-(10**25), 10**25).map(str),
    st.from_regex(r"[+-]?([0-9]{1,12}\.?[0-9]{0,12}|\.[0-9]{1,12})([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


@given(st.lists(NUMBERS, min_size=1, max_size=5))
@example(["3.4028235e38", "3.4028236e38", "1e39", "-1e400"])
@example(["16777217", "16777216.999999999", "0.1", "1e-45", "7.0064923216240854e-46"])
@example(["1e-46", "1e-400", "-0", "-0.0", "0e5"])
@example(["9007199254740993", "18446744073709551615", "99999999999999999999"])
@example(["1.00000017881393432617187499", "1.00000017881393432617187500", "1.00000017881393432617187501"])
@settings(max_examples=400, deadline=None)
def test_every_number_is_what_numpy_makes_of_it(texts):
    raw = ("key " + " ".join(texts) + "\n").encode()
    expected = np.array([np.float32(float(text)) for text in texts if True], np.float32)
    assert_same_as_the_reference(raw, len(texts))
    np.testing.assert_array_equal(parsed(raw, len(texts))[2][0], expected)


test_every_number_is_what_numpy_makes_of_it = pytest.mark.filterwarnings("ignore:overflow")(
    test_every_number_is_what_numpy_makes_of_it
)


def test_ordinary_numbers_are_not_left_to_python():
    rng = np.random.default_rng(0)
    values = rng.normal(size=1000)
    for text in (" ".join(f"{v:.6f}" for v in values), " ".join(str(np.float32(v)) for v in values)):
        assert parsed(f"key {text}\n".encode(), 1000)[3] == 0
    shortest_doubles = " ".join(map(repr, values.tolist()))  # 16 and 17 digits
    assert parsed(f"key {shortest_doubles}\n".encode(), 1000)[3] <= 2


@pytest.mark.parametrize(
    "raw",
    [
        b"a 1 2\nb 3 4\n",
        b"a 1 2 \nb 3 4 \n",
        b"a 1 2\r\nb 3 4\r\n",
        b"a 1 2 \r\n",
        b". . . 1 2\n",
        b"1 2 3 4\n",
        b"at name@domain.com 1 2\n",
        b" 1 2\n",
        b"\n\na 1 2\n\r\n  \nb 3 4\n\n",
        b"\xc2\xa0 1 2\n\xc2\x85 3 4\n",
        b"a\tb 1 2\n",
        b"a  1 2\n",
        b"a nan inf\n",
        b"a 1_0 2\n",
        b"",
    ],
)
def test_lines_are_divided_as_the_reference_divides_them(raw):
    assert_same_as_the_reference(raw, 2)


@pytest.mark.parametrize("raw", [b"a 1\n", b"a\n", b"a 1\r 2\n", b"x 1 2\n1\n", b"1 2\n"])
def test_a_line_with_too_few_fields_is_told(raw):
    status, _, _, _, at = parsed(raw, 2)
    assert status == cpu.BAD_LINE
    assert at == raw.rstrip(b"\n").rfind(b"\n") + 1


def test_many_hard_numbers_are_handed_over_in_parts():
    raw = b"a 0x1 2\n" * 100
    piece, matrix = np.frombuffer(raw, np.uint8), np.empty((100, 2), np.float32)
    hard = np.empty((10, 4), np.int64)
    keys = np.empty(len(raw), np.uint8)
    status, n_rows, _, n_hard, at = cpu.parse_lines(piece, 0, len(piece), 2, matrix, 0, keys, 0, hard)
    assert status == cpu.MANY_HARD
    assert n_rows == n_hard == at // 8
    assert 0 < n_rows < 100


@given(st.binary(max_size=200), st.integers(1, 4))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_parsed_or_refused_without_leaving_the_buffer(raw, dim):
    raw += b"\n"
    guarded = np.frombuffer(b"9" * 64 + raw + b"9" * 64, np.uint8)[64 : 64 + len(raw)]
    matrix = np.empty((raw.count(b"\n"), dim), np.float32)
    hard = np.empty((2000, 4), np.int64)
    keys = np.empty(len(raw), np.uint8)
    status, n_rows, n_key_bytes, _, at = cpu.parse_lines(guarded, 0, len(raw), dim, matrix, 0, keys, 0, hard)
    assert status in (cpu.OK, cpu.BAD_LINE)
    assert 0 <= n_rows <= len(matrix)
    assert 0 <= n_key_bytes <= len(raw)
    assert 0 <= at <= len(raw)
