import pickle

import pytest

from plectrum import errors


def every_error():
    return [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.PlectrumError)]


@pytest.mark.parametrize("error", every_error(), ids=lambda c: c.__name__)
def test_every_error_can_be_caught_as_ours_and_as_a_builtin(error):
    if error is not errors.PlectrumError:
        builtins = [b for b in error.__mro__ if b.__module__ == "builtins"]
        assert len([b for b in builtins if b not in (Exception, BaseException, object)]) >= 1
    assert error.__doc__


def test_every_error_stands_in_the_tree_of_the_module():
    for error in every_error():
        assert error.__name__ in errors.__doc__


def test_unknown_key_error_prints_as_a_sentence_and_names_the_nearest_key():
    error = errors.UnknownKeyError("Berln", position=3, n_unknown=2, n_values=10, nearest=["Berlin", "Bern"])
    assert str(error) == (
        "the vocabulary has no key 'Berln' at position 3 (2 of 10 values are unknown). "
        "Did you mean 'Berlin' or 'Bern'?"
    )
    assert (error.key, error.position, error.n_unknown, error.nearest) == ("Berln", 3, 2, ("Berlin", "Bern"))


def test_nearest_keys_are_looked_for_only_when_the_error_is_read():
    asked = []
    error = errors.UnknownKeyError("Berln", nearest=lambda: asked.append(1) or ["Berlin"])
    assert not asked
    assert "Did you mean 'Berlin'?" in str(error)
    assert error.nearest == ("Berlin",)
    assert asked == [1]


def test_unknown_key_error_travels_between_processes():
    error = errors.UnknownKeyError("Berln", position=3, nearest=lambda: ["Berlin"])
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error)
    assert (back.key, back.position, back.nearest) == ("Berln", 3, ("Berlin",))


def test_row_out_of_range_error_says_value_position_and_size():
    error = errors.RowOutOfRangeError(
        owner="Embedding", value=5000, position=(3, 7), n_bad=1, n_values=96, n_rows=5000
    )
    assert str(error) == (
        "`ids` of `Embedding` must lie in [0, 5000); got 5000 at position (3, 7), 1 of 96 values. Raise "
        "`num_embeddings`, or look keys up through a Vocabulary, which cannot produce such an id."
    )
