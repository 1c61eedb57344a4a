"""`EmbeddingRegressor`: a number predicted from columns."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from sklearn.base import RegressorMixin
from torch import Tensor

from plectrum.errors import DataError, check_choice
from plectrum.tabular._base import EmbeddingModel
from plectrum.tabular._input import read_target
from plectrum.tabular._losses import REGRESSION_LOSSES, RowLoss, TargetScale


class EmbeddingRegressor(RegressorMixin, EmbeddingModel):
    """Learns a vector for each level of each categorical column by predicting a number.

    Parameters
    ----------
    embedding_dim : "auto", int, or dict of column name to int, default "auto"
        Dim of the tables: ``min(50, n_levels, round(1.6 * n_levels ** 0.56))``, one for all, or by column
        (the others follow the rule). Start generously; ``trim()`` tells afterwards how many were needed.
    hidden : sequence of int, default (200, 100)
        Width of each hidden layer; ``()`` makes the model linear in the vectors.
    loss : {"squared", "absolute", "huber", "poisson"}, default "squared"
        Huber: absolute beyond one standard deviation of the target. Poisson: for counts; the logarithm is
        learned.
    activation : {"relu", "gelu", "silu"}, default "relu"
    normalization : {"batch", "layer", "none"}, default "none"
        What follows each hidden layer. Batch statistics are noise to a number that must
        be met exactly; raise it to "batch" for deep networks.
    embedding_dropout, dropout : float in [0, 1), default 0
        Probability that a number of a looked-up row, or of a hidden layer, is set to 0 in training. An
        embedding dropout of 0.1 can make predictions better, but distances between vectors then say less.
    epochs : int or "auto", default "auto"
        Passes over the rows: "auto" makes about 1,500 steps, 10 to 100 passes.
    batch_size : int or "auto", default "auto"
        Rows a step: "auto" makes about 100 steps a pass, of 16 to 1,024 rows.
    learning_rate : float, default 0.01
        Its peak; AdamW takes the steps.
    schedule : {"one-cycle", "cosine", "linear", "constant"}, default "one-cycle"
        How the learning rate goes through the training.
    weight_averaging : float, default 0.2
        Half-life, in epochs, of a running average of all weights, which is what is judged and kept; 0 keeps
        the weights themselves. Left out for tables of more than two million numbers.
    weight_decay : float, default 0.01
        AdamW's decay of the layers.
    table_decay : float, default 0.3
        AdamW's decay of the tables. It takes away what is left of their random start where the data say
        nothing, so that distance between vectors means something, and pulls rare keys towards the middle: a
        row that is seldom updated decays as often as all others.
    validation_fraction : float in [0, 1), default 0.1
        Share of the rows that is held out to choose the best epoch; 0, or fewer than 10 rows: none.
    validation : {"random", "time", "group"}, default "random"
        Which rows are held out: any, the latest, or whole groups.
    validation_column : str, optional
        The column of the times or groups.
    patience : int, optional
        Stop when the held-out loss has not improved for so many epochs. The best epoch is kept in any case.
    categorical, numeric : sequence of column names or positions, optional
        Columns that are to be taken for categorical, or for numbers, whatever they look like.
    kinds : dict of column name or position to kind, optional
        The same for any kind: "categorical", "numeric", "date", "boolean", "ignored".
    min_count : int, default 1
        Keys seen less often in training share the row `unknown`.
    unknown_rate : float in [0, 1), default 0.02
        Share of the keys that are replaced by `unknown` in every epoch, so that its row is trained.
    numeric_scaling : {"robust", "quantile", "standard"}, default "robust"
        Robust: by the quartiles, then clipped smoothly at 3. Quantile: by rank. Missing numbers become the
        median, with an indicator beside them.
    number_embedding : {"none", "piecewise-linear", "periodic"}, default "none"
        Whether each number becomes several (``rtdl_num_embeddings``).
    number_embedding_dim : int, default 8
        How many.
    n_networks : int, default 1
        Networks that are trained one after the other from different starts; predictions are their mean.
        ``vectors_`` are those of the first.
    warm_start : bool, default False
        Go on from the last fit: keys that are new get rows of their own, scales and kinds stay.
    random_state : int, RandomState or None
        An int makes the result the same each time, on one machine with one number of threads.

    Attributes
    ----------
    vectors_ : dict of str to Vectors
        The table of each categorical column and of each calendar part of a date (``<column>_<part>``), by
        key, with counts and the vectors of `unknown` and `missing`.
    columns_ : ColumnPlan
        ``kinds`` of all columns with the reason, ``tables`` and ``numbers`` in use.
    n_updates_, moved_ : dict of str to array (n_keys,)
        For each key of ``vectors_`` the batches it was in, and how far its row moved from its start.
    history_ : list of dict
        Losses, learning rate and seconds of each epoch (of the first network); losses are in the unit the
        network sees (the target has mean 0 and variance 1 there).
    best_epoch_, best_loss_, n_iter_ : int, float, int
        The epoch that was kept, its held-out loss, and how many there were.
    films_ : dict of str to Film
        Snapshots of the tables, when ``fit`` was asked for them.
    coverage_ : list of Coverage
        Unseen and missing values of the rows that were last predicted for.
    networks_ : list of torch.nn.Module
    target_scale_ : how the target was scaled
    n_train_, n_held_out_, n_features_in_, feature_names_in_ : as their names say

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
        normalization: str = "none",
        embedding_dropout: float = 0.0,
        dropout: float = 0.0,
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float = 1e-2,
        schedule: str = "one-cycle",
        weight_averaging: float = 0.2,
        weight_decay: float = 1e-2,
        table_decay: float = 0.3,
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
        self.weight_averaging = weight_averaging
        self.weight_decay = weight_decay
        self.table_decay = table_decay
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
        return self.target_scale_.to_network(torch.tensor(y))  # a copy: y may be read-only

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
