"""The n-grams of many words at once."""

import numba
import numpy as np

from plectrum.kernels.native._cpu_compile import called, compiled

_LEFT, _RIGHT = 60, 62  # < and >


@numba.njit(inline="always")
def _byte(raw, start, length, i):
    """Return byte `i` of ``<word>``, where the word is ``raw[start:start + length]``."""
    if i == 0:
        return np.uint32(_LEFT)
    if i == length + 1:
        return np.uint32(_RIGHT)
    return np.uint32(raw[start + i - 1])


@called
def _walk(raw, start, length, min_n, max_n, bucket, buckets, n_found):
    """Note the buckets of a word's n-grams from ``buckets[n_found]`` on, as there is room; return the end."""
    size = length + 2
    for i in range(size):
        if _byte(raw, start, length, i) & np.uint32(0xC0) == np.uint32(0x80):
            continue
        value = np.uint32(2166136261)
        j = i
        n = 1
        while j < size and n <= max_n:
            first = True
            while first or (j < size and _byte(raw, start, length, j) & np.uint32(0xC0) == np.uint32(0x80)):
                byte = _byte(raw, start, length, j)
                signed = byte | np.uint32(0xFFFFFF00) if byte > np.uint32(127) else byte
                value = np.uint32((value ^ signed) * np.uint32(16777619))
                j += 1
                first = False
            if n >= min_n and not (n == 1 and (i == 0 or j == size)):
                if n_found < len(buckets):
                    buckets[n_found] = np.int64(value) % bucket
                n_found += 1
            n += 1
    return n_found


@compiled()
def ngram_buckets(raw, ends, min_n, max_n, bucket, buckets, bucket_ends):
    """Hash the n-grams of words to ``[0, bucket)``.

    Parameters
    ----------
    raw : (n_bytes,) uint8
        The words' UTF-8, one after the other.
    ends : (n_words,) int64
        Where each word ends in `raw`.
    min_n, max_n, bucket : int
    buckets : (n_room,) int64, written
        The buckets of all n-grams, word after word, as far as there is room: call with an empty one to count.
    bucket_ends : (n_words,) int64, written
        Where each word's n-grams end in `buckets`.

    Returns
    -------
    int
        How many n-grams there are.
    """
    n_found = 0
    start = 0
    for word in range(len(ends)):
        n_found = _walk(raw, start, ends[word] - start, min_n, max_n, bucket, buckets, n_found)
        bucket_ends[word] = n_found
        start = ends[word]
    return n_found


@compiled()
def add_rows(table, rows, ends, sums):
    """Add to each of `sums` (n_words, dim) the rows of `table` that are its own.

    Parameters
    ----------
    table : (n_rows, dim) float32
    rows : (n_ngrams,) int64
        The rows of all words, word after word; every one lies in `table`.
    ends : (n_words,) int64
        Where each word's rows end in `rows`.
    """
    at = 0
    for word in range(len(ends)):
        while at < ends[word]:
            row = rows[at]
            for i in range(table.shape[1]):
                sums[word, i] += table[row, i]
            at += 1
