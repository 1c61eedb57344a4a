"""What a training tells while it runs, and what it leaves when it is done."""

import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from torch import Tensor

_SECONDS_BETWEEN_REPORTS = 0.2


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands; sent a few times a second, and once at the end of every epoch.

    ``stage`` names the part of a training that has several (the second network of three, say). Losses are
    means per row in the unit of the loss, None while not known. ``seconds_left`` is an estimate from the
    speed so far, for the epochs that are planned: early stopping may end it sooner.
    """

    stage: str
    epoch: int  # 1 for the first
    epochs: int
    rows: int  # rows done in this epoch
    n_rows: int  # rows of an epoch
    train_loss: float | None
    valid_loss: float | None
    rows_per_second: float
    seconds: float
    seconds_left: float
    epoch_is_done: bool


class ProgressListener(Protocol):
    """Anything that can be called with a :class:`Progress`."""

    def __call__(self, progress: Progress, /) -> None:
        """Take note of where the training stands; must return quickly."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of a training's history: losses per row, the learning rate at its end, wall-clock seconds."""

    epoch: int
    train_loss: float
    valid_loss: float | None
    learning_rate: float
    seconds: float


@dataclass(slots=True)
class History:
    """What a training leaves: its epochs, the one whose weights were kept, and why it ended.

    ``stopped`` is ``"planned"`` (all epochs done) or ``"early"`` (the validation loss had not improved for
    `patience` epochs). ``best_epoch`` is the epoch whose weights the network has now.
    """

    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float | None = None
    stopped: str = "planned"

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of all epochs together."""
        return sum(epoch.seconds for epoch in self.epochs)

    def to_records(self) -> list[dict[str, Any]]:
        """Return one dict an epoch, as the run folder's ``history`` has them."""
        return [asdict(epoch) for epoch in self.epochs]


class Reporter:
    """Turns the standing of a training into :class:`Progress`, not more often than a reader can follow."""

    def __init__(
        self, listener: ProgressListener | None, epochs: int, stage: str, history: History, n_rows: int
    ) -> None:
        self._listener, self._epochs, self._stage = listener, epochs, stage
        self._history, self._n_rows = history, n_rows
        self._began = time.perf_counter()
        self._n_before = len(history.epochs)  # epochs of an earlier, interrupted part
        self._last = -math.inf

    def batch(self, rows: int, total: Tensor) -> None:
        """Tell, when it is time again, that `rows` of the current epoch are done, with this sum of losses."""
        if self._listener is None:
            return
        now = time.perf_counter()
        if now - self._last >= _SECONDS_BETWEEN_REPORTS:
            self._last = now
            valid_loss = self._history.epochs[-1].valid_loss if self._history.epochs else None
            self._send(len(self._history.epochs) + 1, rows, total.item() / rows, valid_loss, is_done=False)

    def epoch(self, done: Epoch) -> None:
        """Tell that an epoch is done."""
        self._send(done.epoch, self._n_rows, done.train_loss, done.valid_loss, is_done=True)

    def _send(
        self, epoch: int, rows: int, train_loss: float, valid_loss: float | None, *, is_done: bool
    ) -> None:
        if self._listener is None:
            return
        seconds = time.perf_counter() - self._began
        speed = ((epoch - 1 - self._n_before) * self._n_rows + rows) / max(seconds, 1e-9)
        left = ((self._epochs - epoch + 1) * self._n_rows - rows) / max(speed, 1e-9)
        self._listener(
            Progress(
                stage=self._stage,
                epoch=epoch,
                epochs=self._epochs,
                rows=rows,
                n_rows=self._n_rows,
                train_loss=train_loss,
                valid_loss=valid_loss,
                rows_per_second=speed,
                seconds=seconds,
                seconds_left=left,
                epoch_is_done=is_done,
            )
        )
