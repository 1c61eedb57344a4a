"""From a file to an explained step: a frame with a target, or a text."""

from pathlib import Path
from typing import Any

import numpy as np

from plectrum import frames
from plectrum.errors import ArgumentError, DataError
from plectrum.explanation._explain import explain, explain_window
from plectrum.explanation._record import Explanation
from plectrum.explanation._toy import toy_estimator, toy_rows

_FRAME_SUFFIXES = {".csv", ".tsv", ".parquet", ".pq"}
_TEXT_BYTES = 2_000_000  # how much of a text is read: one window needs no more
_SENTENCE = 1_000  # words after which a text without line ends is cut
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
) -> Explanation:
    """Return one training step on the rows of a file; without a file, on a built-in table of a dozen rows.

    A file with a `target` is read as a frame; a file without one that is not CSV or Parquet is read as text,
    and the step is that of one window of one sentence. Other arguments are those of :func:`explain`.

    Raises
    ------
    ArgumentError, DataError
        When the file cannot be explained, with the way out.
    """
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
        if step != "first":
            raise ArgumentError(
                f"`step` (--step) of `explain` must be 'first' for a text; got {step!r}. Leave it out."
            )
        return _explain_text(file, word=word, optimizer=optimizer, learning_rate=learning_rate, seed=seed)
    frame = frames.read(file)
    faults = [finding for finding in frames.check(frame, target) if finding.severity == "error"]
    if faults:
        raise DataError(f"{faults[0].message} {faults[0].advice}".strip())
    X, y, estimator = _estimator_for(frame, target, seed)
    if step == "trained":
        estimator = _fitted(estimator, X, y)
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
    file: str, *, word: str | None, optimizer: str, learning_rate: float | None, seed: int
) -> Explanation:
    if Path(file).suffix.lower() in _FRAME_SUFFIXES:
        raise ArgumentError(
            f"`target` (--target) of `explain` must name the column to predict in {file!r}; got none. Name "
            "it, or pass "
            "a plain text to see how words learn."
        )
    with Path(file).open("rb") as stream:
        text = stream.read(_TEXT_BYTES)
    if b"\0" in text:
        raise DataError(
            f"{file!r} must be CSV, Parquet or plain text; it holds NUL bytes. Pass another file."
        )
    lines = text.decode("utf-8", errors="replace").splitlines()
    sentences = [
        words[start : start + _SENTENCE]
        for words in map(str.split, lines)
        for start in range(0, len(words), _SENTENCE)
    ]
    return explain_window(
        sentences, word=word, optimizer=optimizer, learning_rate=learning_rate, random_state=seed
    )


def explain_fitted(estimator: Any, frame: Any, target: str, *, step: str = "first") -> Explanation:
    """Return one training step of a fitted estimator on rows of the frame that it was fitted on.

    Rows without a target are passed over; the rest is as in :func:`explain`, with SGD.
    """
    import narwhals as nw

    rows = frame.filter(~nw.col(target).is_null()).head(_FEW_ROWS)
    told = explain(estimator, rows.drop(target), np.asarray(rows[target].to_list()), step=step)
    return told.with_target(target)
