"""Reading a finished run folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plectrum.errors import MissingColumnError, RunError
from plectrum.runs._folder import RECORD, write_json
from plectrum.runs._schema import ColumnRecord, RunRecord, check_record
from plectrum.vectors import Vectors, load


@dataclass(frozen=True)
class Run:
    """A finished run: its record, and where its files are.

    Attributes
    ----------
    folder : Path
        The run folder.
    record : RunRecord
        The checked content of ``run.json``.
    """

    folder: Path
    record: RunRecord

    @property
    def model_folder(self) -> Path:
        """Where the fitted estimator is."""
        return self.folder / "model"

    @property
    def report_path(self) -> Path:
        """Where the page is, or will be."""
        return self.folder / "report.html"

    @property
    def learned_columns(self) -> tuple[str, ...]:
        """The columns that have vectors, in the order of the record."""
        return tuple(c["name"] for c in self.record["columns"] if c["vectors"] is not None)

    def column(self, name: str) -> ColumnRecord:
        """Return the record of one column.

        Raises
        ------
        MissingColumnError
            The run has no such column.
        """
        for column in self.record["columns"]:
            if column["name"] == name:
                return column
        available = [c["name"] for c in self.record["columns"]]
        raise MissingColumnError(
            f"`column` must be one of the run {self.folder.name}; got {name!r}. It has: "
            f"{', '.join(available)}.",
            columns=[name],
            available=available,
        )

    def vectors_path(self, name: str) -> Path | None:
        """Return the Parquet file with the vectors of a column, None when it has none."""
        relative = self.column(name)["vectors"]
        return None if relative is None else self.folder / relative

    def vectors(self, name: str) -> Vectors:
        """Return what was learned of a column.

        Raises
        ------
        RunError
            The column has no vectors.
        """
        path = self.vectors_path(name)
        if path is None:
            raise RunError(
                f"`column` must be one with vectors; {name!r} is {self.column(name)['kind']} and has none. "
                f"With vectors: {', '.join(self.learned_columns) or 'no column'}."
            )
        return load(path)

    def film_path(self, name: str) -> Path | None:
        """Return the file with the film of a column, None when it has none."""
        relative = self.column(name)["film"]
        return None if relative is None else self.folder / relative

    def add_checks(self, checks: dict[str, Any]) -> "Run":
        """Write `checks` into the record, beside those that are there; return the run as it is then."""
        record: Any = {**self.record, "checks": {**self.record["checks"], **checks}}
        check_record(record)
        write_json(self.folder / RECORD, record)
        return read_run(self.folder)


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Return the run in `folder`, its record checked.

    Parameters
    ----------
    folder : path
        What ``plectrum learn`` wrote.

    Raises
    ------
    RunError
        It is no run folder, is unfinished, is damaged, or is of another version; the message says which.
    """
    folder = Path(folder)
    path = folder / RECORD
    if not path.is_file():
        raise RunError(_why_not(folder))
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(
            f"{str(path)!r} must be JSON in UTF-8; it breaks off: {error}. The file was edited or damaged: "
            "learn the run "
            "again."
        ) from None
    run = Run(folder, check_record(record, source=repr(str(path))))
    gone = [
        relative
        for column in run.record["columns"]
        for relative in (column["vectors"], column["film"])
        if relative is not None and not (folder / relative).is_file()
    ]
    if gone:
        raise RunError(
            f"the run {str(folder)!r} must hold every file that its record names; {len(gone)} are absent, "
            "the first is "
            f"{gone[0]!r}. Copy the whole folder, or learn the run again."
        )
    return run


def _why_not(folder: Path) -> str:
    partial = folder.with_name(folder.name + ".partial")
    if folder.name.endswith(".partial") and folder.is_dir():
        return (
            f"`folder` of `read_run` must be a finished run; {str(folder)!r} is one in the making. Finish "
            "it: give the "
            f"command that began it again, with --out {str(folder).removesuffix('.partial')} --resume."
        )
    if folder.is_dir():
        return (
            f"`folder` of `read_run` must be a run folder; {str(folder)!r} has no {RECORD}. Point at a "
            "folder that "
            "`plectrum learn` wrote."
        )
    if partial.is_dir():
        return (
            f"`folder` of `read_run` must be a finished run; {str(folder)!r} is not there, but "
            f"{str(partial)!r} is: the "
            "run was not finished. Give the command that began it again, with --resume."
        )
    what = "is a file" if folder.exists() else "does not exist"
    return (
        f"`folder` of `read_run` must be a run folder; {str(folder)!r} {what}. "
        "Make one with `plectrum learn columns`."
    )
