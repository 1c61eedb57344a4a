"""What pair training is asked to do, and what it tells."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class PairPlan:
    """How to train; names and meanings are those of `plectrum.Word2Vec`.

    ``n_shared`` is how many negatives the centres of a block share, each with the weight
    ``negative / n_shared``; more of them mean less noise and more work. Even, for deterministic training.
    """

    architecture: Literal["skip-gram", "cbow"] = "skip-gram"
    window: int = 5
    shrink_windows: bool = True
    negative: int = 5
    ns_exponent: float = 0.75
    hierarchical_softmax: bool = False
    sample: float = 1e-3
    epochs: int = 5
    learning_rate: float = 0.025
    min_learning_rate: float = 1e-4
    n_shared: int = 32


@dataclass(frozen=True, slots=True)
class PairProgress:
    """Where a training stands. Words are those of the text, also the ones that thinning leaves out."""

    epoch: int  # 1 for the first
    epochs: int
    words: int  # done in all epochs together
    n_words: int  # of all epochs together
    loss: float  # mean per pair since the epoch began; NaN until there is one
    learning_rate: float
    words_per_second: float
    seconds: float
    seconds_left: float


class PairListener(Protocol):
    """Anything that can be called with a :class:`PairProgress`."""

    def __call__(self, progress: PairProgress, /) -> None:
        """Take note; must return quickly."""


@dataclass(frozen=True, slots=True)
class PairEpoch:
    """One pass over the text: loss per pair, the learning rate at its end, seconds since training began."""

    epoch: int
    loss: float
    learning_rate: float
    seconds: float

    def to_record(self) -> dict[str, Any]:
        """Return the line of the run's history; nothing is held out."""
        return {
            "epoch": self.epoch,
            "train_loss": self.loss,
            "valid_loss": None,
            "learning_rate": self.learning_rate,
            "seconds": self.seconds,
        }
