"""A batch of a frame's rows and the network of an estimator, as a trial for one step."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

RowLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass
class ColumnTrial:
    """The network of an estimator on a few rows of a frame.

    The network is in evaluation mode: nothing is dropped out, and normalisation uses its running averages,
    so that the loss is the mean over the rows of numbers that can be checked one by one.
    """

    network: Any  # a module whose `tables` are EmbeddingTables
    all_ids: Tensor  # (batch, n_tables) int64
    numbers: Tensor  # (batch, n_numbers)
    target: Tensor  # (batch,)
    row_loss: RowLoss
    _plucked: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.network.eval()
        self.network.tables.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG002
        if output.requires_grad:
            output.retain_grad()
        self._plucked[:] = [output]

    @property
    def names(self) -> Sequence[str]:
        """The tables, in the order of the columns of the ids."""
        return tuple(self.network.tables)

    @property
    def tables(self) -> Mapping[str, Tensor]:
        """Name -> table."""
        return {name: self.network.tables[name] for name in self.names}

    @property
    def ids(self) -> Mapping[str, Tensor]:
        """Name -> the row each example looks up, (batch,)."""
        return dict(zip(self.names, self.all_ids.T, strict=True))

    def outputs(self) -> Tensor:
        """Run the batch forward: the network's answer to each row."""
        return self.network(self.all_ids, self.numbers)

    def losses(self) -> Tensor:
        """The loss of each row, (batch,)."""
        return self.row_loss(self.outputs(), self.target)

    def loss(self) -> Tensor:
        """The mean loss of the batch."""
        return self.losses().mean()

    def lookups(self) -> Mapping[str, Tensor]:
        """Name -> the rows that the last forward pass plucked."""
        return self.network.tables.split(self._plucked[0])

    def lookup_gradients(self) -> Mapping[str, Tensor]:
        """Name -> what each lookup sent back."""
        gradient = self._plucked[0].grad
        assert gradient is not None
        return self.network.tables.split(gradient)

    def in_float64(self) -> "ColumnTrial":
        """Return a copy in double precision."""
        target = self.target.double() if self.target.is_floating_point() else self.target
        network = copy.deepcopy(self.network).double()
        network.tables._forward_hooks.clear()  # the copy keeps its own
        return ColumnTrial(network, self.all_ids, self.numbers.double(), target, self.row_loss)


def warm_up(
    network: nn.Module,
    ids: Tensor,
    numbers: Tensor,
    target: Tensor,
    *,
    row_loss: RowLoss,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
) -> None:
    """Take a few steps on other rows, so that an optimizer that remembers has something to remember."""
    network.eval()
    for start in range(0, len(ids), batch_size):
        part = slice(start, start + batch_size)
        optimizer.zero_grad()
        row_loss(network(ids[part], numbers[part]), target[part]).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
