"""The running average of the weights: where a training stands, without the noise of its last steps."""

import copy
import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

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
        self._stride = min(max(1, int(half_life / 8)), _MOST_STEPS_BETWEEN)
        self._decay = 0.5 ** (self._stride / half_life)
        self.network = copy.deepcopy(network)  # of the averaged weights
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        self._averaged = [mine for mine, _ in pairs if mine.is_floating_point()]
        self._current = [theirs for mine, theirs in pairs if mine.is_floating_point()]
        self._counters = [(mine, theirs) for mine, theirs in pairs if not mine.is_floating_point()]

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Take the weights into account, when it is their turn; `step` counts from 1."""
        if step % self._stride and step > 1:
            return
        n_before = -(-(step - 1) // self._stride)
        share = max(1.0 - self._decay, 2.0 / (n_before + 2.0))  # all of the first step
        torch._foreach_lerp_(self._averaged, self._current, share)
        for mine, theirs in self._counters:
            mine.copy_(theirs)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what is needed to go on averaging."""
        return dict(self.network.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.network.load_state_dict(state)


def _tensors(network: nn.Module) -> list[Tensor]:
    """The weights and running statistics, live."""
    return [x.detach() for x in itertools.chain(network.parameters(), network.buffers())]
