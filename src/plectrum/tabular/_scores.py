"""What a prediction is worth on held-out rows, and whether two models differ by more than chance.

Kept apart from the models, so that all of them are judged by the same lines.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SURE = 1e-7  # a probability is never taken to be nearer to 0 than this


@dataclass(frozen=True)
class Task:
    """What is predicted.

    Attributes
    ----------
    kind : {"regression", "binary", "multiclass"}
        What the target is.
    classes : ndarray or None
        The classes, in the order of the columns of a prediction; None in regression.
    """

    kind: str
    classes: NDArray[Any] | None = None

    @property
    def metric(self) -> str:
        """The score that decides; lower is better."""
        return "rmse" if self.kind == "regression" else "log_loss"


def row_losses(task: Task, target: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    """Return the loss of every row: its squared error, or minus the log of its class's probability.

    Parameters
    ----------
    task : Task
    target : (n,) float, or int class numbers
    predicted : (n,) float, or (n, n_classes) probabilities
    """
    if task.kind == "regression":
        return np.square(np.asarray(predicted, np.float64) - target)
    right = np.asarray(predicted, np.float64)[np.arange(len(target)), target]
    return -np.log(np.clip(right, _SURE, 1.0))


def score(task: Task, target: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float | None]:
    """Return all scores of a prediction by name; those that make no sense for these rows are None.

    Regression: ``rmse``, ``mae``, ``r2``. Classes: ``log_loss`` (natural logarithm), ``accuracy``, and
    ``roc_auc`` of the second class when there are two.
    """
    losses = row_losses(task, target, predicted)
    if task.kind == "regression":
        spread = float(np.square(target - np.mean(target)).mean())
        return {
            "rmse": float(np.sqrt(losses.mean())),
            "mae": float(np.abs(predicted - target).mean()),
            "r2": 1 - float(losses.mean()) / spread if spread > 0 else None,
        }
    scores: dict[str, float | None] = {
        "log_loss": float(losses.mean()),
        "accuracy": float((np.argmax(predicted, axis=1) == target).mean()),
    }
    if task.kind == "binary":
        scores["roc_auc"] = _roc_auc(target, predicted[:, 1])
    return scores


def _roc_auc(target: NDArray[Any], predicted: NDArray[Any]) -> float | None:
    if len(np.unique(target)) < 2:
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(target, predicted))


def difference(
    losses: NDArray[np.float64], other: NDArray[np.float64], groups: NDArray[Any] | None = None
) -> tuple[float, float]:
    """Return the mean of ``other - losses`` over the same rows, and its standard error.

    Positive where `losses` belongs to the better model. With `groups` (n,), such as the days of the rows, the
    error is that of whole groups: rows of one day share its weather, and are not as many witnesses as they
    are rows. With fewer than two groups it is infinite.
    """
    gained = other - losses
    mean = float(gained.mean())
    if groups is None:
        groups = np.arange(len(gained))
    _, group_of_row = np.unique(groups, return_inverse=True)
    totals = np.bincount(group_of_row, weights=gained - mean)
    n_groups = len(totals)
    if n_groups < 2:
        return mean, float("inf")
    return mean, float(np.sqrt(n_groups / (n_groups - 1) * np.square(totals).sum()) / len(gained))
