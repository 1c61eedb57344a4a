"""`explain`: choose a batch from the user's rows, take one step on it, and keep what happened as a record."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from plectrum.errors import ArgumentError, ArgumentTypeError, MissingColumnError, SmallDataWarning
from plectrum.explanation._columns import ColumnTrial, warm_up
from plectrum.explanation._optimizers import check_named_choices, make_optimizer
from plectrum.explanation._record import Example, Explanation
from plectrum.explanation._step import take_step
from plectrum.explanation._window import RESERVED, explain_window

_BATCH = 3
_WARM_UP_STEPS, _WARM_UP_ROWS = 4, 8
_LATE = 0.01  # of the first learning rate: what a trained network still bears


def explain(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    column: str | None = None,
    rows: Sequence[int] | None = None,
    word: str | None = None,
    step: str = "first",
    optimizer: str = "sgd",
    learning_rate: float | None = None,
) -> Explanation:
    """Return one training step on these rows, with every number shown and every claim checked.

    The batch has three rows: the example, kept fixed all the way; one that shares its level in the column in
    focus, so that the level occurs twice; and one that does not. Of an estimator of words it is one window of
    one sentence.

    Parameters
    ----------
    estimator : EmbeddingRegressor, EmbeddingClassifier or Word2Vec
        Fitted or not; it is never changed.
    X : frame or array of shape (n, n_features), or sequence of sequences of str, or path
        Rows like those the estimator is fitted on; for words, sentences, or a file of text.
    y : array-like of shape (n,)
        Their targets; for words, none.
    column : str, optional
        The categorical column to look at; by default the first in which some level occurs twice.
    rows : sequence of int, optional
        Positions in X of the rows of the batch, the example first.
    word : str, optional
        For words: the centre of the window.
    step : {"first", "trained"}
        The very first step, from the random start; or one step more for a fitted estimator, after a few
        steps on other rows, so that an optimizer that remembers shows its momentum.
    optimizer : {"sgd", "adam", "adamw", "adagrad"}
        torch's own, dense: what it moves is shown with the reason.
    learning_rate : float, optional
        By default 0.1 (sgd, adagrad) or 0.01 (adam, adamw); of a trained network a hundredth of that.

    Returns
    -------
    Explanation
        Prints as text; ``to_json()`` and ``to_html()`` are the same record.

    Raises
    ------
    ArgumentError, ArgumentTypeError, MissingColumnError
        When an argument has a value that it must not have, the estimator is of another kind, or the column
        has no table.
    ClaimError
        When a claim does not hold, so that nothing false is shown.

    Notes
    -----
    The network runs in evaluation mode, so that each number can be checked by hand. Costs a few forward
    passes over the batch, and a copy of each table.

    Examples
    --------
    >>> import plectrum
    >>> from plectrum.explanation import toy_estimator, toy_rows
    >>> told = plectrum.explain(toy_estimator(), *toy_rows())
    >>> [(row.key, len(row.lookups), row.reasons) for row in told.table.rows[:3]]
    [('Mon', 2, ['gradient']), ('Tue', 1, ['gradient']), ('Fri', 0, [])]
    """
    check_named_choices(optimizer=optimizer, step=step)
    if hasattr(estimator, "window"):  # it learns words
        return explain_window(
            X,
            word=word,
            estimator=estimator if step == "trained" else None,
            optimizer=optimizer,
            learning_rate=learning_rate,
            random_state=estimator.random_state if isinstance(estimator.random_state, int) else 0,
        )
    _check_kind(estimator)
    model = _model_at(estimator, X, y, step=step)
    frame, target = model._match(X), model._read_target(y)
    position = _table_position(model, column)
    chosen = _choose_rows(model, frame, position, rows)
    focus = model.columns_.tables[position].name
    batch = frame[chosen]
    network = copy.deepcopy(model.networks_[0])
    trial = ColumnTrial(network, *_encoded(model, batch, target[chosen]), model._loss())
    chosen_optimizer, settings = make_optimizer(
        optimizer, network, learning_rate, share=_LATE if step == "trained" else 1.0
    )
    n_warm = _WARM_UP_STEPS if step == "trained" else 0
    if n_warm:
        others = np.setdiff1d(np.arange(min(len(frame), 1000)), chosen)[: n_warm * _WARM_UP_ROWS]
        rows_before = _encoded(model, frame[others.tolist()], target[others])
        warm_up(
            network,
            *rows_before,
            row_loss=model._loss(),
            optimizer=chosen_optimizer,
            batch_size=_WARM_UP_ROWS,
        )
    examples = _examples(model, trial, batch, target[chosen])
    keys = {table.name: [*RESERVED, *map(str, table.vocabulary.keys)] for table in model.columns_.tables}
    tables, nudge, before, after = take_step(trial, chosen_optimizer, focus, keys)
    return Explanation(
        kind="columns",
        subject=f"{type(estimator).__name__}, {len(batch)} of {len(frame):,} rows",
        target=str(getattr(y, "name", None) or "the target"),
        loss_name=_loss_name(model),
        step=step,
        optimizer=optimizer,
        settings=settings,
        warm_up=n_warm,
        focus=focus,
        examples=examples,
        tables=tables,
        nudge=nudge,
        loss_before=before,
        loss_after=after,
    )


def _check_kind(estimator: Any) -> None:
    from plectrum.tabular import EmbeddingClassifier, EmbeddingRegressor

    if not isinstance(estimator, EmbeddingRegressor | EmbeddingClassifier):
        raise ArgumentTypeError(
            "`estimator` of `explain` must be an EmbeddingRegressor, EmbeddingClassifier or Word2Vec; got "
            f"{type(estimator).__name__}. Pass one of these."
        )


def _model_at(estimator: Any, X: Any, y: Any, *, step: str) -> Any:
    """The estimator as it stands at the step: its own random start, or as it was fitted."""
    if step == "trained":
        if not hasattr(estimator, "networks_"):
            raise ArgumentError(
                "`estimator` of `explain` must be fitted for step='trained'; got an unfitted "
                f"{type(estimator).__name__}. Call fit first, or use step='first'."
            )
        return estimator
    fresh = clone(estimator).set_params(epochs=0, n_networks=1)  # all of fitting but the steps
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallDataWarning)  # a step can be explained on few rows
        return fresh.fit(X, y)


def _encoded(model: Any, frame: Any, target: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, numbers and target, as the network sees them."""
    ids, numbers, _ = model.columns_.encode(frame)
    return torch.from_numpy(ids), torch.from_numpy(numbers), model._encode_target(target)


def _table_position(model: Any, column: str | None) -> int:
    """Which table to look at: the one asked for, by its name or that of its column."""
    names = [table.name for table in model.columns_.tables]
    sources = [table.source for table in model.columns_.tables]
    if not names:
        raise ArgumentError(
            "`X` of `explain` must have a categorical column; got none among "
            f"{', '.join(map(repr, model.columns_.sources))}. Name one with `kinds={{...: 'categorical'}}`."
        )
    if column is None:
        sizes = [table.size[0] for table in model.columns_.tables]
        return next((i for i, size in enumerate(sizes) if size > 3 + _BATCH), 0)
    if column in names:
        return names.index(column)
    if column in sources:
        return sources.index(column)
    raise MissingColumnError(
        f"`column` of `explain` must be a column that has a table: {', '.join(map(repr, names))}; got "
        f"{column!r}. "
        "Choose one of them.",
        columns=[column],
        available=names,
    )


def _choose_rows(model: Any, frame: Any, position: int, rows: Sequence[int] | None) -> list[int]:
    """Positions of the batch: the example, one that shares its level, one that does not."""
    n = len(frame)
    if rows is not None and (outside := [row for row in rows if not 0 <= row < n]):
        raise ArgumentError(
            f"`rows` of `explain` must lie in [0, {n}); got {outside[0]}, {len(outside)} of {len(rows)} "
            "values. "
            "Rows are counted from 0."
        )
    if rows is not None and len(rows) != 1:
        return list(dict.fromkeys(rows))
    ids = model.columns_.encode(frame[: min(n, 100_000)])[0][:, position]
    first = rows[0] if rows else _first_repeated(ids)
    if first >= len(ids):
        return [first]
    same = next((int(i) for i in np.flatnonzero(ids == ids[first]) if i != first), None)
    other = next((int(i) for i in np.flatnonzero(ids != ids[first])), None)
    return [first, *(row for row in (other, same) if row is not None)]


def _first_repeated(ids: np.ndarray) -> int:
    """The first row whose level occurs again, 0 when none does."""
    _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[inverse] > 1)
    return int(repeated[0]) if len(repeated) else 0


def _examples(model: Any, trial: ColumnTrial, batch: Any, target: np.ndarray) -> list[Example]:
    """The rows of the batch in words, with what the network answers before the step."""
    with torch.no_grad():
        outputs, losses = trial.outputs(), trial.losses()
    numbers = model.columns_.read_numbers(batch) if model.columns_.numbers else np.empty((len(batch), 0))
    columns = batch.to_dict(as_series=False)
    return [
        Example(
            cells={name: str(columns[name][i]) for name in model.columns_.sources},
            rows={name: int(ids[i]) for name, ids in trial.ids.items()},
            numbers={column.name: float(numbers[i, j]) for j, column in enumerate(model.columns_.numbers)},
            target=str(target[i]),
            prediction=_prediction(model, outputs[i]),
            loss=float(losses[i]),
        )
        for i in range(len(batch))
    ]


def _prediction(model: Any, output: torch.Tensor) -> str:
    """What the network's output says, in the words of the target."""
    if hasattr(model, "target_scale_"):
        return f"{float(model.target_scale_.to_user(output)):.4g}"
    if output.ndim == 0:  # the log odds of the second of two classes
        return f"{model.classes_[1]} with {float(torch.sigmoid(output)):.1%}"
    best = int(output.argmax())
    return f"{model.classes_[best]} with {float(torch.softmax(output, 0)[best]):.1%}"


def _loss_name(model: Any) -> str:
    if hasattr(model, "target_scale_"):
        return f"{model.loss} error of the target, which the network sees scaled; mean over the batch"
    return "-log of the probability given to the true class; mean over the batch"
