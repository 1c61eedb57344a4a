"""What the doors share when they train: the loop, early stop, progress, checkpoints, the film of tables."""

from plectrum.training._film import Film as Film
from plectrum.training._film import FilmRecorder as FilmRecorder
from plectrum.training._film import snapshot_steps as snapshot_steps
from plectrum.training._loop import Plan as Plan
from plectrum.training._loop import Rows as Rows
from plectrum.training._loop import batch_edges as batch_edges
from plectrum.training._loop import evaluate_loss as evaluate_loss
from plectrum.training._loop import train as train
from plectrum.training._progress import Epoch as Epoch
from plectrum.training._progress import History as History
from plectrum.training._progress import Progress as Progress
from plectrum.training._progress import ProgressListener as ProgressListener
from plectrum.training._schedule import SCHEDULES as SCHEDULES
from plectrum.training._schedule import learning_rate_factor as learning_rate_factor
from plectrum.training._state import load_state as load_state
from plectrum.training._state import save_state as save_state
from plectrum.training._updates import UpdateCounter as UpdateCounter

__all__ = [
    "SCHEDULES",
    "Epoch",
    "Film",
    "FilmRecorder",
    "History",
    "Plan",
    "Progress",
    "ProgressListener",
    "Rows",
    "UpdateCounter",
    "batch_edges",
    "evaluate_loss",
    "learning_rate_factor",
    "load_state",
    "save_state",
    "snapshot_steps",
    "train",
]
