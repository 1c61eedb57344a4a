"""How the learning rate goes through a training: pure functions of the progress."""

import math
from collections.abc import Callable

from plectrum.errors import check_choice

_WARM_UP = 0.25  # share of the steps in which one-cycle climbs; fastai's choice
_FIRST = 1 / 25  # where it starts, as a share of the peak
_LAST = 1e-4  # where it ends


def _mix(start: float, end: float, progress: float) -> float:
    """From start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _one_cycle(progress: float) -> float:
    if progress < _WARM_UP:
        return _mix(_FIRST, 1.0, progress / _WARM_UP)
    return _mix(1.0, _LAST, (progress - _WARM_UP) / (1 - _WARM_UP))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "one-cycle": _one_cycle,
    "cosine": lambda progress: _mix(1.0, 0.0, progress),
    "linear": lambda progress: 1.0 - progress,
    "constant": lambda progress: 1.0,  # noqa: ARG005
}


def learning_rate_factor(schedule: str, progress: float) -> float:
    """The share of the learning rate that a step gets.

    ``one-cycle`` climbs from 1/25 to 1 in the first quarter and falls to 1e-4, both along a cosine;
    ``cosine`` and ``linear`` fall from 1 to 0; ``constant`` stays at 1.

    Parameters
    ----------
    schedule : {"one-cycle", "cosine", "linear", "constant"}
        The shape.
    progress : float in [0, 1]
        Steps done by steps planned.

    Returns
    -------
    float
        The factor, in [0, 1].

    Raises
    ------
    ArgumentError
        When there is no such schedule.

    References
    ----------
    Smith and Topin 2017, "Super-Convergence", section 3 (one-cycle; the two-part cosine is fastai's form).

    Examples
    --------
    >>> learning_rate_factor("one-cycle", 0.25), learning_rate_factor("linear", 0.25)
    (1.0, 0.75)
    """
    check_choice(schedule, SCHEDULES, argument="schedule", owner="learning_rate_factor")
    return SCHEDULES[schedule](progress)
