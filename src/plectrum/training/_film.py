"""The film of a training: what a table looked like at some two dozen moments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

MAX_ROWS = 20_000  # rows of a table that are filmed; a map of more cannot be read anyway


def snapshot_steps(n_steps: int, n_snapshots: int) -> list[int]:
    """Return the steps after which to take a snapshot: dense at first, where most of the movement is.

    The k-th of K snapshots stands at ``n_steps * (k / (K - 1)) ** 2``; duplicates are left out, 0 and
    `n_steps` are always in.

    Examples
    --------
    >>> snapshot_steps(100, 5)
    [0, 6, 25, 56, 100]
    """
    if n_snapshots < 2:
        return [0, n_steps] if n_snapshots else []
    share = np.arange(n_snapshots) / (n_snapshots - 1)
    return sorted({*np.rint(n_steps * share**2).astype(int).tolist(), 0, n_steps})


@dataclass(frozen=True)
class Film:
    """Snapshots of one table: ``snapshots`` float16 (n_snapshots, n_rows_kept, embedding_dim), in time order.

    ``rows`` (n_rows_kept,) int64 are the filmed rows of the table; ``steps`` and ``epochs`` (n_snapshots,)
    say when. The last snapshot is the table that the network was left with.
    """

    rows: np.ndarray
    steps: list[int]
    epochs: list[float]
    snapshots: np.ndarray

    def paths(self, mean: np.ndarray, axes: np.ndarray) -> np.ndarray:
        """Project every snapshot on one fixed plane.

        Parameters
        ----------
        mean : (embedding_dim,) float
            The origin of the plane, for instance the mean of the final table.
        axes : (embedding_dim, 2) float
            The directions, for instance its first two principal axes.

        Returns
        -------
        (n_snapshots, n_rows_kept, 2) float32
            Where each row was.
        """
        shifted = self.snapshots.astype(np.float32) - np.asarray(mean, np.float32)
        return np.asarray(shifted @ np.asarray(axes, np.float32))


class FilmRecorder:
    """Takes the snapshots while a network trains; an observer of :func:`plectrum.training.train`.

    Parameters
    ----------
    tables : mapping of str to torch.Tensor (n_rows, embedding_dim)
        The live parameters; they are read, never changed.
    rows : mapping of str to (n_kept,) int
        The rows to film, the most frequent first; cut to 20,000.
    n_snapshots : int
        How many moments, dense at first.

    Notes
    -----
    A snapshot costs ``2 * n_kept * embedding_dim`` bytes of memory per table and one pass over these rows.
    """

    def __init__(
        self,
        tables: Mapping[str, torch.Tensor],
        rows: Mapping[str, Sequence[int] | np.ndarray],
        *,
        n_snapshots: int = 24,
    ) -> None:
        self._tables = dict(tables)
        self._rows = {
            name: torch.as_tensor(np.sort(np.asarray(rows[name])[:MAX_ROWS]), dtype=torch.int64)
            for name in tables
        }
        self._n_snapshots = n_snapshots
        self._due: list[int] = []
        self._steps_per_epoch = 1
        self._steps: list[int] = []
        self._frames: dict[str, list[torch.Tensor]] = {name: [] for name in tables}

    def start(self, *, n_steps: int, steps_per_epoch: int) -> None:
        """Plan the moments, and take the first snapshot unless the training is resumed."""
        self._steps_per_epoch = max(1, steps_per_epoch)
        self._due = snapshot_steps(n_steps, self._n_snapshots)
        if not self._steps:
            self.after_step(0)

    def next_stop(self, step: int) -> int | None:
        """The next step after which :meth:`after_step` wants to be called, None when there is none."""
        return next((due for due in self._due if due > step), None)

    def after_step(self, step: int) -> None:
        """Take a snapshot when one is due."""
        if step in self._due and step not in self._steps:
            self._take(step)

    def finish(self, *, best_step: int) -> None:
        """End the film with the table that was kept: later moments are cut off."""
        kept = [i for i, step in enumerate(self._steps) if step < best_step]
        self._steps = [self._steps[i] for i in kept]
        self._frames = {name: [frames[i] for i in kept] for name, frames in self._frames.items()}
        self._take(best_step)

    def _take(self, step: int) -> None:
        self._steps.append(step)
        for name, table in self._tables.items():
            rows = table.detach()[self._rows[name].to(table.device)]
            self._frames[name].append(rows.to(device="cpu", dtype=torch.float16))

    def films(self) -> dict[str, Film]:
        """Return one film per table; the snapshots are stacked into new arrays."""
        epochs = [step / self._steps_per_epoch for step in self._steps]
        return {
            name: Film(self._rows[name].numpy(), list(self._steps), epochs, torch.stack(frames).numpy())
            for name, frames in self._frames.items()
            if frames
        }

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on filming."""
        return {
            "steps": self._steps,
            "frames": {name: torch.stack(frames) for name, frames in self._frames.items() if frames},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._steps = [int(step) for step in state["steps"]]
        self._frames = {name: list(state["frames"].get(name, [])) for name in self._tables}
