"""From a file to an explained step: a frame with a target, or a text."""

from pathlib import Path
from typing import Any

import numpy as np

from plectrum import frames
from plectrum.errors import ArgumentError, DataError
from plectrum.explanation._explain import explain
from plectrum.explanation._record import Explanation
from plectrum.explanation._sentences import read_sentences
from plectrum.explanation._toy import toy_estimator, toy_rows
from plectrum.explanation._window import explain_window

_FRAME_SUFFIXES = {".csv", ".tsv", ".parquet", ".pq"}
_FEW_ROWS = 2_000  # enough to find a level that occurs twice


def explain_file(
    file: str | None,
    *,
    target: str | None = None,
    column: str | None = None,
    rows: list[int] | None = None,
    step: str = "first",
    optimizer: str = "sgd",
    learning_rate: float | None = None,
    word: str | None = None,
    seed: int = 0,
    estimator: Any = None,
) -> Explanation:
    """Return one training step on the rows of a file; without a file, on a built-in table of a dozen rows.

    A file with a `target` is read as a frame; a file without one that is not CSV or Parquet is read as text,
    and the step is that of one window of one sentence (with a `column`, CSV and Parquet too). Other arguments
    are those of :func:`explain`.

    Parameters
    ----------
    estimator : optional
        Fitted on such a file, for ``step="trained"``; without it one is fitted here, which takes a while.

    Raises
    ------
    ArgumentError, DataError
        When the file cannot be explained, with the way out.
    """
    if file is None and estimator is not None:
        raise ArgumentError(
            "`file` (FILE) of `explain` must be named beside a run (--run): the rows or the text of the "
            "step; got none. Name the file that the run learned from, or one like it."
        )
    if file is None:
        estimator, (X, y) = toy_estimator(), toy_rows()
        if step == "trained":
            estimator = _fitted(estimator, X, y)
        return explain(
            estimator,
            X,
            y,
            column=column,
            rows=rows,
            step=step,
            optimizer=optimizer,
            learning_rate=learning_rate,
        )
    if target is None:
        return _explain_text(
            file,
            column=column,
            word=word,
            step=step,
            optimizer=optimizer,
            learning_rate=learning_rate,
            seed=seed,
            estimator=estimator,
        )
    frame = frames.read(file)
    faults = [finding for finding in frames.check(frame, target) if finding.severity == "error"]
    if faults:
        raise DataError(f"{faults[0].message} {faults[0].advice}".strip())
    X, y, fresh = _estimator_for(frame, target, seed)
    if estimator is None:
        estimator = _fitted(fresh, X, y) if step == "trained" else fresh
    told = explain(
        estimator, X, y, column=column, rows=rows, step=step, optimizer=optimizer, learning_rate=learning_rate
    )
    return told.with_target(target)


def _estimator_for(frame: Any, target: str, seed: int) -> tuple[Any, Any, Any]:
    """The columns, the target, and an estimator that fits it."""
    from plectrum.tabular import EmbeddingClassifier, EmbeddingRegressor
    from plectrum.tabular._target import read_task

    found = read_task(frame, target)
    X = frame.drop(target)
    if found.task.kind == "regression":
        return X, found.values, EmbeddingRegressor(random_state=seed)
    return X, np.asarray(found.task.classes)[found.values], EmbeddingClassifier(random_state=seed)


def _fitted(estimator: Any, X: Any, y: Any) -> Any:
    import warnings

    from plectrum.errors import SmallDataWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallDataWarning)
        return estimator.fit(X, y)


def _explain_text(
    file: str,
    *,
    column: str | None,
    word: str | None,
    step: str,
    optimizer: str,
    learning_rate: float | None,
    seed: int,
    estimator: Any,
) -> Explanation:
    if estimator is None and Path(file).suffix.lower() in _FRAME_SUFFIXES and column is None:
        raise ArgumentError(
            f"`target` (--target) of `explain` must name the column to predict in {file!r}; got none. Name "
            "it, or pass a plain text to see how words learn."
        )
    if step == "trained" and estimator is None:
        raise ArgumentError(
            "`step` (--step) of `explain` must be 'first' for a text without a run; got 'trained'. Leave it "
            "out, or name a run that `plectrum learn words` left (--run)."
        )
    return explain_window(
        read_sentences(file, column),
        word=word,
        optimizer=optimizer,
        learning_rate=learning_rate,
        random_state=seed,
        estimator=estimator if step == "trained" else None,
    )


def explain_fitted(estimator: Any, frame: Any, target: str, *, step: str = "first") -> Explanation:
    """Return one training step of a fitted estimator on rows of the frame that it was fitted on.

    Rows without a target are passed over; the rest is as in :func:`explain`, with SGD.
    """
    import narwhals as nw

    rows = frame.filter(~nw.col(target).is_null()).head(_FEW_ROWS)
    told = explain(estimator, rows.drop(target), np.asarray(rows[target].to_list()), step=step)
    return told.with_target(target)
