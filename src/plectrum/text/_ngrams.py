"""The character n-grams of many words, as fastText hashes them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plectrum.kernels.subwords import cpu

END_OF_SENTENCE = "</s>"  # has no n-grams


def ngram_buckets(
    words: Sequence[str], min_n: int, max_n: int, bucket: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each word's n-grams begin, (n_words + 1,), and the buckets of all of them.

    Examples
    --------
    >>> starts, buckets = ngram_buckets(["ab", "</s>", "abc"], 3, 3, 100)
    >>> starts.tolist(), buckets.tolist()[2:]
    ([0, 2, 2, 5], [8, 31, 80])
    """
    encoded = [b"" if word == END_OF_SENTENCE else word.encode("utf-8", "surrogateescape") for word in words]
    raw = np.frombuffer(b"".join(encoded), np.uint8)
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), dtype=np.int64)
    stops = np.empty(len(words), np.int64)
    n = cpu.ngram_buckets(raw, ends, min_n, max_n, bucket, np.empty(0, np.int64), stops)
    buckets = np.empty(n, np.int64)
    cpu.ngram_buckets(raw, ends, min_n, max_n, bucket, buckets, stops)
    lengths = np.diff(stops, prepend=0)
    silent = np.fromiter((word == END_OF_SENTENCE for word in words), bool, len(words))
    spoken = np.repeat(~silent, lengths)  # the empty word has the n-gram <> when min_n is 2
    return np.concatenate([[0], np.cumsum(np.where(silent, 0, lengths))]), buckets[spoken]
