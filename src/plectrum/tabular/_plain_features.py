"""The columns of a frame as the baselines take them: rows of a vocabulary, and plain numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.tabular._columns import ColumnPlan
from plectrum.vocabulary import Vocabulary


@dataclass(frozen=True)
class PlainFeatures:
    """Columns without anything learned but which keys the training rows have.

    Attributes
    ----------
    rows : (n, n_categorical) int64
        Rows in each column's vocabulary of the training rows: 1 for a key that they have not, 2 for missing.
    numbers : (n, n_numeric) float64
        NaN where missing; dates stand here as their calendar parts.
    names, number_names : tuple of str
        What the columns are called.
    """

    rows: NDArray[np.int64]
    numbers: NDArray[np.float64]
    names: tuple[str, ...]
    number_names: tuple[str, ...]

    def take(self, which: NDArray[np.int64]) -> "PlainFeatures":
        """Return some of the rows (copies)."""
        return PlainFeatures(self.rows[which], self.numbers[which], self.names, self.number_names)

    @property
    def n_features(self) -> int:
        """How many columns there are, of either kind."""
        return self.rows.shape[1] + self.numbers.shape[1]


def plain_features(columns: ColumnPlan, train: Any, held_out: Any) -> tuple[PlainFeatures, PlainFeatures]:
    """Return the columns that the network uses, as the baselines take them, of training and held-out rows.

    The vocabularies are of all training rows: the network has kept some of them to judge its epochs by.
    """
    vocabularies: dict[str, Vocabulary] = {}
    return _read(columns, train, vocabularies), _read(columns, held_out, vocabularies)


def _read(columns: ColumnPlan, frame: Any, vocabularies: dict[str, Vocabulary]) -> PlainFeatures:
    rows: dict[str, NDArray[np.int64]] = {}
    numbers: dict[str, NDArray[np.float64]] = {}
    for source in columns.sources:
        for name, role, values in columns._parts(frame, source):
            if role == "table":
                if name not in vocabularies:
                    vocabularies[name] = Vocabulary.learn(values)
                rows[name] = vocabularies[name].encode(values)
            else:
                numbers[name] = values
    n = len(frame)
    return PlainFeatures(
        np.column_stack(list(rows.values())) if rows else np.empty((n, 0), np.int64),
        np.column_stack(list(numbers.values())) if numbers else np.empty((n, 0)),
        tuple(rows),
        tuple(numbers),
    )
