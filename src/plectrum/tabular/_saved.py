"""Estimators <-> a folder of two files, without pickle: ``model.json`` and ``weights.safetensors``."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from plectrum import formats
from plectrum._version import __version__
from plectrum.errors import FormatError
from plectrum.tabular._base import EmbeddingModel
from plectrum.tabular._classifier import EmbeddingClassifier
from plectrum.tabular._columns import ColumnPlan
from plectrum.tabular._fitting import FittedNetwork, NetworkSettings, build_network
from plectrum.tabular._network import NumberEmbedding
from plectrum.tabular._regressor import EmbeddingRegressor
from plectrum.training import Epoch, History

_SCHEMA_VERSION = 1
_CLASSES: dict[str, type[EmbeddingModel]] = {
    "EmbeddingRegressor": EmbeddingRegressor,
    "EmbeddingClassifier": EmbeddingClassifier,
}


def save_model(estimator: EmbeddingModel, folder: str | os.PathLike[str]) -> None:
    """Write a fitted estimator to a folder: ``model.json`` and ``weights.safetensors``.

    Parameters
    ----------
    estimator : EmbeddingRegressor or EmbeddingClassifier
        Fitted. Its held-out rows, films and a ``random_state`` that is no number are not written.
    folder : path
        Made if need be; both files are replaced.

    Examples
    --------
    >>> import tempfile, numpy as np, plectrum
    >>> X, y = np.array([["a"], ["b"]] * 60), np.array([0.0, 1.0] * 60)
    >>> model = plectrum.EmbeddingRegressor(hidden=(4,), epochs=2, random_state=0).fit(X, y)
    >>> folder = tempfile.mkdtemp()
    >>> save_model(model, folder)
    >>> bool((load_model(folder).predict(X) == model.predict(X)).all())
    True
    """
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(estimator, "networks_")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    with formats.atomic_path(place / "weights.safetensors") as beside:
        save_file(_tensors(estimator), beside)
    with formats.atomic_path(place / "model.json") as beside:
        beside.write_text(json.dumps(_record(estimator), ensure_ascii=False, allow_nan=False), "utf-8")


def load_model(folder: str | os.PathLike[str]) -> EmbeddingModel:
    """Return the fitted estimator that :func:`save_model` wrote; its predictions are equal to the last bit.

    Raises
    ------
    FormatError
        When a file is missing or damaged, or of a later version.
    """
    place = Path(folder)
    try:
        record = json.loads((place / "model.json").read_text("utf-8"))
        tensors = load_file(place / "weights.safetensors")
    except Exception as cause:
        raise FormatError(
            f"`folder` of `load_model` must hold model.json and weights.safetensors; {str(place)!r} does "
            f"not, or they are damaged ({type(cause).__name__}: {cause}). Save the model again.",
            path=str(place),
            expected="model.json and weights.safetensors",
        ) from cause
    if record.get("schema_version") != _SCHEMA_VERSION or record.get("class") not in _CLASSES:
        raise FormatError(
            f"`folder` of `load_model` must hold a model of schema version {_SCHEMA_VERSION}; {str(place)!r} "
            f"has version {record.get('schema_version')!r} of {record.get('class')!r}. Update plectrum.",
            path=str(place),
            expected=f"schema_version {_SCHEMA_VERSION}",
        )
    return _restore(record, tensors)


def _record(estimator: EmbeddingModel) -> dict[str, Any]:
    names = getattr(estimator, "feature_names_in_", None)
    return {
        "schema_version": _SCHEMA_VERSION,
        "plectrum": __version__,
        "class": type(estimator).__name__,
        "parameters": {name: _plain(value) for name, value in estimator.get_params(deep=False).items()},
        "n_features_in": estimator.n_features_in_,
        "feature_names_in": None if names is None else list(names),
        "columns": estimator.columns_.to_record(),
        "target": estimator._target_record(),
        "settings": asdict(estimator._settings_used),
        "n_train": estimator.n_train_,
        "n_held_out": estimator.n_held_out_,
        "histories": [asdict(fitted.history) for fitted in estimator._fitted],
    }


def _plain(value: Any) -> Any:
    """A parameter as JSON: mappings as lists of pairs, since their keys may be positions."""
    if isinstance(value, Mapping):
        return {"pairs": [[_plain(k), _plain(v)] for k, v in value.items()]}
    if isinstance(value, (list, tuple, np.ndarray)):
        return {"tuple": [_plain(item) for item in value]}
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (str, int, float, bool)) else None


def _unplain(value: Any) -> Any:
    if isinstance(value, dict):
        if "pairs" in value:
            return {_unplain(k): _unplain(v) for k, v in value["pairs"]}
        return tuple(_unplain(item) for item in value["tuple"])
    return value


def _tensors(estimator: EmbeddingModel) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for number, fitted in enumerate(estimator._fitted):
        for name, value in fitted.network.state_dict().items():
            tensors[f"network_{number}/{name}"] = value.contiguous().clone()
        for kind in ("n_updates", "moved"):
            for name, array in getattr(fitted, kind).items():
                tensors[f"{kind}_{number}/{name}"] = torch.from_numpy(np.ascontiguousarray(array))
    return tensors


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def _restore(record: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> EmbeddingModel:
    estimator = _CLASSES[record["class"]](**{k: _unplain(v) for k, v in record["parameters"].items()})
    estimator.n_features_in_ = record["n_features_in"]
    if record["feature_names_in"] is not None:
        estimator.feature_names_in_ = np.array(record["feature_names_in"], dtype=object)
    estimator.columns_ = ColumnPlan.from_record(record["columns"])
    estimator._restore_target(record["target"])
    chosen = dict(record["settings"])
    embedding = chosen["number_embedding"]
    chosen["number_embedding"] = None if embedding is None else NumberEmbedding(**embedding)
    settings = NetworkSettings(**{**chosen, "hidden": tuple(chosen["hidden"])})
    estimator._settings_used = settings
    estimator._fitted = []
    for number, history in enumerate(record["histories"]):
        with torch.random.fork_rng(devices=[]):
            network = build_network(estimator.columns_, settings)
        network.load_state_dict(_under(f"network_{number}/", tensors))
        network.eval()
        epochs = [Epoch(**epoch) for epoch in history["epochs"]]
        estimator._fitted.append(
            FittedNetwork(
                network,
                History(epochs, history["best_epoch"], history["best_loss"], history["stopped"]),
                {name: value.numpy() for name, value in _under(f"n_updates_{number}/", tensors).items()},
                {name: value.numpy() for name, value in _under(f"moved_{number}/", tensors).items()},
                {},
            )
        )
    estimator._set_learned(record["n_train"], None, record["n_held_out"])
    return estimator
