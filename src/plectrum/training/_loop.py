"""The training loop that the doors share: rows in memory, mini-batches by slicing shuffled tensors."""

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plectrum.errors import ArgumentError, RunError
from plectrum.training._average import WeightAverage
from plectrum.training._film import FilmRecorder
from plectrum.training._progress import Epoch, History, ProgressListener, Reporter
from plectrum.training._schedule import learning_rate_factor
from plectrum.training._state import load_state, save_state
from plectrum.training._updates import UpdateCounter

_EVALUATION_ROWS = 8192
_ONE_THREAD_ROWS = 128

RowLoss = Callable[[Tensor, Tensor], Tensor]  # (output, target) -> loss of each row (n,)
Augment = Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Rows:
    """Rows in memory: ``inputs`` tensors (n, ...), ``target`` and ``weight`` (n,); no weight is weight 1."""

    inputs: tuple[Tensor, ...]
    target: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.target)

    def take(self, order: Tensor) -> "Rows":
        """Return the rows in another order, or a part of them; copies."""
        weight = None if self.weight is None else self.weight[order]
        return Rows(tuple(x[order] for x in self.inputs), self.target[order], weight)


@dataclass(frozen=True)
class Plan:
    """How to train; `seed` decides everything random, `patience` None means no early stop.

    The best epoch on the held-out rows is kept in either case. With `averaging` the weights that are judged
    and kept are a running average, whose half-life is that share of an epoch.
    """

    epochs: int
    batch_size: int
    schedule: str = "one-cycle"
    patience: int | None = None
    averaging: float = 0.0
    seed: int = 0
    stage: str = "training"


def train(
    network: nn.Module,
    rows: Rows,
    *,
    loss: RowLoss,
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    held_out: Rows | None = None,
    augment: Augment | None = None,
    counter: UpdateCounter | None = None,
    film: FilmRecorder | None = None,
    progress: ProgressListener | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> History:
    """Train a network in place, and leave it with the weights of its best epoch on the held-out rows.

    Every epoch shuffles the rows once and cuts them into ``ceil(n / batch_size)`` slices of nearly equal
    length. The learning rate of each group of the optimizer is its peak; the schedule scales it step by step.

    Parameters
    ----------
    network : torch.nn.Module
        Called with ``*rows.inputs``.
    rows, held_out : Rows
        What to train on, and what to judge an epoch by; without `held_out` the last epoch is the best.
    loss : callable (output, target) -> (n,)
        The loss of each row; batches take its mean, weighted when the rows have weights.
    optimizer : torch.optim.Optimizer
        Over the network's parameters.
    plan : Plan
        Epochs, batch size, schedule, patience and seed.
    augment : callable, optional
        Changes the shuffled inputs of an epoch, with torch's global generator as its only source of chance.
    counter, film : optional
        Observers of rows: how often each was updated, and how it moved. The ids must be the first input.
    progress : callable, optional
        Gets a :class:`Progress` a few times a second.
    checkpoint : path, optional
        A file to write after each epoch, whole or not at all.
    resume : bool
        Go on from the checkpoint when there is one. The result is the same, bit for bit, as without the
        interruption, on the same machine with the same number of threads.

    Returns
    -------
    History
        Losses, learning rates, times; the best epoch.

    Raises
    ------
    ArgumentError
        When the loss is no longer finite.
    RunError
        When the checkpoint is of another training.

    Notes
    -----
    The caller's random state is left as it was.
    """
    training = _Training(network, rows, held_out, loss, optimizer, plan, augment, counter, film)
    file = None if checkpoint is None else Path(checkpoint)
    with torch.random.fork_rng(devices=[]), _threads_for(plan.batch_size):
        torch.manual_seed(plan.seed)
        if resume and file is not None and file.exists():
            training.restore(file)
        training.run(file, Reporter(progress, plan.epochs, plan.stage, training.history, len(rows)))
    return training.history


@contextmanager
def _threads_for(batch_size: int) -> Iterator[None]:
    """One thread for small batches: several gain nothing there, and wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if batch_size <= _ONE_THREAD_ROWS else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def batch_edges(n: int, batch_size: int) -> list[int]:
    """Return where batches begin and end: ``ceil(n / batch_size)`` slices, of lengths one apart at most.

    Examples
    --------
    >>> batch_edges(10, 4)
    [0, 3, 6, 10]
    """
    n_batches = max(1, math.ceil(n / batch_size))
    return [n * i // n_batches for i in range(n_batches + 1)]


@torch.no_grad()
def evaluate_loss(network: nn.Module, rows: Rows, loss: RowLoss) -> float:
    """Return the mean loss per row, weighted when they have weights; leaves the network in eval mode."""
    network.eval()
    total, weights = 0.0, 0.0
    for start in range(0, len(rows), _EVALUATION_ROWS):
        piece = slice(start, start + _EVALUATION_ROWS)
        losses = loss(network(*(x[piece] for x in rows.inputs)), rows.target[piece]).double()
        if rows.weight is None:
            total, weights = total + losses.sum().item(), weights + len(losses)
        else:
            weight = rows.weight[piece].double()
            total, weights = total + (losses * weight).sum().item(), weights + weight.sum().item()
    return total / weights if weights else math.nan


@dataclass
class _Training:
    """One training: its parts, then its standing, which is what a checkpoint holds."""

    network: nn.Module
    rows: Rows
    held_out: Rows | None
    loss: RowLoss
    optimizer: torch.optim.Optimizer
    plan: Plan
    augment: Augment | None
    counter: UpdateCounter | None
    film: FilmRecorder | None
    history: History = field(default_factory=History)
    best_weights: dict[str, Tensor] | None = None
    waited: int = 0  # epochs since the best one

    def __post_init__(self) -> None:
        self.edges = batch_edges(len(self.rows), self.plan.batch_size)
        self.n_batches = len(self.edges) - 1
        half_life = self.plan.averaging * self.n_batches
        self.average = WeightAverage(self.network, half_life) if half_life else None
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]

    def run(self, checkpoint: Path | None, reporter: Reporter) -> None:
        if self.film is not None:
            self.film.start(n_steps=self.plan.epochs * self.n_batches, steps_per_epoch=self.n_batches)
        while len(self.history.epochs) < self.plan.epochs and self.history.stopped == "planned":
            epoch = self._run_epoch(reporter)
            self._judge(epoch)
            if checkpoint is not None:
                self.preserve(checkpoint)
            reporter.epoch(epoch)
        if self.best_weights is None and self.average is not None and self.history.epochs:
            self.best_weights = self.average.network.state_dict()
        if self.best_weights is not None:
            self.network.load_state_dict(self.best_weights)
        if self.film is not None:
            self.film.finish(best_step=self.history.best_epoch * self.n_batches)
        self._set_learning_rates(1.0)
        self.network.eval()

    @property
    def judged(self) -> nn.Module:
        """The network whose weights are judged and kept."""
        return self.network if self.average is None else self.average.network

    def _run_epoch(self, reporter: Reporter) -> Epoch:
        began = time.perf_counter()
        number = len(self.history.epochs) + 1
        rows = self.rows.take(torch.randperm(len(self.rows)))
        if self.augment is not None:
            rows = Rows(self.augment(rows.inputs), rows.target, rows.weight)
        if self.counter is not None:
            self.counter.count(rows.inputs[0], edges=self.edges)
        train_loss = self._run_batches(rows, (number - 1) * self.n_batches, reporter)
        valid_loss = None if self.held_out is None else evaluate_loss(self.judged, self.held_out, self.loss)
        self._check_finite(train_loss, valid_loss, number)
        rate = self.optimizer.param_groups[0]["lr"]
        return Epoch(number, train_loss, valid_loss, rate, time.perf_counter() - began)

    def _run_batches(self, rows: Rows, step: int, reporter: Reporter) -> float:
        """One pass over shuffled rows, from step number `step` on; the mean training loss per row."""
        self.network.train()
        n_steps = self.plan.epochs * self.n_batches
        stop = None if self.film is None else self.film.next_stop(step)
        total = torch.zeros((), dtype=torch.float64)
        for start, end in itertools.pairwise(self.edges):
            self._set_learning_rates(learning_rate_factor(self.plan.schedule, step / n_steps))
            losses = self.loss(self.network(*(x[start:end] for x in rows.inputs)), rows.target[start:end])
            if rows.weight is not None:
                losses = losses * rows.weight[start:end]
            mean = losses.mean()
            self.optimizer.zero_grad(set_to_none=True)
            mean.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += mean.detach() * (end - start)
            step += 1
            if self.average is not None:
                self.average.after_step(step)
            if self.film is not None and step == stop:
                self.film.after_step(step)
                stop = self.film.next_stop(step)
            reporter.batch(end, total)
        return total.item() / len(rows)

    def _set_learning_rates(self, factor: float) -> None:
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor

    def _check_finite(self, train_loss: float, valid_loss: float | None, epoch: int) -> None:
        for name, value in (("training", train_loss), ("validation", valid_loss)):
            if value is not None and not math.isfinite(value):
                raise ArgumentError(
                    "`learning_rate` of the training must be small enough for the loss to stay finite; with "
                    f"{self.peaks[0]:g} the {name} loss was {value} in epoch {epoch}. Lower it, or look for "
                    "extreme values in the data."
                )

    def _judge(self, done: Epoch) -> None:
        """Note an epoch; keep its weights when it is the best; stop when patience is at its end."""
        history = self.history
        history.epochs.append(done)
        if done.valid_loss is None:
            history.best_epoch, history.best_loss = done.epoch, done.train_loss
            return
        if history.best_loss is None or done.valid_loss < history.best_loss:
            history.best_epoch, history.best_loss, self.waited = done.epoch, done.valid_loss, 0
            self.best_weights = {name: x.detach().clone() for name, x in self.judged.state_dict().items()}
            return
        self.waited += 1
        if self.plan.patience is not None and self.waited >= self.plan.patience:
            history.stopped = "early"

    # ---- checkpoints, at the end of an epoch: all that the next one depends on

    def preserve(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "plan": asdict(self.plan),
            "n_rows": len(self.rows),
            "network": dict(self.network.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "history": asdict(self.history),
            "best_weights": self.best_weights,
            "average": None if self.average is None else self.average.state_dict(),
            "waited": self.waited,
            "counter": None if self.counter is None else self.counter.state_dict(),
            "film": None if self.film is None else self.film.state_dict(),
        }
        save_state(file, state)

    def restore(self, file: Path) -> None:
        state: dict[str, Any] = load_state(file)
        mine = {**asdict(self.plan), "n_rows": len(self.rows)}
        saved = {**state["plan"], "n_rows": state["n_rows"]}
        if mine != saved:
            different = ", ".join(
                f"{k} {saved.get(k)!r} (now {v!r})" for k, v in mine.items() if saved.get(k) != v
            )
            raise RunError(
                f"`checkpoint` of the training must be of the same plan and rows; {str(file)!r} has "
                f"{different}. Delete it, or train with its settings."
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self._set_learning_rates(1.0)
        torch.set_rng_state(state["random"])
        history = state["history"]
        epochs = [Epoch(**epoch) for epoch in history["epochs"]]
        self.history = History(epochs, history["best_epoch"], history["best_loss"], history["stopped"])
        self.best_weights, self.waited = state["best_weights"], state["waited"]
        if self.counter is not None:
            self.counter.load_state_dict(state["counter"])
        if self.film is not None:
            self.film.load_state_dict(state["film"])
