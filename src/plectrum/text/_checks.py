"""Checks of parameters, with errors in four parts."""

from typing import Any

import numpy as np

from plectrum.errors import ArgumentError, ArgumentTypeError


def check_number(owner: str, name: str, value: Any, least: float, *, whole: bool = False) -> None:
    """Raise unless `value` is a number (an integer if `whole`) of at least `least`."""
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    kind = "an integer" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ArgumentTypeError(
            f"`{name}` of `{owner}` must be {kind} of at least {least}; got {value!r} of type "
            f"{type(value).__name__}. Pass {name}={least}."
        )
    if not value >= least:
        raise ArgumentError(
            f"`{name}` of `{owner}` must be {kind} of at least {least}; got {value!r}. Pass "
            f"{name}={least} or more."
        )
