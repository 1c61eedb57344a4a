"""What the regressor and the classifier share: fitting, raw outputs, and what was learned of each column."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import narwhals as nw
import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, check_random_state
from torch import Tensor

from plectrum import frames
from plectrum.errors import ArgumentError, DataError, SmallDataWarning, UnseenKeysWarning
from plectrum.tabular._columns import ColumnPlan, Coverage, overrides_of
from plectrum.tabular._fitting import NetworkSettings, are_large, fit_network
from plectrum.tabular._input import check_lengths, match_columns, read_features
from plectrum.tabular._losses import RowLoss
from plectrum.tabular._network import ColumnNetwork, NumberEmbedding, run_network
from plectrum.tabular._parameters import check_parameters
from plectrum.tabular._sizes import choose_embedding_dims, default_batch_size, default_epochs
from plectrum.tabular._trim import choose_dims, find_directions, with_dims
from plectrum.training import Plan, ProgressListener, Rows
from plectrum.vectors import ShowsVectors, Vectors

_TOO_SMALL_TO_SPLIT = 10
_SMALL = 100  # rows below which a warning is due
_LARGE_SHARE = 0.2  # share of unseen values in a column from which predictions warn
_KEPT_FOR_TRIMMING = 100_000  # held-out rows that an estimator remembers


@dataclass(frozen=True)
class _RawRows:
    """Rows as they came: a frame, the target (n,), the weights (n,) or None."""

    frame: "nw.DataFrame[Any]"
    y: np.ndarray
    weight: np.ndarray | None

    def take(self, rows: np.ndarray) -> "_RawRows":
        weight = None if self.weight is None else self.weight[rows]
        return _RawRows(self.frame[rows], self.y[rows], weight)


class EmbeddingModel(ShowsVectors, BaseEstimator):
    """Base of the estimators; a subclass has the constructor and says what its target asks of the network."""

    columns_: ColumnPlan
    networks_: list[ColumnNetwork]

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
        warm = bool(self.warm_start) and hasattr(self, "networks_")
        starts = self.networks_ if warm else []
        train, held_out = self._split(self._read(X, y, sample_weight, warm=warm), eval_set)
        rows, held_out_rows = self._prepare(train, held_out, warm=warm)
        first_output = self._first_output(train.y, train.weight)
        self._settings_used = self._settings(len(first_output), rows)
        self._fitted = [
            fit_network(
                self.columns_,
                self._settings_used,
                self._plan(number, len(rows)),
                rows,
                held_out_rows,
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
        self._set_learned(len(rows), held_out_rows)
        return self

    def _read(self, X: Any, y: Any, sample_weight: Any, *, warm: bool) -> "_RawRows":
        """The rows of a fit, checked; those of weight 0 are left out."""
        owner = type(self).__name__
        frame, names = read_features(X, owner=owner)
        y = self._read_target(y)
        check_lengths(frame, y, owner=owner)
        weight = self._read_weights(sample_weight, frame)
        if weight is not None and (kept := weight > 0).sum() < len(weight):
            frame, y, weight = frame[np.flatnonzero(kept)], y[kept], weight[kept]
        if len(y) < 2:
            raise DataError(f"`X` of `{owner}` must have at least 2 rows; got n_samples=1. Pass more rows.")
        if not warm:
            self._inspect_target(y)
        self.n_features_in_ = len(frame.columns)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return _RawRows(frame, y, self._row_weights(y, weight))

    def _check_parameters(self) -> None:
        check_parameters(self.get_params(deep=False), owner=type(self).__name__)

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
        self, rows: "_RawRows", eval_set: tuple[Any, Any] | None
    ) -> tuple["_RawRows", "_RawRows | None"]:
        """The rows to train on, and those held out."""
        owner = type(self).__name__
        n = len(rows.y)
        if n < _SMALL:
            warnings.warn(
                f"`{owner}` was given {n} rows, which is too few to learn vectors that mean something; "
                f"treat them as an illustration, or pass at least {_SMALL}.",
                SmallDataWarning,
                stacklevel=3,
            )
        if eval_set is not None:
            frame, y = self._match(eval_set[0], used=rows.frame.columns), self._read_target(eval_set[1])
            check_lengths(frame, y, owner=owner)
            return rows, _RawRows(frame, y, self._row_weights(y, None))
        if not self.validation_fraction or n < _TOO_SMALL_TO_SPLIT:
            return rows, None
        column = self.validation_column
        train, held_out = frames.split_rows(
            rows.frame,
            valid_share=self.validation_fraction,
            group=column if self.validation == "group" else None,
            time=column if self.validation == "time" else None,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
        )
        return rows.take(train), rows.take(held_out)

    def _prepare(
        self, train: "_RawRows", held_out: "_RawRows | None", *, warm: bool
    ) -> tuple[Rows, Rows | None]:
        """Learn what the columns are, and encode both parts."""
        if warm:
            self.columns_.grow(train.frame, min_count=self.min_count)
        else:
            self.columns_ = self._learn_columns(train.frame)
            self._start_target(train.y, train.weight)
        return self._encoded(train), None if held_out is None else self._encoded(held_out)

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
        dims = choose_embedding_dims(
            self.embedding_dim, n_levels, sources, owner=owner, dates=plan.date_parts
        )
        for column in plan.tables:
            column.embedding_dim = dims[column.name]
        return plan

    def _encoded(self, rows: "_RawRows") -> Rows:
        ids, numbers, _ = self.columns_.encode(rows.frame)
        weight = None if rows.weight is None else torch.from_numpy(rows.weight / rows.weight.mean()).float()
        return Rows((torch.from_numpy(ids), torch.from_numpy(numbers)), self._encode_target(rows.y), weight)

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
            table_decay=self.table_decay,
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
            averaging=0.0
            if are_large(column.size for column in self.columns_.tables)
            else self.weight_averaging,
            seed=int(np.random.SeedSequence([self._entropy, number]).generate_state(1)[0]),
            stage="training" if self.n_networks == 1 else f"network {number + 1} of {self.n_networks}",
        )

    def _set_learned(self, n_train: int, held_out: Rows | None, n_held_out: int | None = None) -> None:
        first = self._fitted[0]
        self.networks_ = [fitted.network for fitted in self._fitted]
        self.history_ = first.history.to_records()
        self.histories_ = [fitted.history for fitted in self._fitted]
        self.best_epoch_, self.best_loss_ = first.history.best_epoch, first.history.best_loss
        self.n_iter_ = len(first.history.epochs)
        self.n_train_ = n_train
        self.n_held_out_ = n_held_out if n_held_out is not None else 0 if held_out is None else len(held_out)
        if held_out is not None and len(held_out) > _KEPT_FOR_TRIMMING:
            held_out = held_out.take(torch.arange(_KEPT_FOR_TRIMMING))
        self._held_out = held_out
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
            held_out = self._encoded(_RawRows(self._match(X), self._read_target(y), weight))
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
        small._set_learned(self.n_train_, self._held_out, self.n_held_out_)
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

    def _match(self, X: Any, used: Sequence[str] | None = None) -> Any:
        """X, as it comes after fitting, as a frame that has the columns in use."""
        names = getattr(self, "feature_names_in_", None)
        return match_columns(
            X,
            owner=type(self).__name__,
            names=None if names is None else list(names),
            n_features=self.n_features_in_,
            used=self.columns_.sources if used is None else used,
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
