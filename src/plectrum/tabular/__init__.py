"""Columns of a frame -> a vector for each level, and predictions: scikit-learn estimators."""

from plectrum.tabular._classifier import EmbeddingClassifier as EmbeddingClassifier
from plectrum.tabular._columns import Coverage as Coverage
from plectrum.tabular._encoder import EmbeddingEncoder as EmbeddingEncoder
from plectrum.tabular._learn import learn_columns as learn_columns
from plectrum.tabular._regressor import EmbeddingRegressor as EmbeddingRegressor
from plectrum.tabular._saved import load_model as load_model
from plectrum.tabular._saved import save_model as save_model
from plectrum.tabular._sizes import default_embedding_dim as default_embedding_dim

__all__ = [
    "Coverage",
    "EmbeddingClassifier",
    "EmbeddingEncoder",
    "EmbeddingRegressor",
    "default_embedding_dim",
    "learn_columns",
    "load_model",
    "save_model",
]
