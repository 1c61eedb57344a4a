"""The main job: a frame's columns in; vectors, a model, honest results and what was learned out.

It fills a run folder (all of it but the page) in stages. Each stage leaves its state in the unfinished
run, so that a run that was killed goes on where it was, to the same scores.
"""

import hashlib
import time as clock
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from plectrum import frames
from plectrum.errors import ArgumentError, DataError, MissingColumnError, RunError
from plectrum.runs import RunWriter, plain
from plectrum.tabular._classifier import EmbeddingClassifier
from plectrum.tabular._compare import Comparison, compare
from plectrum.tabular._findings import find, suggest_next
from plectrum.tabular._held_out import Split, split_frame
from plectrum.tabular._regressor import EmbeddingRegressor
from plectrum.tabular._rows import take_rows
from plectrum.tabular._saved import save_model
from plectrum.tabular._target import read_task
from plectrum.tabular._write_run import write_columns
from plectrum.training import Progress

N_SNAPSHOTS = 24


class Listener(Protocol):
    """What the job tells while it works."""

    def stage(self, text: str) -> None:
        """A part of the job begins."""

    def progress(self, progress: Progress) -> None:
        """The training stands here."""

    def warn(self, text: str) -> None:
        """Something a user should know."""


class Silence:
    """A listener that passes warnings on to Python and drops the rest."""

    def stage(self, text: str) -> None:
        """Drop it."""

    def progress(self, progress: Progress) -> None:
        """Drop it."""

    def warn(self, text: str) -> None:
        """Raise it as a Python warning."""
        warnings.warn(text, UserWarning, stacklevel=2)


@dataclass(frozen=True)
class Settings:
    """What the user chose; a resumed run must have the same.

    Attributes
    ----------
    time, group : str or None
        Hold out the latest rows by this column, or whole groups of it; else rows at random.
    held_out : float
        Share of the rows to hold out.
    seed : int
        Decides all that is random.
    task : str or None
        "regression" or "classification"; by the target when None.
    epochs, batch_size, hidden, embedding_dim
        As the estimators take them; their own choice when None.
    ignore, categorical, numeric : tuple of str
        Columns whose kind the user knows better.
    baselines : bool
        Whether to compare with other models.
    """

    time: str | None = None
    group: str | None = None
    held_out: float = 0.1
    seed: int = 0
    task: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    hidden: Sequence[int] | None = None
    embedding_dim: int | None = None
    ignore: Sequence[str] = ()
    categorical: Sequence[str] = ()
    numeric: Sequence[str] = ()
    baselines: bool = True


def learn_columns(
    frame: Any,
    target: str,
    *,
    run: RunWriter,
    name: str = "-",
    listener: Listener | None = None,
    **settings: Any,
) -> None:
    """Learn a table per categorical column inside a network that predicts `target`; fill the run folder.

    Rows without a target are left out, and said so. What is written is described in `docs/run_folder.md`; the
    record is complete afterwards, but neither written nor is the run renamed: that is the caller's, once
    it has added the page.

    Parameters
    ----------
    frame : pandas, polars or pyarrow frame
        The columns, the target among them.
    target : str
        The column to predict.
    run : RunWriter
        The unfinished run; a resumed one goes on where it was.
    name : str
        What to call the data in the record.
    listener : Listener, optional
        Is told of stages, progress and warnings.
    **settings
        The fields of `Settings`.

    Raises
    ------
    DataError, MissingColumnError, ArgumentError
        The frame cannot be learned from, or the settings do not fit it.
    RunError
        A resumed run was begun with other settings or another frame.
    """
    # without a listener Python's warnings stay what they are
    told = nullcontext() if listener is None else _warnings_to(listener)
    chosen, listener = Settings(**settings), listener or Silence()
    _check_settings(chosen)
    frame = frames.as_frame(frame)
    _same_as_before(run, frame, target, name, chosen)
    with told:
        frame = _checked(frame, target, chosen, listener)
        found = read_task(frame, target, chosen.task)
        split = split_frame(frame, found, chosen, listener)
        estimator, seconds = _fit(split, run, chosen, listener)
        listener.stage("writing vectors")
        save_model(estimator, run.path("model", "model.json").parent)
        columns, film = write_columns(run, estimator, split)
        comparison = compare(
            run,
            estimator,
            split,
            network_seconds=seconds,
            seed=chosen.seed,
            enough=not chosen.baselines,
            stage=listener.stage,
        )
    run.record |= _record(run, estimator, split, comparison, chosen) | {
        "columns": columns,
        "film": film,
        "findings": find(estimator, columns),
        "next": suggest_next(run.folder, estimator, columns, name),
    }
    run.record["data"]["name"] = name


# ------------------------------------------------------------------------------------------ before


def _check_settings(chosen: Settings) -> None:
    if chosen.time is not None and chosen.group is not None:
        raise ArgumentError(
            f"`time` and `group` (--time, --group) exclude each other; got {chosen.time!r} and "
            f"{chosen.group!r}. "
            "Choose one."
        )
    if not 0 < chosen.held_out < 1:
        raise ArgumentError(
            f"`held_out` (--held-out) must lie between 0 and 1; got {chosen.held_out}. 0.1 holds out a tenth."
        )
    if chosen.task not in (None, "regression", "classification"):
        raise ArgumentError(
            f"`task` (--task) must be regression or classification; got {chosen.task!r}. Choose one of them."
        )


def _same_as_before(run: RunWriter, frame: Any, target: str, name: str, chosen: Settings) -> None:
    """Keep what the run was begun with, or hold a resumed one to it."""
    about = {"name": name, "target": target, "n_rows": len(frame), "columns": list(frame.columns)}
    now = plain(about | {"rows": _digest(frame)} | vars(chosen))
    before = run.load_state("settings")
    if before is None:
        run.save_state("settings", now)
        return
    other = [key for key in now if now[key] != before.get(key)]
    if other:
        key = other[0]
        raise RunError(
            f"a resumed run must be given what it was begun with; `{key}` was {before.get(key)!r}, got "
            f"{now[key]!r}"
            f"{f' ({len(other)} differ)' if len(other) > 1 else ''}. Give the same command, or begin anew "
            "with "
            "--force."
        )


def _digest(frame: Any) -> str:
    """Return a number for the content of some 2,000 rows, evenly spaced: another file is noticed by it."""
    rows = np.unique(np.linspace(0, max(0, len(frame) - 1), 2_000).astype(np.int64))
    content = take_rows(frame, rows[: len(frame)]).to_arrow().to_pydict()
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _checked(frame: Any, target: str, chosen: Settings, listener: Listener) -> Any:
    """Return the frame with the rows that have a target and without ignored columns, or raise."""
    named = [target, chosen.time, chosen.group, *chosen.ignore, *chosen.categorical, *chosen.numeric]
    for column in named:
        if column is not None and column not in frame.columns:
            raise _no_such_column(column, frame)
    for finding in frames.check(frame, target):
        if finding.severity == "error":
            place = f"{finding.column}: " if finding.column else ""
            raise DataError(f"{place}{finding.message} {finding.advice}".strip())
        if finding.severity == "warning":
            place = f"{finding.column}: " if finding.column else ""
            listener.warn(f"{place}{finding.message} {finding.advice}".strip())
    return frame


def _no_such_column(column: str, frame: Any) -> MissingColumnError:
    from difflib import get_close_matches

    close = get_close_matches(column, frame.columns, n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    shown = ", ".join(frame.columns[:20]) + (", ..." if len(frame.columns) > 20 else "")
    return MissingColumnError(
        f"the file has no column {column!r}.{hint} It has: {shown}.",
        columns=[column],
        available=frame.columns,
    )


@contextmanager
def _warnings_to(listener: Listener) -> Iterator[None]:
    """Send Python's warnings to the listener, each text once."""
    told: set[str] = set()

    def tell(message: Any, *_: Any, **__: Any) -> None:
        if str(message) not in told:
            told.add(str(message))
            listener.warn(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = tell
        yield


# ------------------------------------------------------------------------------------------ the network


def _fit(split: Split, run: RunWriter, chosen: Settings, listener: Listener) -> tuple[Any, float]:
    """Return the fitted estimator and how long it took, the part before an interruption included."""
    listener.stage("training")
    began = clock.perf_counter()
    kind = EmbeddingRegressor if split.task.kind == "regression" else EmbeddingClassifier
    options = {
        name: value
        for name in ("epochs", "batch_size", "hidden", "embedding_dim")
        if (value := getattr(chosen, name)) is not None
    }
    if chosen.time or chosen.group:
        options |= {
            "validation": "time" if chosen.time else "group",
            "validation_column": chosen.time or chosen.group,
        }
    estimator = kind(random_state=chosen.seed, kinds=split.overrides or None, **options)
    target = split.train_target if split.task.classes is None else split.task.classes[split.train_target]
    estimator.fit(
        split.train,
        target,
        progress=listener.progress,
        checkpoint=run.state_path("training", "x").parent,
        resume=run.resumed,
        n_snapshots=N_SNAPSHOTS,
    )
    wall = clock.perf_counter() - began
    return estimator, max(wall, sum(line["seconds"] for line in estimator.history_))


# ------------------------------------------------------------------------------------------ the record


def _record(
    run: RunWriter, estimator: Any, split: Split, comparison: Comparison, chosen: Settings
) -> dict[str, Any]:
    """Return the parts of the record that are about the whole run."""
    task = split.task
    how = "time" if chosen.time else "group" if chosen.group else "random"
    has_mean = task.kind != "multiclass"  # class numbers of more than two classes have no meaning
    return {
        "kind": "columns",
        "estimator": type(estimator).__name__,
        "seed": chosen.seed,
        "data": {
            "name": run.folder.name,
            "n_rows": len(split.train) + len(split.held_out),
            "n_train": len(split.train),
            "n_held_out": len(split.held_out),
            "split": {"how": how, "column": chosen.time or chosen.group, "share": chosen.held_out},
        },
        "target": {
            "name": split.target,
            "kind": task.kind,
            "metric": task.metric,
            "unit": None,
            "classes": None if task.classes is None else task.classes.tolist(),
            "mean": float(np.mean(split.train_target)) if has_mean else None,
        },
        "results": comparison.results,
        "verdict": comparison.verdict,
        "history": _history(estimator),
    }


def _history(estimator: Any) -> list[dict[str, Any]]:
    """The epochs, with the seconds since training began, and the losses as scores."""
    lines, seconds = [], 0.0
    for line in estimator.history_:
        seconds += line["seconds"]
        scores = {f"{part}_score": _score_of(estimator, line[f"{part}_loss"]) for part in ("train", "valid")}
        lines.append({**line, "seconds": seconds} | scores)
    return lines


def _score_of(estimator: Any, loss: float | None) -> float | None:
    """Return a loss as the score that models are compared by, None where it is another thing."""
    if isinstance(estimator, EmbeddingClassifier):
        return None if loss is None or estimator.class_weight is not None else loss
    if loss is None or estimator.loss != "squared":
        return None
    return float(np.sqrt(loss)) * estimator.target_scale_.spread
