import numpy as np
import pytest
import torch
from sklearn.base import clone

from estimator_data import make_shop_frame, small
from plectrum.errors import ArgumentError
from plectrum.tabular import EmbeddingClassifier, EmbeddingRegressor
from plectrum.tabular._trim import find_directions, with_dims


@pytest.fixture(scope="module")
def fitted():
    frame, y = make_shop_frame(1500)
    return EmbeddingRegressor(hidden=(32,), epochs=12, random_state=0).fit(frame, y)


def test_a_full_turn_of_the_tables_changes_no_prediction(fitted):
    frame, _ = make_shop_frame(100, seed=1)
    network = fitted.networks_[0]
    dims = {column.name: column.embedding_dim for column in fitted.columns_.tables}
    turned = with_dims(network, fitted.columns_, find_directions(network, fitted.columns_), dims)
    ids, numbers, _ = fitted._encode(frame)
    with torch.no_grad():
        inputs = torch.from_numpy(ids), torch.from_numpy(numbers)
        assert torch.allclose(turned(*inputs), network(*inputs), atol=1e-5)


def test_trimming_finds_few_dims_within_the_tolerance(fitted):
    trimmed = fitted.trim(loss_tolerance=0.02)
    before = {name: w.embedding_dim for name, w in fitted.vectors_.items()}
    after = {name: w.embedding_dim for name, w in trimmed.vectors_.items()}
    assert sum(after.values()) < sum(before.values()) / 2
    assert all(1 <= after[name] <= before[name] for name in before)
    chosen = next(step for step in trimmed.trim_steps_ if step.n_dims == sum(after.values()))
    assert chosen.loss <= fitted.best_loss_ * 1.02
    frame, y = make_shop_frame(500, seed=2)
    error = np.mean((trimmed.predict(frame) - y) ** 2)
    assert error < 1.3 * np.mean((fitted.predict(frame) - y) ** 2)


def test_trimming_leaves_the_original_alone(fitted):
    frame, _ = make_shop_frame(50)
    before, dims = fitted.predict(frame), fitted.embedding_dim
    fitted.trim(0.5)
    assert (fitted.predict(frame) == before).all()
    assert fitted.embedding_dim == dims


def test_a_clone_of_a_trimmed_estimator_starts_with_its_dims(fitted):
    trimmed = fitted.trim()
    frame, y = make_shop_frame()
    again = clone(trimmed).set_params(epochs=1).fit(frame, y)
    assert again.vectors_["shop"].embedding_dim == trimmed.vectors_["shop"].embedding_dim


def test_trimming_an_ensemble_keeps_one_size_for_all_networks():
    frame, y = make_shop_frame()
    model = small(EmbeddingClassifier, n_networks=2).fit(frame, y > 0).trim(0.1)
    assert len({network.tables["shop"].shape for network in model.networks_}) == 1
    assert np.isfinite(model.predict_proba(frame)).all()


def test_trimming_needs_rows_to_judge_by():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor, validation_fraction=0.0).fit(frame, y)
    with pytest.raises(ArgumentError, match="must be given"):
        model.trim()
    assert model.trim(X=frame, y=y).n_features_in_ == 4


def test_a_warm_start_of_a_trimmed_estimator_leaves_the_original_alone():
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor, warm_start=True).fit(frame, y)
    trimmed = model.trim(0.1)
    trimmed.fit(frame.assign(shop="new"), y)
    assert "new" in trimmed.vectors_["shop"]
    assert "new" not in {*model.columns_.tables[0].vocabulary.keys}
    assert np.isfinite(model.predict(frame)).all()
