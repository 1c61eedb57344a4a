import json

import numpy as np
import pytest

from estimator_data import make_shop_frame, small
from plectrum.errors import FormatError
from plectrum.tabular import EmbeddingClassifier, EmbeddingRegressor, load_model, save_model


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_networks": 2, "hidden": (8, 8), "normalization": "layer"},
        {"number_embedding": "piecewise-linear", "numeric_scaling": "quantile"},
        {"number_embedding": "periodic", "kinds": {"shop": "categorical"}, "hidden": ()},
    ],
)
def test_a_loaded_model_predicts_the_same_bits(tmp_path, options):
    frame, y = make_shop_frame()
    frame.loc[3, ["shop", "price"]] = None
    model = small(EmbeddingRegressor, **options).fit(frame, y)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    asked = frame.assign(shop=np.where(np.arange(len(frame)) % 9 == 0, "new", frame["shop"]))
    assert (loaded.predict(asked) == model.predict(asked)).all()
    assert loaded.get_params() == model.get_params()
    assert loaded.history_ == model.history_
    assert (loaded.n_updates_["shop"] == model.n_updates_["shop"]).all()
    assert list(loaded.vectors_["shop"].keys) == list(model.vectors_["shop"].keys)
    assert (loaded.vectors_["shop"].counts == model.vectors_["shop"].counts).all()
    assert loaded.columns_.kinds == model.columns_.kinds


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"], [1, 2]])
def test_classes_are_kept(tmp_path, labels):
    frame, y = make_shop_frame()
    steps = np.quantile(y, np.arange(1, len(labels)) / len(labels))
    target = np.array(labels)[np.digitize(y, steps)]
    model = small(EmbeddingClassifier).fit(frame, target)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.classes_.dtype == model.classes_.dtype
    assert (loaded.predict(frame) == model.predict(frame)).all()


def test_a_trimmed_model_can_be_saved(tmp_path):
    frame, y = make_shop_frame()
    model = small(EmbeddingRegressor).fit(frame, y).trim()
    save_model(model, tmp_path)
    assert (load_model(tmp_path).predict(frame) == model.predict(frame)).all()


def test_there_are_two_files_and_no_pickle(tmp_path):
    frame, y = make_shop_frame()
    save_model(small(EmbeddingRegressor).fit(frame, y), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    assert json.loads((tmp_path / "model.json").read_text())["class"] == "EmbeddingRegressor"


def test_a_damaged_or_absent_model_is_a_format_error(tmp_path):
    with pytest.raises(FormatError, match=r"model\.json"):
        load_model(tmp_path)
    frame, y = make_shop_frame()
    save_model(small(EmbeddingRegressor).fit(frame, y), tmp_path)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(FormatError, match="damaged"):
        load_model(tmp_path)


def test_a_model_of_a_later_version_is_refused(tmp_path):
    frame, y = make_shop_frame()
    save_model(small(EmbeddingRegressor).fit(frame, y), tmp_path)
    file = tmp_path / "model.json"
    file.write_text(file.read_text().replace('"schema_version": 1', '"schema_version": 9'))
    with pytest.raises(FormatError, match="version 9"):
        load_model(tmp_path)
