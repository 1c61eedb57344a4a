import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plectrum.kernels.subwords import cpu, reference


def buckets_of(words, min_n, max_n, bucket):
    raw = np.frombuffer(b"".join(words), np.uint8)
    ends = np.cumsum([len(word) for word in words], dtype=np.int64)
    bucket_ends = np.empty(len(words), np.int64)
    n = cpu.ngram_buckets(raw, ends, min_n, max_n, bucket, np.empty(0, np.int64), bucket_ends)
    buckets = np.empty(n, np.int64)
    assert cpu.ngram_buckets(raw, ends, min_n, max_n, bucket, buckets, bucket_ends) == n
    return [part.tolist() for part in np.split(buckets, bucket_ends[:-1])]


@given(
    st.lists(st.one_of(st.text().map(str.encode), st.binary(max_size=12)), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(1, 6),
    st.sampled_from([1, 7, 2_000_000]),
)
@settings(deadline=None)  # the first call compiles
def test_buckets_agree_with_the_definition(words, min_n, max_n, bucket):
    expected = [[reference.hash_bytes(g) % bucket for g in reference.ngrams(w, min_n, max_n)] for w in words]
    assert buckets_of(words, min_n, max_n, bucket) == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ab", ["<ab", "<ab>", "ab>"]),
        ("é", ["<é>"]),
        ("", []),
        ("日本", ["<日本", "<日本>", "日本>"]),
    ],
)
def test_characters_are_counted_not_bytes(word, expected):
    assert [g.decode() for g in reference.ngrams(word.encode(), 3, 6)] == expected


def test_rows_are_added_to_their_words():
    table = np.arange(12, dtype=np.float32).reshape(6, 2)
    sums = np.ones((3, 2), np.float32)
    cpu.add_rows(table, np.array([0, 5, 5]), np.array([2, 2, 3]), sums)
    np.testing.assert_array_equal(sums, [[11, 13], [1, 1], [11, 12]])
