"""plectrum learns a vector for anything that has a name.

Keys become rows of one trainable matrix; a lookup plucks a row out; backpropagation gives a gradient to the
rows that were plucked, and to no other.

Nothing is defined here: each public name is loaded from its own room when it is first asked for, so that
``import plectrum`` costs NumPy and nothing heavier.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from plectrum._version import __version__

if TYPE_CHECKING:
    from plectrum import evaluate as evaluate
    from plectrum import nn as nn
    from plectrum import optim as optim
    from plectrum.explanation import explain as explain
    from plectrum.reload import load_run as load_run
    from plectrum.tabular import EmbeddingClassifier as EmbeddingClassifier
    from plectrum.tabular import EmbeddingEncoder as EmbeddingEncoder
    from plectrum.tabular import EmbeddingRegressor as EmbeddingRegressor
    from plectrum.text import FastText as FastText
    from plectrum.text import GloVe as GloVe
    from plectrum.text import TextClassifier as TextClassifier
    from plectrum.text import Word2Vec as Word2Vec
    from plectrum.vectors import Vectors as Vectors
    from plectrum.vectors import load as load
    from plectrum.vocabulary import UNKNOWN as UNKNOWN
    from plectrum.vocabulary import Vocabulary as Vocabulary

# public name -> the room that defines it; a room that is public as a whole maps to itself. No other room may
# bear the name of something public (`plectrum.explain` is a function, so its room is `explanation`), because
# importing a room binds its name in this package.
_HOMES = {
    "EmbeddingClassifier": "plectrum.tabular",
    "EmbeddingEncoder": "plectrum.tabular",
    "EmbeddingRegressor": "plectrum.tabular",
    "FastText": "plectrum.text",
    "GloVe": "plectrum.text",
    "TextClassifier": "plectrum.text",
    "UNKNOWN": "plectrum.vocabulary",
    "Vectors": "plectrum.vectors",
    "Vocabulary": "plectrum.vocabulary",
    "Word2Vec": "plectrum.text",
    "errors": "plectrum.errors",
    "explain": "plectrum.explanation",
    "evaluate": "plectrum.evaluate",
    "load": "plectrum.vectors",
    "load_run": "plectrum.reload",
    "nn": "plectrum.nn",
    "optim": "plectrum.optim",
}

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604  (the names are strings, computed)


def __getattr__(name: str) -> Any:
    """Load a public name from its room on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'plectrum' has no attribute {name!r}; it has: {', '.join(__all__)}.")
    room = import_module(_HOMES[name])
    found = room if _HOMES[name] == f"plectrum.{name}" else getattr(room, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
