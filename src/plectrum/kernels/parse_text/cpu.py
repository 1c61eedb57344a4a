"""Lines of text with anything in them, parsed at the speed of memory; exact, by the reference's definition.

A decimal number ``m * 10**e`` of at most 19 digits is read in one pass. With ``m < 2**53`` and ``|e| <= 22``
both factors are doubles, so one multiplication or division rounds correctly (Clinger 1990, "How to read
floating point numbers accurately"). Otherwise the double is off by a few units in its last place; when all
of that interval rounds to one float32 the result is certain none the less, and when not, the place is noted
down and Python's own ``float`` decides.
"""

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import called, compiled

_SPACE, _NEWLINE, _RETURN = 32, 10, 13
_PLUS, _MINUS, _POINT, _UPPER_E, _LOWER_E = 43, 45, 46, 69, 101

_POWERS = np.array([float(f"1e{e}") for e in range(-300, 301)])
_LARGEST = 3.0e38  # beyond it float32 may overflow: Python decides
_CERTAIN = 2.0**-48  # relative; the double is off by less than 2**-50

OK, BAD_LINE, MANY_HARD = 0, 1, 2


@numba.njit(inline="always")
def _is_end(c):
    return c == _SPACE or c == _NEWLINE or c == _RETURN  # noqa: PLR1714  (a tuple would be slower)


@called
def _number(raw, at):
    """Return (value, end, simple): the number that starts at `at`, where it ends, whether it is certain."""
    negative = raw[at] == _MINUS
    p = at + 1 if negative or raw[at] == _PLUS else at
    mantissa = np.uint64(0)
    n_digits = 0
    exponent = 0
    digit = np.int64(raw[p]) - 48
    first = p
    while 0 <= digit <= 9:
        mantissa = mantissa * np.uint64(10) + np.uint64(digit)
        p += 1
        digit = np.int64(raw[p]) - 48
    n_digits = p - first
    if raw[p] == _POINT:
        p += 1
        first = p
        digit = np.int64(raw[p]) - 48
        while 0 <= digit <= 9:
            mantissa = mantissa * np.uint64(10) + np.uint64(digit)
            p += 1
            digit = np.int64(raw[p]) - 48
        exponent = first - p
        n_digits += p - first
    simple = 0 < n_digits <= 19
    if raw[p] == _LOWER_E or raw[p] == _UPPER_E:
        p += 1
        below = raw[p] == _MINUS
        if below or raw[p] == _PLUS:
            p += 1
        digit = np.int64(raw[p]) - 48
        simple = simple and 0 <= digit <= 9
        power = 0
        while 0 <= digit <= 9:
            if power < 100_000:
                power = power * 10 + int(digit)
            p += 1
            digit = np.int64(raw[p]) - 48
        exponent += -power if below else power
    if not simple or not _is_end(raw[p]):
        return np.float32(0.0), p, False
    value = np.float64(mantissa)
    if mantissa <= np.uint64(1 << 53) and -22 <= exponent <= 22:
        if exponent < 0:
            value /= _POWERS[300 - exponent]
        else:
            value *= _POWERS[300 + exponent]
    elif mantissa != np.uint64(0):
        if exponent < -300 or exponent > 300:
            return np.float32(0.0), p, False
        value *= _POWERS[300 + exponent]
        if np.float32(value * (1.0 - _CERTAIN)) != np.float32(value * (1.0 + _CERTAIN)):
            return np.float32(0.0), p, False
    if value > _LARGEST:
        return np.float32(0.0), p, False
    return np.float32(-value if negative else value), p, True


@called
def _numbers(raw, at, dim, row, matrix, hard, n_hard):
    """Parse `dim` numbers, each after one space, from `at` on; return (end or -1, n_hard)."""
    p = at
    for column in range(dim):
        if raw[p] != _SPACE:
            return -1, n_hard
        start = p + 1
        value, p, simple = _number(raw, start)
        if not simple:
            p = start
            while not _is_end(raw[p]):
                p += 1
            hard[n_hard, 0] = row
            hard[n_hard, 1] = column
            hard[n_hard, 2] = start
            hard[n_hard, 3] = p
            n_hard += 1
        matrix[row, column] = value
    return p, n_hard


@called
def _content_end(raw, line_end, start):
    """Return where a line's content ends: before spaces and a carriage return at its end."""
    end = line_end
    if end > start and raw[end - 1] == _RETURN:
        end -= 1
    while end > start and raw[end - 1] == _SPACE:
        end -= 1
    return end


@compiled()
def parse_lines(raw, start, stop, dim, matrix, first_row, keys, first_key_byte, hard):
    """Parse the whole lines of ``raw[start:stop]`` into rows of `matrix` from `first_row` on.

    Parameters
    ----------
    raw : (n_bytes,) uint8
        ``raw[stop - 1]`` is a newline.
    matrix : (at least first_row + n_lines, dim) float32, written
    keys : (n_bytes,) uint8, written
        The keys from `first_key_byte` on, each with a newline behind it.
    hard : (at least dim, 4) int64, written
        Places that Python must read: row, column, start, end.

    Returns
    -------
    status, n_rows, n_key_bytes, n_hard, position
        `position` is where the next line starts, or the line that is at fault.
    """
    row, out, n_hard, p = first_row, first_key_byte, 0, start
    while p < stop:
        if n_hard + 2 * dim > len(hard):
            return MANY_HARD, row - first_row, out - first_key_byte, n_hard, p
        line = p
        while raw[p] != _SPACE and raw[p] != _NEWLINE:
            p += 1
        key_end = p
        end, n_hard_now = (
            (-1, n_hard) if raw[p] == _NEWLINE else _numbers(raw, p, dim, row, matrix, hard, n_hard)
        )
        p = key_end if end < 0 else end
        while raw[p] == _SPACE and end >= 0:  # the space that some tools write behind the last number
            p += 1
        if end >= 0 and raw[p] == _RETURN:
            p += 1
        if end < 0 or raw[p] != _NEWLINE or n_hard_now > n_hard:  # not that simple: count fields from the end
            p = key_end
            while raw[p] != _NEWLINE:
                p += 1
            key_end = content_end = _content_end(raw, p, line)
            if content_end == line:
                p += 1
                continue
            n_fields = 0
            while key_end > line and n_fields < dim:
                key_end -= 1
                if raw[key_end] == _SPACE:
                    n_fields += 1
            if n_fields < dim:
                return BAD_LINE, row - first_row, out - first_key_byte, n_hard, line
            end, n_hard = _numbers(raw, key_end, dim, row, matrix, hard, n_hard)
            if end != content_end:
                return BAD_LINE, row - first_row, out - first_key_byte, n_hard, line
        for i in range(line, key_end):
            keys[out] = raw[i]
            out += 1
        keys[out] = _NEWLINE
        out += 1
        row += 1
        p += 1
    return OK, row - first_row, out - first_key_byte, n_hard, p


@compiled()
def split_entries(raw, start, longest, token_starts, token_ends, width):
    """Find the tokens of entries that each are a token, a zero byte, and `width` bytes.

    Parameters
    ----------
    raw : (n_bytes,) uint8
    start : int
        Where the first entry stands.
    longest : int
        How many bytes a token may have.
    token_starts, token_ends : (n_entries,) int64, written

    Returns
    -------
    n_whole, position
        How many entries are whole, and where the first begins that is not, or what is behind the last.
    """
    p = start
    for entry in range(len(token_starts)):
        end = p
        while end < len(raw) and raw[end] != 0 and end - p <= longest:
            end += 1
        if end + 1 + width > len(raw) or raw[end] != 0:
            return entry, p
        token_starts[entry] = p
        token_ends[entry] = end
        p = end + 1 + width
    return len(token_starts), p
