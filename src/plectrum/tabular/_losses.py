"""The losses of the estimators, each on the network's raw output, one number a row."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own habit)
from torch import Tensor

RowLoss = Callable[[Tensor, Tensor], Tensor]


def squared(output: Tensor, target: Tensor) -> Tensor:
    """``(output - target) ** 2``."""
    return (output - target).square()


def absolute(output: Tensor, target: Tensor) -> Tensor:
    """``|output - target|``."""
    return (output - target).abs()


def huber(output: Tensor, target: Tensor) -> Tensor:
    """Squared up to one standard deviation of the target, absolute beyond: outliers pull less."""
    return F.huber_loss(output, target, reduction="none", delta=1.0)


def poisson(output: Tensor, target: Tensor) -> Tensor:
    """``exp(output) - target * output``: the negative log likelihood of counts, without its constant."""
    return output.exp() - target * output


def binary_log_loss(output: Tensor, target: Tensor) -> Tensor:
    """``-log p`` of the true class; `output` is the log odds of class 1, `target` is 0.0 or 1.0."""
    return F.binary_cross_entropy_with_logits(output, target, reduction="none")


def log_loss(output: Tensor, target: Tensor) -> Tensor:
    """``-log p`` of the true class; `output` (n, n_classes) are logits, `target` (n,) int64."""
    return F.cross_entropy(output, target, reduction="none")


REGRESSION_LOSSES: dict[str, RowLoss] = {
    "squared": squared,
    "absolute": absolute,
    "huber": huber,
    "poisson": poisson,
}


@dataclass(frozen=True)
class TargetScale:
    """What the network sees of a number: ``(y - centre) / spread``; if `is_log`, it answers the logarithm."""

    centre: float
    spread: float
    is_log: bool

    def to_network(self, y: Tensor) -> Tensor:
        """Scale a target (n,) float64 -> float32."""
        return ((y - self.centre) / self.spread).float()

    def to_user(self, output: Tensor) -> Tensor:
        """Turn the network's output (n,) into a prediction (n,) float64."""
        output = output.double()
        if self.is_log:
            output = torch.exp(output)
        return output * self.spread + self.centre
