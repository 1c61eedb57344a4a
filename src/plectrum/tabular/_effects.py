"""What each level does to the prediction, in the target's unit: the same rows, with every level in turn."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plectrum.tabular._columns import ColumnPlan
from plectrum.tabular._network import run_network

_FIRST_KEY = 3  # rows of a table before its keys: padding, unknown, missing
_ANSWERS = 150_000  # predictions made per table; more levels mean fewer rows each
_MOST_ROWS, _FEWEST_ROWS = 300, 16
_BLOCK = 1 << 15


def level_effects(
    estimator: Any, ids: NDArray[np.int64], numbers: NDArray[Any], table: int, *, seed: int = 0
) -> NDArray[np.float64] | None:
    """Return what each level of a table adds to the prediction, on average over some rows.

    The prediction for these rows with their level replaced by the one asked for, less the mean of that over
    all levels weighted by their counts; so the average row gets 0, and the difference of two levels is what
    changing one for the other does. The other columns stay as they are, also where such a row would not
    occur.

    Parameters
    ----------
    estimator : fitted EmbeddingRegressor or EmbeddingClassifier
    ids : (n_rows, n_tables) int64
        Encoded rows of the training data.
    numbers : (n_rows, n_numbers) float
    table : int
        Which of the tables.

    Returns
    -------
    (n_keys,) float64 or None
        In the unit of the target; of two classes, in the probability of the second; None for more classes.
        NaN for the least seen levels of a table with more than some 9,000.

    Notes
    -----
    Cost: at most 150,000 predictions.
    """
    plan: ColumnPlan = estimator.columns_
    counts = np.asarray(plan.tables[table].vocabulary.counts, np.float64)
    n_keys = len(counts)
    if n_keys == 0 or len(ids) == 0 or len(getattr(estimator, "classes_", ())) > 2:
        return None
    n_rows = min(len(ids), int(np.clip(_ANSWERS // n_keys, _FEWEST_ROWS, _MOST_ROWS)))
    rows = np.random.default_rng(seed).choice(len(ids), n_rows, replace=False)
    asked = np.argsort(-counts, kind="stable")[: _ANSWERS // n_rows]
    means = _mean_answers(estimator, ids[rows], numbers[rows], table, asked + _FIRST_KEY)
    effects = np.full(n_keys, np.nan)
    weights = np.maximum(counts[asked], 1e-9)
    effects[asked] = means - np.average(means, weights=weights)
    return effects


def _mean_answers(
    estimator: Any, ids: NDArray[np.int64], numbers: NDArray[Any], table: int, levels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean prediction for all rows, with each of the levels put into them: (n_levels,)."""
    n_rows = len(ids)
    step = max(1, _BLOCK // n_rows)
    means = np.empty(len(levels))
    for start in range(0, len(levels), step):
        some = levels[start : start + step]
        every = np.tile(ids, (len(some), 1))  # (n_some * n_rows, n_tables)
        every[:, table] = np.repeat(some, n_rows)
        inputs = torch.from_numpy(every), torch.from_numpy(np.tile(numbers, (len(some), 1)))
        answers = torch.stack(
            [_in_target_units(estimator, run_network(n, *inputs)) for n in estimator.networks_]
        )
        means[start : start + step] = answers.mean(0).reshape(len(some), n_rows).mean(1).numpy()
    return means


def _in_target_units(estimator: Any, output: torch.Tensor) -> torch.Tensor:
    """Return predictions (n,), or probabilities of the second class."""
    if hasattr(estimator, "target_scale_"):
        return torch.as_tensor(estimator.target_scale_.to_user(output))
    return torch.sigmoid(output.double())
