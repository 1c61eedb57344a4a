"""`explain`: choose a batch from the user's rows, take one step on it, and keep what happened as a record."""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from plectrum.errors import ArgumentError, MissingColumnError, SmallDataWarning, UnknownKeyError, check_choice
from plectrum.explanation._columns import ColumnTrial, warm_up
from plectrum.explanation._record import Example, Explanation
from plectrum.explanation._step import take_step
from plectrum.explanation._words import CENTRE, COMPANY, SkipGram, WindowTrial, pairs_of_window
from plectrum.vocabulary import Vocabulary

OPTIMIZERS: dict[str, tuple[Any, dict[str, float]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "adam": (torch.optim.Adam, {"lr": 0.01}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.01}),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.1}),
}
_RESERVED = ("(padding)", "(unknown)", "(missing)")
_BATCH = 3
_WARM_UP_STEPS, _WARM_UP_ROWS = 4, 8
_LATE = 0.01  # of the first learning rate: what a trained network still bears


def explain(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    column: str | None = None,
    rows: Sequence[int] | None = None,
    step: str = "first",
    optimizer: str = "sgd",
    learning_rate: float | None = None,
) -> Explanation:
    """Return one training step on these rows, with every number shown and every claim checked.

    The batch has three rows: the example, kept fixed all the way; one that shares its level in the column in
    focus, so that the level occurs twice; and one that does not.

    Parameters
    ----------
    estimator : EmbeddingRegressor or EmbeddingClassifier
        Fitted or not; it is never changed.
    X : frame or array of shape (n, n_features)
        Rows like those the estimator is fitted on.
    y : array-like of shape (n,)
        Their targets.
    column : str, optional
        The categorical column to look at; by default the first in which some level occurs twice.
    rows : sequence of int, optional
        Positions in X of the rows of the batch, the example first.
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
    ArgumentError, MissingColumnError
        When an argument has a value that it must not have, or the column has no table.
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
    _check(optimizer=optimizer, step=step)
    model = _model_at(estimator, X, y, step=step)
    frame, target = model._match(X), model._read_target(y)
    position = _table_position(model, column)
    chosen = _choose_rows(model, frame, position, rows)
    focus = model.columns_.tables[position].name
    batch = frame[chosen]
    network = copy.deepcopy(model.networks_[0])
    trial = ColumnTrial(network, *_encoded(model, batch, target[chosen]), model._loss())
    chosen_optimizer, settings = _optimizer(optimizer, network, learning_rate, trained=step == "trained")
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
    keys = {table.name: [*_RESERVED, *map(str, table.vocabulary.keys)] for table in model.columns_.tables}
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


def explain_window(
    sentences: Sequence[Sequence[str]],
    *,
    word: str | None = None,
    embedding_dim: int = 4,
    window: int = 2,
    negative: int = 1,
    optimizer: str = "sgd",
    learning_rate: float | None = None,
    random_state: int = 0,
) -> Explanation:
    """Return one training step on one window of one sentence: how words learn from the company they keep.

    Parameters
    ----------
    sentences : sequence of sequences of str
        The text; all its words make the vocabulary.
    word : str, optional
        The centre of the window, at its first place; by default the middle of the first sentence of 3 words
        or more.
    embedding_dim, window, negative : int
        Numbers a word has; neighbours taken on each side; words drawn at random for each neighbour.
    optimizer, learning_rate
        As for :func:`explain`.
    random_state : int
        Seed of the random start and of the words drawn.

    Raises
    ------
    ArgumentError, UnknownKeyError
        When the text has no sentence of two words, or does not have `word`.

    Examples
    --------
    >>> text = [["the", "king", "rules", "the", "land"], ["a", "ship", "at", "sea"]]
    >>> told = explain_window(text, word="king")
    >>> told.table.rows[0].key, told.loss_after < told.loss_before
    ('king', True)
    """
    _check(optimizer=optimizer, step="first")
    vocabulary = Vocabulary.learn([token for sentence in sentences for token in sentence])
    sentence, position = _find_window(sentences, word, vocabulary)
    encoded = vocabulary.encode(list(sentence)).tolist()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        model = SkipGram(vocabulary.n_rows, embedding_dim)
    trial = WindowTrial(
        model,
        *pairs_of_window(
            encoded,
            position,
            window=window,
            negative=negative,
            n_words=vocabulary.n_rows,
            seed=random_state,
            first_row=3,
        ),
    )
    keys = [*_RESERVED, *map(str, vocabulary.keys)]
    chosen_optimizer, settings = _optimizer(optimizer, model, learning_rate)
    scores, losses = trial.scores().detach(), trial.losses().detach()
    examples = [
        Example(
            cells={"centre": keys[centre], "other": keys[other]},
            rows={CENTRE: int(centre), COMPANY: int(other)},
            numbers={},
            target="seen beside it" if seen else "drawn at random",
            prediction=f"{torch.sigmoid(score):.3f}",
            loss=float(loss),
        )
        for centre, other, seen, score, loss in zip(
            trial.centres, trial.others, trial.really_seen, scores, losses, strict=True
        )
    ]
    tables, nudge, before, after = take_step(trial, chosen_optimizer, CENTRE, {CENTRE: keys, COMPANY: keys})
    return Explanation(
        kind="words",
        subject=f"skip-gram on the sentence: {' '.join(sentence)}",
        target="seen beside it, or drawn at random",
        loss_name="-log of the probability given to what is true, summed over the pairs",
        step="first",
        optimizer=optimizer,
        settings=settings,
        warm_up=0,
        focus=CENTRE,
        examples=examples,
        tables=tables,
        nudge=nudge,
        loss_before=before,
        loss_after=after,
    )


def _check(*, optimizer: str, step: str) -> None:
    check_choice(optimizer, OPTIMIZERS, argument="optimizer", owner="explain")
    check_choice(step, ("first", "trained"), argument="step", owner="explain")


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


def _optimizer(
    name: str, network: torch.nn.Module, learning_rate: float | None, *, trained: bool = False
) -> tuple[torch.optim.Optimizer, dict[str, float]]:
    kind, defaults = OPTIMIZERS[name]
    usual = defaults["lr"] * (_LATE if trained else 1)
    settings = {**defaults, "lr": usual if learning_rate is None else float(learning_rate)}
    return kind(network.parameters(), **settings), settings


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


def _find_window(
    sentences: Sequence[Sequence[str]], word: str | None, vocabulary: Vocabulary
) -> tuple[Sequence[str], int]:
    if word is not None and word not in vocabulary:
        raise UnknownKeyError(word, nearest=vocabulary.nearest_keys(word), owner="The text")
    for sentence in sentences:
        if word is not None and word in sentence and len(sentence) > 1:
            return sentence, list(sentence).index(word)
        if word is None and len(sentence) > 2:
            return sentence[:12], min(len(sentence), 12) // 2
    raise ArgumentError(
        "`sentences` of `explain_window` must have a sentence of at least 2 words"
        f"{'' if word is None else f' with {word!r} in it'}; got {len(sentences):,} sentences. Pass more "
        "text."
    )
