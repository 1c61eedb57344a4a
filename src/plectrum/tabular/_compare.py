"""The network beside the baselines, on the same held-out rows; each result is kept as soon as it is there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plectrum.runs import RunWriter, plain
from plectrum.tabular._baselines import Baseline, Judged, baselines, run_baseline, run_on_vectors, sample_rows
from plectrum.tabular._plain_features import PlainFeatures, plain_features
from plectrum.tabular._rows import take_rows
from plectrum.tabular._scores import Task, row_losses, score
from plectrum.tabular._verdict import write_verdict

NETWORK = "plectrum network"


@dataclass(frozen=True)
class Comparison:
    """The results, in the order of the table, and the sentence about them."""

    results: list[dict[str, Any]]
    verdict: str


def compare(
    run: RunWriter,
    estimator: Any,
    split: Any,
    *,
    network_seconds: float,
    seed: int,
    enough: bool,
    stage: Callable[[str], None],
) -> Comparison:
    """Judge the network, and the baselines unless the network alone is `enough`.

    A model that a run before an interruption has judged is not fitted again.
    """
    task: Task = split.task
    ledger = _Ledger(run, task, split.held_out_target)
    if not enough:
        pair = plain_features(estimator.columns_, split.train, split.held_out)
        for baseline in baselines(task, seed=seed):
            stage(f"comparing: {baseline.name}")
            ledger.enter(baseline.name, partial(_fit_baseline, baseline, *pair, split.train_target, seed))
    stage(f"judging the {NETWORK}")
    ledger.enter(NETWORK, partial(_network, task, estimator, split, network_seconds))
    if not enough and estimator.columns_.tables:
        name = "boosting on plectrum's vectors"
        stage(f"comparing: {name}")
        ledger.enter(name, partial(_on_vectors, task, estimator, split, seed))
    return Comparison(
        ledger.results, write_verdict(ledger.results, ledger.losses, task.metric, split.held_out_groups)
    )


def _fit_baseline(
    baseline: Baseline, train: PlainFeatures, held_out: PlainFeatures, target: NDArray[Any], seed: int
) -> Judged:
    return run_baseline(baseline, train, target, held_out, seed=seed)


class _Ledger:
    """Results and the losses behind them; entered once, also over an interruption."""

    def __init__(self, run: RunWriter, task: Task, truth: NDArray[Any]) -> None:
        self._run, self._task, self._truth = run, task, truth
        self._before = {result["name"]: result for result in run.load_state("results") or []}
        self.results: list[dict[str, Any]] = []
        self.losses: dict[str, NDArray[np.float64]] = {}

    def enter(self, name: str, judge: Callable[[], Judged]) -> None:
        path = self._run.state_path("losses", f"{len(self.results)}.npy")
        if name in self._before:
            result, losses = self._before[name], np.load(path, allow_pickle=False)
        else:
            judged = judge()
            losses = row_losses(self._task, self._truth, judged.predicted)
            result = plain(
                {
                    "name": name,
                    "role": judged.role,
                    "scores": score(self._task, self._truth, judged.predicted),
                    "fit_seconds": judged.fit_seconds,
                    "note": judged.note,
                }
            )
            np.save(path, losses, allow_pickle=False)
        self.results.append(result)
        self.losses[name] = losses
        self._run.save_state("results", self.results + self._still_before())

    def _still_before(self) -> list[dict[str, Any]]:
        entered = {result["name"] for result in self.results}
        return [result for name, result in self._before.items() if name not in entered]


def _network(task: Task, estimator: Any, split: Any, seconds: float) -> Judged:
    if task.kind == "regression":
        predicted = estimator.predict(split.held_out)
    else:
        assert task.classes is not None
        predicted = np.zeros((len(split.held_out), len(task.classes)))
        where = np.searchsorted(task.classes, estimator.classes_)
        predicted[:, where] = estimator.predict_proba(split.held_out)
    return Judged(NETWORK, "network", predicted, seconds, None)


def _on_vectors(task: Task, estimator: Any, split: Any, seed: int) -> Judged:
    """Boosting on the learned vectors of the rows and on the plain numbers."""
    width = sum(column.embedding_dim for column in estimator.columns_.tables)
    width += len(estimator.columns_.numbers)
    which, sampled = sample_rows(len(split.train_target), width, seed=seed)
    train, target = split.train, split.train_target
    if which is not None:  # before the vectors are laid out: a row of them is wide
        train, target = take_rows(train, which), target[which]
    judged = run_on_vectors(
        task,
        _vectors_of_rows(estimator, train),
        target,
        _vectors_of_rows(estimator, split.held_out),
        seed=seed,
    )
    if sampled is None:
        return judged
    return Judged(judged.name, judged.role, judged.predicted, judged.fit_seconds, f"{sampled}; {judged.note}")


def _vectors_of_rows(estimator: Any, frame: Any) -> NDArray[np.float32]:
    """Return (n, sum of dims + numbers): each row's vectors side by side, then its numbers."""
    ids, numbers, _ = estimator.columns_.encode(frame)
    tables = estimator.networks_[0].tables
    parts = [
        tables[column.name].detach().numpy()[ids[:, j]] for j, column in enumerate(estimator.columns_.tables)
    ]
    return np.concatenate([*parts, numbers], axis=1, dtype=np.float32)
