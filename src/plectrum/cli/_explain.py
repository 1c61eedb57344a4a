"""`plectrum explain`: one training step on the user's own rows, with every number shown."""

from pathlib import Path
from typing import Annotated, Any

import typer

from plectrum.cli._output import emit, emit_json, say


def explain(  # noqa: PLR0917  (typer makes an option of each)
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="CSV, Parquet or text; without it, a built-in table."),
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column to be predicted.")] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="The categorical column to look at.")
    ] = None,
    rows: Annotated[
        list[int] | None,
        typer.Option("--row", metavar="N", help="A row of the batch, from 0; repeatable."),
    ] = None,
    word: Annotated[str | None, typer.Option(metavar="WORD", help="The centre of the window.")] = None,
    step: Annotated[
        str | None,
        typer.Option(help="first, or trained: one step more after training. With a run: trained."),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Start from what this run learned from such a FILE."),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="sgd, adam, adamw or adagrad.")] = "sgd",
    learning_rate: Annotated[float | None, typer.Option(metavar="RATE", help="How far a step goes.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random start.")] = 0,
    page: Annotated[str | None, typer.Option("--page", metavar="PATH", help="Write a page instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Explain one training step: what is looked up, what gets a gradient, what moves, and why."""
    from plectrum.explanation import explain_file

    estimator = None
    if run is not None:
        estimator, target = _of_run(run, target)
    told = explain_file(
        file,
        target=target,
        column=column,
        rows=rows or None,
        step=step or ("first" if run is None else "trained"),
        optimizer=optimizer,
        learning_rate=learning_rate,
        word=word,
        seed=seed,
        estimator=estimator,
    )
    if page is not None:
        from plectrum.formats import atomic_path

        with atomic_path(Path(page)) as unfinished:
            unfinished.write_text(told.to_html(), encoding="utf-8")
        say(f"written: {page}")
    if as_json:
        emit_json(told.to_json())
    elif page is None:
        emit(str(told))


def _of_run(run: str, target: str | None) -> tuple[Any, str | None]:
    """Return the estimator of a run, and the target: the one given, else the run's."""
    from plectrum.reload import load_run
    from plectrum.runs import read_run

    known = read_run(run).record["target"]
    return load_run(run), target or (known["name"] if known else None)
