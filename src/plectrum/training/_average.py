"""The running average of the weights: where a training stands, without the noise of its last steps."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

_MOST_STEPS_BETWEEN = 4  # an average over a hundred steps loses nothing by looking at every fourth


class WeightAverage:
    """Exponential moving average of a network's weights and running statistics.

    Parameters
    ----------
    network : torch.nn.Module
        The network in training; read, never changed.
    half_life : float
        Steps after which what a step left counts half. In the beginning the average reaches back over half of
        all steps so far, so that the random start is soon forgotten.

    Notes
    -----
    A high learning rate keeps the weights circling round where they belong; their average is there long
    before the rate has come down. Costs one more copy of the network, and a pass over it every fourth step
    (more often when the half-life is short).

    References
    ----------
    Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging".
    """

    def __init__(self, network: nn.Module, half_life: float) -> None:
        self._network = network
        self._stride = min(max(1, int(half_life / 8)), _MOST_STEPS_BETWEEN)
        self._decay = 0.5 ** (self._stride / half_life)
        self._averaged = AveragedModel(network, multi_avg_fn=self._mix, use_buffers=True)

    @property
    def network(self) -> nn.Module:
        """A network of the averaged weights."""
        module: nn.Module = self._averaged.module
        return module

    def after_step(self, step: int) -> None:
        """Take the weights into account, when it is their turn; `step` counts from 1."""
        if step % self._stride == 0 or step == 1:
            self._averaged.update_parameters(self._network)

    @torch.no_grad()
    def _mix(self, averaged: Any, current: Any, n_averaged: Any) -> None:
        share = max(1.0 - self._decay, 2.0 / (float(n_averaged) + 2.0))
        for old, new in zip(averaged, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new, share)
            else:
                old.copy_(new)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what is needed to go on averaging."""
        return dict(self._averaged.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._averaged.load_state_dict(dict(state))
