"""What the regressor and the classifier share: fitting, raw outputs, and what was learned of each column."""

import copy
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, check_random_state
from torch import Tensor

from plectrum import frames
from plectrum.errors import ArgumentError, DataError, SmallDataWarning, UnseenKeysWarning
from plectrum.tabular._columns import ColumnPlan, Coverage, overrides_of
from plectrum.tabular._fitting import NetworkSettings, fit_network
from plectrum.tabular._input import check_lengths, match_columns, read_features
from plectrum.tabular._losses import RowLoss
from plectrum.tabular._network import (
    ACTIVATIONS,
    NORMALIZATIONS,
    NUMBER_EMBEDDINGS,
    ColumnNetwork,
    NumberEmbedding,
    check_choice,
)
from plectrum.tabular._numeric import check_scaling
from plectrum.tabular._sizes import choose_embedding_dims
from plectrum.tabular._trim import choose_dims, find_directions, with_dims
from plectrum.training import Plan, ProgressListener, Rows
from plectrum.vectors import Vectors

_SMALL = 100  # rows below which a warning is due
_LARGE_SHARE = 0.2  # share of unseen values in a column from which predictions warn
_PREDICTION_ROWS = 8192
_KEPT_FOR_TRIMMING = 100_000  # held-out rows that an estimator remembers


class EmbeddingModel(BaseEstimator):
    """Base of the estimators; a subclass has the constructor and says what its target asks of the network."""

    # ---- for subclasses

    def _read_target(self, y: Any) -> np.ndarray:
        raise NotImplementedError

    def _inspect_target(self, y: np.ndarray) -> None:
        """Look at the target of all rows before they are split."""

    def _start_target(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn what the encoding of the target needs from that of the training rows."""

    def _loss(self) -> RowLoss:
        raise NotImplementedError

    def _first_output(self, y: np.ndarray, weight: np.ndarray | None) -> Tensor:
        """What the network answers before it has learned anything, (n_outputs,)."""
        raise NotImplementedError

    def _encode_target(self, y: np.ndarray) -> Tensor:
        raise NotImplementedError

    def _target_record(self) -> dict[str, Any]:
        """What is known of the target, as plain JSON."""
        raise NotImplementedError

    def _restore_target(self, record: dict[str, Any]) -> None:
        raise NotImplementedError

    def _row_weights(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:  # noqa: ARG002
        return weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = (
            True  # `string` is left False: scikit-learn takes True for "any object at all"
        )
        tags.target_tags.required = True
        return tags

    # ---- fitting

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        eval_set: tuple[Any, Any] | None = None,
        progress: ProgressListener | None = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        n_snapshots: int = 0,
    ) -> Self:
        """Learn a table per categorical column inside a network that predicts the target.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, or array of shape (n, n_features)
            The columns; strings, numbers, dates, booleans, missing values. Infinite numbers are refused.
        y : array-like of shape (n,)
            The target, without missing values.
        sample_weight : array-like of shape (n,), optional
            How much each row counts in the loss; rows of weight 0 are left out.
        eval_set : (X, y), optional
            Rows to judge each epoch by, in place of a share of X.
        progress : callable, optional
            Gets a :class:`plectrum.training.Progress` a few times a second.
        checkpoint : path of a folder, optional
            Where to write the state of the training after each epoch, so that it can be resumed.
        resume : bool, default False
            Go on from what `checkpoint` holds, if anything; the same X, y and parameters must be given, and
            the result is the same as without the interruption.
        n_snapshots : int, default 0
            How many moments of every table to keep as ``films_``.

        Returns
        -------
        self

        Raises
        ------
        DataError, ArgumentError
            When X or y cannot be learned from, or a parameter has a value that it must not have.
        """
        self._check_parameters()
        frame, names = read_features(X, owner=type(self).__name__)
        y = self._read_target(y)
        check_lengths(frame, y, owner=type(self).__name__)
        weight = self._read_weights(sample_weight, frame)
        if weight is not None and (kept := weight > 0).sum() < len(weight):
            frame, y, weight = frame.filter(kept.tolist()), y[kept], weight[kept]
        if len(y) < 2:
            raise DataError(
                f"`X` of `{type(self).__name__}` must have at least 2 rows; got n_samples=1. Pass more rows."
            )
        warm = bool(self.warm_start) and hasattr(self, "networks_")
        if not warm:
            self._inspect_target(y)
        weight = self._row_weights(y, weight)
        self.n_features_in_ = len(frame.columns)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        parts = self._split(frame, y, weight, eval_set)
        self._fit_parts(
            *parts,
            warm=warm,
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
            n_snapshots=n_snapshots,
        )
        return self

    def _check_parameters(self) -> None:
        owner = type(self).__name__
        check_choice(self.activation, tuple(ACTIVATIONS), argument="activation", owner=owner)
        check_choice(self.normalization, NORMALIZATIONS, argument="normalization", owner=owner)
        check_choice(self.number_embedding, NUMBER_EMBEDDINGS, argument="number_embedding", owner=owner)
        check_choice(self.validation, ("random", "time", "group"), argument="validation", owner=owner)
        check_scaling(self.numeric_scaling, owner=owner)
        for name in ("dropout", "embedding_dropout", "unknown_rate", "validation_fraction"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ArgumentError(
                    f"`{name}` of `{owner}` must lie in [0, 1); got {value!r}. Choose a small share."
                )
        for name in ("min_count", "n_networks", "number_embedding_dim"):
            value = getattr(self, name)
            if value < 1:
                raise ArgumentError(f"`{name}` of `{owner}` must be at least 1; got {value!r}. Raise it.")

    def _read_weights(self, sample_weight: Any, frame: Any) -> np.ndarray | None:
        if sample_weight is None:
            return None
        weight: np.ndarray = _check_sample_weight(
            sample_weight, np.empty((len(frame), 1)), dtype=np.float64, ensure_non_negative=True
        )
        if not weight.any():
            raise ArgumentError(
                f"`sample_weight` of `{type(self).__name__}` must not be all zero; got 0 in all of "
                f"{len(weight):,} rows. Leave it out, or give some rows a positive weight."
            )
        return weight

    def _split(
        self, frame: Any, y: np.ndarray, weight: np.ndarray | None, eval_set: tuple[Any, Any] | None
    ) -> tuple[Any, np.ndarray, np.ndarray | None, Any, np.ndarray | None, np.ndarray | None]:
        """Training rows and held-out rows: (frame, y, weight, frame, y, weight)."""
        owner = type(self).__name__
        n = len(y)
        if n < _SMALL:
            warnings.warn(
                f"`{owner}` was given {n} rows, which is too few to learn vectors that mean something; "
                f"treat them as an illustration, or pass at least {_SMALL}.",
                SmallDataWarning,
                stacklevel=3,
            )
        if eval_set is not None:
            held_out = match_columns(
                eval_set[0],
                owner=owner,
                names=getattr(self, "feature_names_in_", None),
                n_features=self.n_features_in_,
                used=frame.columns,
            )
            held_out_y = self._read_target(eval_set[1])
            check_lengths(held_out, held_out_y, owner=owner)
            return frame, y, weight, held_out, held_out_y, self._row_weights(held_out_y, None)
        if not self.validation_fraction or round(n * self.validation_fraction) < 1 or n < 10:
            return frame, y, weight, None, None, None
        column = self.validation_column
        train, held = frames.split_rows(
            frame,
            valid_share=self.validation_fraction,
            group=column if self.validation == "group" else None,
            time=column if self.validation == "time" else None,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
        )
        weights = (None, None) if weight is None else (weight[train], weight[held])
        return frame[train.tolist()], y[train], weights[0], frame[held.tolist()], y[held], weights[1]

    def _fit_parts(  # noqa: PLR0917
        self,
        frame: Any,
        y: np.ndarray,
        weight: np.ndarray | None,
        held_frame: Any,
        held_y: np.ndarray | None,
        held_weight: np.ndarray | None,
        *,
        warm: bool,
        progress: ProgressListener | None,
        checkpoint: str | Path | None,
        resume: bool,
        n_snapshots: int,
    ) -> None:
        """Learn columns, then networks, from rows that are split already; set the learned attributes."""
        starts = self.networks_ if warm else []
        if warm:
            self.columns_.grow(frame, min_count=self.min_count)
        else:
            self.columns_ = self._learn_columns(frame)
            self._start_target(y, weight)
        rows = self._rows(frame, y, weight)
        held_out = (
            None if held_frame is None or held_y is None else self._rows(held_frame, held_y, held_weight)
        )
        first_output = self._first_output(y, weight)
        settings = self._settings(len(first_output), rows)
        self._fitted = [
            fit_network(
                self.columns_,
                settings,
                self._plan(number, len(rows)),
                rows,
                held_out,
                loss=self._loss(),
                first_output=first_output,
                start=starts[number] if number < len(starts) else None,
                n_snapshots=n_snapshots if number == 0 else 0,
                progress=progress,
                checkpoint=None if checkpoint is None else Path(checkpoint) / f"network_{number}.safetensors",
                resume=resume,
            )
            for number in range(self.n_networks)
        ]
        self._settings_used = settings
        self._held_out = (
            None if held_out is None else held_out.take(torch.arange(min(len(held_out), _KEPT_FOR_TRIMMING)))
        )
        self._set_learned(len(rows), 0 if held_out is None else len(held_out))

    def _learn_columns(self, frame: Any) -> ColumnPlan:
        owner = type(self).__name__
        plan = ColumnPlan.learn(
            frame,
            overrides=overrides_of(list(frame.columns), self.kinds, self.categorical, self.numeric),
            min_count=self.min_count,
            numeric_scaling=self.numeric_scaling,
        )
        n_levels = {column.name: len(column.vocabulary) for column in plan.tables}
        sources = {column.name: column.source for column in plan.tables}
        dims = choose_embedding_dims(self.embedding_dim, n_levels, sources, owner=owner)
        for column in plan.tables:
            column.embedding_dim = dims[column.name]
        return plan

    def _rows(self, frame: Any, y: np.ndarray, weight: np.ndarray | None) -> Rows:
        ids, numbers, _ = self.columns_.encode(frame)
        weights = None if weight is None else torch.from_numpy(weight / weight.mean()).float()
        return Rows((torch.from_numpy(ids), torch.from_numpy(numbers)), self._encode_target(y), weights)

    def _settings(self, n_outputs: int, rows: Rows) -> NetworkSettings:
        n_numbers = len(self.columns_.numbers)
        return NetworkSettings(
            hidden=tuple(int(size) for size in self.hidden),
            activation=self.activation,
            normalization=self.normalization,
            embedding_dropout=self.embedding_dropout,
            dropout=self.dropout,
            n_outputs=n_outputs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            unknown_rate=self.unknown_rate,
            number_embedding=NumberEmbedding.learn(
                self.number_embedding, rows.inputs[1][:, :n_numbers], self.number_embedding_dim
            ),
        )

    def _plan(self, number: int, n_rows: int) -> Plan:
        batch_size = default_batch_size(n_rows) if self.batch_size == "auto" else int(self.batch_size)
        epochs = default_epochs(n_rows, batch_size) if self.epochs == "auto" else int(self.epochs)
        if number == 0:
            self._entropy = int(check_random_state(self.random_state).randint(2**31 - 1))
        return Plan(
            epochs=epochs,
            batch_size=batch_size,
            schedule=self.schedule,
            patience=self.patience,
            seed=int(np.random.SeedSequence([self._entropy, number]).generate_state(1)[0]),
            stage="training" if self.n_networks == 1 else f"network {number + 1} of {self.n_networks}",
        )

    def _set_learned(self, n_train: int, n_held_out: int) -> None:
        first = self._fitted[0]
        self.networks_ = [fitted.network for fitted in self._fitted]
        self.history_ = first.history.to_records()
        self.histories_ = [fitted.history for fitted in self._fitted]
        self.best_epoch_, self.best_loss_ = first.history.best_epoch, first.history.best_loss
        self.n_iter_ = len(first.history.epochs)
        self.n_train_, self.n_held_out_ = n_train, n_held_out
        # aligned with vectors_[name].keys; the reserved rows are left out
        self.n_updates_ = {name: counts[3:] for name, counts in first.n_updates.items()}
        self.moved_ = {name: moved[3:] for name, moved in first.moved.items()}
        self.films_ = first.films
        self.vectors_ = {column.name: self._vectors_of(column.name) for column in self.columns_.tables}
        self._coverage: dict[str, list[Coverage]] = {}

    def _vectors_of(self, name: str, network: int = 0) -> Vectors:
        column = next(column for column in self.columns_.tables if column.name == name)
        table = self.networks_[network].tables[name].detach().numpy()
        return Vectors(
            column.vocabulary.keys,
            table[3:].copy(),
            column.vocabulary.counts,
            unknown=table[1].copy(),
            missing=table[2].copy(),
        )

    # ---- after fitting

    def trim(
        self, loss_tolerance: float = 0.01, *, X: Any = None, y: Any = None, sample_weight: Any = None
    ) -> Self:
        """Return a smaller fitted estimator: fewer dims in every table, at nearly the same held-out loss.

        Each table is turned into the directions that the first layer looks at, which loses nothing; of all
        tables' directions together, as many as the tolerance allows are left out, the least important first.
        Nothing is trained again.

        Parameters
        ----------
        loss_tolerance : float, default 0.01
            By which share the held-out loss may rise.
        X, y, sample_weight : optional
            Rows to judge by; by default those that were held out in fitting (at most 100,000 are remembered,
            none after loading from a file).

        Returns
        -------
        estimator
            Of the same class; its ``embedding_dim`` parameter names the dims found, so that a clone starts
            with them. ``trim_steps_`` lists the sizes that were tried, each with its loss.

        Raises
        ------
        ArgumentError
            When there are no rows to judge by.

        Notes
        -----
        The vectors are in a new basis, in which distance is what the first layer makes of it. Costs one pass
        over each table and about ``log2`` of the sum of dims passes over the rows.
        """
        check_is_fitted(self, "networks_")
        held_out = self._held_out
        if X is not None:
            weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
            held_out = self._rows(self._match(X), self._read_target(y), weight)
        if held_out is None:
            raise ArgumentError(
                f"`X` and `y` of `{type(self).__name__}.trim` must be given: no rows were held out in "
                "fitting, or the estimator was loaded from a file. Pass rows that were not trained on."
            )
        small = copy.copy(self)
        loss = self._loss()
        dims, small.trim_steps_ = choose_dims(
            self.networks_, self.columns_, held_out, loss, loss_tolerance=loss_tolerance
        )
        networks = [
            with_dims(n, self.columns_, find_directions(n, self.columns_), dims) for n in self.networks_
        ]
        small._fitted = [replace(old, network=new) for old, new in zip(self._fitted, networks, strict=True)]
        tables = [replace(column, embedding_dim=dims[column.name]) for column in self.columns_.tables]
        small.columns_ = replace(self.columns_, tables=tables)
        small.embedding_dim = dims
        small._set_learned(self.n_train_, self.n_held_out_)
        return small

    def coverage(self, X: Any) -> list[Coverage]:
        """Return, for each column in use, how many values training had not seen, and how many are missing."""
        return self._encode(X)[2]

    @property
    def coverage_(self) -> list[Coverage]:
        """The coverage of the rows that the last prediction was made for."""
        check_is_fitted(self, "networks_")
        return self._coverage.get("last", [])

    def _encode(self, X: Any) -> tuple[np.ndarray, np.ndarray, list[Coverage]]:
        check_is_fitted(self, "networks_")
        ids, numbers, coverage = self.columns_.encode(self._match(X))
        self._coverage["last"] = coverage
        return ids, numbers, coverage

    def _match(self, X: Any) -> Any:
        """X, as it comes after fitting, as a frame that has the columns in use."""
        names = getattr(self, "feature_names_in_", None)
        return match_columns(
            X,
            owner=type(self).__name__,
            names=None if names is None else list(names),
            n_features=self.n_features_in_,
            used=self.columns_.sources,
        )

    def _raw_outputs(self, X: Any) -> list[Tensor]:
        """What each network answers to the rows of X."""
        ids, numbers, coverage = self._encode(X)
        for seen in coverage:
            if seen.unseen_share >= _LARGE_SHARE and seen.n_rows >= _SMALL:
                warnings.warn(
                    f"Column {seen.column!r} of `X`: {seen.n_unseen:,} of {seen.n_rows:,} values were never "
                    "seen in training, and are predicted for as unknown. See `coverage(X)`.",
                    UnseenKeysWarning,
                    stacklevel=4,
                )
        return [
            run_network(network, torch.from_numpy(ids), torch.from_numpy(numbers))
            for network in self.networks_
        ]


@torch.inference_mode()
def run_network(network: ColumnNetwork, ids: Tensor, numbers: Tensor) -> Tensor:
    """Return the outputs of a network, in pieces of rows that keep memory low."""
    network.eval()
    pieces = [
        network(ids[start : start + _PREDICTION_ROWS], numbers[start : start + _PREDICTION_ROWS])
        for start in range(0, len(ids), _PREDICTION_ROWS)
    ]
    return torch.cat(pieces)


def default_batch_size(n_rows: int) -> int:
    """Return a power of two between 16 and 1024 that gives about 100 steps an epoch.

    Examples
    --------
    >>> [default_batch_size(n) for n in (30, 1000, 30_000, 300_000)]
    [16, 16, 256, 1024]
    """
    return int(2 ** np.clip(np.rint(np.log2(max(n_rows, 1) / 100)), 4, 10))


def default_epochs(n_rows: int, batch_size: int) -> int:
    """Return enough epochs for about 1,500 steps, between 10 and 100.

    Examples
    --------
    >>> default_epochs(1000, 16), default_epochs(300_000, 1024)
    (24, 10)
    """
    steps = -(-n_rows // batch_size)
    return int(np.clip(-(-1500 // steps), 10, 100))
