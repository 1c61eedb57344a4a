"""Progress of pair training, told a few times a second."""

import sys
import time
from typing import TextIO

from plectrum.training._pair_plan import PairEpoch, PairListener, PairPlan, PairProgress

_SECONDS_BETWEEN_REPORTS = 0.2


class PairReporter:
    """Turns the standing of a training into `PairProgress`, not more often than a reader can follow."""

    def __init__(self, listener: PairListener | None, plan: PairPlan, n_words: int) -> None:
        self._listener, self._epochs, self._n_words = listener, plan.epochs, n_words
        self._began = time.perf_counter()
        self._last = 0.0
        self._epoch = 0

    def tell(self, epoch: int, share: float, loss: float, learning_rate: float) -> None:
        """Tell, when it is time again, that `share` of an epoch (0 for the first) is done."""
        now = time.perf_counter()
        if self._listener is None or (now - self._last < _SECONDS_BETWEEN_REPORTS and share < 1):
            return
        self._last = now
        seconds = max(now - self._began, 1e-9)
        words, total = int((epoch + share) * self._n_words), self._epochs * self._n_words
        self._listener(
            PairProgress(
                epoch=epoch + 1,
                epochs=self._epochs,
                words=words,
                n_words=total,
                loss=loss,
                learning_rate=learning_rate,
                words_per_second=words / seconds,
                seconds=seconds,
                seconds_left=(total - words) * seconds / max(words, 1),
            )
        )

    def end_epoch(self, loss: float, learning_rate: float) -> PairEpoch:
        """Tell that an epoch is done, and return its line of the history."""
        self.tell(self._epoch, 1.0, loss, learning_rate)
        self._epoch += 1
        return PairEpoch(self._epoch, loss, learning_rate, time.perf_counter() - self._began)


class ProgressLine:
    """Writes one line that changes: words per second, learning rate, loss, time left.

    To a terminal the line is written over; to anything else a line is written per epoch.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._over = self._stream.isatty()
        self._epoch = 0  # the last that a line of its own was written for

    def __call__(self, progress: PairProgress, /) -> None:
        """Show where the training stands."""
        share = progress.words / max(progress.n_words, 1)
        epoch_done = progress.words * progress.epochs >= progress.epoch * progress.n_words
        line = (
            f"epoch {progress.epoch}/{progress.epochs}  {share:4.0%}  "
            f"{progress.words_per_second:,.0f} words/s  learning rate {progress.learning_rate:.5f}  "
            f"loss {progress.loss:.4f}  {progress.seconds_left:,.0f} s left"
        )
        if self._over:
            self._stream.write(f"\r{line}\x1b[K" + ("\n" if share >= 1 else ""))
        elif epoch_done and progress.epoch != self._epoch:
            self._stream.write(line + "\n")
            self._epoch = progress.epoch
        self._stream.flush()
