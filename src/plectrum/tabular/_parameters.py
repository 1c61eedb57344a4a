"""The parameters that the estimators share, checked when fitting begins."""

from collections.abc import Mapping, Sequence
from typing import Any

from plectrum.errors import ArgumentError, check_choice
from plectrum.tabular._network import ACTIVATIONS, NORMALIZATIONS, NUMBER_EMBEDDINGS
from plectrum.tabular._numeric import SCALINGS
from plectrum.training import SCHEDULES

_CHOICES: dict[str, Sequence[str]] = {
    "activation": tuple(ACTIVATIONS),
    "normalization": NORMALIZATIONS,
    "number_embedding": NUMBER_EMBEDDINGS,
    "numeric_scaling": SCALINGS,
    "schedule": tuple(SCHEDULES),
    "validation": ("random", "time", "group"),
}
_SHARES = ("dropout", "embedding_dropout", "unknown_rate", "validation_fraction")
_COUNTS = ("min_count", "n_networks", "number_embedding_dim", "patience", "batch_size")


def check_parameters(given: Mapping[str, Any], *, owner: str) -> None:
    """Raise an ArgumentError for the first parameter that has a value it must not have."""
    for name, choices in _CHOICES.items():
        check_choice(given[name], choices, argument=name, owner=owner)
    for name in _SHARES:
        if not 0 <= given[name] < 1:
            raise ArgumentError(
                f"`{name}` of `{owner}` must lie in [0, 1); got {given[name]!r}. Choose a small share, or 0."
            )
    for name in _COUNTS:
        value = given[name]
        if value not in (None, "auto") and value < 1:
            raise ArgumentError(f"`{name}` of `{owner}` must be at least 1; got {value!r}. Raise it.")
    for name in ("epochs", "weight_averaging", "weight_decay", "table_decay"):
        # no epoch leaves the random start, to be explained
        if given[name] != "auto" and given[name] < 0:
            raise ArgumentError(f"`{name}` of `{owner}` must be at least 0; got {given[name]!r}. Raise it.")
    if given["learning_rate"] <= 0:
        raise ArgumentError(
            f"`learning_rate` of `{owner}` must be positive; got {given['learning_rate']!r}. Begin with 0.01."
        )
    if given["validation"] != "random" and given["validation_column"] is None:
        raise ArgumentError(
            f"`validation_column` of `{owner}` must name a column when `validation` is "
            f"{given['validation']!r}; got None. Name the column of the times or groups."
        )
