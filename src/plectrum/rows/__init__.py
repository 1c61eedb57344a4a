"""The row parameter: a table whose gradient is rows and whose absent rows are caught up when read."""

from plectrum.rows._held import held_rows as held_rows
from plectrum.rows._held import hold_rows as hold_rows
from plectrum.rows._ledger import Ledger as Ledger
from plectrum.rows._lookup import look_up_each as look_up_each
from plectrum.rows._mapped import files_of as files_of
from plectrum.rows._mapped import keep_in_files as keep_in_files
from plectrum.rows._mapped import make_table as make_table
from plectrum.rows._mapped import open_table as open_table
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
    "files_of",
    "held_rows",
    "hold_rows",
    "keep_in_files",
    "ledger_of",
    "look_up_each",
    "make_table",
    "mark_as_table",
    "open_table",
    "release",
    "tables_of",
]
