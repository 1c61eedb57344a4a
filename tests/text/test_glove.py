import numpy as np
import pytest
from sklearn.base import clone

from plectrum import GloVe
from plectrum.errors import ArgumentError
from text.grouped_text import TEXT, share_of_neighbours_in_the_group

SMALL = {"embedding_dim": 8, "window": 5, "epochs": 30, "random_state": 0, "n_jobs": 2}


def test_words_of_one_group_end_up_close():
    model = GloVe(**SMALL).fit(TEXT)
    assert share_of_neighbours_in_the_group(model.vectors_) > 0.95
    assert model.history_[-1].loss < model.history_[0].loss / 2
    assert model.n_pairs_ == 4 * (10 * 11 // 2)


def test_one_thread_and_deterministic_give_the_same_bits():
    a, b, c = (
        GloVe(**{**SMALL, "epochs": 3, **how}).fit(TEXT).vectors_.matrix
        for how in ({"n_jobs": 1}, {"n_jobs": 3, "deterministic": True}, {"n_jobs": 1, "memory": 1000})
    )
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(a, c, rtol=1e-3, atol=1e-4)  # sums in another order


def test_a_saved_model_is_the_same(tmp_path):
    model = GloVe(**{**SMALL, "epochs": 2}).fit(TEXT)
    model.save_model(tmp_path)
    again = GloVe.load_model(tmp_path)
    np.testing.assert_array_equal(again.vectors_.matrix, model.vectors_.matrix)
    assert again.history_ == model.history_
    assert clone(again).get_params() == model.get_params()


def test_progress_is_told():
    told = []
    GloVe(**{**SMALL, "epochs": 2}, progress=told.append).fit(TEXT)
    assert told[-1].words == told[-1].n_words == 2 * 220


@pytest.mark.parametrize("parameters", [{"window": 300}, {"x_max": 0}, {"embedding_dim": 0}])
def test_wrong_parameters_are_named(parameters):
    with pytest.raises(ArgumentError, match=next(iter(parameters))):
        GloVe(**{**SMALL, **parameters}).fit(TEXT)
