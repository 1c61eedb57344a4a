"""A folder of a saved model -> the estimator that wrote it, whichever of this room it is."""

import json
import os
from pathlib import Path
from typing import Any

from plectrum.errors import RunError
from plectrum.text._classifier import TextClassifier
from plectrum.text._fasttext import FastText
from plectrum.text._glove import GloVe
from plectrum.text._word2vec import Word2Vec

_CLASSES = {made.__name__: made for made in (FastText, GloVe, TextClassifier, Word2Vec)}


def load_model(folder: str | os.PathLike[str]) -> Any:
    """Return the fitted estimator that `save_model` wrote.

    Raises
    ------
    RunError
        There is no such folder, or it holds no model of words or texts.

    Examples
    --------
    >>> import tempfile
    >>> from plectrum import Word2Vec
    >>> folder = tempfile.mkdtemp()
    >>> Word2Vec(embedding_dim=4, epochs=1).fit([["a", "b"]] * 9).save_model(folder)
    >>> type(load_model(folder)).__name__
    'Word2Vec'
    """
    file = Path(folder) / "model.json"
    try:
        name = json.loads(file.read_text(encoding="utf-8"))["estimator"]
        made = _CLASSES[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"`folder` of `load_model` must hold a model of words or texts ({', '.join(_CLASSES)}); "
            f"{os.fspath(folder)!r} does not ({type(error).__name__}: {error}). Point at one."
        ) from error
    return made.load_model(folder)
