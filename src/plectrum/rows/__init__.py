"""The row parameter: a table whose gradient is rows and whose absent rows are caught up when they are
read."""

from plectrum.rows._ledger import Ledger as Ledger
from plectrum.rows._parameter import RowParameter as RowParameter
from plectrum.rows._parameter import adopt as adopt
from plectrum.rows._parameter import ledger_of as ledger_of
from plectrum.rows._parameter import release as release
from plectrum.rows._tables import mark_as_table as mark_as_table
from plectrum.rows._tables import tables_of as tables_of

__all__ = ["Ledger", "RowParameter", "adopt", "ledger_of", "mark_as_table", "release", "tables_of"]
