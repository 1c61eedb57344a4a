"""A run folder -> the fitted estimator that wrote it."""

import os
from importlib import import_module
from typing import Any

from plectrum.errors import RunError
from plectrum.runs import read_run

# kind of run -> the door that has `load_model(folder)` for it; one line per door
_DOORS = {
    "columns": "plectrum.tabular",
    "labels": "plectrum.text",
    "words": "plectrum.text",
}


def load_run(folder: str | os.PathLike[str]) -> Any:
    """Return the fitted estimator of a run folder, ready to predict.

    Parameters
    ----------
    folder : path
        What ``plectrum learn`` wrote.

    Returns
    -------
    estimator
        Of the class that the record names, such as `EmbeddingRegressor`.

    Raises
    ------
    RunError
        It is no finished run, or of a kind that this plectrum cannot load.
    FormatError
        A file of the model is absent or damaged.
    """
    run = read_run(folder)
    kind = run.record["kind"]
    if kind not in _DOORS:
        raise RunError(
            f"`folder` of `load_run` must be a run of a kind that can be loaded ({', '.join(_DOORS)}); "
            f"{str(folder)!r} is of kind {kind!r}. Load its vectors instead: plectrum.load(...)."
        )
    return import_module(_DOORS[kind]).load_model(run.model_folder)
