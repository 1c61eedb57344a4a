"""Well-formed lines and records, parsed eight digits at a time with NumPy alone: nothing to compile or to
import.

What is not well-formed (a key with spaces, a blank line, many numbers in exponents) is left to `cpu.py`.
"""

import sys

import numpy as np
from numpy.typing import NDArray

_SPACE, _NEWLINE, _MINUS, _POINT = 32, 10, 45, 46
_BEFORE = 16  # bytes before a piece, so that sixteen bytes before any place of it can be read
_LONGEST_WHOLE, _LONGEST_FRACTION, _MOST_DIGITS = 8, 16, 18  # 10**18 is an int64
_LARGEST = 2**53  # up to here integers are doubles
_POWERS = 10 ** np.arange(_MOST_DIGITS + 1, dtype=np.int64)
_FLOAT_POWERS = _POWERS.astype(np.float64)
# The last n of eight characters are the n highest bytes of a little-endian word.
_KEEP = np.array([(2**64 - 1) ^ (2 ** (8 * (8 - n)) - 1) for n in range(9)], np.uint64)
_ZEROS = np.uint64(0x3030303030303030)


def parse_lines(raw: NDArray[np.uint8], matrix: NDArray[np.float32]) -> bytes | None:
    """Parse whole lines of a key and numbers divided by single spaces, a space at the end allowed.

    Numbers are exactly `numpy.float32(float(text))`: the digits without their point, up to 2**53, and a power
    of ten up to 10**16 are doubles, and their division is correctly rounded (Clinger 1990); the rest are read
    by Python's ``float``.

    Parameters
    ----------
    raw : (n_bytes,) uint8
        Ends with a newline.
    matrix : (n_lines, dim) float32, written
        As many rows as there are newlines.

    Returns
    -------
    bytes or None
        The keys, each with a newline behind it. None when the lines are not that simple; `matrix` is then
        undefined.
    """
    n_lines, dim = matrix.shape
    every_sign = np.flatnonzero((raw == _SPACE) | (raw == _NEWLINE))
    width = len(every_sign) // n_lines
    if len(every_sign) != n_lines * width or width not in (dim + 1, dim + 2):
        return None
    signs = every_sign.reshape(n_lines, width)
    if (raw[signs[:, -1]] != _NEWLINE).any() or (
        width == dim + 2 and (signs[:, -1] - signs[:, -2] != 1).any()
    ):
        return None
    text = np.empty(len(raw) + _BEFORE, np.uint8)
    text[:_BEFORE] = _SPACE
    text[_BEFORE:] = raw
    keys = _take_keys(text, signs)
    starts = (signs[:, :dim] + (_BEFORE + 1)).reshape(-1)
    ends = (signs[:, 1 : dim + 1] + _BEFORE).reshape(-1)
    values, certain = _numbers(text, starts, ends)
    hard = np.flatnonzero(~certain)
    if len(hard) > 64 + len(values) // 16:
        return None
    flat = matrix.reshape(-1)
    flat[:] = values
    with np.errstate(over="ignore"):
        for at in hard.tolist():
            try:
                flat[at] = np.float32(float(text[starts[at] : ends[at]].tobytes()))
            except ValueError:
                return None
    return keys


def _take_keys(text: NDArray[np.uint8], signs: NDArray[np.int64]) -> bytes:
    """Return the keys with newlines behind them, and blank them out of the text, as they may hold points."""
    starts = np.concatenate([[0], signs[:-1, -1] + 1])
    lengths = signs[:, 0] - starts + 1  # with the sign behind the key
    ends = np.cumsum(lengths)
    places = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths) + _BEFORE, lengths)
    keys = text[places]
    keys[ends - 1] = _NEWLINE
    text[places] = _SPACE
    return keys.tobytes()


def _numbers(
    text: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the values of ``text[starts[i]:ends[i]]``, and which of them are certain."""
    points = _points(text, starts, ends)
    below = text[starts] == _MINUS
    n_whole = points - starts - below
    n_fraction = ends - points - 1  # -1 without a point
    certain = (n_whole >= 0) & (n_whole <= _LONGEST_WHOLE) & (n_fraction <= _LONGEST_FRACTION)
    certain &= ((n_whole > 0) | (n_fraction > 0)) & (n_whole + n_fraction <= _MOST_DIGITS)
    n_whole = np.where(certain, n_whole, 0)
    n_fraction = np.where(certain, np.maximum(n_fraction, 0), 0)
    # Every run of eight bytes of the text, as one word each: overlapping, not aligned, not copied.
    words = np.ndarray(len(text) - 7, "<u8", text, strides=(1,))
    digits, are_digits = _last_digits(words[points - 8], n_whole)
    certain &= are_digits
    digits *= _POWERS[n_fraction]
    fraction, are_digits = _last_digits(words[ends - 8], np.minimum(n_fraction, 8))
    certain &= are_digits
    digits += fraction
    if (n_fraction > 8).any():
        fraction, are_digits = _last_digits(words[ends - 16], np.maximum(n_fraction - 8, 0))
        certain &= are_digits
        digits += fraction * 10**8
    certain &= digits <= _LARGEST
    values = digits / _FLOAT_POWERS[n_fraction]
    return np.where(below, -values, values), certain


def _points(text: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each number's first point; its end, when it has none."""
    is_point = text == _POINT
    points = np.flatnonzero(is_point)
    if len(points) == len(starts) and (points >= starts).all() and (points < ends).all():
        return points
    n_before = np.cumsum(is_point)[starts - 1]
    following = np.append(points, len(text))[n_before]
    return np.minimum(following, ends)


def _last_digits(
    words: NDArray[np.uint64], n_digits: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the number that the last `n_digits` of eight characters are, and whether these are digits.

    The first character is the lowest byte. Neighbouring digits, pairs, and fours are put together by one
    multiplication each (Lemire 2019, "Quickly parsing eight digits").
    """
    keep = _KEEP[n_digits]
    digits = (words ^ _ZEROS) & keep
    too_large = ((digits + np.uint64(0x7676767676767676)) | digits) & np.uint64(0x8080808080808080)
    pairs = ((digits & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(2561)) >> np.uint64(8)
    fours = ((pairs & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    numbers = ((fours & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
    return numbers.view(np.int64), too_large == 0


def split_records(
    raw: bytearray, stop: int, width: int, n_wanted: int
) -> tuple[bytes, NDArray[np.int64], int]:
    """Find whole binary records, ``[NEWLINE ...] key SPACE`` and `width` bytes, in ``raw[:stop]``.

    Returns
    -------
    keys : bytes
        Each with the newlines before it and the space behind it.
    starts : (n_records,) int64
        Where the `width` bytes of each begin.
    position : int
        Where the first record begins that is not whole.
    """
    found: list[int] = []
    find, add, at, step, last = raw.find, found.append, 0, width + 1, stop - width - 1
    for _ in range(n_wanted):
        end = find(b" ", at, stop)
        if end < 0 or end > last:
            break
        add(end)
        at = end + step
    ends = np.array(found, np.int64)
    starts = np.append(0, ends + step)[:-1]
    lengths = ends - starts + 1
    behind = np.cumsum(lengths)
    places = np.arange(behind[-1] if found else 0) + np.repeat(starts - behind + lengths, lengths)
    return np.frombuffer(raw, np.uint8, stop)[places].tobytes(), ends + 1, at


def take_bytes(raw: bytearray, starts: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
    """Copy as many bytes as a row has from each of `starts` in `raw` to the rows (n, dim), little-endian."""
    width = 4 * rows.shape[1]
    every = np.ndarray(len(raw) - width + 1, f"V{width}", raw, strides=(1,))  # overlapping, not copied
    rows.view(f"V{width}")[:, 0] = every[starts]
    if sys.byteorder == "big":
        rows.byteswap(inplace=True)
