"""Which rows of a batch occur more than once, on the CPU: rows are noted in a few bits each, keys sorted.

`wanted` names the ids: a pointer to them, the step from one to the next in numbers, and how many rows the
table has. A key is ``row << 32 | position``.
"""

# mypy: ignore-errors
# Numba types these functions; the tests hold them to the reference.
import numpy as np

from plectrum.kernels.native._cpu_compile import ONE, ZERO, inlined
from plectrum.kernels.native._cpu_memory import int64_at

FOLD = 4  # words of marks that fold into one
_MARKS = 8  # at least, for each id, to note whether its row occurs once
_FIRST_BITS = np.int64(0x5555555555555555)
_BITS, _MOST_PASSES = 11, 3  # of the row sorted by in one pass; 31 bits need three
COUNTS = _MOST_PASSES << _BITS  # numbers that sorting counts in


@inlined
def n_marks_for(n_ids):
    """Return for how many rows `note_rows` notes whether they have occurred: a power of two."""
    n = 32 * FOLD  # one folded word
    while n < _MARKS * n_ids:
        n *= 2
    return n


@inlined
def are_bad(wanted, first, end):
    """Return 1 where one of ids [first, end) lies outside the table, else 0."""
    (ids, stride, n_rows), found = wanted, ZERO
    for i in range(first, end):
        row = ids[i * stride]
        found |= row < 0 or row >= n_rows
    return found


@inlined
def note_rows(wanted, first, end, marks, mask):
    """Note for every row of ids [first, end), by its lowest bits, whether it occurs never, once or again.

    Two bits each: 0, 1, 3. Rows that share them count as one that occurs again. Returns 1 for a bad id, or 0.
    """
    ids, stride, n_rows = wanted
    for j in range((mask >> 5) + 1):
        marks[j] = 0
    for i in range(first, end):
        row = ids[i * stride]
        if row < 0 or row >= n_rows:
            return ONE
        place, once = (row & mask) >> 5, 1 << ((row & 31) << 1)
        seen = marks[place]
        marks[place] = seen | once | (seen & once) << 1
    return ZERO


@inlined
def merge_marks(marks_at, n_bytes, n_parts, first, end):
    """Merge words [first, end) of what has been noted of each part of a batch, into those of the first."""
    total = int64_at(marks_at)
    for part in range(1, n_parts):
        more = int64_at(marks_at + part * n_bytes)
        for j in range(first, end):
            total[j] = total[j] | more[j] | (total[j] & more[j] & _FIRST_BITS) << 1


@inlined
def merge_and_fold(marks_at, n_bytes, n_parts, n_folded, first, end, folded):
    """Merge what has been noted of each part of a batch, and fold it into words [first, end) of `folded`.

    While rows are stepped on, caches keep what is so small. More rows share their two bits, and count as ones
    that occur again.
    """
    for f in range(first, end):
        folded[f] = 0
    for layer in range(FOLD):
        start = layer * n_folded
        merge_marks(marks_at, n_bytes, n_parts, start + first, start + end)
        marks = int64_at(marks_at + 8 * start)
        for f in range(first, end):
            folded[f] |= marks[f]


@inlined
def may_occur_again(folded, n_folded, row):
    """Return 0 for a row that occurs once, 1 for any other, and for one that shares its bits."""
    return folded[row >> 5 & (n_folded - 1)] >> ((row & 31) << 1) >> 1 & 1


@inlined
def sort_by_row(n_rows, keys, n, spare, counts):
    """Sort n keys by their row, those of a row in the order they have; return 1 if they end in `spare`."""
    n_bits = 1
    while n_rows > 1 << n_bits:
        n_bits += 1
    n_passes = (n_bits + _BITS - 1) // _BITS
    per_pass = (n_bits + n_passes - 1) // n_passes
    mask = (1 << per_pass) - 1
    for j in range(n_passes << _BITS):
        counts[j] = 0
    for i in range(n):
        row = keys[i] >> 32
        for k in range(n_passes):
            counts[(k << _BITS) + (row >> k * per_pass & mask)] += 1
    source, to = keys, spare
    for k in range(n_passes):
        start, total, shift = k << _BITS, 0, 32 + k * per_pass
        for j in range(start, start + mask + 1):
            here = counts[j]
            counts[j] = total
            total += here
        for i in range(n):
            key = source[i]
            digit = start + (key >> shift & mask)
            to[counts[digit]] = key
            counts[digit] += 1
        source, to = to, source
    return n_passes & 1
