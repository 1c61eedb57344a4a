"""What is seen while something is learned: a bar for a terminal, a line per epoch for a log, or nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from plectrum.cli._output import console, say


class Listener(Protocol):
    """What a job tells while it works."""

    def stage(self, text: str) -> None:
        """A part of the job begins."""

    def progress(self, progress: Any) -> None:
        """A training stands here (`plectrum.training.Progress`)."""

    def warn(self, text: str) -> None:
        """Something a user should know."""


@contextmanager
def progress_on(*, quiet: bool) -> Iterator[Listener]:
    """Yield the listener that fits where standard error goes."""
    if quiet:
        yield Quiet()
    elif sys.stderr.isatty():
        with Bar() as bar:
            yield bar
    else:
        yield Lines()


class Quiet:
    """Warnings only."""

    def stage(self, text: str) -> None:
        """Say nothing."""

    def progress(self, progress: Any) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say it all the same: it may change what the user does."""
        say(f"warning: {text}", style="yellow")


class Lines(Quiet):
    """A line per stage and per epoch, for logs."""

    def stage(self, text: str) -> None:
        """Say it."""
        say(text)

    def progress(self, progress: Any) -> None:
        """Say it at the end of an epoch."""
        if progress.epoch_is_done:
            say(f"epoch {progress.epoch}/{progress.epochs}  {_numbers(progress)}")


class Bar(Quiet):
    """One bar that moves."""

    def __enter__(self) -> "Bar":
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=console(),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, numbers="")
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def stage(self, text: str) -> None:
        """Name the stage; how long it takes is not known."""
        self._bar.reset(self._task, description=text, total=None, numbers="")

    def progress(self, progress: Any) -> None:
        """Move the bar over all epochs that are planned."""
        done = (progress.epoch - 1) * progress.n_rows + progress.rows
        self._bar.update(
            self._task,
            description=f"{progress.stage} {progress.epoch}/{progress.epochs}",
            total=progress.epochs * progress.n_rows,
            completed=done,
            numbers=_numbers(progress),
        )

    def warn(self, text: str) -> None:
        """Say it above the bar."""
        self._bar.console.print(f"warning: {text}", style="yellow", markup=False, highlight=False)


def _numbers(progress: Any) -> str:
    """Return rows/s, the losses on training and validation rows, and the time left; fits 80 columns."""
    parts = [f"{progress.rows_per_second:,.0f} rows/s"]
    if progress.train_loss is not None:
        parts.append(f"train {progress.train_loss:.4g}")
    if progress.valid_loss is not None:
        parts.append(f"valid {progress.valid_loss:.4g}")
    parts.append(f"{_duration(progress.seconds_left)} left")
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60:02} s"
