"""The run folder: its schema, writing it whole, reading it (floor 4). In prose: `docs/run_folder.md`."""

from plectrum.runs._folder import RunWriter as RunWriter
from plectrum.runs._folder import open_run as open_run
from plectrum.runs._folder import plain as plain
from plectrum.runs._folder import write_json as write_json
from plectrum.runs._read import Run as Run
from plectrum.runs._read import read_run as read_run
from plectrum.runs._schema import SCHEMA_VERSION as SCHEMA_VERSION
from plectrum.runs._schema import ColumnRecord as ColumnRecord
from plectrum.runs._schema import ResultRecord as ResultRecord
from plectrum.runs._schema import RunRecord as RunRecord
from plectrum.runs._schema import check_record as check_record

__all__ = [
    "SCHEMA_VERSION",
    "ColumnRecord",
    "ResultRecord",
    "Run",
    "RunRecord",
    "RunWriter",
    "check_record",
    "open_run",
    "plain",
    "read_run",
    "write_json",
]
