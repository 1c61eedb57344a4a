"""`plectrum report`: make the page of a run again."""

from typing import Annotated

import typer

from plectrum.cli._output import emit, emit_json


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder.")],
    map_by: Annotated[
        str,
        typer.Option("--map", metavar="METHOD", help="How maps are drawn: pca, tsne or umap (no film then)."),
    ] = "pca",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write RUN/report.html from what the run folder holds, and print where it is."""
    from plectrum.report import write_report

    path = write_report(run, map_by=map_by)
    if as_json:
        emit_json({"report": str(path)})
    else:
        emit(str(path))
