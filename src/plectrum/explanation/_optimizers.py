"""The optimizers that an explanation knows: torch's own, dense, so that what they move can be shown."""

from typing import Any

import torch

from plectrum.errors import check_choice

OPTIMIZERS: dict[str, tuple[Any, dict[str, float]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "adam": (torch.optim.Adam, {"lr": 0.01}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.01}),
    "adagrad": (torch.optim.Adagrad, {"lr": 0.1}),
}


def check_named_choices(*, optimizer: str, step: str) -> None:
    """Raise an `ArgumentError` for an optimizer or a step that has another name."""
    check_choice(optimizer, OPTIMIZERS, argument="optimizer", owner="explain")
    check_choice(step, ("first", "trained"), argument="step", owner="explain")


def make_optimizer(
    name: str, network: torch.nn.Module, learning_rate: float | None, *, share: float = 1.0
) -> tuple[torch.optim.Optimizer, dict[str, float]]:
    """Return an optimizer and its numbers; the usual learning rate times `share` when none is given."""
    kind, defaults = OPTIMIZERS[name]
    usual = defaults["lr"] * share
    settings = {**defaults, "lr": usual if learning_rate is None else float(learning_rate)}
    return kind(network.parameters(), **settings), settings
