"""A run folder as one HTML page that opens from disk with no network (floor 6)."""

from plectrum.report._page import write_report as write_report

__all__ = ["write_report"]
