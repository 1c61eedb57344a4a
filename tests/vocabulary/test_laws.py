"""What holds for every vocabulary and every column."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plectrum.vocabulary import UNKNOWN, Vocabulary, canonical_key, factor
from plectrum.vocabulary._keys import identity

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(),
    st.sampled_from([0.0, -0.0, 1.0, 2.5, 1e300, float(2**60), 2**60, 10**20, 1e20]),
    st.decimals(allow_nan=False, places=1, min_value=-3, max_value=3),
    st.fractions(max_denominator=4),
    st.complex_numbers(max_magnitude=2),
    st.text(max_size=2),
    st.binary(max_size=2),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()).filter(lambda t: 2 < t.year < 9998),
    st.times(),
    st.timedeltas(),
)
mixed = st.lists(scalars, max_size=20)


def counted(values):
    """What learning should count, by plain Python."""
    return Counter(identity(key) for key in map(canonical_key, values) if key is not None)


@given(mixed)
def test_learning_counts_every_key_in_order_of_count_and_first_appearance(values):
    v = Vocabulary.learn(values)
    expected = counted(values).most_common()
    assert [(identity(key), n) for key, n in zip(v.keys, v.counts.tolist(), strict=True)] == expected


@given(mixed)
def test_decoding_gives_the_canonical_keys_back(values):
    v = Vocabulary.learn(values)
    decoded = v.decode(v.encode(values))
    expected = [canonical_key(value) for value in values]
    assert list(map(identity, decoded)) == list(map(identity, expected))


@given(mixed, mixed)
def test_what_was_not_learned_is_unknown_and_nothing_else_is(learned, asked):
    v = Vocabulary.learn(learned)
    known = counted(learned)
    for value, row in zip(asked, v.encode(asked).tolist(), strict=True):
        key = canonical_key(value)
        expected = 2 if key is None else 1 if identity(key) not in known else 3 + v.keys.index(key)
        if isinstance(key, (bool, int, float)) and row >= 3:  # list.index takes True for 1
            assert identity(v.keys[row - 3]) == identity(key)
        else:
            assert row == expected
        assert (value in v) == (row >= 3)
        if row != 1:
            assert v.row(value) == row


@given(mixed)
def test_canonical_keys_are_fixed_points(values):
    for value in values:
        key = canonical_key(value)
        assert identity(canonical_key(key)) == identity(key)
        assert type(canonical_key(key)) is type(key)


@given(mixed, mixed)
def test_adding_keeps_rows_and_equals_counting_both(first, second):
    v = Vocabulary.learn(first)
    rows = v.encode(first)
    old = v.keys
    new = v.add(second)
    assert (v.encode(first) == rows).all()
    assert v.keys == [*old, *new]
    assert dict(zip(map(identity, v.keys), v.counts.tolist(), strict=True)) == counted([*first, *second])


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 5), st.one_of(st.none(), st.integers(0, 6)))
def test_min_count_and_max_size_cut_the_tail_of_the_full_vocabulary(values, min_count, max_size):
    full = Vocabulary.learn(values)
    cut = Vocabulary.learn(values, min_count=min_count, max_size=max_size)
    n_frequent = int((full.counts >= min_count).sum())
    n = n_frequent if max_size is None else min(n_frequent, max_size)
    assert cut.keys == full.keys[:n]
    assert cut.counts.tolist() == full.counts[:n].tolist()
    lost = [value for value in values if value not in cut]
    assert (cut.encode(values) == 1).sum() == len(lost)


@given(mixed)
def test_factoring_is_exact(values):
    codes, keys = factor(values)
    assert [identity(keys[n]) for n in codes.tolist()] == [identity(canonical_key(v)) for v in values]
    assert len(set(map(identity, keys))) == len(keys)


@pytest.mark.parametrize(
    "same",
    [
        [
            1,
            1.0,
            Decimal(1),
            Fraction(1),
            np.int8(1),
            np.float16(1),
            np.longdouble(1),
            complex(1),
            np.uint64(1),
        ],
        [0.5, Decimal("0.5"), Fraction(1, 2), np.float32(0.5), np.longdouble(0.5)],
        [2**60, float(2**60), Decimal(2**60), np.float64(2**60), np.int64(2**60)],
        [10**30, Decimal(10) ** 30],
        ["a", np.str_("a")],
        [b"a", np.bytes_(b"a")],
        [True, np.bool_(True)],
        [0.0, -0.0, 0],
    ],
    ids=repr,
)
def test_equal_values_of_different_types_are_one_key(same):
    v = Vocabulary.learn(same)
    assert len(v) == 1
    for value in same:
        assert v.encode([value]).tolist() == v.encode([value, "else"]).tolist()[:1] == [3]


@pytest.mark.parametrize(
    "distinct",
    [
        [1, True, "1", b"1", 1.5],
        [0, False, "", b"", "0"],
        [2**53, 2**53 + 1, 2**63, 2**63 + 1, 2**64 + 1],
        [0.1, np.float32(0.1), Decimal("0.1"), np.longdouble("0.1")],
        ["\u00e9", "e\u0301", "\u00c9", "\u00e9 "],
        ["a", "a\0", "\ud800", "\udfff"],
        [float("inf"), float("-inf"), 1e300],
    ],
    ids=repr,
)
def test_values_that_differ_are_different_keys(distinct):
    v = Vocabulary.learn(distinct)
    assert len(v) == len(distinct)
    assert v.encode(distinct).tolist() == [n + 3 for n in range(len(distinct))]
    assert [v.encode([value]).tolist()[0] for value in distinct] == [n + 3 for n in range(len(distinct))]


def test_a_decimal_too_long_to_write_out_is_a_key_all_the_same():
    v = Vocabulary.learn([Decimal("1e999999")])
    assert v.encode([Decimal("1e999999"), Decimal("10e999998"), 1]).tolist() == [3, 3, 1]


def test_unknown_and_padding_are_never_keys():
    assert Vocabulary.learn([UNKNOWN, "a"]).keys == ["a"]
