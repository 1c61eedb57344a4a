"""`plectrum learn columns`: a file's columns in; vectors, a model and a report out."""

import contextlib
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from plectrum.cli._guard import STOPPED
from plectrum.cli._output import emit_json, say

_TRAINING, _SPLIT, _COLUMNS, _OUTPUT = "Training", "Held-out rows", "Columns", "Output"


class Task(StrEnum):
    """What can be predicted."""

    REGRESSION = "regression"
    CLASSIFICATION = "classification"


def columns(  # noqa: PLR0917  (typer makes an option of each)
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or Parquet; - is standard input.")],
    target: Annotated[str, typer.Option(metavar="COLUMN", help="The column to predict.")],
    out: Annotated[str, typer.Option(metavar="RUN", help="The folder to leave everything in.")],
    time: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Hold out the latest rows.", rich_help_panel=_SPLIT),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Hold out whole groups, such as days.", rich_help_panel=_SPLIT),
    ] = None,
    held_out: Annotated[
        float,
        typer.Option(metavar="SHARE", min=0.001, max=0.9, help="Share of the rows.", rich_help_panel=_SPLIT),
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Decides all that is random.")] = 0,
    task: Annotated[
        Task | None, typer.Option(help="By the target, when not given.", rich_help_panel=_TRAINING)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the rows.", rich_help_panel=_TRAINING)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Rows per step.", rich_help_panel=_TRAINING)
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Widths of the hidden layers.", rich_help_panel=_TRAINING),
    ] = None,
    embedding_dim: Annotated[
        int | None,
        typer.Option(min=1, help="For every table; else by its size.", rich_help_panel=_TRAINING),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Leave out; may be repeated.", rich_help_panel=_COLUMNS),
    ] = None,
    categorical: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Take as categories.", rich_help_panel=_COLUMNS),
    ] = None,
    numeric: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Take as numbers.", rich_help_panel=_COLUMNS),
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Compare with other models.")
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with RUN.partial.", rich_help_panel=_OUTPUT)
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing RUN.", rich_help_panel=_OUTPUT)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print run.json to standard output.", rich_help_panel=_OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Learn vectors for the categories in FILE, inside a network that predicts one of its columns.

    Leaves a run folder: report.html, run.json, model/, vectors/COLUMN.parquet. Held-out rows are never
    trained on; all models in the table of results are judged on them.
    """
    if time is not None and group is not None:
        raise typer.BadParameter("exclude each other: choose one", param_hint="--time and --group")
    options = {
        "time": time,
        "group": group,
        "held_out": held_out,
        "seed": seed,
        "task": None if task is None else task.value,
        "epochs": epochs,
        "batch_size": batch_size,
        "hidden": _widths(hidden),
        "embedding_dim": embedding_dim,
        "ignore": tuple(ignore or ()),
        "categorical": tuple(categorical or ()),
        "numeric": tuple(numeric or ()),
        "baselines": baselines,
    }
    record = _run(file, target, Path(out), options, resume=resume, force=force, quiet=quiet)
    if as_json:
        emit_json(record)
    else:
        from plectrum.cli._results import print_results

        print_results(record, out)


def _run(
    file: str, target: str, out: Path, options: dict[str, Any], *, resume: bool, force: bool, quiet: bool
) -> Any:
    """Do the work in RUN.partial; return the record of the finished run."""
    from plectrum.runs import open_run, read_run

    if resume and out.is_dir() and not force:
        say(f"{out} is complete; there is nothing to resume")
        return read_run(out).record
    with open_run(out, resume=resume, force=force) as run:
        try:
            _learn(file, target, run, options, quiet=quiet)
        except KeyboardInterrupt:
            say(f"stopped; what was done is in {run.partial}. Go on with:\n  {_again()}")
            raise typer.Exit(STOPPED) from None
        run.complete()
    return read_run(out).record


def _learn(file: str, target: str, run: Any, options: dict[str, Any], *, quiet: bool) -> None:
    """Fill the unfinished run, or what is left to fill of it."""
    from plectrum.cli._progress import progress_on

    with progress_on(quiet=quiet) as listener:
        if not run.is_whole:
            listener.stage("reading")
            from plectrum import frames

            frame = frames.read(file)
            from plectrum.tabular import learn_columns

            learn_columns(frame, target, run=run, name=_name(file), listener=listener, **options)
            run.write_record()
            _explain_a_step(run, frame, target, listener)
        from plectrum.report import write_report

        listener.stage("writing the report")
        write_report(run.partial)


def _explain_a_step(run: Any, frame: Any, target: str, listener: Any) -> None:
    """Keep one explained step for the page; a run is whole without it."""
    from plectrum.errors import PlectrumError
    from plectrum.explanation import explain_fitted
    from plectrum.runs import write_json
    from plectrum.tabular import load_model

    listener.stage("explaining one step")
    with contextlib.suppress(PlectrumError):
        told = explain_fitted(load_model(run.path("model")), frame, target)
        write_json(run.path("explained.json"), told.to_json())


def _name(file: str) -> str:
    return file if file == "-" else Path(file).name


def _widths(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        widths = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        widths = (0,)
    if any(width < 1 for width in widths):
        raise typer.BadParameter(
            f"must be whole numbers separated by commas, such as 256,64; got {text!r}", param_hint="--hidden"
        )
    return widths


def _again() -> str:
    """Return the command that goes on with what was stopped."""
    arguments = [a for a in sys.argv[1:] if a not in ("--resume", "--force")]
    return shlex.join(["plectrum", *arguments, "--resume"])
