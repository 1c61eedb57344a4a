import copy
import datetime as dt
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pytest

from plectrum.errors import ArgumentError, ArgumentTypeError, RowOutOfRangeError, UnknownKeyError
from plectrum.vocabulary import PADDING, UNKNOWN, Vocabulary


def test_keys_follow_the_three_reserved_rows():
    v = Vocabulary.learn(["b", "a", "b"])
    assert (v.padding_row, v.unknown_row, v.missing_row) == (0, 1, 2)
    assert v.encode(["b", "a"]).tolist() == [3, 4]
    assert v.encode(["b"]).dtype == np.int64
    assert v.n_rows == 5
    assert len(v) == 2


def test_keys_stand_by_falling_count_then_by_first_appearance():
    v = Vocabulary.learn(["late", "once", "often", "often", "late", "zero"])
    assert v.keys == ["late", "often", "once", "zero"]
    assert v.counts.tolist() == [2, 2, 1, 1]


def test_unknown_and_missing_have_rows_of_their_own_and_raise_nothing():
    v = Vocabulary.learn(["a", None, float("nan")])
    assert v.keys == ["a"]
    assert v.encode(["zebra", None, float("nan"), "a"]).tolist() == [1, 2, 2, 3]


def test_unknown_key_error_names_the_nearest_key_and_prints_as_a_sentence():
    v = Vocabulary.learn(["Berlin", "Rome"])
    with pytest.raises(UnknownKeyError) as caught:
        v.encode(["Rome", None, "berlin", "Oslo"], unknown="error")
    assert (caught.value.key, caught.value.position, caught.value.n_unknown) == ("berlin", 2, 2)
    assert "Did you mean 'Berlin'" in str(caught.value)
    assert not str(caught.value).startswith(("'", '"'))


def test_min_count_and_max_size_leave_keys_out():
    values = ["a"] * 3 + ["b"] * 2 + ["c"]
    assert Vocabulary.learn(values, min_count=2).keys == ["a", "b"]
    assert Vocabulary.learn(values, max_size=1).keys == ["a"]
    assert Vocabulary.learn(values, max_size=0).keys == []


def test_adding_keys_keeps_old_rows_and_counts_on():
    v = Vocabulary.learn(["a", "b", "b"])
    before = v.encode(["a", "b"])
    assert v.add(["c", "b", None, "c"]) == ["c"]
    assert (v.encode(["a", "b"]) == before).all()
    assert v.encode(["c"]).tolist() == [5]
    assert v.counts.tolist() == [3, 1, 2]


def test_from_keys_keeps_the_order_given():
    v = Vocabulary.from_keys(["z", "a"], counts=[1, 9])
    assert v.keys == ["z", "a"]
    assert v.counts.tolist() == [1, 9]
    assert Vocabulary.from_keys(["z"]).counts is None


@pytest.mark.parametrize("keys", [["a", "a"], [1, 1.0], ["a", None]])
def test_from_keys_refuses_repeated_and_missing_keys(keys):
    with pytest.raises(ArgumentError, match="from_keys"):
        Vocabulary.from_keys(keys)


def test_decode_gives_back_keys_and_marks_reserved_rows():
    v = Vocabulary.learn(["a", 1])
    assert v.decode([0, 1, 2, 3, 4]) == [PADDING, UNKNOWN, None, "a", 1]
    assert v.encode(v.decode([0, 1, 2, 3, 4])).tolist() == [0, 1, 2, 3, 4]
    assert v.decode(np.array([[3], [4]])) == [["a"], [1]]


def test_decode_says_which_row_is_outside_the_table():
    v = Vocabulary.learn(["a"])
    with pytest.raises(RowOutOfRangeError, match=r"\[0, 4\); got 4 at position 1"):
        v.decode([3, 4])
    with pytest.raises(ArgumentTypeError, match=r"decode\(\[row\]\)"):
        v.decode(3)


def test_wrong_arguments_say_what_to_do():
    with pytest.raises(ArgumentTypeError, match=r"Vocabulary\.learn\(values\)"):
        Vocabulary(["a"])
    with pytest.raises(
        ArgumentError, match=r"`min_count` of `Vocabulary\.learn` must be .* 1 or more; got 0"
    ):
        Vocabulary.learn(["a"], min_count=0)
    with pytest.raises(ArgumentError, match=r"`max_size` .* got 2\.5"):
        Vocabulary.learn(["a"], max_size=2.5)
    with pytest.raises(ArgumentError, match="'row' or 'error'; got 'raise'"):
        Vocabulary.learn(["a"]).encode(["b"], unknown="raise")
    with pytest.raises(ArgumentError, match="lists of different length"):
        Vocabulary.learn(["a"]).decode([[3], [3, 3]])
    for counts in ([1], [1, -1], [1.0, 2.0]):
        with pytest.raises(ArgumentError, match="one whole number of 0 or more for each of the 2 keys"):
            Vocabulary.from_keys(["a", "b"], counts=counts)


@pytest.mark.parametrize(
    ("asked", "first"),
    [("JKF", "JFK"), ("jfk ", "JFK"), ("Berln", "Berlin"), ("1", 1), ("2013-01-31", dt.date(2013, 1, 31))],
)
def test_the_nearest_key_is_the_one_spelled_most_alike(asked, first):
    v = Vocabulary.from_keys(
        ["LGA", "JFK", "Bern", "Berlin", 1, 12, dt.date(2013, 1, 31), dt.date(2013, 1, 13)]
    )
    assert v.nearest_keys(asked)[0] == first
    with pytest.raises(UnknownKeyError) as caught:
        v.row(asked)
    assert caught.value.nearest[0] == first
    assert v.nearest_keys("something else") == []


def test_only_keys_are_in_the_vocabulary():
    v = Vocabulary.learn(["a", None, 1])
    assert "a" in v
    assert 1.0 in v
    for other in (None, True, "1", float("nan"), UNKNOWN, PADDING, [1]):
        assert other not in v


def test_copies_and_pickles_are_equal_and_keep_the_sentinels():
    v = Vocabulary.learn(["a", 1, True])
    for twin in (copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert twin == v
        assert twin.counts.tolist() == v.counts.tolist()
        assert twin.encode([True, 1, "a"]).tolist() == v.encode([True, 1, "a"]).tolist()
    assert pickle.loads(pickle.dumps(UNKNOWN)) is UNKNOWN
    assert copy.deepcopy(PADDING) is PADDING


def test_changing_the_list_of_keys_does_not_change_the_vocabulary():
    v = Vocabulary.learn(["a", "b"])
    v.keys.clear()
    assert v.encode(["b"]).tolist() == [4]
    assert v.decode([4]) == ["b"]


def test_an_empty_column_gives_an_empty_vocabulary():
    v = Vocabulary.learn([])
    assert (len(v), v.n_rows, v.keys, v.decode([])) == (0, 3, [], [])
    assert v.encode([]).tolist() == []
    assert v.encode(["x", None]).tolist() == [1, 2]


def test_neither_pandas_nor_polars_is_needed(tmp_path):
    code = """
        import sys
        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {"pandas", "polars"}:
                    raise ModuleNotFoundError(name)
        sys.meta_path.insert(0, Absent())
        import pyarrow, plectrum
        from plectrum import frames
        v = plectrum.Vocabulary.learn(["b", "a", "b", None, float("nan")])
        print(v.encode(["a", "b", None, float("nan")] * 3).tolist(), v.encode(pyarrow.array(["a"])).tolist())
        frame = frames.as_frame([["a", 1.5], ["b", None]])
        print([kind.kind for kind in frames.column_kinds(frame).values()], len(frames.check(frame, "x1")) > 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [
        "[4, 3, 2, 2, 4, 3, 2, 2, 4, 3, 2, 2] [4]",
        "['categorical', 'numeric'] True",
    ], done.stderr


def test_few_and_many_strings_are_looked_up_alike():
    v = Vocabulary.learn([f"k{n}" for n in range(50)] + [7, "\ud800"])
    asked = ["k0", "k49", None, "none such", "", "k7"]
    for form in (list, pa.array):
        few = v.encode(form(asked)).tolist()
        assert few == [3, 52, 2, 1, 1, 10]
        assert v.encode(form(asked * 50)).tolist() == few * 50
    assert v.encode(["\ud800", "k0"] * 50).tolist() == [54, 3] * 50


def test_an_error_names_the_first_unknown_value_in_any_container():
    v = Vocabulary.learn(["a", "b"])
    forms = [
        ["a", None, "x", "y"],
        pa.array(["a", None, "x", "y"]),
        pa.array(["a", None, "x", "y"]).dictionary_encode(),
    ]
    for form in forms:
        with pytest.raises(UnknownKeyError, match=r"no key 'x' at position 2 \(2 of 4 values are unknown\)"):
            v.encode(form, unknown="error")
    with pytest.raises(UnknownKeyError, match=r"no key datetime.date\(2013, 1, 1\) at position 0"):
        v.encode(np.array(["2013-01-01"], "M8[s]"), unknown="error")
