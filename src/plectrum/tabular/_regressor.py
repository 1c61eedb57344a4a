"""`EmbeddingRegressor`: a number predicted from columns."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from sklearn.base import RegressorMixin
from torch import Tensor

from plectrum.errors import DataError
from plectrum.tabular._base import EmbeddingModel
from plectrum.tabular._input import read_target
from plectrum.tabular._losses import REGRESSION_LOSSES, RowLoss, TargetScale
from plectrum.tabular._network import check_choice


class EmbeddingRegressor(RegressorMixin, EmbeddingModel):
    """Learns a vector for each level of each categorical column by predicting a number.

    PARAMETERS

    Examples
    --------
    >>> import numpy as np, plectrum
    >>> rng = np.random.default_rng(0)
    >>> city = rng.choice(["Bonn", "Oslo", "Rome"], 300)
    >>> warmth = {"Bonn": 10.0, "Oslo": 4.0, "Rome": 16.0}
    >>> y = np.array([warmth[c] for c in city]) + rng.normal(size=300)
    >>> model = plectrum.EmbeddingRegressor(hidden=(16,), random_state=0).fit(city[:, None], y)
    >>> model.predict([["Rome"]]).round(-1).tolist()
    [20.0]
    """

    def __init__(
        self,
        *,
        embedding_dim: Any = "auto",
        hidden: Sequence[int] = (200, 100),
        loss: str = "squared",
        activation: str = "relu",
        normalization: str = "batch",
        embedding_dropout: float = 0.0,
        dropout: float = 0.0,
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float = 1e-2,
        schedule: str = "one-cycle",
        weight_decay: float = 1e-2,
        validation_fraction: float = 0.1,
        validation: str = "random",
        validation_column: str | None = None,
        patience: int | None = None,
        categorical: Sequence[Any] | None = None,
        numeric: Sequence[Any] | None = None,
        kinds: Mapping[Any, str] | None = None,
        min_count: int = 1,
        unknown_rate: float = 0.02,
        numeric_scaling: str = "robust",
        number_embedding: str = "none",
        number_embedding_dim: int = 8,
        n_networks: int = 1,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.hidden = hidden
        self.loss = loss
        self.activation = activation
        self.normalization = normalization
        self.embedding_dropout = embedding_dropout
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.validation = validation
        self.validation_column = validation_column
        self.patience = patience
        self.categorical = categorical
        self.numeric = numeric
        self.kinds = kinds
        self.min_count = min_count
        self.unknown_rate = unknown_rate
        self.numeric_scaling = numeric_scaling
        self.number_embedding = number_embedding
        self.number_embedding_dim = number_embedding_dim
        self.n_networks = n_networks
        self.warm_start = warm_start
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice(self.loss, tuple(REGRESSION_LOSSES), argument="loss", owner=type(self).__name__)

    def _read_target(self, y: Any) -> np.ndarray:
        y = read_target(y, owner=type(self).__name__, numeric=True)
        if self.loss == "poisson" and (y < 0).any():
            first = int(np.argmax(y < 0))
            raise DataError(
                f"`y` of `{type(self).__name__}` must not be negative with loss='poisson'; got {y[first]:g} "
                f"at row {first:,}, {int((y < 0).sum()):,} of {len(y):,} values. Choose another loss."
            )
        return y

    def _start_target(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        mean = float(np.average(y, weights=weight))
        if self.loss == "poisson":
            self.target_scale_ = TargetScale(0.0, mean or 1.0, is_log=True)
            return
        spread = float(np.sqrt(np.average((y - mean) ** 2, weights=weight)))
        self.target_scale_ = TargetScale(mean, spread if spread > 1e-12 * abs(mean) else 1.0, is_log=False)

    def _loss(self) -> RowLoss:
        return REGRESSION_LOSSES[self.loss]

    def _first_output(self, y: np.ndarray, weight: np.ndarray | None) -> Tensor:  # noqa: ARG002
        return torch.zeros(1)

    def _target_record(self) -> dict[str, Any]:
        return asdict(self.target_scale_)

    def _restore_target(self, record: dict[str, Any]) -> None:
        self.target_scale_ = TargetScale(**record)

    def _encode_target(self, y: np.ndarray) -> Tensor:
        return self.target_scale_.to_network(torch.from_numpy(y))

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted number of each row, float64 (n,), in the unit of the target.

        Unseen and missing values are answered by the vectors of `unknown` and `missing`; see `coverage_`.

        Raises
        ------
        MissingColumnError
            When a column is missing that the estimator was fitted on.
        """
        outputs = [self.target_scale_.to_user(output) for output in self._raw_outputs(X)]
        return torch.stack(outputs).mean(0).numpy()
