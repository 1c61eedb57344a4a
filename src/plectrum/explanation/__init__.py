"""One real training step on the user's own rows, with every number shown and every claim checked."""

from plectrum.explanation._explain import explain as explain
from plectrum.explanation._file import explain_file as explain_file
from plectrum.explanation._file import explain_fitted as explain_fitted
from plectrum.explanation._record import Explanation as Explanation
from plectrum.explanation._toy import toy_estimator as toy_estimator
from plectrum.explanation._toy import toy_rows as toy_rows
from plectrum.explanation._window import explain_window as explain_window

__all__ = [
    "Explanation",
    "explain",
    "explain_file",
    "explain_fitted",
    "explain_window",
    "toy_estimator",
    "toy_rows",
]
