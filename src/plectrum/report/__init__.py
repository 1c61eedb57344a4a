"""A run folder, or the difference of two, as one HTML page that opens from disk with no network (floor 6)."""

from plectrum.report._diff import RunDiff as RunDiff
from plectrum.report._diff import diff as diff
from plectrum.report._page import write_report as write_report

__all__ = ["RunDiff", "diff", "write_report"]
