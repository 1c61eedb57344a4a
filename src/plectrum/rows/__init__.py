"""The row parameter: a table whose gradient is rows and whose absent rows are caught up when read."""

from plectrum.rows._held import held_rows as held_rows
from plectrum.rows._held import hold_rows as hold_rows
from plectrum.rows._ledger import Ledger as Ledger
from plectrum.rows._lookup import look_up_each as look_up_each
from plectrum.rows._parameter import RowParameter as RowParameter
from plectrum.rows._parameter import adopt as adopt
from plectrum.rows._parameter import ledger_of as ledger_of
from plectrum.rows._parameter import release as release
from plectrum.rows._tables import mark_as_table as mark_as_table
from plectrum.rows._tables import tables_of as tables_of

__all__ = [
    "Ledger",
    "RowParameter",
    "adopt",
    "held_rows",
    "hold_rows",
    "ledger_of",
    "look_up_each",
    "mark_as_table",
    "release",
    "tables_of",
]
