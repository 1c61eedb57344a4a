"""Files and frames: reading them, what their columns are, which rows are held out, what is wrong."""

from plectrum.frames._adapt import as_frame as as_frame
from plectrum.frames._check import check as check
from plectrum.frames._column import date_spelling as date_spelling
from plectrum.frames._column import levels as levels
from plectrum.frames._column import moments as moments
from plectrum.frames._column import numbers as numbers
from plectrum.frames._dates import DATE_PARTS as DATE_PARTS
from plectrum.frames._dates import date_parts as date_parts
from plectrum.frames._dates import expand_date as expand_date
from plectrum.frames._finding import Finding as Finding
from plectrum.frames._kinds import KINDS as KINDS
from plectrum.frames._kinds import Kind as Kind
from plectrum.frames._kinds import column_kinds as column_kinds
from plectrum.frames._reading import read as read
from plectrum.frames._splits import split_rows as split_rows

__all__ = [
    "DATE_PARTS",
    "KINDS",
    "Finding",
    "Kind",
    "as_frame",
    "check",
    "column_kinds",
    "date_parts",
    "date_spelling",
    "expand_date",
    "levels",
    "moments",
    "numbers",
    "read",
    "split_rows",
]
