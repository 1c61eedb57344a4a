"""One thing that is worth knowing before training."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that is worth knowing before training.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        An error makes learning impossible, a warning makes its result doubtful, a note is good to know.
    column : str or None
        The column it is about; None when it is about the whole frame.
    message, advice : str
        What was found, and what to do about it.
    """

    severity: Severity
    column: str | None
    message: str
    advice: str
