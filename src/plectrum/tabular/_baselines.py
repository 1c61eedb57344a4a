"""The models that an embedding has to beat, on the same held-out rows, each at sensible settings.

None of them is tuned, and neither is the network: what is compared is what one gets without further work.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.tabular._plain_features import PlainFeatures
from plectrum.tabular._scores import Task

MAX_ROWS = 500_000  # training rows that a baseline gets at most; more would not change the order
MAX_CELLS = 12_000_000  # rows times columns for boosting, which costs time in proportion
SAMPLED = "fitted on a sample"  # begins the note of a baseline that did not get all rows
_NATIVE_LEVELS = 255  # scikit-learn's limit for categories in histogram boosting
_FEW_ROWS = 20_000  # up to here threads cost more than they bring, and on a busy machine a lot more
_MANY_ROWS = 50_000  # from here boosting takes fewer and larger steps, which is as good and costs less
_CLASS_ROUNDS = 2_000  # rounds times classes, at most: every round grows a tree for each class


@dataclass(frozen=True)
class Baseline:
    """A model to compare with.

    Attributes
    ----------
    name, role : str
        As in the record's ``results``.
    fit_predict : callable
        ``(train, target, held_out) -> (prediction, note)`` with the target as float or as class numbers.
    """

    name: str
    role: str
    fit_predict: Callable[..., tuple[NDArray[Any], str | None]]


@dataclass(frozen=True)
class Judged:
    """A baseline's prediction for the held-out rows.

    Attributes
    ----------
    name, role : str
        Of the baseline.
    predicted : (n,) float or (n, n_classes) probabilities
        For the held-out rows, in their order.
    fit_seconds : float
        Wall clock of preparing and fitting, and of the prediction.
    note : str or None
        What a reader must know to judge it fairly.
    """

    name: str
    role: str
    predicted: NDArray[Any]
    fit_seconds: float
    note: str | None


def baselines(task: Task, *, seed: int) -> Iterator[Baseline]:
    """Yield the baselines in the order of the table."""
    yield Baseline("constant", "constant", lambda *data: _constant(task, *data))
    yield Baseline("one-hot + linear model", "linear", lambda *data: _one_hot_linear(task, *data))
    yield Baseline(
        "target encoding + boosting", "boosting", lambda *data: _target_encoded_boosting(task, seed, *data)
    )
    yield Baseline(
        "boosting, native categories", "boosting", lambda *data: _native_boosting(task, seed, *data)
    )


def run_baseline(
    baseline: Baseline, train: PlainFeatures, target: NDArray[Any], held_out: PlainFeatures, *, seed: int
) -> Judged:
    """Fit one baseline and predict the held-out rows, on a sample where there are more than 500,000 rows."""
    began = time.perf_counter()
    n_features = 0 if baseline.role == "constant" else train.n_features
    which, sampled = sample_rows(len(target), n_features, seed=seed)
    if which is not None:
        train, target = train.take(which), target[which]
    predicted, note = baseline.fit_predict(train, target, held_out)
    notes = "; ".join(part for part in (sampled, note) if part) or None
    return Judged(baseline.name, baseline.role, predicted, time.perf_counter() - began, notes)


def run_on_vectors(
    task: Task,
    train: NDArray[Any],
    target: NDArray[Any],
    held_out: NDArray[Any],
    *,
    seed: int,
) -> Judged:
    """Fit boosting on what plectrum's encoder gave for the rows, and predict the held-out ones."""
    began = time.perf_counter()
    which, sampled = sample_rows(len(target), train.shape[1], seed=seed)
    if which is not None:
        train, target = train[which], target[which]
    model = _boosting(task, seed, len(target))
    predicted = _fit_predict(model, train, target, held_out, task)
    note = "the vectors were learned on the same training rows"
    notes = "; ".join(part for part in (sampled, note) if part)
    return Judged("boosting on plectrum's vectors", "vectors", predicted, time.perf_counter() - began, notes)


def sample_rows(n: int, n_features: int, *, seed: int) -> tuple[NDArray[np.int64] | None, str | None]:
    """Return which training rows a baseline gets, and the note that says so; None and None for all."""
    n_kept = min(n, MAX_ROWS, max(20_000, MAX_CELLS // max(1, n_features)))
    if n_kept >= n or not n_features:
        return None, None
    which = np.sort(np.random.default_rng(seed).choice(n, n_kept, replace=False))
    return which, f"{SAMPLED} of {n_kept:,} of {n:,} rows"


# ------------------------------------------------------------------------------------------ the models


def _constant(
    task: Task, train: PlainFeatures, target: NDArray[Any], held_out: PlainFeatures
) -> tuple[NDArray[Any], None]:
    """The mean, or the shares of the classes: the best that can be said without looking at a row."""
    del train
    n = len(held_out.rows)
    if task.kind == "regression":
        return np.full(n, target.mean()), None
    assert task.classes is not None
    shares = np.bincount(target, minlength=len(task.classes)) / len(target)
    return np.tile(shares, (n, 1)), None


def _one_hot_linear(
    task: Task, train: PlainFeatures, target: NDArray[Any], held_out: PlainFeatures
) -> tuple[NDArray[Any], str | None]:
    """Ridge or logistic regression on sparse one-hot columns and standardised numbers."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    n_categorical = train.rows.shape[1]
    numbers = make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler())
    parts = [
        (OneHotEncoder(handle_unknown="ignore"), slice(0, n_categorical)),
        (numbers, slice(n_categorical, None)),
    ]
    filled = [part for part, n in zip(parts, (n_categorical, train.numbers.shape[1]), strict=True) if n]
    prepare = make_column_transformer(*filled, sparse_threshold=1.0)
    if task.kind == "regression":
        model = make_pipeline(prepare, Ridge(alpha=1.0, random_state=0))
    else:
        model = make_pipeline(prepare, LogisticRegression(max_iter=300))
    return _fit_predict(model, _side_by_side(train), target, _side_by_side(held_out), task), None


def _target_encoded_boosting(
    task: Task, seed: int, train: PlainFeatures, target: NDArray[Any], held_out: PlainFeatures
) -> tuple[NDArray[Any], str | None]:
    """Cross-fitted target means of the levels, then histogram boosting."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    n_categorical = train.rows.shape[1]
    n_kinds = 2 if task.kind == "regression" else len(np.unique(target))
    if len(target) < 2 or n_kinds < 2:
        return _constant(task, train, target, held_out)[0], "too few rows to cross-fit: the constant instead"
    encoder = _target_encoder(task, n_kinds, seed, min(5, len(target)))
    prepare = make_column_transformer((encoder, slice(0, n_categorical)), remainder="passthrough")
    model = make_pipeline(prepare if n_categorical else "passthrough", _boosting(task, seed, len(target)))
    predicted = _fit_predict(model, _side_by_side(train), target, _side_by_side(held_out), task)
    return predicted, None


def _target_encoder(task: Task, n_kinds: int, seed: int, n_folds: int) -> Any:
    """Return scikit-learn's cross-fitted encoder with shuffled folds, said in the way its version takes."""
    from inspect import signature

    from sklearn.model_selection import KFold
    from sklearn.preprocessing import TargetEncoder

    kind = "continuous" if task.kind == "regression" else "binary" if n_kinds == 2 else "multiclass"
    if signature(TargetEncoder).parameters["shuffle"].default is True:  # before version 1.9
        return TargetEncoder(target_type=kind, random_state=seed, cv=n_folds)
    return TargetEncoder(target_type=kind, cv=KFold(n_folds, shuffle=True, random_state=seed))


def _native_boosting(
    task: Task, seed: int, train: PlainFeatures, target: NDArray[Any], held_out: PlainFeatures
) -> tuple[NDArray[Any], str | None]:
    """Histogram boosting that splits sets of levels; beyond 255 levels the rarest are pooled."""
    n_categorical = train.rows.shape[1]
    ours, theirs, pooled = [], [], []
    for j, name in enumerate(train.names):
        codes, n_pooled = _codes_by_count(train.rows[:, j])
        ours.append(_recode(train.rows[:, j], codes))
        theirs.append(_recode(held_out.rows[:, j], codes))
        if n_pooled:
            pooled.append(f"{n_pooled:,} rare levels of {name}")
    categorical = np.arange(n_categorical + train.numbers.shape[1]) < n_categorical
    model = _boosting(task, seed, len(target), categorical_features=categorical)
    predicted = _fit_predict(
        model,
        np.column_stack([*ours, train.numbers]),
        target,
        np.column_stack([*theirs, held_out.numbers]),
        task,
    )
    note = (
        f"{' and '.join(pooled)} pooled into one: the library's limit is {_NATIVE_LEVELS}" if pooled else None
    )
    return predicted, note


def _codes_by_count(rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], int]:
    """Return a code per vocabulary row (NaN: not in training), the frequent first, and how many are
    pooled."""
    counts = np.bincount(rows)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    codes = np.full(len(counts), np.nan)
    codes[order] = np.minimum(np.arange(len(order)), _NATIVE_LEVELS - 1)
    n_pooled = max(0, len(order) - (_NATIVE_LEVELS - 1))
    return codes, n_pooled if n_pooled > 1 else 0


def _recode(rows: NDArray[np.int64], codes: NDArray[np.float64]) -> NDArray[np.float64]:
    known = rows < len(codes)
    return np.where(known, codes[np.where(known, rows, 0)], np.nan)


def _boosting(task: Task, seed: int, n: int, **options: Any) -> Any:
    """Return scikit-learn's histogram boosting; it stops early where there are rows to spare for that."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if task.kind == "regression" else HistGradientBoostingClassifier
    rate, rounds = (0.3, 200) if n >= _MANY_ROWS else (0.1, 300)
    n_trees = len(task.classes) if task.kind == "multiclass" and task.classes is not None else 1
    return kind(
        learning_rate=rate,
        max_iter=max(25, min(rounds, _CLASS_ROUNDS // n_trees)),
        early_stopping=n >= 2_000,
        validation_fraction=0.1,
        n_iter_no_change=10,
        random_state=seed,
        **options,
    )


def _side_by_side(features: PlainFeatures) -> NDArray[np.float64]:
    return np.column_stack([features.rows.astype(np.float64), features.numbers])


def _fit_predict(model: Any, train: Any, target: NDArray[Any], held_out: Any, task: Task) -> NDArray[Any]:
    """Fit and predict; probabilities get a column per class of the task, also where training lacks one."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    n_threads = 1 if len(target) < _FEW_ROWS else None
    with warnings.catch_warnings(), threadpool_limits(n_threads):
        # A linear model that has not quite converged is still a fair baseline; wide tables need many steps.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train, target)
    if task.kind == "regression":
        return np.asarray(model.predict(held_out), np.float64)
    assert task.classes is not None
    predicted = np.zeros((len(held_out), len(task.classes)))
    predicted[:, np.asarray(model.classes_, int)] = model.predict_proba(held_out)
    return predicted
