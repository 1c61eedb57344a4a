"""`plectrum diff`: what changed from one run to another."""

from pathlib import Path
from typing import Annotated

import typer

from plectrum.cli._output import emit, emit_json, say


def diff(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="The older run folder.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="The newer run folder.")],
    *,
    column: Annotated[str | None, typer.Option(metavar="NAME", help="Only this column.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many neighbours are compared.")] = 10,
    most: Annotated[int, typer.Option(min=1, help="How many movers, new and gone keys are listed.")] = 10,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the difference as an HTML page, too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print what changed: scores, which rows moved most, neighbours gained and lost, new and gone keys.

    The older run is first turned onto the newer, as two trainings put the same picture down at different
    angles.
    """
    from plectrum.report import diff as compare

    found = compare(run_a, run_b, column=column, k=k, n_shown=most)
    if page is not None:
        page.write_text(found.to_html(), encoding="utf-8")
        say(f"wrote {page}")
    if as_json:
        emit_json(found.to_dict())
    else:
        emit(str(found))
