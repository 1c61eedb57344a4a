import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plectrum.errors import ArgumentError, DataError, MissingColumnError
from plectrum.frames import split_rows


@given(n=st.integers(2, 300), share=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_every_row_is_on_exactly_one_side_and_no_side_is_empty(n, share, seed):
    train, held_out = split_rows(n, valid_share=share, seed=seed)
    assert sorted([*train, *held_out]) == list(range(n))
    assert len(train) > 0
    assert len(held_out) > 0
    assert abs(len(held_out) - share * n) <= 1


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=2, max_size=60), st.floats(0.05, 0.9))
def test_later_rows_are_held_out_and_moments_stay_whole(times, share):
    if len({t for t in times if t is not None}) < 2:
        with pytest.raises(DataError, match="at least 2 different values"):
            split_rows(len(times), valid_share=share, time=times)
        return
    train, held_out = split_rows(len(times), valid_share=share, time=times)
    assert max(times[n] for n in train if times[n] is not None) < min(times[n] for n in held_out)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.floats(0.05, 0.9), st.integers(0, 3))
def test_groups_stay_whole(groups, share, seed):
    if len(set(groups)) < 2:
        with pytest.raises(DataError, match="at least 2 groups"):
            split_rows(len(groups), valid_share=share, group=groups, seed=seed)
        return
    train, held_out = split_rows(len(groups), valid_share=share, group=groups, seed=seed)
    assert len(train) > 0
    assert len(held_out) > 0
    assert {groups[n] for n in train}.isdisjoint({groups[n] for n in held_out})


def test_the_split_is_the_same_for_a_seed_and_any_container():
    days = ["2013-01-02", "2013-01-01", "2013-01-03", "2013-01-03"]
    forms = [days, np.array(days, "M8[D]"), pd.to_datetime(pd.Series(days)), pa.array(days).cast(pa.date32())]
    splits = [split_rows(4, valid_share=0.4, time=form)[1].tolist() for form in forms]
    assert splits == [[2, 3]] * 4
    assert (split_rows(50, seed=3)[1] == split_rows(50, seed=3)[1]).all()
    assert (split_rows(50, seed=3)[1] != split_rows(50, seed=4)[1]).any()


def test_dates_written_by_day_are_put_in_order_of_time():
    days = ["31.12.2012", "01.06.2013", "15.01.2013"]
    assert split_rows(3, valid_share=0.3, time=days)[1].tolist() == [1]


def test_every_class_gives_its_share():
    classes = ["a"] * 90 + ["b"] * 10 + ["c"]
    _, held_out = split_rows(101, valid_share=0.2, stratify=classes)
    taken = [classes[n] for n in held_out]
    assert (taken.count("a"), taken.count("b"), taken.count("c")) == (18, 2, 0)


def test_columns_are_found_by_name_and_named_when_missing():
    frame = pd.DataFrame({"shop": ["a", "a", "b"], "y": [1, 2, 3]})
    _, held_out = split_rows(frame, valid_share=0.3, group="shop")
    assert held_out.tolist() in ([2], [0, 1])
    with pytest.raises(MissingColumnError, match=r"'shp'.*shop, y"):
        split_rows(frame, group="shp")


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(ArgumentError, match="valid_share"):
        split_rows(10, valid_share=share)


def test_wrong_arguments_are_named():
    with pytest.raises(DataError, match="at least 2 rows"):
        split_rows(1)
    with pytest.raises(ArgumentError, match="`seed` of `split_rows` must be a whole number of 0 or more"):
        split_rows(10, seed=-1)
    with pytest.raises(ArgumentError, match="one of"):
        split_rows(10, group=[1] * 10, time=[1] * 10)
    with pytest.raises(ArgumentError, match="one value per row, 10; got 3"):
        split_rows(10, group=[1, 2, 3])
    with pytest.raises(DataError, match=r"int, str"):
        split_rows(3, time=[1, "a", 2])
