"""`EmbeddingEncoder`: columns turned into vectors, as features for any other model."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from plectrum.errors import ArgumentError, check_choice
from plectrum.tabular._base import EmbeddingModel
from plectrum.tabular._classifier import EmbeddingClassifier
from plectrum.tabular._input import check_lengths, read_features, read_target
from plectrum.tabular._regressor import EmbeddingRegressor
from plectrum.vectors import ShowsVectors, Vectors


class EmbeddingEncoder(ShowsVectors, TransformerMixin, BaseEstimator):
    """Turns each categorical column into the vectors learned by predicting the target.

    The output has ``<table>_0 ... <table>_<dim - 1>`` for every table, then the numeric columns as they came
    (`remainder`), missing ones as NaN. Unseen and missing keys get the vectors trained for them.

    Parameters
    ----------
    estimator : EmbeddingRegressor or EmbeddingClassifier, optional
        Unfitted; what learns the vectors. By default one with default settings, chosen by the target.
    target_type : {"auto", "regression", "classification"}
        Which one, when no estimator is given; "auto" takes whole numbers and text for classes.
    embedding_dim, categorical, numeric, kinds, epochs, random_state
        Given to the estimator, when none is given; see there.
    cv : int, splitter or None, default None
        With a number of folds, ``fit_transform`` gives each row vectors learned without it, so that a model
        trained on them does not take memory for knowledge; the tables of the folds are turned (Procrustes) to
        agree with the table of all rows, which ``transform`` uses. An int shuffles the rows.
    remainder : {"passthrough", "drop"}, default "passthrough"
        What becomes of numeric and boolean columns, and of the days of dates.

    Attributes
    ----------
    estimator_ : the fitted estimator
    vectors_ : dict of str to Vectors

    Notes
    -----
    As with scikit-learn's ``TargetEncoder``, ``fit(X, y).transform(X)`` and ``fit_transform(X, y)`` differ
    when `cv` is given: use the latter on training rows.

    Examples
    --------
    >>> import numpy as np, plectrum
    >>> X, y = np.array([["a"], ["b"], ["c"]] * 50), np.array([0.0, 1.0, 5.0] * 50)
    >>> encoder = plectrum.EmbeddingEncoder(embedding_dim=2, epochs=3, random_state=0)
    >>> encoder.fit_transform(X, y).shape, encoder.get_feature_names_out().tolist()
    ((150, 2), ['x0_0', 'x0_1'])
    """

    def __init__(
        self,
        estimator: EmbeddingModel | None = None,
        *,
        target_type: str = "auto",
        embedding_dim: Any = "auto",
        categorical: Sequence[Any] | None = None,
        numeric: Sequence[Any] | None = None,
        kinds: Mapping[Any, str] | None = None,
        epochs: int | str = "auto",
        cv: Any = None,
        remainder: str = "passthrough",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.target_type = target_type
        self.embedding_dim = embedding_dim
        self.categorical = categorical
        self.numeric = numeric
        self.kinds = kinds
        self.epochs = epochs
        self.cv = cv
        self.remainder = remainder
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the vectors from all rows.

        Parameters
        ----------
        X : pandas, polars or pyarrow frame, or array of shape (n, n_features)
            The columns.
        y : array-like of shape (n,)
            What the vectors are to know about.
        sample_weight : array-like of shape (n,), optional
            How much each row counts.

        Returns
        -------
        self
        """
        check_choice(self.remainder, ("passthrough", "drop"), argument="remainder", owner=type(self).__name__)
        choices = ("auto", "regression", "classification")
        check_choice(self.target_type, choices, argument="target_type", owner=type(self).__name__)
        self.estimator_ = self._new_estimator(y).fit(X, y, sample_weight)
        self.n_features_in_ = self.estimator_.n_features_in_
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self.vectors_ = self.estimator_.vectors_
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the vectors of each row, side by side, then the remainder.

        Returns
        -------
        (n, n_features_out) array
            float32, or float64 when numbers pass through.
        """
        check_is_fitted(self, "estimator_")
        return self._lay_out(X, self.estimator_, self.vectors_)

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit, and return the vectors of the same rows: cross-fitted when `cv` is given."""
        self.fit(X, y, sample_weight)
        if self.cv is None:
            return self.transform(X)
        frame, _ = read_features(X, owner=type(self).__name__)
        target = read_target(y, owner=type(self).__name__, numeric=False)
        check_lengths(frame, target, owner=type(self).__name__)
        weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        output: np.ndarray = np.empty((len(frame), len(self.get_feature_names_out())), self._dtype)
        for train, held_out in self._folds(target):
            fold = self._new_estimator(y)
            fold.set_params(embedding_dim={name: w.embedding_dim for name, w in self.vectors_.items()})
            fold.kinds = {name: kind for name, (kind, _) in self.estimator_.columns_.kinds.items()}
            fold.categorical = fold.numeric = None
            fold.fit(frame[train], target[train], None if weight is None else weight[train])
            turned = {name: turn_to(own, self.vectors_[name]) for name, own in fold.vectors_.items()}
            output[held_out] = self._lay_out(frame[held_out], fold, turned)
        return output

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """Return the names of the output's columns: ``<table>_<dim>``, then the remainder."""
        check_is_fitted(self, "estimator_")
        names = [f"{name}_{k}" for name, w in self.vectors_.items() for k in range(w.embedding_dim)]
        return np.array(names + self._passed_through, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    # ---- inside

    def _new_estimator(self, y: Any) -> EmbeddingModel:
        if self.estimator is not None:
            return clone(self.estimator)
        kind: type[EmbeddingModel] = EmbeddingRegressor if self._is_regression(y) else EmbeddingClassifier
        return kind(
            embedding_dim=self.embedding_dim,
            categorical=self.categorical,
            numeric=self.numeric,
            kinds=self.kinds,
            epochs=self.epochs,
            random_state=self.random_state,
        )

    def _is_regression(self, y: Any) -> bool:
        if y is None:
            raise ArgumentError(
                f"`y` of `{type(self).__name__}` must be the target; requires y to be passed, but the target "
                "y is None. Pass one value a row."
            )
        if self.target_type != "auto":
            return self.target_type == "regression"
        return type_of_target(y, input_name="y") == "continuous"

    def _folds(self, target: np.ndarray) -> Any:
        is_classifier = isinstance(self.estimator_, EmbeddingClassifier)
        if isinstance(self.cv, (int, np.integer)):
            seed = self.random_state if self.random_state is None or isinstance(self.random_state, int) else 0
            folds = (StratifiedKFold if is_classifier else KFold)(self.cv, shuffle=True, random_state=seed)
        else:
            folds = check_cv(self.cv, target, classifier=is_classifier)
        return folds.split(np.zeros((len(target), 1)), target)

    @property
    def _passed_through(self) -> list[str]:
        if self.remainder == "drop":
            return []
        return [column.name for column in self.estimator_.columns_.numbers]

    @property
    def _dtype(self) -> type:
        return np.float64 if self._passed_through else np.float32

    def _lay_out(self, X: Any, fitted: EmbeddingModel, vectors: Mapping[str, Vectors]) -> np.ndarray:
        """The rows of X through the vocabularies of a fitted estimator and its vectors, maybe turned."""
        frame = self.estimator_._match(X)
        ids, _, _ = fitted.columns_.encode(frame)
        position = {column.name: i for i, column in enumerate(fitted.columns_.tables)}
        output: np.ndarray = np.empty((len(frame), len(self.get_feature_names_out())), self._dtype)
        start = 0
        for name, goal in self.vectors_.items():
            end = start + goal.embedding_dim
            if name in position:
                output[:, start:end] = _table_of(vectors[name])[ids[:, position[name]]]
            else:  # a part of a date that never varies in a fold
                output[:, start:end] = goal.unknown
            start = end
        if self._passed_through:
            output[:, start:] = self.estimator_.columns_.read_numbers(frame)
        return output


def _table_of(vectors: Vectors) -> np.ndarray:
    """The table (n + 3, embedding_dim) with the rows of a vocabulary: padding, unknown, missing, keys."""
    padding = np.zeros(vectors.embedding_dim, np.float32)
    parts: list[Any] = [padding, vectors.unknown, vectors.missing, vectors.matrix]
    return np.vstack(parts)


def turn_to(moved: Vectors, goal: Vectors) -> Vectors:
    """Return vectors turned, mirrored and shifted to agree with others on the keys that both have.

    The orthogonal Procrustes problem, rows weighted by their counts: R = U V' of the singular value
    decomposition of ``A' diag(w) B``, A and B being the centred rows of the shared keys.

    References
    ----------
    Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem".
    """
    shared = [key for key in moved.keys if key in goal]
    if not shared:
        return moved
    at_moved = [moved.row(key) for key in shared]
    at_goal = [goal.row(key) for key in shared]
    weight = np.ones(len(shared)) if moved.counts is None else moved.counts[at_moved].astype(np.float64)
    a, b = moved.matrix[at_moved].astype(np.float64), goal.matrix[at_goal].astype(np.float64)
    centre_a, centre_b = np.average(a, axis=0, weights=weight), np.average(b, axis=0, weights=weight)
    u, _, vt = np.linalg.svd((a - centre_a).T @ ((b - centre_b) * weight[:, None]))

    def turned(rows: np.ndarray) -> np.ndarray:
        return ((rows - centre_a) @ u @ vt + centre_b).astype(moved.matrix.dtype)

    return Vectors(
        moved.keys,
        turned(moved.matrix),
        moved.counts,
        unknown=None if moved.unknown is None else turned(moved.unknown),
        missing=None if moved.missing is None else turned(moved.missing),
    )
