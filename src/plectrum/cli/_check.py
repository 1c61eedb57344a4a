"""`plectrum check`: what is wrong with a file, before anything is trained on it."""

from typing import Annotated, Any

import typer

from plectrum.cli._guard import FAULT_OF_THE_DATA
from plectrum.cli._output import console, emit, emit_json, say


def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or Parquet; - is standard input.")],
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column to be predicted.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is wrong with FILE before you train on it.

    Exit 1 when something would keep it from being learned.
    """
    from plectrum import frames

    frame = frames.read(file)
    kinds = frames.column_kinds(frame)
    findings = frames.check(frame, target)
    if as_json:
        emit_json(_document(file, frame, kinds, findings))
    else:
        _print_kinds(frame, kinds, target)
        for finding in findings:
            place = f"{finding.column}: " if finding.column else ""
            emit(f"{finding.severity}: {place}{finding.message} {finding.advice}".rstrip())
        if not findings:
            say("nothing wrong was found", style="green")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(FAULT_OF_THE_DATA)


def _document(file: str, frame: Any, kinds: Any, findings: Any) -> dict[str, Any]:
    return {
        "file": file,
        "n_rows": len(frame),
        "columns": [{"name": name, "kind": kind.kind, "why": kind.why} for name, kind in kinds.items()],
        "findings": [
            {"severity": f.severity, "column": f.column, "message": f.message, "advice": f.advice}
            for f in findings
        ],
    }


def _print_kinds(frame: Any, kinds: Any, target: str | None) -> None:
    from rich.table import Table

    shown = Table(title=f"{len(frame):,} rows, {len(kinds)} columns", title_justify="left")
    for heading in ("column", "is taken as", "because"):
        shown.add_column(heading, overflow="fold")
    for name, kind in kinds.items():
        shown.add_row(name, "the target" if name == target else kind.kind, kind.why)
    console().print(shown, markup=False)
